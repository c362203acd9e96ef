//! State that the open files and folders of a guest have in common.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::listing::ListedBytes;
use super::memory::{NodeId, TreeState};
use super::{Grants, Result};

/// Tells the time for new and changed files in memory, in nanoseconds since 1970.
pub(crate) type TimeSource = Arc<dyn Fn() -> u64 + Send + Sync>;

/// State that the open files and folders of an instance have in common.
pub(super) struct Shared {
    pub(super) grants: Arc<Grants>,
    memory: Mutex<TreeState>,
    now: TimeSource,
    has_changed_host: AtomicBool,
    has_asked_host: AtomicBool,
    pub(super) listed: ListedBytes,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("grants", &self.grants).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(grants: &Arc<Grants>, memory: TreeState, now: TimeSource) -> Arc<Self> {
        Arc::new(Self {
            grants: Arc::clone(grants),
            memory: Mutex::new(memory),
            now,
            has_changed_host: AtomicBool::new(false),
            has_asked_host: AtomicBool::new(false),
            listed: ListedBytes::default(),
        })
    }

    /// The files in memory. Nothing of the host is asked while they are locked.
    pub(super) fn memory(&self) -> MutexGuard<'_, TreeState> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> u64 {
        (self.now)()
    }

    /// Whether something in a granted folder may have been changed.
    pub(super) fn has_changed_host(&self) -> bool {
        self.has_changed_host.load(Ordering::Acquire)
    }

    /// Whether something may have been learned of a granted folder.
    pub(super) fn has_asked_host(&self) -> bool {
        self.has_asked_host.load(Ordering::Relaxed)
    }

    /// Notes that folders are about to be looked at, of which some may be the host's.
    pub(super) fn note_asking(&self) {
        if self.grants.has_folders() {
            self.has_asked_host.store(true, Ordering::Relaxed);
        }
    }

    /// Notes that something in a granted folder is about to be changed.
    pub(super) fn note_host_change(&self) {
        self.has_changed_host.store(true, Ordering::Release);
    }
}

/// Open file or folder in memory, which stays as long as this does.
#[derive(Debug)]
pub(super) struct Handle {
    shared: Arc<Shared>,
    id: NodeId,
    epoch: u64,
}

impl Handle {
    pub(super) fn new(shared: &Arc<Shared>, id: NodeId) -> Result<Self> {
        let epoch = shared.memory().open(id)?;
        Ok(Self { shared: Arc::clone(shared), id, epoch })
    }

    pub(super) const fn id(&self) -> NodeId {
        self.id
    }

    /// The files in memory, if the handle is still of them.
    pub(super) fn memory(&self) -> Result<MutexGuard<'_, TreeState>> {
        let memory = self.shared.memory();
        memory.check(self.epoch)?;
        Ok(memory)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.memory().close(self.id, self.epoch);
    }
}
