//! Folders of the host, opened once for all instances of a sandbox.

use crate::error::Result;
use crate::policy::FolderGrant;

/// Granted folders of a sandbox, open, and where its guests see them.
#[derive(Debug)]
pub(crate) struct Grants {}

impl Grants {
    /// Opens the folders.
    ///
    /// # Errors
    /// [`SandboxError::InvalidGrant`](crate::error::SandboxError::InvalidGrant) if a folder cannot be opened, or not be
    /// shown where it should be.
    pub(crate) fn open(folders: &[FolderGrant]) -> Result<Self> { todo!() }
}
