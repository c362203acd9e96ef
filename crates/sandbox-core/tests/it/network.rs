//! Guests that connect to hosts: granted, and not granted.

mod connections;
mod datagrams;
mod grants;
mod misuse;
mod polls;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use sandbox_core::{SecurityPolicy, WasmSandbox};
use serde::Serialize;

use crate::modules;

const NOTCAPABLE: i32 = 76;
const AGAIN: i32 = 6;
const BADF: i32 = 8;
const MFILE: i32 = 33;
const CONNREFUSED: i32 = 14;
const NOTCONN: i32 = 53;
const NOTSOCK: i32 = 57;

const OUT: u32 = 0;
const IOV: u32 = 16;
const ADDRESS: u32 = 64;
const NAME: u32 = 256;
const BUFFER: u32 = 4096;
const MEMORY_BYTES: u32 = 2 * 65_536;

/// Functions that the guest passes on: namespace, name, types of the parameters.
const FUNCTIONS: [(&str, &str, &str); 22] = [
    ("wasix_32v1", "resolve", "iiiiii"),
    ("wasix_32v1", "sock_open", "iiii"),
    ("wasix_32v1", "sock_connect", "ii"),
    ("wasix_32v1", "sock_status", "ii"),
    ("wasix_32v1", "sock_addr_local", "ii"),
    ("wasix_32v1", "sock_addr_peer", "ii"),
    ("wasix_32v1", "sock_set_opt_flag", "iii"),
    ("wasix_32v1", "sock_set_opt_time", "iii"),
    ("wasix_32v1", "sock_send", "iiiii"),
    ("wasix_32v1", "sock_recv", "iiiiii"),
    ("wasix_32v1", "sock_shutdown", "ii"),
    ("wasix_32v1", "sock_bind", "ii"),
    ("wasix_32v1", "sock_send_to", "iiiiii"),
    ("wasix_32v1", "sock_recv_from", "iiiiiii"),
    ("wasi_snapshot_preview1", "fd_read", "iiii"),
    ("wasi_snapshot_preview1", "fd_write", "iiii"),
    ("wasi_snapshot_preview1", "fd_close", "i"),
    ("wasi_snapshot_preview1", "fd_fdstat_get", "ii"),
    ("wasi_snapshot_preview1", "fd_fdstat_set_flags", "ii"),
    ("wasi_snapshot_preview1", "sock_accept", "iii"),
    ("wasi_snapshot_preview1", "poll_oneoff", "iiii"),
    ("wasi_snapshot_preview1", "fd_renumber", "ii"),
];

fn module() -> String {
    let types = |types: &str| types.chars().map(|_| " i32").collect::<String>();
    let imports = FUNCTIONS.iter().map(|(namespace, name, taken)| {
        let taken = types(taken);
        format!("(import {namespace:?} {name:?} (func ${name} (param{taken}) (result i32)))")
    });
    let exports = FUNCTIONS.iter().map(|(_, name, taken)| {
        let passed: String = (0..taken.len()).map(|at| format!(" local.get {at}")).collect();
        let taken = types(taken);
        format!("(func (export {name:?}) (param{taken}) (result i32){passed} call ${name})")
    });
    let lines: Vec<String> = imports.chain(exports).collect();
    format!(
        r#"(module {} (memory (export "memory") 2)
            (func (export "poke") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))
            (func (export "peek") (param i32) (result i32) (i32.load8_u (local.get 0)))
            (func (export "connect_or_trap") (param i32 i32)
                (if (call $sock_connect (local.get 0) (local.get 1)) (then unreachable)))
            (func (export "alive") (result i32) (i32.const 42)))"#,
        lines.join("\n")
    )
}

struct Client {
    sandbox: WasmSandbox,
}

impl Client {
    fn new(policy: SecurityPolicy) -> Self {
        let builder = modules::builder(&module()).security_policy(policy);
        Self { sandbox: builder.build_blocking().unwrap() }
    }

    fn call(&self, name: &str, arguments: impl Serialize) -> i32 {
        self.sandbox.call_blocking(name, arguments).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    fn put(&self, at: u32, bytes: &[u8]) {
        for (at, byte) in (at..).zip(bytes) {
            let () = self.sandbox.call_blocking("poke", (at, *byte)).unwrap();
        }
    }

    fn get(&self, at: u32, len: u32) -> Vec<u8> {
        (at..at + len).map(|at| self.sandbox.call_blocking("peek", at).unwrap()).collect()
    }

    fn get_u32(&self, at: u32) -> u32 {
        u32::from_le_bytes(self.get(at, 4).try_into().unwrap())
    }

    fn open(&self) -> Result<u32, i32> {
        self.open_kind(1, 1, 6)
    }

    fn open_kind(&self, family: i32, kind: i32, protocol: i32) -> Result<u32, i32> {
        match self.call("sock_open", (family, kind, protocol, OUT)) {
            0 => Ok(self.get_u32(OUT)),
            errno => Err(errno),
        }
    }

    fn put_address(&self, to: SocketAddr) {
        let SocketAddr::V4(to) = to else { panic!("{to}") };
        let address = [&[1, 0][..], &to.port().to_le_bytes(), &to.ip().octets()].concat();
        self.put(ADDRESS, &address);
    }

    fn connect(&self, to: SocketAddr) -> Result<u32, i32> {
        let fd = self.open()?;
        self.put_address(to);
        match self.call("sock_connect", (fd, ADDRESS)) {
            0 => Ok(fd),
            errno => Err(errno),
        }
    }

    fn put_buffer(&self, len: u32) {
        self.put(IOV, &[BUFFER.to_le_bytes(), len.to_le_bytes()].concat());
    }

    /// Sets the longest wait of receiving.
    fn receive_within(&self, fd: u32, limit: std::time::Duration) {
        let nanos = u64::try_from(limit.as_nanos()).unwrap().to_le_bytes();
        self.put(ADDRESS, &[&[1, 0, 0, 0, 0, 0, 0, 0][..], &nanos].concat());
        assert_eq!(self.call("sock_set_opt_time", (fd, 19, ADDRESS)), 0);
    }

    fn resolve(&self, name: &str) -> Result<Vec<u8>, i32> {
        self.put(NAME, name.as_bytes());
        match self.call("resolve", (NAME, name.len(), 0, BUFFER, 8, OUT)) {
            0 => Ok(self.get(BUFFER, self.get_u32(OUT) * 18)),
            errno => Err(errno),
        }
    }

    fn assert_well(&self) {
        assert_eq!(self.call("alive", ()), 42);
    }
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn granted(to: SocketAddr) -> SecurityPolicy {
    SecurityPolicy::permissive().with_network_host(to.ip().to_string(), to.port())
}
