//! The guest's own folder, in memory.
//!
//! `virtual_fs` has files in memory too, and a limiter for them. But it grows a file first and asks the
//! limiter then, so a guest that sets a file's length to a terabyte aborts the process; it keeps what was
//! refused; and it counts neither files nor names. Here all is counted before it is kept.

mod contents;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use virtual_fs::{DirEntry, FileType, FsError, Metadata, OpenOptionsConfig};

use super::budget::{Budget, Charge};
use super::open_file::Backing;
use super::{FsResult, Names, PATH_DEPTH, Storage};

use contents::Contents;

/// What a file or folder counts beside its contents: its name, and what WASIX remembers about it.
const NODE_BYTES: u64 = 1024;

/// Files and folders in memory.
#[derive(Debug)]
pub(super) struct Scratch {
    root: Mutex<Folder>,
    budget: Arc<Budget>,
}

#[derive(Debug)]
struct Folder {
    entries: BTreeMap<String, Node>,
    created: u64,
    /// Nothing for the root and for folders that the host made.
    _charge: Option<Charge>,
}

#[derive(Debug)]
enum Node {
    Folder(Folder),
    File(Arc<Contents>),
}

impl Folder {
    /// A folder that the guest makes.
    fn new(charge: Charge) -> Self {
        Self { entries: BTreeMap::new(), created: contents::now(), _charge: Some(charge) }
    }

    /// A folder that is there from the start. It has no date: the environment may have been made long before its caller
    /// came, and that would tell of earlier ones.
    fn of_host() -> Self {
        Self { entries: BTreeMap::new(), created: 0, _charge: None }
    }

    fn metadata(&self) -> Metadata {
        let (accessed, created, modified) = (self.created, self.created, self.created);
        Metadata { ft: FileType::new_dir(), accessed, created, modified, len: 0 }
    }

    fn walk(&self, path: &Names) -> FsResult<&Folder> {
        path.iter().try_fold(self, |folder, name| match folder.entries.get(name) {
            Some(Node::Folder(next)) => Ok(next),
            Some(Node::File(_)) => Err(FsError::BaseNotDirectory),
            None => Err(FsError::EntryNotFound),
        })
    }

    fn walk_mut(&mut self, path: &Names) -> FsResult<&mut Folder> {
        path.iter().try_fold(self, |folder, name| match folder.entries.get_mut(name) {
            Some(Node::Folder(next)) => Ok(next),
            Some(Node::File(_)) => Err(FsError::BaseNotDirectory),
            None => Err(FsError::EntryNotFound),
        })
    }

    /// How many folders are below each other here, this one included.
    fn depth(&self) -> usize {
        let below = self.entries.values().map(|node| match node {
            Node::Folder(folder) => folder.depth(),
            Node::File(_) => 0,
        });
        1 + below.max().unwrap_or(0)
    }
}

impl Node {
    fn metadata(&self) -> Metadata {
        match self {
            Self::Folder(folder) => folder.metadata(),
            Self::File(contents) => contents.metadata(),
        }
    }
}

/// The folder that a path is in, and its name there.
fn split(path: &Names) -> FsResult<(&String, &Names)> {
    path.split_last().ok_or(FsError::PermissionDenied)
}

impl Scratch {
    pub(super) fn new(limit_bytes: u64) -> Self {
        Self { root: Mutex::new(Folder::of_host()), budget: Budget::new(limit_bytes) }
    }

    /// Makes the folders of a path, at nobody's expense.
    pub(super) fn create_mount_point(&self, path: &Names) -> FsResult<()> {
        let mut root = self.lock();
        let mut folder = &mut *root;
        for name in path {
            let node = folder.entries.entry(name.clone());
            match node.or_insert_with(|| Node::Folder(Folder::of_host())) {
                Node::Folder(next) => folder = next,
                Node::File(_) => return Err(FsError::BaseNotDirectory),
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Folder> {
        self.root.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for Scratch {
    fn metadata(&self, path: &Names) -> FsResult<Metadata> {
        let root = self.lock();
        let Ok((name, parent)) = split(path) else { return Ok(root.metadata()) };
        root.walk(parent)?.entries.get(name).map(Node::metadata).ok_or(FsError::EntryNotFound)
    }

    fn read_link(&self, _path: &Names) -> FsResult<PathBuf> {
        Err(FsError::InvalidInput)
    }

    fn read_dir(&self, path: &Names) -> FsResult<Vec<DirEntry>> {
        let root = self.lock();
        let entries = root.walk(path)?.entries.iter();
        Ok(entries
            .map(|(name, node)| DirEntry { path: name.into(), metadata: Ok(node.metadata()) })
            .collect())
    }

    fn create_dir(&self, path: &Names) -> FsResult<()> {
        let (name, parent) = split(path).map_err(|_| FsError::AlreadyExists)?;
        let mut root = self.lock();
        let parent = root.walk_mut(parent)?;
        if parent.entries.contains_key(name) {
            return Err(FsError::AlreadyExists);
        }
        let charge = self.budget.charge(NODE_BYTES)?;
        parent.entries.insert(name.clone(), Node::Folder(Folder::new(charge)));
        Ok(())
    }

    fn remove_dir(&self, path: &Names) -> FsResult<()> {
        let (name, parent) = split(path)?;
        let mut root = self.lock();
        let parent = root.walk_mut(parent)?;
        match parent.entries.get(name) {
            Some(Node::Folder(folder)) if !folder.entries.is_empty() => {
                return Err(FsError::DirectoryNotEmpty);
            }
            Some(Node::Folder(_)) => parent.entries.remove(name),
            Some(Node::File(_)) => return Err(FsError::BaseNotDirectory),
            None => return Err(FsError::EntryNotFound),
        };
        Ok(())
    }

    fn remove_file(&self, path: &Names) -> FsResult<()> {
        let (name, parent) = split(path)?;
        let mut root = self.lock();
        let parent = root.walk_mut(parent)?;
        match parent.entries.get(name) {
            Some(Node::File(_)) => parent.entries.remove(name),
            Some(Node::Folder(_)) => return Err(FsError::NotAFile),
            None => return Err(FsError::EntryNotFound),
        };
        Ok(())
    }

    fn rename(&self, from: &Names, to: &Names) -> FsResult<()> {
        let (from_name, from_parent) = split(from)?;
        let (to_name, to_parent) = split(to)?;
        if to.starts_with(from) {
            return if to == from { Ok(()) } else { Err(FsError::InvalidInput) };
        }
        let mut root = self.lock();
        let source = root.walk(from_parent)?.entries.get(from_name);
        let target = root.walk(to_parent)?.entries.get(to_name);
        match (source.ok_or(FsError::EntryNotFound)?, target) {
            (Node::Folder(_), Some(Node::File(_))) => return Err(FsError::BaseNotDirectory),
            (Node::File(_), Some(Node::Folder(_))) => return Err(FsError::NotAFile),
            (Node::Folder(_), Some(Node::Folder(folder))) if !folder.entries.is_empty() => {
                return Err(FsError::DirectoryNotEmpty);
            }
            (Node::Folder(folder), _) if to_parent.len() + folder.depth() >= PATH_DEPTH => {
                return Err(FsError::InvalidInput);
            }
            _ => {}
        }
        let node = root.walk_mut(from_parent)?.entries.remove(from_name);
        let node = node.ok_or(FsError::EntryNotFound)?;
        root.walk_mut(to_parent)?.entries.insert(to_name.clone(), node);
        Ok(())
    }

    fn open(&self, path: &Names, options: &OpenOptionsConfig) -> FsResult<Box<dyn Backing>> {
        let (name, parent) = split(path).map_err(|_| FsError::NotAFile)?;
        let mut root = self.lock();
        let parent = root.walk_mut(parent)?;
        let contents = match parent.entries.get(name) {
            Some(Node::File(_)) if options.create_new => return Err(FsError::AlreadyExists),
            Some(Node::File(contents)) => Arc::clone(contents),
            Some(Node::Folder(_)) => return Err(FsError::NotAFile),
            None if options.create || options.create_new => {
                let contents = Arc::new(Contents::new(self.budget.charge(NODE_BYTES)?, NODE_BYTES));
                parent.entries.insert(name.clone(), Node::File(Arc::clone(&contents)));
                contents
            }
            None => return Err(FsError::EntryNotFound),
        };
        drop(root);
        let mut backing: Box<dyn Backing> = Box::new(contents);
        if options.truncate {
            backing.set_len(0)?;
        }
        Ok(backing)
    }
}

#[cfg(test)]
mod tests;
