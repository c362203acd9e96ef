//! A guest's files as its host sees them.

use std::fmt;
use std::io;

use super::errno::Errno;
use super::fs::FileSystem;
use crate::error::{Result, SandboxError};

/// The files that a guest has in memory, for its host to read, write and list. Paths begin at `/`, with or without
/// saying so.
///
/// A session has them while it lasts ([`Session::files`](crate::Session::files)). Files of bundles can be read too. Folders
/// of the host that were granted are not reached from here: the host has them already.
pub struct GuestFiles {
    system: FileSystem,
}

/// A file that a guest has in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GuestFile {
    /// The path, from `/` on.
    pub path: String,
    /// The length, in bytes.
    pub size_bytes: u64,
}

impl GuestFiles {
    pub(super) fn new(system: FileSystem) -> Self {
        Self { system }
    }

    /// Reads a file whole. It is never longer than what the policy lets a guest have in memory
    /// ([`scratch_limit_bytes`](crate::SecurityPolicy::scratch_limit_bytes)), or than the bundle that it is of.
    ///
    /// # Errors
    /// [`SandboxError::GuestFile`] if there is no file of that path, or it is in a granted folder.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        self.system.get(path).map_err(|errno| unusable(path, errno))
    }

    /// Writes a file, in place of what was there, with the folders that lead to it. It counts as one that the guest
    /// wrote.
    ///
    /// # Errors
    /// [`SandboxError::GuestFile`] if there is no room, or the path names no file in memory.
    pub fn write(&self, path: &str, contents: impl AsRef<[u8]>) -> Result<()> {
        self.system.put(path, contents.as_ref()).map_err(|errno| unusable(path, errno))
    }

    /// Lists the files in memory, in the order of their paths. Links are not followed, and paths longer than 4,095 bytes
    /// are left out.
    pub fn list(&self) -> Vec<GuestFile> {
        let files = self.system.list().into_iter();
        files.map(|(path, size_bytes)| GuestFile { path, size_bytes }).collect()
    }
}

impl fmt::Debug for GuestFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestFiles").finish_non_exhaustive()
    }
}

fn unusable(path: &str, errno: Errno) -> SandboxError {
    let kind = match errno {
        Errno::NoEnt => io::ErrorKind::NotFound,
        Errno::IsDir => io::ErrorKind::IsADirectory,
        Errno::NotDir => io::ErrorKind::NotADirectory,
        Errno::NoSpc => io::ErrorKind::StorageFull,
        Errno::RoFs => io::ErrorKind::ReadOnlyFilesystem,
        Errno::XDev => io::ErrorKind::CrossesDevices,
        Errno::Inval | Errno::IlSeq => io::ErrorKind::InvalidInput,
        Errno::Acces | Errno::Perm => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    let error = io::Error::new(kind, errno.to_string());
    SandboxError::GuestFile { path: path.to_owned(), error }
}
