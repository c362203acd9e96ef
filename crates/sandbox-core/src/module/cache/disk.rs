//! Compiled modules kept in a folder, for all processes of one user.
//!
//! An entry is native code that will run with all rights of the host, so:
//!
//! - The folder must belong to the user, and nobody else may write to it; the same holds for each file in it.
//! - Each entry is sealed with a secret that lies in the same folder, readable by its owner only. Whoever may write
//!   files here and cannot read the secret cannot make an entry that is accepted: neither by changing one, nor by
//!   bringing one from another folder, nor by renaming one.
//! - An entry is read into memory whole, verified there, and used from there. It is not mapped: a mapped file can
//!   change after it was verified.
//!
//! All this does not protect from code that runs as the same user, and nothing could. In particular, **do not grant a
//! guest the cache folder** or a folder above it.
//!
//! Processes need no lock. An entry comes into being by `rename`, so it is there whole or not at all; two processes
//! that compile the same module at once both rename, and either result is right. An entry that is removed while
//! another process reads it stays readable to that process. Data is not flushed to the disk: after a power failure an
//! entry may be cut off, and is then refused like any other that was changed.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::folder::{FileError, Folder, FolderError, Readers};
use crate::error::ArtifactRejection;
use crate::module::Module;
use crate::module::artifact::{self, Identity, Unsealed};
use crate::signing::{Purpose, SigningKey};

/// The file with the secret.
const SECRET: &str = "key";
/// The end of the names of entries; before it stands the digest of the identity.
const ENTRY_SUFFIX: &str = ".module";
/// The length of an entry's name before the suffix.
const DIGEST_DIGITS: usize = 64;

/// A folder of compiled modules.
#[derive(Debug)]
pub(super) struct DiskCache {
    folder: Folder,
    secret: SigningKey,
    limit_bytes: u64,
}

/// Why a folder is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("neither XDG_CACHE_HOME nor HOME names a folder: name one with `cache_dir`")]
    NoHome,
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("the key {path} cannot be used: {error}; if nobody else can have read or written it, remove it, \
        and a new one is made", path = path.display())]
    Secret { path: PathBuf, error: FileError },
    #[error("the key {path} has {length} bytes, and a key has 32: remove it, and a new one is made",
        path = path.display())]
    SecretLength { path: PathBuf, length: usize },
}

/// Why an entry is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum EntryError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Rejected(#[from] ArtifactRejection),
}

/// Why a module was not left in the folder.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error(transparent)]
    Serialize(#[from] crate::error::SandboxError),
    #[error("it has {bytes} bytes, and all of the cache may have {limit_bytes}")]
    TooLarge { bytes: u64, limit_bytes: u64 },
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// Where modules are kept if no folder is named: `wasm-sandbox/modules` in the user's cache folder.
pub(super) fn default_folder() -> Result<PathBuf, OpenError> {
    cache_home(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"))
        .map(|home| home.join("wasm-sandbox").join("modules"))
        .ok_or(OpenError::NoHome)
}

/// The XDG base directory specification: relative paths are to be ignored.
fn cache_home(
    xdg: Option<std::ffi::OsString>,
    home: Option<std::ffi::OsString>,
) -> Option<PathBuf> {
    let absolute = |path: std::ffi::OsString| Some(PathBuf::from(path)).filter(|p| p.is_absolute());
    xdg.and_then(absolute).or_else(|| Some(home.and_then(absolute)?.join(".cache")))
}

impl DiskCache {
    /// Opens the folder, and makes it and its secret if they are not there.
    pub(super) fn open(path: &Path, limit_bytes: u64) -> Result<Self, OpenError> {
        crate::sys::full_files::survive();
        let folder = Folder::open(path)?;
        let secret = read_secret(&folder)?;
        Ok(Self { folder, secret, limit_bytes })
    }

    /// The path of the entry of that module.
    pub(super) fn entry(&self, identity: &Identity) -> PathBuf {
        self.folder.path().join(entry_name(identity))
    }

    /// The native code of that module, if it was kept.
    pub(super) fn load(&self, identity: &Identity) -> Result<Option<Unsealed>, EntryError> {
        let name = entry_name(identity);
        let Some(file) = self.folder.read(&name, self.limit_bytes, Readers::Anyone)? else {
            return Ok(None);
        };
        let code = artifact::unseal_expected(Bytes::from(file), identity, &self.secret)?;
        // Where it cannot be marked as used, as on a read-only disk, nothing is removed either.
        let _ = self.folder.touch(&name);
        Ok(Some(code))
    }

    /// Marks the entry of that module as used now; says whether there is one.
    pub(super) fn touch(&self, identity: &Identity) -> bool {
        match self.folder.touch(&entry_name(identity)) {
            Ok(()) => true,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    /// Keeps a module, and removes what was not used for longest if there is too much.
    pub(super) fn store(&self, module: &Module) -> Result<(), StoreError> {
        let file = module.seal_for((&self.secret).into(), Purpose::Cache)?;
        let bytes = file.len() as u64;
        if bytes > self.limit_bytes {
            return Err(StoreError::TooLarge { bytes, limit_bytes: self.limit_bytes });
        }
        let name = entry_name(module.identity());
        self.folder.replace(&name, &file)?;
        self.evict(&name)?;
        Ok(())
    }

    /// Removes entries until they fit the limit, those first that were not used for longest, and never `kept`.
    ///
    /// Several processes may do this at once. Each counts for itself, so together they may remove one entry too many
    /// and never one too few.
    fn evict(&self, kept: &str) -> io::Result<()> {
        self.folder.sweep_abandoned()?;
        let mut entries = self.folder.list(is_entry_name)?;
        let mut bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
        entries.sort_unstable_by(|a, b| (a.used, &a.name).cmp(&(b.used, &b.name)));
        for entry in entries.iter().filter(|entry| entry.name != kept) {
            if bytes <= self.limit_bytes {
                break;
            }
            self.folder.remove(&entry.name)?;
            bytes -= entry.bytes;
            tracing::debug!(entry = entry.name, "removed from the module cache to make room");
        }
        Ok(())
    }
}

fn entry_name(identity: &Identity) -> String {
    format!("{}{ENTRY_SUFFIX}", identity.digest().to_hex())
}

/// Whether a file is ours to remove. A folder that was named by mistake loses nothing.
fn is_entry_name(name: &str) -> bool {
    name.strip_suffix(ENTRY_SUFFIX).is_some_and(|digest| {
        digest.len() == DIGEST_DIGITS && digest.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}

/// The folder's secret, made if it is not there.
///
/// Of several processes that make one at once, one succeeds and all take that one.
fn read_secret(folder: &Folder) -> Result<SigningKey, OpenError> {
    let path = || folder.path().join(SECRET);
    let failed = |error: FileError| OpenError::Secret { path: path(), error };
    let read = || folder.read(SECRET, SigningKey::LENGTH_BYTES as u64, Readers::Owner);
    let bytes = match read().map_err(failed)? {
        Some(bytes) => bytes,
        None => {
            let secret = SigningKey::generate().map_err(|error| failed(error.into()))?;
            folder.create_once(SECRET, &secret.to_bytes()).map_err(|error| failed(error.into()))?;
            read().map_err(failed)?.unwrap_or_default()
        }
    };
    let length = bytes.len();
    bytes
        .try_into()
        .map(SigningKey::from_bytes)
        .map_err(|_| OpenError::SecretLength { path: path(), length })
}

#[cfg(test)]
mod tests;
