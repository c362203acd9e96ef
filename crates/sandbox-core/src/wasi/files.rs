//! The files of a guest: a folder of its own in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use virtual_fs::limiter::FsMemoryLimiter;
use virtual_fs::{FileSystem, FsError, TmpFileSystem};

/// An empty folder in memory that holds at most `limit_bytes`.
pub(crate) fn scratch(limit_bytes: u64) -> Arc<dyn FileSystem + Send + Sync> {
    let files = TmpFileSystem::new();
    files.set_memory_limiter(Arc::new(ScratchLimit { limit_bytes, used_bytes: AtomicU64::new(0) }));
    Arc::new(files)
}

#[derive(Debug)]
struct ScratchLimit {
    limit_bytes: u64,
    used_bytes: AtomicU64,
}

impl FsMemoryLimiter for ScratchLimit {
    fn on_grow(&self, grown_bytes: usize) -> Result<(), FsError> {
        let grown = grown_bytes as u64;
        self.used_bytes
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                used.checked_add(grown).filter(|total| *total <= self.limit_bytes)
            })
            .map(drop)
            .map_err(|_| FsError::StorageFull)
    }

    fn on_shrink(&self, shrunk_bytes: usize) {
        let shrunk = shrunk_bytes as u64;
        let _ = self.used_bytes.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            Some(used.saturating_sub(shrunk))
        });
    }
}
