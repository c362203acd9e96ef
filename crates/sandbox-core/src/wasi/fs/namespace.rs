//! Namespace of one guest.

use std::sync::Arc;

use super::file::{SavedStorage, Storage};
use super::folder::Backing;
use super::memory::{NodeId, Tree, TreeState};
use super::shared::{Handle, Shared, TimeSource};
use super::{File, Folder, Grants, Result, SavedFile, SavedFolder};

/// The file systems of one instance.
#[derive(Debug, Clone)]
pub(crate) struct FileSystem {
    shared: Arc<Shared>,
}

/// The files in memory at one moment. It shares with the instances that begin from it what they do not change.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    tree: Arc<Tree>,
    limit_bytes: u64,
}

impl Snapshot {
    /// Keeps files that were read from elsewhere, where so much may be kept.
    pub(super) fn of(tree: Tree, limit_bytes: u64) -> Self {
        Self { tree: Arc::new(tree), limit_bytes }
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }
}

impl FileSystem {
    /// Makes the file systems of an instance: the granted folders and bundles, and nothing in memory, where `limit_bytes`
    /// may be kept. Opens no file.
    pub(crate) fn new(grants: &Arc<Grants>, limit_bytes: u64, now: TimeSource) -> Self {
        let snapshot = Snapshot { tree: Arc::clone(grants.tree()), limit_bytes };
        Self::from_snapshot(grants, &snapshot, now)
    }

    /// Makes the file systems of an instance that begins with the snapshot of another with the same grants.
    pub(crate) fn from_snapshot(
        grants: &Arc<Grants>,
        snapshot: &Snapshot,
        now: TimeSource,
    ) -> Self {
        let memory = TreeState::new(Arc::clone(&snapshot.tree), snapshot.limit_bytes);
        Self { shared: Shared::new(grants, memory, now) }
    }

    /// The folders that a guest has open from the start with their paths: `/` first, then the other grants as the policy
    /// lists them.
    ///
    /// # Errors
    /// None that a new instance meets.
    pub(crate) fn preopened(&self) -> Result<Vec<(String, Folder)>> {
        let grants = &self.shared.grants;
        let root = match grants.root() {
            Some(mount) => Folder::of_mount(&self.shared, mount),
            None => Folder::new(
                &self.shared,
                Backing::Memory(Arc::new(Handle::new(&self.shared, NodeId::ROOT)?)),
            ),
        };
        let others = grants.mounts().filter(|(path, _)| *path != "/");
        let others =
            others.map(|(path, mount)| (path.to_owned(), Folder::of_mount(&self.shared, mount)));
        Ok(std::iter::once(("/".to_owned(), root)).chain(others).collect())
    }

    /// Keeps the files in memory as they are.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let memory = self.shared.memory();
        Snapshot { tree: Arc::clone(memory.tree()), limit_bytes: memory.limit_bytes() }
    }

    /// Makes the files in memory what they were. If anything was changed, files and folders in memory that are open are no
    /// longer usable ([`Errno::BadF`](super::Errno::BadF)): the caller drops them, before or after, and opens those of its template anew.
    pub(crate) fn restore(&self, snapshot: &Snapshot) {
        if self.is_changed_since(snapshot) {
            self.shared.memory().restore(&snapshot.tree);
        }
    }

    /// Whether anything in memory may differ from the snapshot. Looking and reading changes nothing.
    pub(crate) fn is_changed_since(&self, snapshot: &Snapshot) -> bool {
        !Arc::ptr_eq(self.shared.memory().tree(), &snapshot.tree)
    }

    /// Whether the guest changed something in a granted folder, which cannot be undone, since the file systems were made.
    pub(crate) fn has_changed_host(&self) -> bool {
        self.shared.has_changed_host()
    }

    /// Whether the guest may know what is in a granted folder of the host.
    pub(crate) fn has_asked_host(&self) -> bool {
        self.shared.has_asked_host()
    }

    /// The paths of all files in memory and their lengths, in order. Paths that nobody could open are left out.
    pub(crate) fn list(&self) -> Vec<(String, u64)> {
        let mut files = self.shared.memory().files();
        files.sort_unstable();
        files
    }

    /// Opens a folder of a template, perhaps of another sandbox with the same policy: a granted folder is the one that this
    /// sandbox was granted.
    ///
    /// # Errors
    /// [`Errno::BadF`](super::Errno::BadF) if the files in memory are not those of the template.
    pub(crate) fn reopen_folder(&self, saved: &SavedFolder) -> Result<Folder> {
        Folder::reopen(&self.shared, saved)
    }

    /// Opens a file of a template.
    ///
    /// # Errors
    /// [`Errno::BadF`](super::Errno::BadF) if the files in memory are not those of the template.
    pub(crate) fn reopen_file(&self, saved: &SavedFile) -> Result<File> {
        let storage = match &saved.0 {
            SavedStorage::Memory(id) => Storage::Memory(Handle::new(&self.shared, *id)?),
            SavedStorage::Bundled(file) => Storage::Bundled(file.clone()),
        };
        Ok(File::new(&self.shared, storage))
    }
}
