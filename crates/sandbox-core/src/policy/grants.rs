//! Grants of a policy to the guest: folders, bundles, environment variables, arguments.

use std::path::PathBuf;

use crate::bundle::FileBundle;

/// Access of a guest to a granted folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
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
