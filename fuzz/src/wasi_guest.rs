//! A guest that does to WASI what it is told.

use std::sync::LazyLock;

use arbitrary::Unstructured;
use sandbox_core::{Module, SecurityPolicy, Session, WasmSandbox};

/// Passes functions of WASI on.
static GUEST: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let functions = [
        ("fd_allocate", "ill"),
        ("fd_close", "i"),
        ("fd_fdstat_get", "ii"),
        ("fd_fdstat_set_flags", "ii"),
        ("fd_filestat_get", "ii"),
        ("fd_filestat_set_size", "il"),
        ("fd_pread", "iiili"),
        ("fd_pwrite", "iiili"),
        ("fd_read", "iiii"),
        ("fd_readdir", "iiili"),
        ("fd_renumber", "ii"),
        ("fd_seek", "ilii"),
        ("fd_tell", "ii"),
        ("fd_write", "iiii"),
        ("path_create_directory", "iii"),
        ("path_filestat_get", "iiiii"),
        ("path_open", "iiiiillii"),
        ("path_readlink", "iiiiii"),
        ("path_remove_directory", "iii"),
        ("path_rename", "iiiiii"),
        ("path_unlink_file", "iii"),
    ];
    let typed = |types: &str| {
        types.chars().map(|one| if one == 'l' { " i64" } else { " i32" }).collect::<String>()
    };
    let mut text = String::from("(module");
    for (name, types) in functions {
        let types = typed(types);
        text += &format!(
            "(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} (param{types}) (result i32)))"
        );
    }
    text += "(memory (export \"memory\") 2)";
    for (name, types) in functions {
        let passed: String = (0..types.len()).map(|at| format!(" local.get {at}")).collect();
        let types = typed(types);
        text +=
            &format!("(func (export \"{name}\") (param{types}) (result i32){passed} call ${name})");
    }
    text += ")";
    wat::parse_str(text).expect("the text is valid")
});

/// Where in the guest's memory things are put.
const OUT: u32 = 0;
const IOV: u32 = 16;
const PATH: u32 = 1024;
const OTHER: u32 = 16 * 1024;
const BUFFER: u32 = 64 * 1024;

/// One thing that the guest does.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    Open { folder: u32, path: String, how: u32, write: bool, flags: u32, follow: bool },
    CreateFolder { folder: u32, path: String },
    RemoveFolder { folder: u32, path: String },
    RemoveFile { folder: u32, path: String },
    Rename { folder: u32, path: String, to_folder: u32, to: String },
    Stat { folder: u32, path: String, follow: bool },
    ReadLink { folder: u32, path: String },
    List { folder: u32 },
    Write { file: u32, len: u32 },
    WriteAt { file: u32, offset: u64, len: u32 },
    Read { file: u32, len: u32 },
    ReadAt { file: u32, offset: u64, len: u32 },
    Seek { file: u32, offset: i64, whence: u32 },
    Tell { file: u32 },
    SetLen { file: u32, len: u64 },
    Allocate { file: u32, offset: u64, len: u64 },
    StatFile { file: u32 },
    SetFlags { file: u32, flags: u32 },
    Renumber { file: u32, to: u32 },
    Close { file: u32 },
}

impl Deed {
    /// One of few descriptors, paths and lengths, so that they meet.
    pub(crate) fn arbitrary(input: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        let file = input.int_in_range(3..=8u32)?;
        let offset = |input: &mut Unstructured<'_>| -> arbitrary::Result<u64> {
            Ok(match input.int_in_range(0..=3u8)? {
                0 => input.int_in_range(0..=100)?,
                1 => input.int_in_range(65_500..=65_600)?,
                2 => input.int_in_range(0..=200_000)?,
                _ => input.arbitrary()?,
            })
        };
        Ok(match input.int_in_range(0..=21u8)? {
            0 | 1 => Self::Open {
                folder: file,
                path: path(input)?,
                how: input.int_in_range(0..=15)?,
                write: input.arbitrary()?,
                flags: input.int_in_range(0..=1)?,
                follow: input.arbitrary()?,
            },
            2 | 3 => Self::CreateFolder { folder: file, path: path(input)? },
            4 => Self::RemoveFolder { folder: file, path: path(input)? },
            5 => Self::RemoveFile { folder: file, path: path(input)? },
            6 | 7 => Self::Rename {
                folder: file,
                path: path(input)?,
                to_folder: input.int_in_range(3..=6)?,
                to: path(input)?,
            },
            8 => Self::Stat { folder: file, path: path(input)?, follow: input.arbitrary()? },
            9 => Self::ReadLink { folder: file, path: path(input)? },
            10 => Self::List { folder: file },
            11 => Self::Write { file, len: input.int_in_range(0..=5_000)? },
            12 => Self::WriteAt {
                file,
                offset: offset(input)? % 300_000,
                len: input.int_in_range(0..=5_000)?,
            },
            13 => Self::Read { file, len: input.int_in_range(0..=5_000)? },
            14 => {
                Self::ReadAt { file, offset: offset(input)?, len: input.int_in_range(0..=5_000)? }
            }
            15 => Self::Seek {
                file,
                offset: offset(input)?.cast_signed() % 300_000,
                whence: input.int_in_range(0..=3)?,
            },
            16 => Self::Tell { file },
            17 => Self::SetLen { file, len: offset(input)? % 300_000 },
            18 => Self::Allocate {
                file,
                offset: offset(input)? % 300_000,
                len: input.int_in_range(0..=2_000)?,
            },
            19 => Self::StatFile { file },
            20 => Self::SetFlags { file, flags: input.int_in_range(0..=1)? },
            _ if input.arbitrary()? => Self::Renumber { file, to: input.int_in_range(3..=8)? },
            _ => Self::Close { file },
        })
    }
}

fn path(input: &mut Unstructured<'_>) -> arbitrary::Result<String> {
    const NAMES: [&str; 8] = ["a", "b", "c", "d", "..", ".", "link", "out"];
    let names: Vec<&str> = (0..input.int_in_range(1..=3u8)?)
        .map(|_| input.choose(&NAMES).copied())
        .collect::<Result<_, _>>()?;
    let end = if input.ratio(1, 10)? { "/" } else { "" };
    let start = if input.ratio(1, 20)? { "/" } else { "" };
    Ok(format!("{start}{}{end}", names.join("/")))
}

/// Outcome of a deed: the error number, and what was found where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) errno: i32,
    pub(crate) found: Vec<u8>,
}

/// A sandbox of the guest.
///
/// # Panics
/// If it cannot be made.
pub(crate) fn sandbox(policy: SecurityPolicy) -> WasmSandbox {
    let module = Module::compile(&GUEST, &policy).expect("the guest compiles");
    WasmSandbox::builder()
        .module(&module)
        .security_policy(policy)
        .build_blocking()
        .expect("the guest starts")
}

/// Does a deed, and says what came of it without what must differ between file systems: numbers of devices and files,
/// times, sizes of folders, and the order of names.
///
/// # Panics
/// If a call fails that has to return an error number.
pub(crate) fn perform(session: &mut Session, deed: &Deed) -> Outcome {
    let mut guest = Guest { session };
    match deed {
        Deed::Open { folder, path, how, write, flags, follow } => {
            const READ: u64 = 1 << 1 | 1 << 2 | 1 << 5 | 1 << 14 | 1 << 21;
            const WRITE: u64 = 1 << 6 | 1 << 8 | 1 << 22;
            let rights = if *write { READ | WRITE } else { READ };
            let len = guest.put(PATH, path.as_bytes());
            let arguments =
                (*folder, u32::from(*follow), PATH, len, *how, rights, u64::MAX >> 34, *flags, OUT);
            let errno = guest.call("path_open", arguments);
            guest.outcome(errno, |guest| guest.get(OUT, 4))
        }
        Deed::CreateFolder { folder, path } => {
            guest.on_path("path_create_directory", *folder, path)
        }
        Deed::RemoveFolder { folder, path } => {
            guest.on_path("path_remove_directory", *folder, path)
        }
        Deed::RemoveFile { folder, path } => guest.on_path("path_unlink_file", *folder, path),
        Deed::Rename { folder, path, to_folder, to } => {
            let (len, to_len) = (guest.put(PATH, path.as_bytes()), guest.put(OTHER, to.as_bytes()));
            let errno = guest.call("path_rename", (*folder, PATH, len, *to_folder, OTHER, to_len));
            guest.outcome(errno, |_| Vec::new())
        }
        Deed::Stat { folder, path, follow } => {
            let len = guest.put(PATH, path.as_bytes());
            let errno =
                guest.call("path_filestat_get", (*folder, u32::from(*follow), PATH, len, BUFFER));
            guest.outcome(errno, Guest::stat)
        }
        Deed::ReadLink { folder, path } => {
            let len = guest.put(PATH, path.as_bytes());
            let errno = guest.call("path_readlink", (*folder, PATH, len, BUFFER, 4096u32, OUT));
            guest.outcome(errno, |guest| {
                let len = guest.number(OUT);
                guest.get(BUFFER, len)
            })
        }
        Deed::List { folder } => {
            let errno = guest.call("fd_readdir", (*folder, BUFFER, 32_768u32, 0u64, OUT));
            guest.outcome(errno, Guest::names)
        }
        Deed::Write { file, len } => guest.transfer("fd_write", *file, *len, None),
        Deed::WriteAt { file, offset, len } => {
            guest.transfer("fd_pwrite", *file, *len, Some(*offset))
        }
        Deed::Read { file, len } => guest.transfer("fd_read", *file, *len, None),
        Deed::ReadAt { file, offset, len } => {
            guest.transfer("fd_pread", *file, *len, Some(*offset))
        }
        Deed::Seek { file, offset, whence } => {
            let errno = guest.call("fd_seek", (*file, *offset, *whence, OUT));
            guest.outcome(errno, |guest| guest.get(OUT, 8))
        }
        Deed::Tell { file } => {
            let errno = guest.call("fd_tell", (*file, OUT));
            guest.outcome(errno, |guest| guest.get(OUT, 8))
        }
        Deed::SetLen { file, len } => {
            let errno = guest.call("fd_filestat_set_size", (*file, *len));
            guest.outcome(errno, |_| Vec::new())
        }
        Deed::Allocate { file, offset, len } => {
            let errno = guest.call("fd_allocate", (*file, *offset, *len));
            guest.outcome(errno, |_| Vec::new())
        }
        Deed::StatFile { file } => {
            let errno = guest.call("fd_filestat_get", (*file, BUFFER));
            guest.outcome(errno, Guest::stat)
        }
        Deed::SetFlags { file, flags } => {
            let errno = guest.call("fd_fdstat_set_flags", (*file, *flags));
            guest.outcome(errno, |_| Vec::new())
        }
        Deed::Renumber { file, to } => {
            let errno = guest.call("fd_renumber", (*file, *to));
            guest.outcome(errno, |_| Vec::new())
        }
        Deed::Close { file } => {
            let errno = guest.call("fd_close", *file);
            guest.outcome(errno, |_| Vec::new())
        }
    }
}

struct Guest<'a> {
    session: &'a mut Session,
}

impl Guest<'_> {
    fn call(&mut self, name: &str, arguments: impl serde::Serialize) -> i32 {
        self.session
            .call_blocking(name, arguments)
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn outcome(&mut self, errno: i32, find: impl FnOnce(&mut Self) -> Vec<u8>) -> Outcome {
        Outcome { errno, found: if errno == 0 { find(self) } else { Vec::new() } }
    }

    /// Puts bytes into the guest's memory, and returns how many.
    fn put(&mut self, at: u32, bytes: &[u8]) -> u32 {
        self.session.write(at, bytes).expect("there is room");
        u32::try_from(bytes.len()).expect("bytes of a test are few")
    }

    fn get(&mut self, at: u32, len: u32) -> Vec<u8> {
        self.session.read(at, len).expect("it is within the memory").to_vec()
    }

    fn number(&mut self, at: u32) -> u32 {
        let bytes = self.get(at, 4);
        u32::from_le_bytes(bytes.try_into().expect("there are four"))
    }

    fn on_path(&mut self, name: &str, folder: u32, path: &str) -> Outcome {
        let len = self.put(PATH, path.as_bytes());
        let errno = self.call(name, (folder, PATH, len));
        self.outcome(errno, |_| Vec::new())
    }

    fn transfer(&mut self, name: &str, file: u32, len: u32, offset: Option<u64>) -> Outcome {
        let is_write = name.ends_with("write");
        if is_write {
            let bytes: Vec<u8> = (1..=251).cycle().take(len as usize).collect();
            self.put(BUFFER, &bytes);
        }
        let iov = [BUFFER.to_le_bytes(), len.to_le_bytes()].concat();
        self.put(IOV, &iov);
        let errno = match offset {
            None => self.call(name, (file, IOV, 1u32, OUT)),
            Some(offset) => self.call(name, (file, IOV, 1u32, offset, OUT)),
        };
        self.outcome(errno, |guest| {
            let count = guest.number(OUT);
            if is_write { count.to_le_bytes().to_vec() } else { guest.get(BUFFER, count) }
        })
    }

    /// Kind and size: the rest is the file system's own.
    fn stat(&mut self) -> Vec<u8> {
        let stat = self.get(BUFFER, 64);
        let kind = stat[16];
        let is_folder = kind == 3;
        let mut known = vec![kind];
        if !is_folder {
            known.extend(&stat[32..40]);
        }
        known
    }

    fn names(&mut self) -> Vec<u8> {
        let len = self.number(OUT);
        let listing = self.get(BUFFER, len);
        let mut names = Vec::new();
        let mut rest = &*listing;
        while rest.len() >= 24 {
            let len = u32::from_le_bytes([rest[16], rest[17], rest[18], rest[19]]) as usize;
            let Some(name) = rest.get(24..24 + len) else { break };
            names.push((name.to_vec(), rest[20]));
            rest = &rest[24 + len..];
        }
        names.sort();
        format!("{names:?}").into_bytes()
    }
}
