//! A guest that does what it is told, and what came of it.
#![expect(clippy::cast_possible_truncation, reason = "sizes in these tests are small")]

use proptest::prelude::*;

use crate::probe::Probe;

/// Where in the guest's memory things are.
const OUT: u32 = 0;
const IOV: u32 = 16;
const PATH: u32 = 1024;
const OTHER_PATH: u32 = 16 * 1024;
const BUFFER: u32 = 64 * 1024;
const BUFFER_BYTES: u32 = 64 * 1024;

const CREATE: i64 = 1;
const DIRECTORY: i64 = 2;
const EXCLUSIVE: i64 = 4;
const TRUNCATE: i64 = 8;

/// Rights to read and write a file, to look for a place in it, and to tell and set its size.
const OF_FILES: i64 = (1 << 1) | (1 << 2) | (1 << 5) | (1 << 6) | (1 << 21) | (1 << 22);
/// Rights to list a folder, to look at it, and all that is done below it.
const OF_FOLDERS: i64 = (1 << 14) | (1 << 21) | (1 << 13) | (1 << 18);

/// A guest that passes calls of WASI on.
pub(super) trait Passes {
    /// Calls a function of WASI. A failure is that there was no error number.
    fn call(&mut self, name: &str, arguments: &[i64]) -> Result<i32, String>;
    fn put(&mut self, at: u32, bytes: &[u8]);
    fn get(&mut self, at: u32, len: u32) -> Vec<u8>;
}

impl Passes for Probe {
    fn call(&mut self, name: &str, arguments: &[i64]) -> Result<i32, String> {
        let called = match *arguments {
            [a] => self.try_call(name, a),
            [a, b] => self.try_call(name, (a, b)),
            [a, b, c] => self.try_call(name, (a, b, c)),
            [a, b, c, d] => self.try_call(name, (a, b, c, d)),
            [a, b, c, d, e] => self.try_call(name, (a, b, c, d, e)),
            [a, b, c, d, e, f] => self.try_call(name, (a, b, c, d, e, f)),
            [a, b, c, d, e, f, g, h, i] => self.try_call(name, (a, b, c, d, e, f, g, h, i)),
            _ => panic!("{name} takes another number of arguments"),
        };
        called.map_err(|error| error.to_string())
    }

    fn put(&mut self, at: u32, bytes: &[u8]) {
        Probe::put(self, at, bytes);
    }

    fn get(&mut self, at: u32, len: u32) -> Vec<u8> {
        Probe::get(self, at, len)
    }
}

/// Ways to open something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Existing,
    Created,
    Exclusive,
    Truncated,
    Appending,
    Folder,
}

impl How {
    pub(super) const ALL: [Self; 6] = [
        Self::Appending,
        Self::Existing,
        Self::Created,
        Self::Exclusive,
        Self::Truncated,
        Self::Folder,
    ];

    pub(super) const WITHOUT_APPENDING: &[Self] = Self::ALL.split_at(1).1;

    /// `oflags`, rights and `fdflags`.
    const fn flags(self) -> (i64, i64, i64) {
        match self {
            Self::Existing => (0, OF_FILES, 0),
            Self::Created => (CREATE, OF_FILES, 0),
            Self::Exclusive => (CREATE | EXCLUSIVE, OF_FILES, 0),
            Self::Truncated => (CREATE | TRUNCATE, OF_FILES, 0),
            Self::Appending => (CREATE, OF_FILES, 1),
            Self::Folder => (DIRECTORY, OF_FOLDERS, 0),
        }
    }
}

/// One thing that a guest does. Files and folders are numbers of those that are open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    Open { path: String, how: How },
    Close { fd: usize },
    Write { fd: usize, len: u32 },
    WriteAt { fd: usize, offset: i64, len: u32 },
    Read { fd: usize, len: u32 },
    ReadAt { fd: usize, offset: i64, len: u32 },
    Seek { fd: usize, offset: i64, whence: i64 },
    SetSize { fd: usize, size: i64 },
    StatFile { fd: usize },
    CreateFolder { path: String },
    RemoveFolder { path: String },
    RemoveFile { path: String },
    Rename { path: String, to: String },
    Stat { path: String },
    List { path: String },
}

/// Result of an operation, without what must differ: devices, inodes, sizes of folders and times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Number(u64),
    Bytes(Vec<u8>),
    Known {
        kind: u8,
        size: u64,
    },
    Names(Vec<(String, u8)>),
    /// There is nothing open of that number.
    Idle,
    Errno(i32),
    /// As an error number, and where the next byte is read or written all the same.
    Stayed {
        errno: i32,
        at: u64,
    },
    /// The call did not return to the guest.
    Broken(String),
}

const FOLDER: u8 = 3;

pub(super) struct Guest<P> {
    passes: P,
    /// The descriptor of `/` below which files can be made.
    root: i64,
    open: Vec<i64>,
}

impl<P: Passes> Guest<P> {
    pub(super) fn new(passes: P) -> Self {
        let mut guest = Self { passes, root: 3, open: Vec::new() };
        // Of several, the last can do most.
        guest.root = 2 + i64::try_from(guest.preopened().len()).unwrap();
        guest
    }

    /// The names of the folders that are open from the start.
    pub(super) fn preopened(&mut self) -> Vec<String> {
        let fd = |names: &Vec<String>| 3 + i64::try_from(names.len()).unwrap();
        let mut names = Vec::new();
        while self.passes.call("fd_prestat_get", &[fd(&names), OUT.into()]) == Ok(0) {
            let len = self.number(OUT + 4) as u32;
            let arguments = [fd(&names), PATH.into(), len.into()];
            assert_eq!(self.passes.call("fd_prestat_dir_name", &arguments), Ok(0));
            let name = self.passes.get(PATH, len);
            names.push(String::from_utf8(name).unwrap().trim_end_matches('\0').to_owned());
        }
        names
    }

    fn number(&mut self, at: u32) -> u64 {
        u64::from_le_bytes(self.passes.get(at, 8).try_into().unwrap())
    }

    fn path(&mut self, at: u32, path: &str) -> [i64; 2] {
        self.passes.put(at, path.as_bytes());
        [at.into(), i64::try_from(path.len()).unwrap()]
    }

    /// Calls a function, and makes an outcome of what it left if it succeeded.
    fn call(
        &mut self,
        name: &str,
        arguments: &[i64],
        left: impl FnOnce(&mut Self) -> Outcome,
    ) -> Outcome {
        match self.passes.call(name, arguments) {
            Ok(0) => left(self),
            Ok(errno) => Outcome::Errno(errno),
            Err(error) => Outcome::Broken(error),
        }
    }

    pub(super) fn act(&mut self, deed: &Deed) -> Outcome {
        let root = self.root;
        let done = |_: &mut Self| Outcome::Done;
        match deed {
            Deed::Open { path, how } => self.open(path, *how).map_or_else(
                |outcome| outcome,
                |fd| {
                    self.open.push(fd);
                    Outcome::Done
                },
            ),
            Deed::CreateFolder { path } => self.at_path("path_create_directory", path),
            Deed::RemoveFolder { path } => self.at_path("path_remove_directory", path),
            Deed::RemoveFile { path } => self.at_path("path_unlink_file", path),
            Deed::Rename { path, to } => {
                let [from, from_len] = self.path(PATH, path);
                let [to, to_len] = self.path(OTHER_PATH, to);
                self.call("path_rename", &[root, from, from_len, root, to, to_len], done)
            }
            Deed::Stat { path } => {
                let [path, len] = self.path(PATH, path);
                let arguments = [root, 1, path, len, BUFFER.into()];
                self.call("path_filestat_get", &arguments, Self::known)
            }
            Deed::List { path } => match self.open(path, How::Folder) {
                Err(outcome) => outcome,
                Ok(fd) => {
                    let outcome = self.list(fd);
                    self.passes.call("fd_close", &[fd]).unwrap();
                    outcome
                }
            },
            Deed::Close { fd }
            | Deed::Write { fd, .. }
            | Deed::WriteAt { fd, .. }
            | Deed::Read { fd, .. }
            | Deed::ReadAt { fd, .. }
            | Deed::Seek { fd, .. }
            | Deed::SetSize { fd, .. }
            | Deed::StatFile { fd } => {
                if self.open.is_empty() {
                    return Outcome::Idle;
                }
                let number = fd % self.open.len();
                self.use_open(deed, number)
            }
        }
    }

    fn open(&mut self, path: &str, how: How) -> Result<i64, Outcome> {
        let [path, len] = self.path(PATH, path);
        let (flags, rights, fd_flags) = how.flags();
        let arguments = [self.root, 1, path, len, flags, rights, rights, fd_flags, OUT.into()];
        match self.call("path_open", &arguments, |_| Outcome::Done) {
            Outcome::Done => Ok(i64::from(self.number(OUT) as u32)),
            outcome => Err(outcome),
        }
    }

    fn at_path(&mut self, name: &str, path: &str) -> Outcome {
        let [path, len] = self.path(PATH, path);
        self.call(name, &[self.root, path, len], |_| Outcome::Done)
    }

    /// The kind and, of a file, the size of what was asked for.
    fn known(&mut self) -> Outcome {
        let kind = self.passes.get(BUFFER + 16, 1)[0];
        let size = self.number(BUFFER + 32);
        Outcome::Known { kind, size: if kind == FOLDER { 0 } else { size } }
    }

    fn list(&mut self, fd: i64) -> Outcome {
        let arguments = [fd, BUFFER.into(), BUFFER_BYTES.into(), 0, OUT.into()];
        self.call("fd_readdir", &arguments, |guest| {
            let used = guest.number(OUT) as u32;
            let entries = guest.passes.get(BUFFER, used);
            let (mut names, mut at) = (Vec::new(), 0);
            while at + 24 <= entries.len() {
                let len = u32::from_le_bytes(entries[at + 16..at + 20].try_into().unwrap());
                let name = &entries[at + 24..at + 24 + len as usize];
                names.push((String::from_utf8(name.to_vec()).unwrap(), entries[at + 20]));
                at += 24 + name.len();
            }
            names.sort();
            Outcome::Names(names)
        })
    }

    fn use_open(&mut self, deed: &Deed, number: usize) -> Outcome {
        let fd = self.open[number];
        let out = i64::from(OUT);
        let count = |guest: &mut Self| Outcome::Number(guest.number(OUT) & u64::from(u32::MAX));
        let bytes = |guest: &mut Self| {
            let read = guest.number(OUT) as u32;
            Outcome::Bytes(guest.passes.get(BUFFER, read))
        };
        match *deed {
            Deed::Close { .. } => {
                self.open.remove(number);
                self.call("fd_close", &[fd], |_| Outcome::Done)
            }
            Deed::Write { len, .. } => {
                let iov = self.buffer(len);
                self.fill(len);
                self.call("fd_write", &[fd, iov, 1, out], count)
            }
            Deed::WriteAt { offset, len, .. } => {
                let iov = self.buffer(len);
                self.fill(len);
                self.call("fd_pwrite", &[fd, iov, 1, offset, out], count)
            }
            Deed::Read { len, .. } => {
                let iov = self.buffer(len);
                self.call("fd_read", &[fd, iov, 1, out], bytes)
            }
            Deed::ReadAt { offset, len, .. } => {
                let iov = self.buffer(len);
                self.call("fd_pread", &[fd, iov, 1, offset, out], bytes)
            }
            Deed::Seek { offset, whence, .. } => {
                let number = |guest: &mut Self| Outcome::Number(guest.number(OUT));
                match self.call("fd_seek", &[fd, offset, whence, out], number) {
                    Outcome::Errno(errno) => match self.call("fd_tell", &[fd, out], number) {
                        Outcome::Number(at) => Outcome::Stayed { errno, at },
                        outcome => outcome,
                    },
                    outcome => outcome,
                }
            }
            Deed::SetSize { size, .. } => {
                self.call("fd_filestat_set_size", &[fd, size], |_| Outcome::Done)
            }
            _ => self.call("fd_filestat_get", &[fd, BUFFER.into()], Self::known),
        }
    }

    fn buffer(&mut self, len: u32) -> i64 {
        self.passes.put(IOV, &[BUFFER.to_le_bytes(), len.to_le_bytes()].concat());
        IOV.into()
    }

    fn fill(&mut self, len: u32) {
        let bytes: Vec<u8> = (1..=251).cycle().take(len as usize).collect();
        self.passes.put(BUFFER, &bytes);
    }
}

/// A path of few names, so that they meet.
fn paths() -> impl Strategy<Value = String> {
    let name = prop::sample::select(&["a", "b", "c"][..]);
    prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"))
}

/// Operations on files that are opened in one of these ways.
pub(super) fn deeds(hows: &'static [How]) -> impl Strategy<Value = Deed> {
    let fd = 0usize..4;
    let hows = prop::sample::select(hows);
    prop_oneof![
        6 => (paths(), hows).prop_map(|(path, how)| Deed::Open { path, how }),
        1 => fd.clone().prop_map(|fd| Deed::Close { fd }),
        3 => (fd.clone(), 1u32..300).prop_map(|(fd, len)| Deed::Write { fd, len }),
        2 => (fd.clone(), 0i64..600, 1u32..300)
            .prop_map(|(fd, offset, len)| Deed::WriteAt { fd, offset, len }),
        3 => (fd.clone(), 0u32..600).prop_map(|(fd, len)| Deed::Read { fd, len }),
        2 => (fd.clone(), 0i64..600, 0u32..600)
            .prop_map(|(fd, offset, len)| Deed::ReadAt { fd, offset, len }),
        2 => (fd.clone(), -300i64..600, 0i64..3)
            .prop_map(|(fd, offset, whence)| Deed::Seek { fd, offset, whence }),
        1 => (fd.clone(), 0i64..600).prop_map(|(fd, size)| Deed::SetSize { fd, size }),
        1 => fd.prop_map(|fd| Deed::StatFile { fd }),
        5 => paths().prop_map(|path| Deed::CreateFolder { path }),
        2 => paths().prop_map(|path| Deed::RemoveFolder { path }),
        2 => paths().prop_map(|path| Deed::RemoveFile { path }),
        3 => (paths(), paths()).prop_map(|(path, to)| Deed::Rename { path, to }),
        2 => paths().prop_map(|path| Deed::Stat { path }),
        2 => paths().prop_map(|path| Deed::List { path }),
    ]
}
