//! The files of a guest: a folder in memory, and the folders that the policy grants.
//!
//! WASIX resolves paths itself, symbolic links included, and caches what it found. None of that is relied
//! on here: whatever path arrives is split into plain names (no `..`, no empty ones) and looked up anew,
//! in memory or beneath the handle of one granted folder. So this is the last gate, and WASIX can at most
//! mistake one file of the guest for another.
//!
//! Everything is served by one file system with one mount. With several, WASIX would move files between
//! them by copying, for as long as it takes, with nobody to stop it.

mod budget;
mod folder;
mod open_file;
mod scratch;

use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures::future::BoxFuture;
use virtual_fs::{
    DirEntry, FileOpener, FileSystem, FsError, Metadata, OpenOptions, OpenOptionsConfig, ReadDir,
    VirtualFile,
};

use crate::error::{Result, SandboxError};
use crate::policy::SecurityPolicy;
use crate::watchdog::CallControl;

use folder::HostFolder;
use open_file::{Backing, OpenFile};
use scratch::Scratch;

/// The longest path, in bytes, and the longest name in it: what Linux allows.
const PATH_BYTES: usize = 4096;
const NAME_BYTES: usize = 255;

/// The deepest path, in names. A tree in memory is dropped by recursion, so its depth needs a limit.
const PATH_DEPTH: usize = 128;

type FsResult<T> = virtual_fs::Result<T>;

/// The names of a path below `/`.
type Names = [String];

/// A place where files are kept. Paths are relative to it, and consist of names only.
trait Storage: std::fmt::Debug + Send + Sync {
    fn metadata(&self, path: &Names) -> FsResult<Metadata>;
    fn read_link(&self, path: &Names) -> FsResult<PathBuf>;
    fn read_dir(&self, path: &Names) -> FsResult<Vec<DirEntry>>;
    fn create_dir(&self, path: &Names) -> FsResult<()>;
    fn remove_dir(&self, path: &Names) -> FsResult<()>;
    fn remove_file(&self, path: &Names) -> FsResult<()>;
    fn rename(&self, from: &Names, to: &Names) -> FsResult<()>;
    fn open(&self, path: &Names, options: &OpenOptionsConfig) -> FsResult<Box<dyn Backing>>;
}

/// All files of one guest.
#[derive(Debug, Clone)]
pub(crate) struct GuestFiles {
    tree: Arc<Tree>,
}

#[derive(Debug)]
struct Tree {
    scratch: Scratch,
    mounts: Vec<Mount>,
    /// The paths of open files, which a rename changes.
    open: Mutex<Vec<Weak<Mutex<PathBuf>>>>,
    control: Arc<CallControl>,
}

#[derive(Debug)]
struct Mount {
    at: Vec<String>,
    folder: HostFolder,
}

impl GuestFiles {
    /// An empty folder in memory, and the policy's folders in it.
    ///
    /// # Errors
    /// [`SandboxError::InvalidGrant`] if a folder cannot be opened, or not be shown where it should be.
    pub(crate) fn new(policy: &SecurityPolicy, control: &Arc<CallControl>) -> Result<Self> {
        let scratch = Scratch::new(policy.scratch_limit_bytes);
        let mut mounts: Vec<Mount> = Vec::with_capacity(policy.folders.len());
        for grant in &policy.folders {
            let invalid = |message: String| SandboxError::InvalidGrant {
                grant: format!("the folder {} as {:?}", grant.host.display(), grant.guest),
                message,
            };
            let at = names(Path::new(&grant.guest))
                .ok()
                .filter(|names| !names.is_empty() && grant.guest.starts_with('/'))
                .ok_or_else(|| {
                    invalid("a guest's path has to be absolute and below `/`".to_owned())
                })?;
            if mounts.iter().any(|mount| mount.at == at) {
                return Err(invalid("another folder has that path".to_owned()));
            }
            let folder = HostFolder::open(&grant.host, grant.access)
                .map_err(|error| invalid(error.to_string()))?;
            scratch.create_mount_point(&at).map_err(|error| invalid(error.to_string()))?;
            mounts.push(Mount { at, folder });
        }
        // The innermost first, so that the first match is the right one.
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.at.len()));
        let control = Arc::clone(control);
        Ok(Self { tree: Arc::new(Tree { scratch, mounts, open: Mutex::default(), control }) })
    }
}

impl Tree {
    /// Where a path's files are kept, and the path from there.
    fn route<'a>(&self, path: &'a Names) -> (&dyn Storage, &'a Names) {
        match self.mounts.iter().find(|mount| path.starts_with(&mount.at)) {
            Some(mount) => (&mount.folder, &path[mount.at.len()..]),
            None => (&self.scratch, path),
        }
    }

    /// Refuses to remove or move what a granted folder is shown at or below.
    fn check_movable(&self, path: &Names) -> FsResult<()> {
        if self.mounts.iter().any(|mount| mount.at.starts_with(path)) {
            return Err(FsError::PermissionDenied);
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> FsResult<()> {
        let (from_names, to_names) = (names(from)?, names(to)?);
        self.check_movable(&from_names)?;
        self.check_movable(&to_names)?;
        let (storage, source) = self.route(&from_names);
        let (target_storage, target) = self.route(&to_names);
        if !std::ptr::addr_eq(storage, target_storage) {
            return Err(FsError::Unsupported);
        }
        storage.rename(source, target)?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|path| path.strong_count() > 0);
        for path in open.iter().filter_map(Weak::upgrade) {
            let mut path = path.lock().unwrap_or_else(PoisonError::into_inner);
            if let Ok(below) = path.strip_prefix(from) {
                *path = if below.as_os_str().is_empty() { to.to_owned() } else { to.join(below) };
            }
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> FsResult<()> {
        let names = names(path)?;
        let (storage, below) = self.route(&names);
        storage.remove_file(below)
    }
}

/// The names in a path, if it has nothing else and is within the limits.
fn names(path: &Path) -> FsResult<Vec<String>> {
    if path.as_os_str().len() > PATH_BYTES {
        return Err(FsError::InvalidInput);
    }
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => {
                let name = name.to_str().filter(|name| name.len() <= NAME_BYTES);
                names.push(name.ok_or(FsError::InvalidInput)?.to_owned());
            }
            Component::ParentDir | Component::Prefix(_) => return Err(FsError::PermissionDenied),
        }
    }
    if names.len() > PATH_DEPTH {
        return Err(FsError::InvalidInput);
    }
    Ok(names)
}

impl FileSystem for GuestFiles {
    fn readlink(&self, path: &Path) -> FsResult<PathBuf> {
        let names = names(path)?;
        let (storage, below) = self.tree.route(&names);
        storage.read_link(below)
    }

    fn read_dir(&self, path: &Path) -> FsResult<ReadDir> {
        let names = names(path)?;
        let (storage, below) = self.tree.route(&names);
        let mut entries = storage.read_dir(below)?;
        for entry in &mut entries {
            entry.path = path.join(&entry.path);
        }
        Ok(ReadDir::new(entries))
    }

    fn create_dir(&self, path: &Path) -> FsResult<()> {
        let names = names(path)?;
        let (storage, below) = self.tree.route(&names);
        storage.create_dir(below)
    }

    fn create_symlink(&self, _source: &Path, _target: &Path) -> FsResult<()> {
        Err(FsError::PermissionDenied)
    }

    fn hard_link(&self, _source: &Path, _target: &Path) -> FsResult<()> {
        Err(FsError::PermissionDenied)
    }

    fn remove_dir(&self, path: &Path) -> FsResult<()> {
        let names = names(path)?;
        self.tree.check_movable(&names)?;
        let (storage, below) = self.tree.route(&names);
        storage.remove_dir(below)
    }

    fn rename<'a>(&'a self, from: &'a Path, to: &'a Path) -> BoxFuture<'a, FsResult<()>> {
        Box::pin(std::future::ready(self.tree.rename(from, to)))
    }

    fn metadata(&self, path: &Path) -> FsResult<Metadata> {
        self.symlink_metadata(path)
    }

    fn symlink_metadata(&self, path: &Path) -> FsResult<Metadata> {
        let names = names(path)?;
        let (storage, below) = self.tree.route(&names);
        storage.metadata(below)
    }

    fn remove_file(&self, path: &Path) -> FsResult<()> {
        self.tree.remove_file(path)
    }

    fn new_open_options(&self) -> OpenOptions<'_> {
        OpenOptions::new(self)
    }
}

impl FileOpener for GuestFiles {
    fn open(
        &self,
        path: &Path,
        options: &OpenOptionsConfig,
    ) -> FsResult<Box<dyn VirtualFile + Send + Sync + 'static>> {
        let names = names(path)?;
        let (storage, below) = self.tree.route(&names);
        let backing = storage.open(below, options)?;
        let place = Arc::new(Mutex::new(path.to_owned()));
        let mut open = self.tree.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|path| path.strong_count() > 0);
        open.push(Arc::downgrade(&place));
        Ok(Box::new(OpenFile::new(backing, options, place, Arc::clone(&self.tree))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_names_and_nothing_else() {
        assert_eq!(names(Path::new("/a//b/./c")).unwrap(), ["a", "b", "c"]);
        assert_eq!(names(Path::new("/a/../b")).unwrap_err(), FsError::PermissionDenied);
        let long = "x".repeat(NAME_BYTES);
        assert!(names(Path::new(&long)).is_ok());
        assert!(names(Path::new(&format!("{long}x"))).is_err());
        assert!(names(Path::new(&"d/".repeat(PATH_DEPTH + 1))).is_err());
        assert!(names(Path::new(&"./".repeat(PATH_BYTES))).is_err());
    }
}
