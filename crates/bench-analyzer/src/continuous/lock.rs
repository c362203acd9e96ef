//! One measurement at a time on one machine: two that run together measure each other.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use camino::{Utf8Path, Utf8PathBuf};

/// Held while this process measures; the system frees it when the process ends, however it does.
#[derive(Debug)]
pub struct MachineLock {
    _file: File,
}

impl MachineLock {
    /// The file that all users of the machine lock.
    pub fn default_path() -> Utf8PathBuf {
        let folder = Utf8PathBuf::try_from(std::env::temp_dir());
        folder.unwrap_or_else(|_| Utf8PathBuf::from("/tmp")).join("bench-analyzer.lock")
    }

    /// Takes the lock, or says with nothing that another process has it.
    ///
    /// # Errors
    /// If the file cannot be opened or locked.
    pub fn try_take(path: &Utf8Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Opens what is there before making anything: in a folder like `/tmp`, systems refuse to
/// "create" a file that belongs to somebody else. No link is followed.
fn open(path: &Utf8Path) -> io::Result<File> {
    let no_link = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    for _ in 0..3 {
        match OpenOptions::new().read(true).custom_flags(no_link).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let made = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o644)
            .custom_flags(no_link)
            .open(path);
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other,
        }
    }
    Err(io::Error::other("the lock file comes and goes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("lock");
        let held = MachineLock::try_take(&path).unwrap().unwrap();
        assert!(MachineLock::try_take(&path).unwrap().is_none());
        drop(held);
        assert!(MachineLock::try_take(&path).unwrap().is_some());
    }

    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("lock");
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(MachineLock::try_take(&path).is_err());
    }
}
