//! Grants of a policy to the guest: folders, bundles, environment variables, arguments.

use std::path::PathBuf;

use crate::bundle::FileBundle;

/// Access of a guest to a granted folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Access {
    /// Look and read.
    #[default]
    ReadOnly,
    /// Also create, change, rename and remove.
    ReadWrite,
}

/// A folder of the host that the guest sees.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FolderGrant {
    /// Where the folder is on the host. It is opened once for a sandbox, which keeps what it opened then.
    pub host: PathBuf,
    /// Where the guest sees it: an absolute path, or `.`, which is the same as `/`.
    pub guest: String,
    /// Access of the guest to it.
    pub access: Access,
    /// The most that guests may have added to it at any one time, in bytes. `None` sets no limit.
    ///
    /// Counted is what all guests of one sandbox, or those of one run for a folder of that run, made the files in it
    /// longer, and 4 KiB for each file and folder that they made; what they remove or cut off of that they may use again. So
    /// the folder never has more than was in it and the quota, whatever they do: a file that is long but has holes counts
    /// whole, and one that was removed counts until nobody has it open. A write for which there is no room is an error
    /// number to the guest (`EDQUOT`), or does a part of it. What the host itself does there is not counted.
    pub quota_bytes: Option<u64>,
}

impl FolderGrant {
    /// A folder of the host, and where the guest sees it; see [`SecurityPolicy::with_folder`](super::SecurityPolicy::with_folder).
    pub fn new(host: impl Into<PathBuf>, guest: impl Into<String>, access: Access) -> Self {
        Self { host: host.into(), guest: guest.into(), access, quota_bytes: None }
    }

    /// Sets the most that guests may have added to the folder at any one time, in bytes.
    ///
    /// ```
    /// use sandbox_core::{Access, FolderGrant, SecurityPolicy};
    ///
    /// let results = FolderGrant::new("results", "/results", Access::ReadWrite).with_quota(10 << 20);
    /// let policy = SecurityPolicy::strict().with_folder_grant(results);
    /// # assert_eq!(policy.folders[0].quota_bytes, Some(10 << 20));
    /// ```
    #[must_use]
    pub const fn with_quota(mut self, bytes: u64) -> Self {
        self.quota_bytes = Some(bytes);
        self
    }
}

/// Files in the host's memory that the guest sees, and only reads.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BundleGrant {
    /// The files. Grants of them are equal if they are of one and the same bundle.
    pub bundle: FileBundle,
    /// Where the guest sees them: an absolute path, or `.`, which is the same as `/`.
    pub guest: String,
}

impl BundleGrant {
    /// Files in the host's memory, and where the guest sees them.
    pub fn new(bundle: &FileBundle, guest: impl Into<String>) -> Self {
        Self { bundle: bundle.clone(), guest: guest.into() }
    }
}

/// A variable in the guest's environment.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnvironmentVariable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl std::fmt::Debug for EnvironmentVariable {
    /// Shows the name alone: values are where secrets are.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnvironmentVariable").field("name", &self.name).finish_non_exhaustive()
    }
}

impl EnvironmentVariable {
    pub(crate) fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// Whether a policy takes any grants of folders, bundles, environment variables and arguments.
///
/// A policy that refuses them turns each into an error when an instance is created. So a policy that is
/// known to be [`paranoid`](super::SecurityPolicy::paranoid) cannot be opened in passing, by code that adds
/// a folder to whatever policy it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GrantUse {
    /// Grants are given to the guest.
    Accepted,
    /// A grant is an error.
    Refused,
}
