//! A granted folder of the host.
//!
//! The folder is opened once, and everything in it is reached from that handle by `cap-std`, which lets
//! no path leave it: on Linux the kernel itself refuses to resolve one that would. A symbolic link as the
//! last name of a path is never followed, and only folders and regular files can be opened, since a pipe
//! would block the host and a device could do anything.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use virtual_fs::{DirEntry, FileType, FsError, Metadata, OpenOptionsConfig};

use super::open_file::{Backing, Times};
use super::{FsResult, Names, Storage};
use crate::policy::Access;

/// The largest folder that can be listed, in entries: WASIX makes a list of them all for each part of it
/// that the guest asks for.
const LISTED_ENTRIES: usize = 1 << 17;

/// A folder of the host.
#[derive(Debug)]
pub(super) struct HostFolder {
    dir: Dir,
    access: Access,
}

impl HostFolder {
    pub(super) fn open(path: &Path, access: Access) -> io::Result<Self> {
        Ok(Self { dir: Dir::open_ambient_dir(path, ambient_authority())?, access })
    }

    fn check_writable(&self) -> FsResult<()> {
        match self.access {
            Access::ReadOnly => Err(FsError::PermissionDenied),
            Access::ReadWrite => Ok(()),
        }
    }
}

fn relative(path: &Names) -> PathBuf {
    path.iter().collect()
}

fn failure(error: io::Error) -> FsError {
    match error.kind() {
        io::ErrorKind::DirectoryNotEmpty => FsError::DirectoryNotEmpty,
        io::ErrorKind::NotADirectory => FsError::BaseNotDirectory,
        io::ErrorKind::IsADirectory => FsError::NotAFile,
        io::ErrorKind::ReadOnlyFilesystem => FsError::PermissionDenied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FsError::StorageFull,
        io::ErrorKind::InvalidFilename => FsError::InvalidInput,
        io::ErrorKind::CrossesDevices => FsError::Unsupported,
        _ => error.into(),
    }
}

fn nanoseconds(time: io::Result<cap_std::time::SystemTime>) -> u64 {
    let since_1970 = time.ok().and_then(|time| time.into_std().duration_since(UNIX_EPOCH).ok());
    since_1970.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// The kind of a file, or nothing if it is none for guests.
fn kind(kind: cap_std::fs::FileType) -> Option<FileType> {
    if kind.is_dir() {
        Some(FileType::new_dir())
    } else if kind.is_file() {
        Some(FileType::new_file())
    } else if kind.is_symlink() {
        Some(FileType { symlink: true, ..FileType::default() })
    } else {
        None
    }
}

impl Storage for HostFolder {
    fn metadata(&self, path: &Names) -> FsResult<Metadata> {
        let found = if path.is_empty() {
            self.dir.dir_metadata()
        } else {
            self.dir.symlink_metadata(relative(path))
        };
        let found = found.map_err(failure)?;
        Ok(Metadata {
            ft: kind(found.file_type()).ok_or(FsError::PermissionDenied)?,
            accessed: nanoseconds(found.accessed()),
            created: nanoseconds(found.created()),
            modified: nanoseconds(found.modified()),
            len: found.len(),
        })
    }

    fn read_link(&self, path: &Names) -> FsResult<PathBuf> {
        // As it is: whatever it says, the path it leads to comes by here again.
        self.dir.read_link_contents(relative(path)).map_err(failure)
    }

    fn read_dir(&self, path: &Names) -> FsResult<Vec<DirEntry>> {
        let listing =
            if path.is_empty() { self.dir.entries() } else { self.dir.read_dir(relative(path)) };
        let mut entries = Vec::new();
        for entry in listing.map_err(failure)? {
            let entry = entry.map_err(failure)?;
            if entries.len() == LISTED_ENTRIES {
                return Err(FsError::StorageFull);
            }
            let ft = entry.file_type().ok().and_then(kind).unwrap_or_default();
            let metadata = Ok(Metadata { ft, ..Metadata::default() });
            entries.push(DirEntry { path: entry.file_name().into(), metadata });
        }
        Ok(entries)
    }

    fn create_dir(&self, path: &Names) -> FsResult<()> {
        self.check_writable()?;
        self.dir.create_dir(relative(path)).map_err(failure)
    }

    fn remove_dir(&self, path: &Names) -> FsResult<()> {
        self.check_writable()?;
        self.dir.remove_dir(relative(path)).map_err(failure)
    }

    fn remove_file(&self, path: &Names) -> FsResult<()> {
        self.check_writable()?;
        self.dir.remove_file(relative(path)).map_err(failure)
    }

    fn rename(&self, from: &Names, to: &Names) -> FsResult<()> {
        self.check_writable()?;
        self.dir.rename(relative(from), &self.dir, relative(to)).map_err(failure)
    }

    fn open(&self, path: &Names, options: &OpenOptionsConfig) -> FsResult<Box<dyn Backing>> {
        let writing = options.would_mutate();
        if writing {
            self.check_writable()?;
        }
        let path = relative(path);
        match self.dir.symlink_metadata(&path) {
            Ok(found) if found.is_dir() => return Err(FsError::NotAFile),
            Ok(found) if !found.is_file() => return Err(FsError::PermissionDenied),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failure(error)),
        }
        let mut how = OpenOptions::new();
        how.read(options.read || !writing)
            .write(writing)
            .create(options.create)
            .create_new(options.create_new)
            .truncate(options.truncate)
            .follow(FollowSymlinks::No)
            // A pipe that took the file's place since the check does not block.
            .nonblock(true);
        let file = self.dir.open_with(&path, &how).map_err(failure)?.into_std();
        if !file.metadata().map_err(failure)?.is_file() {
            return Err(FsError::PermissionDenied);
        }
        Ok(Box::new(HostFile { file }))
    }
}

/// An open file of the host.
#[derive(Debug)]
struct HostFile {
    file: std::fs::File,
}

impl Backing for HostFile {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.read(buffer)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.write(bytes)
    }

    fn size(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    fn set_len(&mut self, len: u64) -> FsResult<()> {
        self.file.set_len(len).map_err(failure)
    }

    fn times(&self) -> Times {
        let Ok(metadata) = self.file.metadata() else { return Times::default() };
        let nanoseconds =
            |time: io::Result<_>| nanoseconds(time.map(cap_std::time::SystemTime::from_std));
        Times {
            accessed: nanoseconds(metadata.accessed()),
            created: nanoseconds(metadata.created()),
            modified: nanoseconds(metadata.modified()),
        }
    }

    fn set_times(&mut self, accessed: Option<u64>, modified: Option<u64>) -> FsResult<()> {
        let at = |nanoseconds| UNIX_EPOCH + Duration::from_nanos(nanoseconds);
        let mut times = std::fs::FileTimes::new();
        if let Some(accessed) = accessed {
            times = times.set_accessed(at(accessed));
        }
        if let Some(modified) = modified {
            times = times.set_modified(at(modified));
        }
        self.file.set_times(times).map_err(failure)
    }
}
