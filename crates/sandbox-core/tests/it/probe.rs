//! A guest that does to WASI whatever a test tells it to.
#![expect(clippy::cast_possible_truncation, reason = "sizes in these tests are small")]

use sandbox_core::{SandboxError, SecurityPolicy, WasmSandbox};
use serde::Serialize;

use crate::modules;

/// The functions of WASI that the guest passes on, with the types of their parameters: `i` and `l` for 32
/// and 64 bits.
const FUNCTIONS: &[(&str, &str)] = &[
    ("args_get", "ii"),
    ("args_sizes_get", "ii"),
    ("clock_res_get", "ii"),
    ("clock_time_get", "ili"),
    ("environ_get", "ii"),
    ("environ_sizes_get", "ii"),
    ("fd_advise", "illi"),
    ("fd_allocate", "ill"),
    ("fd_close", "i"),
    ("fd_datasync", "i"),
    ("fd_fdstat_get", "ii"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_fdstat_set_rights", "ill"),
    ("fd_filestat_get", "ii"),
    ("fd_filestat_set_size", "il"),
    ("fd_filestat_set_times", "illi"),
    ("fd_pread", "iiili"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_prestat_get", "ii"),
    ("fd_pwrite", "iiili"),
    ("fd_read", "iiii"),
    ("fd_readdir", "iiili"),
    ("fd_renumber", "ii"),
    ("fd_seek", "ilii"),
    ("fd_sync", "i"),
    ("fd_tell", "ii"),
    ("fd_write", "iiii"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiilli"),
    ("path_link", "iiiiiii"),
    ("path_open", "iiiiillii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiiii"),
    ("path_unlink_file", "iii"),
    ("poll_oneoff", "iiii"),
    ("proc_raise", "i"),
    ("random_get", "ii"),
    ("sched_yield", ""),
    ("sock_accept", "iii"),
    ("sock_recv", "iiiiii"),
    ("sock_send", "iiiii"),
    ("sock_shutdown", "ii"),
];

/// Rights that a test asks for.
pub(crate) const READ: u64 = 1 << 1;
pub(crate) const WRITE: u64 = 1 << 6;

/// Ways to open a file.
pub(crate) const CREATE: u32 = 1;
pub(crate) const DIRECTORY: u32 = 2;
pub(crate) const TRUNCATE: u32 = 8;

/// Some error numbers.
pub(crate) const BADF: i32 = 8;
pub(crate) const FAULT: i32 = 21;
pub(crate) const INVAL: i32 = 28;
pub(crate) const MFILE: i32 = 33;
pub(crate) const NOTSUP: i32 = 58;
pub(crate) const PERM: i32 = 63;
pub(crate) const ROFS: i32 = 69;
pub(crate) const XDEV: i32 = 75;

/// The root folder.
pub(crate) const ROOT: u32 = 3;

/// Where in the guest's memory things are put.
const OUT: u32 = 0;
const IOV: u32 = 16;
pub(crate) const PATH: u32 = 1024;
pub(crate) const OTHER_PATH: u32 = 16 * 1024;
pub(crate) const BUFFER: u32 = 64 * 1024;
pub(crate) const BUFFER_BYTES: u32 = 64 * 1024;

pub(crate) fn module(namespace: &str) -> String {
    let names = |types: &str| {
        types.chars().map(|t| if t == 'l' { " i64" } else { " i32" }).collect::<String>()
    };
    let offered = || {
        FUNCTIONS.iter().filter(|(name, _)| namespace != "wasi_unstable" || *name != "sock_accept")
    };
    let imports = offered().map(|(name, types)| {
        let types = names(types);
        format!("(import {namespace:?} {name:?} (func ${name} (param{types}) (result i32)))")
    });
    let exports = offered().map(|(name, types)| {
        let passed: String = (0..types.len()).map(|at| format!(" local.get {at}")).collect();
        let types = names(types);
        format!("(func (export {name:?}) (param{types}) (result i32){passed} call ${name})")
    });
    let lines: Vec<String> = imports.chain(exports).collect();
    format!(
        r#"(module {} (memory (export "memory") 4)
            (func (export "poke") (param i32 i64) (i64.store (local.get 0) (local.get 1)))
            (func (export "peek") (param i32) (result i64) (i64.load (local.get 0)))
            (func (export "alive") (result i32) (i32.const 42)))"#,
        lines.join("\n")
    )
}

/// A path as a library passes it on: WASI has none that are absolute.
fn below_root(path: &str) -> &str {
    match path.strip_prefix('/') {
        Some("") => ".",
        Some(below) => below,
        None => path,
    }
}

/// The guest, seen as its WASI.
pub(crate) struct Probe {
    pub(crate) sandbox: WasmSandbox,
}

impl Probe {
    pub(crate) fn new(policy: SecurityPolicy) -> Self {
        Self::in_namespace("wasi_snapshot_preview1", policy)
    }

    pub(crate) fn in_namespace(namespace: &str, policy: SecurityPolicy) -> Self {
        // A probe works with what its earlier calls left in memory, under whatever policy.
        let policy = policy.with_instances(sandbox_core::InstanceMode::Persistent);
        let sandbox =
            modules::builder(&module(namespace)).security_policy(policy).build_blocking().unwrap();
        Self { sandbox }
    }

    /// The guest, its sandbox and the host are well.
    pub(crate) fn assert_well(&self) {
        assert_eq!(self.sandbox.call_blocking::<i32>("alive", ()).unwrap(), 42);
    }

    /// Calls a function of WASI.
    pub(crate) fn try_call(
        &self,
        name: &str,
        arguments: impl Serialize,
    ) -> Result<i32, SandboxError> {
        self.sandbox.call_blocking(name, arguments)
    }

    /// Calls a function of WASI that returns an error number.
    pub(crate) fn call(&self, name: &str, arguments: impl Serialize) -> i32 {
        self.try_call(name, arguments).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Puts bytes into the guest's memory.
    pub(crate) fn put(&self, at: u32, bytes: &[u8]) {
        for (index, chunk) in bytes.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let at = at + 8 * index as u32;
            let () = self.sandbox.call_blocking("poke", (at, i64::from_le_bytes(word))).unwrap();
        }
    }

    /// Takes bytes out of the guest's memory.
    pub(crate) fn get(&self, at: u32, len: u32) -> Vec<u8> {
        let words = (0..len.div_ceil(8)).flat_map(|index| {
            let word: i64 = self.sandbox.call_blocking("peek", at + 8 * index).unwrap();
            word.to_le_bytes()
        });
        words.take(len as usize).collect()
    }

    pub(crate) fn get_u64(&self, at: u32) -> u64 {
        self.sandbox.call_blocking::<i64>("peek", at).unwrap().cast_unsigned()
    }

    fn get_u32(&self, at: u32) -> u32 {
        (self.get_u64(at) & u64::from(u32::MAX)) as u32
    }

    fn result(&self, errno: i32) -> Result<u32, i32> {
        if errno == 0 { Ok(self.get_u32(OUT)) } else { Err(errno) }
    }

    /// Opens a path below a folder, following links.
    pub(crate) fn open_at(&self, fd: u32, path: &str, how: u32, rights: u64) -> Result<u32, i32> {
        self.open_with(fd, path, how, rights, 0)
    }

    /// Opens a file with flags.
    pub(crate) fn open_with(
        &self,
        fd: u32,
        path: &str,
        how: u32,
        rights: u64,
        flags: u32,
    ) -> Result<u32, i32> {
        self.put(PATH, path.as_bytes());
        let arguments = (fd, 1, PATH, path.len(), how, rights, rights, flags, OUT);
        let errno = self.call("path_open", arguments);
        self.result(errno)
    }

    /// Opens a path, following links.
    pub(crate) fn open(&self, path: &str, how: u32, rights: u64) -> Result<u32, i32> {
        self.open_at(ROOT, below_root(path), how, rights)
    }

    pub(crate) fn close(&self, fd: u32) {
        assert_eq!(self.call("fd_close", fd), 0);
    }

    fn transfer(&self, name: &str, fd: u32, len: u32) -> Result<u32, i32> {
        let iov = [BUFFER.to_le_bytes(), len.to_le_bytes()].concat();
        self.put(IOV, &iov);
        let errno = self.call(name, (fd, IOV, 1, OUT));
        self.result(errno)
    }

    pub(crate) fn write_to(&self, fd: u32, bytes: &[u8]) -> Result<u32, i32> {
        self.put(BUFFER, bytes);
        self.transfer("fd_write", fd, bytes.len() as u32)
    }

    pub(crate) fn read_from(&self, fd: u32) -> Result<Vec<u8>, i32> {
        self.transfer("fd_read", fd, 4096).map(|read| self.get(BUFFER, read))
    }

    /// Reads a file, up to 4 KiB of it.
    pub(crate) fn read(&self, path: &str) -> Result<String, i32> {
        let fd = self.open(path, 0, READ)?;
        let bytes = self.read_from(fd);
        self.close(fd);
        Ok(String::from_utf8(bytes?).unwrap())
    }

    /// Creates or overwrites a file.
    pub(crate) fn write(&self, path: &str, text: &str) -> Result<(), i32> {
        let fd = self.open(path, CREATE | TRUNCATE, WRITE)?;
        let written = self.write_to(fd, text.as_bytes());
        self.close(fd);
        written.map(drop)
    }

    /// Calls a function that takes a folder and a path.
    pub(crate) fn with_path(&self, name: &str, path: &str) -> i32 {
        let path = below_root(path);
        self.put(PATH, path.as_bytes());
        self.call(name, (ROOT, PATH, path.len()))
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> i32 {
        let (from, to) = (below_root(from), below_root(to));
        self.put(PATH, from.as_bytes());
        self.put(OTHER_PATH, to.as_bytes());
        self.call("path_rename", (ROOT, PATH, from.len(), ROOT, OTHER_PATH, to.len()))
    }

    pub(crate) fn link(&self, from: &str, to: &str) -> i32 {
        let (from, to) = (below_root(from), below_root(to));
        self.put(PATH, from.as_bytes());
        self.put(OTHER_PATH, to.as_bytes());
        self.call("path_link", (ROOT, 0, PATH, from.len(), ROOT, OTHER_PATH, to.len()))
    }

    pub(crate) fn symlink(&self, target: &str, at: &str) -> i32 {
        let at = below_root(at);
        self.put(PATH, target.as_bytes());
        self.put(OTHER_PATH, at.as_bytes());
        self.call("path_symlink", (PATH, target.len(), ROOT, OTHER_PATH, at.len()))
    }

    /// The description of a path, without following a link at its end.
    pub(crate) fn stat(&self, path: &str) -> Result<Vec<u8>, i32> {
        let path = below_root(path);
        self.put(PATH, path.as_bytes());
        let errno = self.call("path_filestat_get", (ROOT, 0, PATH, path.len(), BUFFER));
        self.result(errno).map(|_| self.get(BUFFER, 64))
    }

    /// Result of `fd_fdstat_get`: kind, flags, rights and those that are passed on.
    pub(crate) fn fdstat(&self, fd: u32) -> Result<(u8, u16, u64, u64), i32> {
        let errno = self.call("fd_fdstat_get", (fd, BUFFER));
        self.result(errno).map(|_| {
            let head = self.get_u64(BUFFER);
            let rights = (self.get_u64(BUFFER + 8), self.get_u64(BUFFER + 16));
            (head as u8, (head >> 16) as u16, rights.0, rights.1)
        })
    }

    /// Where a file is read or written next.
    pub(crate) fn seek(&self, fd: u32, offset: i64, whence: u32) -> Result<u64, i32> {
        let errno = self.call("fd_seek", (fd, offset, whence, OUT));
        self.result(errno).map(|_| self.get_u64(OUT))
    }

    /// The size and the time of the last change of an open file.
    pub(crate) fn fd_stat(&self, fd: u32) -> Result<(u64, u64), i32> {
        let errno = self.call("fd_filestat_get", (fd, BUFFER));
        self.result(errno).map(|_| (self.get_u64(BUFFER + 32), self.get_u64(BUFFER + 48)))
    }

    /// Part of a listing: the names with their cookies, and whether it is the end.
    pub(crate) fn list_from(&self, fd: u32, cookie: u64, room: u32) -> (Vec<(String, u64)>, bool) {
        let errno = self.call("fd_readdir", (fd, BUFFER, room, cookie.cast_signed(), OUT));
        let used = self.result(errno).unwrap();
        let entries = self.get(BUFFER, used);
        let (mut names, mut at) = (Vec::new(), 0);
        while at + 24 <= entries.len() {
            let next = u64::from_le_bytes(entries[at..at + 8].try_into().unwrap());
            let len = u32::from_le_bytes(entries[at + 16..at + 20].try_into().unwrap()) as usize;
            let Some(name) = entries.get(at + 24..at + 24 + len) else { break };
            names.push((String::from_utf8(name.to_vec()).unwrap(), next));
            at += 24 + len;
        }
        (names, used < room)
    }

    /// The names in a folder.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<String>, i32> {
        let fd = self.open(path, DIRECTORY, READ)?;
        let errno = self.call("fd_readdir", (fd, BUFFER, BUFFER_BYTES, 0, OUT));
        let used = self.result(errno);
        self.close(fd);
        let entries = self.get(BUFFER, used?);
        let (mut names, mut at) = (Vec::new(), 0);
        while at + 24 <= entries.len() {
            let len = u32::from_le_bytes(entries[at + 16..at + 20].try_into().unwrap()) as usize;
            let Some(name) = entries.get(at + 24..at + 24 + len) else { break };
            names.push(String::from_utf8(name.to_vec()).unwrap());
            at += 24 + len;
        }
        names.retain(|name| name != "." && name != "..");
        Ok(names)
    }

    /// Asks for the time of a clock.
    pub(crate) fn time(&self, clock: u32) -> u64 {
        assert_eq!(self.call("clock_time_get", (clock, 1, OUT)), 0);
        self.get_u64(OUT)
    }
}
