//! Rights: what a descriptor may be used for. They are given when it is opened, and only shrink after.
//!
//! A guest need not ask for every right that it will use: programs are written for hosts that ask for none. It says
//! whether it will read and write, and gets with that whatever does no more; always within what the folder that it opens
//! from passes on. So what was taken from a folder is not had again from below it.

use std::ops::{BitAnd, BitOr};

/// A set of the rights of WASI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rights(u64);

impl Rights {
    pub(super) const NONE: Self = Self(0);
    pub(super) const FD_DATASYNC: Self = Self(1);
    pub(super) const FD_READ: Self = Self(1 << 1);
    pub(super) const FD_SEEK: Self = Self(1 << 2);
    pub(super) const FD_FDSTAT_SET_FLAGS: Self = Self(1 << 3);
    pub(super) const FD_SYNC: Self = Self(1 << 4);
    pub(super) const FD_TELL: Self = Self(1 << 5);
    pub(super) const FD_WRITE: Self = Self(1 << 6);
    pub(super) const FD_ADVISE: Self = Self(1 << 7);
    pub(super) const FD_ALLOCATE: Self = Self(1 << 8);
    pub(super) const PATH_CREATE_DIRECTORY: Self = Self(1 << 9);
    pub(super) const PATH_CREATE_FILE: Self = Self(1 << 10);
    pub(super) const PATH_LINK_SOURCE: Self = Self(1 << 11);
    pub(super) const PATH_LINK_TARGET: Self = Self(1 << 12);
    pub(super) const PATH_OPEN: Self = Self(1 << 13);
    pub(super) const FD_READDIR: Self = Self(1 << 14);
    pub(super) const PATH_READLINK: Self = Self(1 << 15);
    pub(super) const PATH_RENAME_SOURCE: Self = Self(1 << 16);
    pub(super) const PATH_RENAME_TARGET: Self = Self(1 << 17);
    pub(super) const PATH_FILESTAT_GET: Self = Self(1 << 18);
    pub(super) const PATH_FILESTAT_SET_SIZE: Self = Self(1 << 19);
    pub(super) const PATH_FILESTAT_SET_TIMES: Self = Self(1 << 20);
    pub(super) const FD_FILESTAT_GET: Self = Self(1 << 21);
    pub(super) const FD_FILESTAT_SET_SIZE: Self = Self(1 << 22);
    pub(super) const FD_FILESTAT_SET_TIMES: Self = Self(1 << 23);
    pub(super) const PATH_SYMLINK: Self = Self(1 << 24);
    pub(super) const PATH_REMOVE_DIRECTORY: Self = Self(1 << 25);
    pub(super) const PATH_UNLINK_FILE: Self = Self(1 << 26);
    pub(super) const POLL_FD_READWRITE: Self = Self(1 << 27);
    pub(super) const SOCK_SHUTDOWN: Self = Self(1 << 28);

    /// Rights of a folder.
    pub(super) const FOLDER: Self = Self::PATH_CREATE_DIRECTORY
        .and(Self::PATH_CREATE_FILE)
        .and(Self::PATH_LINK_SOURCE)
        .and(Self::PATH_LINK_TARGET)
        .and(Self::PATH_OPEN)
        .and(Self::FD_READDIR)
        .and(Self::PATH_READLINK)
        .and(Self::PATH_RENAME_SOURCE)
        .and(Self::PATH_RENAME_TARGET)
        .and(Self::PATH_FILESTAT_GET)
        .and(Self::PATH_FILESTAT_SET_SIZE)
        .and(Self::PATH_FILESTAT_SET_TIMES)
        .and(Self::FD_FILESTAT_GET)
        .and(Self::FD_FILESTAT_SET_TIMES)
        .and(Self::PATH_SYMLINK)
        .and(Self::PATH_REMOVE_DIRECTORY)
        .and(Self::PATH_UNLINK_FILE)
        .and(Self::FD_FDSTAT_SET_FLAGS)
        .and(Self::FD_SYNC)
        .and(Self::FD_DATASYNC);

    /// Rights of every file, whether it is read or written.
    const FILE: Self = Self::FD_SEEK
        .and(Self::FD_TELL)
        .and(Self::FD_ADVISE)
        .and(Self::FD_SYNC)
        .and(Self::FD_DATASYNC)
        .and(Self::FD_FDSTAT_SET_FLAGS)
        .and(Self::FD_FILESTAT_GET)
        .and(Self::FD_FILESTAT_SET_TIMES)
        .and(Self::POLL_FD_READWRITE);

    /// Further rights of a file that is written.
    const WRITING: Self = Self::FD_WRITE.and(Self::FD_ALLOCATE).and(Self::FD_FILESTAT_SET_SIZE);

    /// Rights that a guest is given whole or not at all.
    pub(super) const DIRECTIONS: Self = Self::FD_READ.and(Self::FD_WRITE);

    /// Rights of anything that is opened from a folder.
    pub(super) const INHERITED: Self =
        Self::FOLDER.and(Self::FILE).and(Self::WRITING).and(Self::FD_READ);

    /// Rights of the stream that a guest reads.
    pub(super) const INPUT: Self = Self::FD_READ
        .and(Self::FD_FDSTAT_SET_FLAGS)
        .and(Self::FD_FILESTAT_GET)
        .and(Self::POLL_FD_READWRITE);

    /// Rights of a stream that a guest writes.
    pub(super) const OUTPUT: Self = Self::FD_WRITE
        .and(Self::FD_FDSTAT_SET_FLAGS)
        .and(Self::FD_FILESTAT_GET)
        .and(Self::POLL_FD_READWRITE);

    /// Rights of a socket.
    pub(super) const SOCKET: Self = Self::FD_READ
        .and(Self::FD_WRITE)
        .and(Self::FD_FDSTAT_SET_FLAGS)
        .and(Self::POLL_FD_READWRITE)
        .and(Self::SOCK_SHUTDOWN);

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    /// Both sets together.
    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn contains(self, all: Self) -> bool {
        self.0 & all.0 == all.0
    }

    /// Whether a guest that asks for these wants to write. Only this right says so: some libraries ask for the others of
    /// writing with every file that they read.
    pub(super) const fn wants_to_write(self) -> bool {
        self.contains(Self::FD_WRITE)
    }

    /// Computes the rights of a file that was opened for so much.
    pub(super) const fn of_file(asked: Self) -> Self {
        let mut rights = Self::FILE;
        if asked.contains(Self::FD_READ) {
            rights = rights.and(Self::FD_READ);
        }
        if asked.wants_to_write() {
            rights = rights.and(Self::WRITING);
        }
        rights
    }
}

impl BitAnd for Rights {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for Rights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
