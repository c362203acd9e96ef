//! Where a sandbox has its module from.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use bytes::Bytes;

use crate::error::{Result, SandboxError};
use crate::module::{self, CacheOptions, Module, Tiering, Wanted};
#[cfg(feature = "wasix")]
use crate::package::PackageCommand;
use crate::policy::{Compiler, SecurityPolicy};
use crate::sandbox::snapshot::Snapshot;

/// Source of the module.
#[derive(Default)]
pub(super) enum Source {
    #[default]
    Missing,
    File(PathBuf),
    Bytes(Bytes),
    Module(Module),
    Snapshot(Snapshot),
    #[cfg(feature = "wasix")]
    Command(PackageCommand),
}

impl fmt::Debug for Source {
    /// Leaves out the bytes, which would fill a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("Missing"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Bytes(wasm) => write!(f, "Bytes({} bytes)", wasm.len()),
            Self::Module(module) => f.debug_tuple("Module").field(module).finish(),
            Self::Snapshot(snapshot) => f.debug_tuple("Snapshot").field(snapshot).finish(),
            #[cfg(feature = "wasix")]
            Self::Command(command) => f.debug_tuple("Command").field(command).finish(),
        }
    }
}

impl Source {
    /// The policy that the module brings along.
    pub(super) fn policy(&self) -> Option<&SecurityPolicy> {
        match self {
            Self::Module(module) => module.policy(),
            Self::Snapshot(snapshot) => Some(snapshot.policy()),
            _ => None,
        }
    }

    /// Snapshot that instances begin as, if it is one.
    pub(super) fn snapshot(&self) -> Option<&Snapshot> {
        match self {
            Self::Snapshot(snapshot) => Some(snapshot),
            _ => None,
        }
    }

    /// Obtains the module: reads, compiles or finds it.
    pub(super) fn load(
        self,
        policy: &SecurityPolicy,
        compiler: Compiler,
        tiering: Tiering,
        cache: &CacheOptions,
        wanted: &Wanted,
    ) -> Result<Module> {
        let wasm = match self {
            Self::Missing => return Err(SandboxError::NoSource),
            Self::Module(module) => {
                module.require_allowed(policy)?;
                return Ok(module);
            }
            Self::Snapshot(snapshot) => return Ok(snapshot.module().clone()),
            Self::Bytes(wasm) => wasm,
            #[cfg(feature = "wasix")]
            Self::Command(command) => command.module()?.clone(),
            Self::File(path) => read(path, policy)?,
        };
        module::obtain_tiered(&wasm, policy, compiler, tiering, cache, wanted)
    }
}

/// Reads the file, unless it is already known to be too large.
fn read(path: PathBuf, policy: &SecurityPolicy) -> Result<Bytes> {
    let read = || {
        let file = File::open(&path)?;
        let size_bytes = file.metadata()?.len();
        if size_bytes > policy.module_limit_bytes {
            return Ok(Err(size_bytes));
        }
        // What it says of its size need not hold: it may grow, or be a device.
        let mut wasm = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or_default());
        file.take(policy.module_limit_bytes.saturating_add(1)).read_to_end(&mut wasm)?;
        let read_bytes = wasm.len() as u64;
        Ok(if read_bytes > policy.module_limit_bytes { Err(read_bytes) } else { Ok(wasm) })
    };
    match read() {
        Ok(Ok(wasm)) => Ok(wasm.into()),
        Ok(Err(size_bytes)) => {
            Err(SandboxError::ModuleTooLarge { size_bytes, limit_bytes: policy.module_limit_bytes })
        }
        Err(error) => Err(SandboxError::SourceUnreadable { path, error }),
    }
}
