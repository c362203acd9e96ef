//! Guests that connect to hosts: granted, and not granted.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use sandbox_core::{GrantUse, SandboxError, SecurityPolicy, WasmSandbox};
use serde::Serialize;

use crate::modules;

const NOTCAPABLE: i32 = 76;
const BADF: i32 = 8;
const MFILE: i32 = 33;
const CONNREFUSED: i32 = 14;
const NOTCONN: i32 = 53;

const OUT: u32 = 0;
const IOV: u32 = 16;
const ADDRESS: u32 = 64;
const NAME: u32 = 256;
const BUFFER: u32 = 4096;
const MEMORY_BYTES: u32 = 65_536;

/// What the guest passes on: namespace, name, types of the parameters.
const FUNCTIONS: [(&str, &str, &str); 18] = [
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
    ("wasi_snapshot_preview1", "fd_read", "iiii"),
    ("wasi_snapshot_preview1", "fd_write", "iiii"),
    ("wasi_snapshot_preview1", "fd_close", "i"),
    ("wasi_snapshot_preview1", "fd_fdstat_get", "ii"),
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
        r#"(module {} (memory (export "memory") 1)
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
        match self.call("sock_open", (1, 1, 6, OUT)) {
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

/// Sends back what it gets, in capitals, to one client.
fn shouting_server() -> (SocketAddr, JoinHandle<usize>) {
    let (listener, address) = listen();
    let served = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let (mut buffer, mut total) = ([0; 1024], 0);
        loop {
            let len = client.read(&mut buffer).unwrap();
            if len == 0 {
                return total;
            }
            total += len;
            client.write_all(&buffer[..len].to_ascii_uppercase()).unwrap();
        }
    });
    (address, served)
}

fn granted(to: SocketAddr) -> SecurityPolicy {
    SecurityPolicy::permissive().with_network_host(to.ip().to_string(), to.port())
}

/// Nobody has connected.
fn assert_lonely(listener: &TcpListener) {
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_granted_host_is_reached_end_to_end() {
    let (address, served) = shouting_server();
    let client = Client::new(granted(address));
    let fd = client.connect(address).unwrap();
    assert_eq!(client.call("sock_set_opt_flag", (fd, 3, 1)), 0);
    client.put(BUFFER, b"hello");
    client.put_buffer(5);
    assert_eq!(client.call("sock_send", (fd, IOV, 1, 0, OUT)), 0);
    assert_eq!(client.get_u32(OUT), 5);
    client.put_buffer(100);
    // Once without taking it, once taking it.
    for flags in [1, 0] {
        assert_eq!(client.call("sock_recv", (fd, IOV, 1, flags, OUT, OUT + 8)), 0);
        assert_eq!(client.get(BUFFER, client.get_u32(OUT)), b"HELLO");
    }
    // As a file too.
    client.put(BUFFER, b"again");
    client.put_buffer(5);
    assert_eq!(client.call("fd_write", (fd, IOV, 1, OUT)), 0);
    client.put_buffer(100);
    assert_eq!(client.call("fd_read", (fd, IOV, 1, OUT)), 0);
    assert_eq!(client.get(BUFFER, client.get_u32(OUT)), b"AGAIN");
    assert_eq!(client.call("fd_fdstat_get", (fd, BUFFER)), 0);
    assert_eq!(client.get(BUFFER, 1), [6]);
    assert_eq!(client.call("sock_addr_peer", (fd, BUFFER)), 0);
    let port = address.port().to_be_bytes();
    assert_eq!(client.get(BUFFER, 8), [1, 0, port[0], port[1], 127, 0, 0, 1]);
    // After the end of what it sends, the server ends too.
    assert_eq!(client.call("sock_shutdown", (fd, 2)), 0);
    assert_eq!(client.call("sock_recv", (fd, IOV, 1, 0, OUT, OUT + 8)), 0);
    assert_eq!(client.get_u32(OUT), 0);
    assert_eq!(served.join().unwrap(), 10);
    assert_eq!(client.call("fd_close", fd), 0);
    assert_eq!(client.call("fd_close", fd), BADF);
    client.assert_well();
}

#[test]
fn standard_output_still_works_beside_sockets() {
    let (_, address) = listen();
    let client = Client::new(granted(address));
    client.put(BUFFER, b"out");
    client.put_buffer(3);
    assert_eq!(client.call("fd_write", (1, IOV, 1, OUT)), 0);
    assert_eq!(client.call("fd_fdstat_get", (1, BUFFER)), 0);
    let output = futures::executor::block_on(client.sandbox.take_output());
    assert_eq!(output.stdout, b"out");
}

#[test]
fn a_host_or_port_that_is_not_granted_is_out_of_reach() {
    let (listener, address) = listen();
    let (other, elsewhere) = listen();
    let client = Client::new(granted(address));
    for to in [
        elsewhere,
        SocketAddr::from(([127, 0, 0, 2], address.port())),
        SocketAddr::from(([0, 0, 0, 0], address.port())),
        SocketAddr::from(([10, 0, 0, 1], address.port())),
        SocketAddr::from(([169, 254, 169, 254], 80)),
    ] {
        assert_eq!(client.connect(to), Err(NOTCAPABLE), "{to}");
    }
    // The same addresses in IPv6 clothing.
    assert_eq!(client.call("sock_open", (2, 1, 6, OUT)), 0);
    let fd = client.get_u32(OUT);
    let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets();
    client.put(ADDRESS, &[&[2, 0][..], &elsewhere.port().to_le_bytes(), &mapped].concat());
    assert_eq!(client.call("sock_connect", (fd, ADDRESS)), NOTCAPABLE);
    assert_lonely(&listener);
    assert_lonely(&other);
    client.assert_well();
}

#[test]
fn a_guest_that_traps_after_a_denial_is_reported_with_what_it_was_denied() {
    let (_, address) = listen();
    let (_, elsewhere) = listen();
    let client = Client::new(granted(address).with_wall_clock(Duration::from_secs(60)));
    let fd = client.open().unwrap();
    client.put_address(elsewhere);
    let error = client.sandbox.call_blocking::<_, ()>("connect_or_trap", (fd, ADDRESS));
    let error = error.unwrap_err();
    let SandboxError::CapabilityDenied { capability, remedy, .. } = &error else {
        panic!("{error}")
    };
    assert!(capability.contains(&elsewhere.to_string()), "{error}");
    assert!(remedy.contains("with_network_host"), "{error}");
    // A denial that a guest dealt with is not held against a later call.
    assert_eq!(client.connect(elsewhere), Err(NOTCAPABLE));
    let error = client.sandbox.call_blocking::<_, i32>("peek", u32::MAX).unwrap_err();
    assert!(matches!(error, SandboxError::Trap { .. }), "{error}");
}

#[test]
fn without_a_grant_there_are_no_sockets_to_import() {
    for policy in [
        SecurityPolicy::permissive(),
        SecurityPolicy::basic(),
        SecurityPolicy::strict(),
        SecurityPolicy::paranoid(),
    ] {
        let builder = modules::builder(&module()).security_policy(policy);
        let error = builder.build_blocking().map(drop).unwrap_err();
        let SandboxError::UnknownImport { module, remedy, .. } = &error else { panic!("{error}") };
        assert_eq!(module, "wasix_32v1");
        assert!(remedy.contains("with_network_host"), "{error}");
    }
}

#[test]
fn only_policies_that_accept_it_can_grant_a_host() {
    for policy in [SecurityPolicy::basic(), SecurityPolicy::strict(), SecurityPolicy::paranoid()] {
        let policy = policy.with_network_host("127.0.0.1", 80);
        // Whether the guest has use for it or not.
        for text in [module(), "(module)".to_owned()] {
            let builder = modules::builder(&text).security_policy(policy.clone());
            let error = builder.build_blocking().map(drop).unwrap_err();
            let SandboxError::InvalidGrant { grant, .. } = &error else { panic!("{error}") };
            assert!(grant.contains("127.0.0.1"), "{error}");
        }
    }
    let policy = SecurityPolicy::strict().with_network_grants(GrantUse::Accepted);
    Client::new(policy.with_network_host("127.0.0.1", 80)).assert_well();
    let policy = SecurityPolicy::permissive().with_network_host("no host", 80);
    let error = modules::builder("(module)").security_policy(policy).build_blocking().map(drop);
    assert!(matches!(error, Err(SandboxError::InvalidGrant { .. })));
}

#[test]
fn a_grant_opens_nothing_else_of_wasix() {
    let (_, address) = listen();
    for name in [
        "sock_bind",
        "sock_listen",
        "sock_accept",
        "sock_accept_v2",
        "sock_send_to",
        "sock_recv_from",
        "sock_pair",
        "sock_send_file",
        "sock_join_multicast_v4",
        "port_addr_add",
        "port_bridge",
        "thread_spawn_v2",
        "proc_fork",
        "proc_exec3",
        "proc_spawn2",
        "dlopen",
        "dlsym",
        "fd_pipe",
        "futex_wait",
        "path_open2",
        "fd_read",
        "stack_checkpoint",
        "tty_set",
    ] {
        let text = format!(
            r#"(module (import "wasix_32v1" {name:?} (func)) (memory (export "memory") 1))"#
        );
        let builder = modules::builder(&text).security_policy(granted(address));
        let error = builder.build_blocking().map(drop).unwrap_err();
        assert!(matches!(error, SandboxError::UnknownImport { .. }), "{name}: {error}");
    }
    let text = r#"(module (import "wasix_64v1" "sock_open" (func)) (memory (export "memory") 1))"#;
    let builder = modules::builder(text).security_policy(granted(address));
    assert!(matches!(builder.build_blocking(), Err(SandboxError::UnknownImport { .. })));
}

#[test]
fn waits_end_with_their_call() {
    let (listener, address) = listen();
    let silent = std::thread::spawn(move || listener.accept().map(|(client, _)| client));
    let client = Client::new(granted(address).with_wall_clock(Duration::from_millis(300)));
    let fd = client.connect(address).unwrap();
    let mut server = silent.join().unwrap().unwrap();
    client.put_buffer(100);
    let error = client.sandbox.call_blocking::<_, i32>("sock_recv", (fd, IOV, 1, 0, OUT, OUT + 8));
    let error = error.unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
    // The instance is gone and its connection with it.
    client.assert_well();
    assert_eq!(server.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn a_guest_can_wait_less_than_its_call_may_take() {
    const AGAIN: i32 = 6;
    let (listener, address) = listen();
    let client = Client::new(granted(address));
    let fd = client.connect(address).unwrap();
    let nanos = 20_000_000u64.to_le_bytes();
    client.put(ADDRESS, &[&[1, 0, 0, 0, 0, 0, 0, 0][..], &nanos].concat());
    assert_eq!(client.call("sock_set_opt_time", (fd, 19, ADDRESS)), 0);
    client.put_buffer(100);
    assert_eq!(client.call("sock_recv", (fd, IOV, 1, 0, OUT, OUT + 8)), AGAIN);
    drop(listener);
}

#[test]
fn a_server_that_is_not_there_refuses() {
    let (listener, address) = listen();
    drop(listener);
    let client = Client::new(granted(address));
    assert_eq!(client.connect(address), Err(CONNREFUSED));
    client.assert_well();
}

#[test]
fn a_granted_name_is_looked_up_and_opens_what_it_leads_to() {
    let (listener, address) = listen();
    let policy = SecurityPolicy::permissive().with_network_host("LocalHost", address.port());
    let client = Client::new(policy);
    // Not before it was looked up.
    assert_eq!(client.connect(address), Err(NOTCAPABLE));
    let found = client.resolve("localhost").unwrap();
    assert!(found.chunks(18).any(|found| found[..6] == [1, 0, 127, 0, 0, 1]), "{found:?}");
    client.connect(address).unwrap();
    listener.accept().unwrap();
    for other in ["example.com", "localhost.example.com", "", "localhost:80", "\u{fe}"] {
        assert_eq!(client.resolve(other), Err(NOTCAPABLE), "{other:?}");
    }
    // An address needs no lookup, and is not granted by being named.
    assert_eq!(client.resolve("127.0.0.9").unwrap()[..6], [1, 0, 127, 0, 0, 9]);
    assert_eq!(client.connect(SocketAddr::from(([127, 0, 0, 9], address.port()))), Err(NOTCAPABLE));
    client.assert_well();
}

#[test]
fn sockets_run_out_and_come_back() {
    let (_, address) = listen();
    let client = Client::new(granted(address).with_open_file_limit(20));
    let mut open = Vec::new();
    let errno = loop {
        match client.open() {
            Ok(fd) => open.push(fd),
            Err(errno) => break errno,
        }
    };
    assert_eq!((errno, open.len()), (MFILE, 20));
    assert_eq!(client.call("fd_close", open[7]), 0);
    assert_eq!(client.open(), Ok(open[7]));
    client.assert_well();
}

#[test]
fn what_is_no_socket_is_not_taken_for_one() {
    let (_, address) = listen();
    let client = Client::new(granted(address));
    let unconnected = client.open().unwrap();
    client.put_address(address);
    client.put_buffer(8);
    for fd in [0, 1, 2, 4, 99, 1 << 30 | 77, u32::MAX] {
        assert_eq!(client.call("sock_connect", (fd, ADDRESS)), BADF, "{fd}");
        assert_eq!(client.call("sock_send", (fd, IOV, 1, 0, OUT)), BADF, "{fd}");
        assert_eq!(client.call("sock_recv", (fd, IOV, 1, 0, OUT, OUT)), BADF, "{fd}");
        assert_eq!(client.call("sock_status", (fd, OUT)), BADF, "{fd}");
        assert_ne!(client.call("sock_accept", (fd, 0, OUT)), 0, "{fd}");
    }
    assert_eq!(client.call("sock_send", (unconnected, IOV, 1, 0, OUT)), NOTCONN);
    assert_eq!(client.call("fd_read", (unconnected, IOV, 1, OUT)), NOTCONN);
    assert_eq!(client.call("sock_shutdown", (unconnected, 3)), NOTCONN);
    assert_ne!(client.call("fd_renumber", (unconnected, 1)), 0);
    assert_ne!(client.call("fd_renumber", (1, unconnected)), 0);
    for (family, kind, protocol) in [(0, 1, 6), (3, 1, 0), (1, 2, 17), (1, 3, 0), (1, 1, 17)] {
        assert_ne!(client.call("sock_open", (family, kind, protocol, OUT)), 0);
    }
    client.assert_well();
}

#[test]
fn pointers_and_lengths_that_cannot_be_are_errors() {
    let (listener, address) = listen();
    let client = Client::new(granted(address));
    let fd = client.connect(address).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"bytes to read").unwrap();
    for outside in [MEMORY_BYTES, MEMORY_BYTES - 1, u32::MAX, u32::MAX - 7, 1 << 31] {
        let fresh = client.open().unwrap();
        for (name, arguments) in [
            ("sock_open", vec![1, 1, 6, outside]),
            ("sock_connect", vec![fresh, outside]),
            ("sock_status", vec![fd, if outside == MEMORY_BYTES - 1 { u32::MAX } else { outside }]),
            ("sock_addr_local", vec![fd, outside]),
            ("sock_addr_peer", vec![fd, outside]),
            ("sock_set_opt_time", vec![fd, 19, outside]),
            ("sock_send", vec![fd, outside, 1, 0, OUT]),
            ("sock_send", vec![fd, IOV, u32::MAX, 0, OUT]),
            ("sock_send", vec![fd, IOV, 1, 0, outside]),
            ("sock_recv", vec![fd, outside, 1, 0, OUT, OUT]),
            ("sock_recv", vec![fd, IOV, u32::MAX, 0, OUT, OUT]),
            ("sock_recv", vec![fd, IOV, 1, 0, outside, OUT]),
            ("sock_recv", vec![fd, IOV, 1, 0, OUT, outside]),
            ("sock_recv", vec![fd, IOV, 1, u32::MAX, OUT, OUT]),
            ("fd_fdstat_get", vec![fd, outside]),
            ("resolve", vec![outside, 9, 0, BUFFER, 1, OUT]),
            ("resolve", vec![NAME, u32::MAX, 0, BUFFER, 1, OUT]),
            ("sock_shutdown", vec![fd, outside]),
        ] {
            client.put_buffer(8);
            assert_ne!(call_all(&client, name, &arguments), 0, "{name} {arguments:?}");
        }
        // Buffers that lie outside, in whole or in part.
        client.put(IOV, &[outside.to_le_bytes(), u32::MAX.to_le_bytes()].concat());
        assert_ne!(client.call("sock_send", (fd, IOV, 1, 0, OUT)), 0);
        client.put(IOV, &[outside.to_le_bytes(), 64u32.to_le_bytes()].concat());
        assert_ne!(client.call("sock_recv", (fd, IOV, 1, 1, OUT, OUT)), 0);
        assert_eq!(client.call("fd_close", fresh), 0);
    }
    client.assert_well();
}

/// Calls a function with as many arguments as there are.
fn call_all(client: &Client, name: &str, arguments: &[u32]) -> i32 {
    match *arguments {
        [a, b] => client.call(name, (a, b)),
        [a, b, c] => client.call(name, (a, b, c)),
        [a, b, c, d] => client.call(name, (a, b, c, d)),
        [a, b, c, d, e] => client.call(name, (a, b, c, d, e)),
        [a, b, c, d, e, f] => client.call(name, (a, b, c, d, e, f)),
        _ => panic!("{name} {arguments:?}"),
    }
}

#[test]
fn a_sandbox_that_is_dropped_closes_its_connections() {
    let (listener, address) = listen();
    let client = Client::new(granted(address));
    client.connect(address).unwrap();
    let (mut server, _): (TcpStream, _) = listener.accept().unwrap();
    drop(client);
    assert_eq!(server.read(&mut [0; 8]).unwrap(), 0);
}
