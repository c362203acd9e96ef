//! A folder that only its owner can write to, and files in it that are there whole or not at all.
//!
//! The folder is opened once and examined once; all files are then reached through the open folder, not through its
//! path. So the folder that was examined is the folder that is used, whatever somebody renames meanwhile.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps};

use crate::sys::memory::buffer_for;
use crate::sys::user::effective_user;

/// The beginning of the names of files that are being written.
const UNFINISHED: &str = ".unfinished-";
/// After this time nobody is writing a file any more: who did has died.
const ABANDONED_AFTER: Duration = Duration::from_secs(3600);

/// An open folder that passed examination.
#[derive(Debug)]
pub(super) struct Folder {
    directory: OwnedFd,
    path: PathBuf,
}

/// Who may be able to read a file that is used.
#[derive(Debug, Clone, Copy)]
pub(super) enum Readers {
    Anyone,
    Owner,
}

/// A file in the folder.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) bytes: u64,
    /// Seconds and nanoseconds of its last use.
    pub(super) used: (i64, i64),
}

/// Why a file or folder is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Exposure {
    #[error("it belongs to the user {owner}, and this process runs as {user}")]
    ForeignOwner { owner: u32, user: u32 },
    #[error("others may write to it (mode {mode:o}): take that right away with `chmod go-w`")]
    Writable { mode: u32 },
    #[error("others may read it (mode {mode:o})")]
    Readable { mode: u32 },
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FolderError {
    #[error("{path}: {error}", path = path.display())]
    Inaccessible { path: PathBuf, error: io::Error },
    #[error("{path}: {exposure}", path = path.display())]
    Exposed { path: PathBuf, exposure: Exposure },
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error(transparent)]
    Inaccessible(#[from] io::Error),
    #[error(transparent)]
    Exposed(#[from] Exposure),
    #[error("it is no regular file")]
    NotAFile,
    #[error("it has {bytes} bytes, and at most {limit_bytes} are accepted")]
    TooLarge { bytes: u64, limit_bytes: u64 },
}

/// Judges by the owner and the permissions who may change a file.
///
/// Where a file has an access control list, its mask stands in the place of the group's permissions, so what a list
/// grants is seen here too.
fn examine(owner: u32, mode: u32, user: u32, readers: Readers) -> Result<(), Exposure> {
    let mode = mode & 0o7777;
    if owner != user {
        return Err(Exposure::ForeignOwner { owner, user });
    }
    if mode & 0o022 != 0 {
        return Err(Exposure::Writable { mode });
    }
    if matches!(readers, Readers::Owner) && mode & 0o077 != 0 {
        return Err(Exposure::Readable { mode });
    }
    Ok(())
}

impl Folder {
    /// Opens a folder, and makes it, for its owner only, if it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, FolderError> {
        let inaccessible = |error| FolderError::Inaccessible { path: path.to_owned(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(inaccessible)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = fs::open(path, flags, Mode::empty()).map_err(|e| inaccessible(e.into()))?;
        let stat = fs::fstat(&directory).map_err(|error| inaccessible(error.into()))?;
        examine(stat.st_uid, stat.st_mode, effective_user(), Readers::Anyone)
            .map_err(|exposure| FolderError::Exposed { path: path.to_owned(), exposure })?;
        Ok(Self { directory, path: path.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The whole content of a file, if there is one, and nobody else can have written it.
    pub(super) fn read(
        &self,
        name: &str,
        limit_bytes: u64,
        readers: Readers,
    ) -> Result<Option<Vec<u8>>, FileError> {
        // Not following links, and not waiting for a writer if the name is that of a pipe.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match fs::openat(&self.directory, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(rustix::io::Errno::LOOP) => return Err(FileError::NotAFile),
            Err(error) => return Err(io::Error::from(error).into()),
        };
        let stat = fs::fstat(&file).map_err(io::Error::from)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(FileError::NotAFile);
        }
        examine(stat.st_uid, stat.st_mode, effective_user(), readers)?;
        let bytes = size_bytes(&stat);
        if bytes > limit_bytes {
            return Err(FileError::TooLarge { bytes, limit_bytes });
        }
        let mut content = buffer_for(usize::try_from(bytes).unwrap_or(usize::MAX))?;
        file.take(limit_bytes).read_to_end(&mut content)?;
        Ok(Some(content))
    }

    /// Writes a file in place of the one of that name.
    pub(super) fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let unfinished = self.write_unfinished(content, Durability::None)?;
        fs::renameat(&self.directory, &*unfinished, &self.directory, name).map_err(|error| {
            self.discard(&unfinished);
            error.into()
        })
    }

    /// Writes a file unless there is one of that name.
    pub(super) fn create_once(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let unfinished = self.write_unfinished(content, Durability::Flushed)?;
        // A link fails where the name exists; a rename would replace it.
        let linked =
            fs::linkat(&self.directory, &*unfinished, &self.directory, name, AtFlags::empty());
        self.discard(&unfinished);
        match linked {
            Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Marks a file as used now.
    pub(super) fn touch(&self, name: &str) -> io::Result<()> {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT },
            last_modification: Timespec { tv_sec: 0, tv_nsec: fs::UTIME_NOW },
        };
        Ok(fs::utimensat(&self.directory, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// The files whose names are wanted.
    pub(super) fn list(&self, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<Listed>> {
        let mut files = Vec::new();
        for item in fs::Dir::read_from(&self.directory)? {
            let item = item?;
            let Ok(name) = item.file_name().to_str() else { continue };
            if !wanted(name) {
                continue;
            }
            // Another process may have removed it meanwhile.
            if let Ok(stat) = fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                let used = (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or_default());
                files.push(Listed { name: name.to_owned(), bytes: size_bytes(&stat), used });
            }
        }
        Ok(files)
    }

    /// Removes a file; it is well if another process did.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match fs::unlinkat(&self.directory, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes what processes left behind that died while they wrote.
    pub(super) fn sweep_abandoned(&self) -> io::Result<()> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let limit =
            i64::try_from(now.saturating_sub(ABANDONED_AFTER).as_secs()).unwrap_or_default();
        for file in self.list(|name| name.starts_with(UNFINISHED))? {
            if file.used.0 < limit {
                self.remove(&file.name)?;
            }
        }
        Ok(())
    }

    /// Writes a file under a name that nobody else uses, and returns the name.
    fn write_unfinished(&self, content: &[u8], durability: Durability) -> io::Result<String> {
        let mut random = [0; 8];
        getrandom::fill(&mut random)?;
        let name = format!("{UNFINISHED}{:016x}", u64::from_le_bytes(random));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let mut file = File::from(fs::openat(&self.directory, &*name, flags, mode)?);
        let written = file.write_all(content).and_then(|()| match durability {
            Durability::None => Ok(()),
            Durability::Flushed => file.sync_all(),
        });
        if written.is_err() {
            self.discard(&name);
        }
        written.map(|()| name)
    }

    /// Removes a file that has become useless. If that fails, it is swept later.
    fn discard(&self, name: &str) {
        let _ = fs::unlinkat(&self.directory, name, AtFlags::empty());
    }
}

/// Whether a file outlives a power failure.
#[derive(Debug, Clone, Copy)]
enum Durability {
    None,
    Flushed,
}

fn size_bytes(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or_default()
}

#[cfg(test)]
mod tests;
