//! What one guest sees.

use std::sync::Arc;
use super::*;

/// Tells the time for new and changed files in memory, in nanoseconds since 1970.
pub(crate) type TimeSource = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The file systems of one instance.
#[derive(Debug, Clone)]
pub(crate) struct FileSystem {}

/// The files in memory at one moment. It shares with the instances that begin from it what they do not change.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {}

impl FileSystem {
    /// Makes the file systems of an instance: the granted folders, and nothing in memory, where `limit_bytes` may be kept.
    /// Nothing is opened.
    pub(crate) fn new(grants: &Arc<Grants>, limit_bytes: u64, now: TimeSource) -> Self { todo!() }

    /// Makes the file systems of an instance that begins with the snapshot of another with the same grants.
    pub(crate) fn from_snapshot(grants: &Arc<Grants>, snapshot: &Snapshot, now: TimeSource) -> Self { todo!() }

    /// The folders that a guest has open from the start with their paths: `/` first, then the other grants as the policy
    /// lists them.
    pub(crate) fn preopened(&self) -> Vec<(String, Folder)> { todo!() }

    /// Keeps the files in memory as they are.
    pub(crate) fn snapshot(&self) -> Snapshot { todo!() }

    /// Makes the files in memory what they were. Files and folders in memory that are open are no longer usable
    /// ([`Errno::BadF`]): the caller drops them before or after, and makes those of the template anew.
    pub(crate) fn restore(&self, snapshot: &Snapshot) { todo!() }

    /// Whether anything in memory differs from the snapshot that the file systems began with, or may.
    pub(crate) fn is_changed_since(&self, snapshot: &Snapshot) -> bool { todo!() }

    /// Whether the guest changed something in a granted folder, which cannot be undone, since the file systems were made.
    pub(crate) fn has_changed_host(&self) -> bool { todo!() }

    /// Opens a folder of a template.
    pub(crate) fn reopen_folder(&self, saved: &SavedFolder) -> Result<Folder> { todo!() }

    /// Opens a file of a template.
    pub(crate) fn reopen_file(&self, saved: &SavedFile) -> Result<File> { todo!() }
}
