//! One measurement at a time on one machine: two that run together measure each other. And how
//! others see that a job's program is gone.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::job::JobId;
use crate::environment::boot;

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
        Ok(try_lock(path)?.map(|file| Self { _file: file }))
    }
}

/// Takes the lock of a file, which is made if there is none; nothing comes back if another process
/// has it.
pub(crate) fn try_lock(path: &Utf8Path) -> io::Result<Option<File>> {
    let file = open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Held by the process that is at a job, so that no other is at it too, and others can tell whether
/// there still is one.
#[derive(Debug)]
pub(crate) struct JobLock {
    _file: File,
}

/// Who is at a job, as its folder tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    /// Somebody is.
    Present,
    /// Somebody was, since the system was started, and is gone.
    Gone,
    /// Somebody was before the system was started, or did not say when.
    Earlier,
    /// Nobody ever was at it from this folder: there is no lock, or a copy of another folder's.
    Nobody,
}

const JOB_LOCK: &str = "lock";
/// How long to try: somebody may just be looking.
const LOOKS: u32 = 20;

impl JobLock {
    /// Takes the lock of the job that has this folder; nothing comes back if another process has
    /// it.
    pub(crate) fn try_take(folder: &Utf8Path) -> io::Result<Option<Self>> {
        let path = folder.join(JOB_LOCK);
        let file = open(&path)?;
        for _ in 0..LOOKS {
            match file.try_lock() {
                Ok(()) => {
                    // Without it, the lock says less to whoever comes after a crash.
                    let _ = std::fs::write(&path, Taken::now(&file).text());
                    return Ok(Some(Self { _file: file }));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Whether somebody took the lock and is gone. Where nobody ever did, as in the folder of a
    /// job that another machine runs, nothing is known, and the answer is no.
    pub(crate) fn was_left(folder: &Utf8Path) -> bool {
        matches!(Self::holder(folder), Holder::Gone | Holder::Earlier)
    }

    /// Who is at the job that has this folder.
    pub(crate) fn holder(folder: &Utf8Path) -> Holder {
        let path = folder.join(JOB_LOCK);
        let Ok(file) = File::open(&path) else { return Holder::Nobody };
        // Shared, so that those who look do not see each other.
        if file.try_lock_shared().is_err() {
            return Holder::Present;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let (then, now) = (Taken::parse(&text), Taken::now(&file));
        match then {
            None => Holder::Earlier,
            Some(then) if then.inode != now.inode => Holder::Nobody,
            Some(then) if then.boot != now.boot => Holder::Earlier,
            Some(_) => Holder::Gone,
        }
    }
}

/// Whether nobody was ever at a job from the folder in which a machine's number is kept.
pub fn is_elsewhere(number: &Utf8Path, job: JobId) -> bool {
    let folder = number.parent().unwrap_or(number);
    JobLock::holder(&job.folder_in(folder)) == Holder::Nobody
}

/// What a lock says of the one who took it last: which file that was, since a copy is another one,
/// and what the system called its life then.
#[derive(Debug, PartialEq, Eq)]
struct Taken {
    inode: u64,
    boot: String,
}

impl Taken {
    fn now(file: &File) -> Self {
        let inode = file.metadata().map(|data| data.ino()).unwrap_or_default();
        Self { inode, boot: boot().unwrap_or_default() }
    }

    fn text(&self) -> String {
        format!("{} {}\n", self.inode, self.boot)
    }

    fn parse(text: &str) -> Option<Self> {
        let (inode, boot) = text.trim_end().split_once(' ')?;
        Some(Self { inode: inode.parse().ok()?, boot: boot.to_owned() })
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
    fn a_job_was_left_when_its_holder_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        assert!(!JobLock::was_left(folder), "nobody was ever here");
        let held = JobLock::try_take(folder).unwrap().unwrap();
        assert!(!JobLock::was_left(folder));
        assert!(JobLock::try_take(folder).unwrap().is_none(), "another is at it");
        drop(held);
        assert!(JobLock::was_left(folder));
        let again = JobLock::try_take(folder).unwrap().unwrap();
        assert!(!JobLock::was_left(folder), "somebody goes on with it");
        drop(again);
    }

    #[test]
    fn a_copy_of_a_lock_says_nothing_of_a_holder() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        assert_eq!(JobLock::holder(folder), Holder::Nobody);
        let held = JobLock::try_take(folder).unwrap().unwrap();
        assert_eq!(JobLock::holder(folder), Holder::Present);
        drop(held);
        assert_eq!(JobLock::holder(folder), Holder::Gone);
        let copy = folder.join("copy");
        std::fs::create_dir(&copy).unwrap();
        std::fs::copy(folder.join(JOB_LOCK), copy.join(JOB_LOCK)).unwrap();
        assert_eq!(JobLock::holder(&copy), Holder::Nobody);
        // As it is after the system was started anew, and as older programs left it.
        let text = std::fs::read_to_string(folder.join(JOB_LOCK)).unwrap();
        let (inode, _) = text.split_once(' ').unwrap();
        for earlier in [format!("{inode} another-life\n"), String::new()] {
            std::fs::write(folder.join(JOB_LOCK), earlier).unwrap();
            assert_eq!(JobLock::holder(folder), Holder::Earlier);
        }
    }

    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("lock");
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(MachineLock::try_take(&path).is_err());
    }
}
