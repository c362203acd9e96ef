//! Compiled modules, kept to be used again.
//!
//! There are two layers with one key, the module's [`Identity`]: [`memory`] for this process, and [`disk`] for all
//! processes of this user. By default only the first is used, because a library should not write files that nobody
//! asked for; naming a folder or [enabling](crate::WasmSandboxBuilder::enable_cache) the cache adds the second.
//!
//! The cache is never a reason to fail. Whatever is wrong with the folder or with an entry is said in a
//! `tracing` event of level `WARN`, and the module is compiled.

mod disk;
mod folder;
mod memory;

use std::path::PathBuf;
use std::time::Instant;

use wasmer::Engine;

use super::artifact::Identity;
use super::compiler::{CodeSettings, Compiler};
use super::{Module, ModuleOrigin, validation};
use crate::error::Result;
use crate::policy::SecurityPolicy;

use disk::DiskCache;
use memory::MemoryCache;

/// How large a cache folder becomes unless told otherwise, in bytes.
const DEFAULT_LIMIT_BYTES: u64 = 1024 * 1024 * 1024;

/// What a builder was told about caching.
#[derive(Debug, Clone, Default)]
pub(crate) struct CacheOptions {
    switch: Switch,
    folder: Option<PathBuf>,
    limit_bytes: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Switch {
    /// Nothing was said: memory, and the disk if a folder was named.
    #[default]
    Untouched,
    On,
    Off,
}

impl CacheOptions {
    pub(crate) fn switch_on(&mut self) {
        self.switch = Switch::On;
    }

    pub(crate) fn switch_off(&mut self) {
        self.switch = Switch::Off;
    }

    pub(crate) fn set_folder(&mut self, folder: PathBuf) {
        self.folder = Some(folder);
    }

    pub(crate) fn set_limit(&mut self, bytes: u64) {
        self.limit_bytes = Some(bytes);
    }

    fn uses_memory(&self) -> bool {
        !matches!(self.switch, Switch::Off)
    }

    /// The disk cache, if one is wanted and can be had.
    fn open_disk(&self) -> Option<DiskCache> {
        let wanted = match self.switch {
            Switch::Off => false,
            Switch::On => true,
            Switch::Untouched => self.folder.is_some(),
        };
        if !wanted {
            return None;
        }
        let limit_bytes = self.limit_bytes.unwrap_or(DEFAULT_LIMIT_BYTES);
        let opened = match &self.folder {
            Some(folder) => DiskCache::open(folder, limit_bytes),
            None => disk::default_folder().and_then(|folder| DiskCache::open(&folder, limit_bytes)),
        };
        opened
            .inspect_err(|error| {
                tracing::warn!(%error, "the cache folder of compiled modules is not used");
            })
            .ok()
    }
}

/// The module: from memory, from the disk, or compiled now.
///
/// Builders that ask for the same module at once read or compile it once; the others wait.
///
/// # Errors
/// As [`Module::compile_with`]. A failure is not kept.
pub(crate) fn obtain(
    wasm: &[u8],
    policy: &SecurityPolicy,
    compiler: Compiler,
    options: &CacheOptions,
) -> Result<Module> {
    if !options.uses_memory() {
        return Module::compile_with(wasm, policy, compiler);
    }
    let request = Request::new(wasm, policy, compiler)?;
    request.obtain(MemoryCache::of_process(), options.open_disk().as_ref())
}

/// A module that is wanted, by its identity.
struct Request<'a> {
    wasm: &'a [u8],
    policy: &'a SecurityPolicy,
    engine: Engine,
    identity: Identity,
}

impl<'a> Request<'a> {
    /// Refuses only what is too large; everything else about the bytes is known to whoever has the module.
    fn new(wasm: &'a [u8], policy: &'a SecurityPolicy, compiler: Compiler) -> Result<Self> {
        validation::check_size(wasm, policy)?;
        let settings = CodeSettings::new(policy, compiler);
        let engine = settings.engine(wasm.len());
        let identity = Identity::new(wasm, &settings, &engine);
        Ok(Self { wasm, policy, engine, identity })
    }

    fn obtain(self, memory: &MemoryCache, disk: Option<&DiskCache>) -> Result<Module> {
        let key = *self.identity.digest().as_bytes();
        let wasm_bytes = self.wasm.len();
        let module = memory.get_or_make(key, wasm_bytes, || self.read_or_compile(disk))?;
        if module.origin() == ModuleOrigin::MemoryCache
            && let Some(disk) = disk
            && !disk.touch(module.identity())
        {
            // Compiled by a builder that had no folder: the next process should find it all the same.
            keep(disk, &module);
        }
        Ok(module)
    }

    fn read_or_compile(self, disk: Option<&DiskCache>) -> Result<Module> {
        let Some(disk) = disk else { return self.compile() };
        if let Some(module) = self.read(disk) {
            return Ok(module);
        }
        let module = self.compile()?;
        keep(disk, &module);
        Ok(module)
    }

    /// The module in the folder, if there is one and nothing is wrong with it.
    fn read(&self, disk: &DiskCache) -> Option<Module> {
        let started = Instant::now();
        let read = disk.load(&self.identity).map(|code| {
            code.map(|code| {
                let (engine, identity) = (self.engine.clone(), self.identity.clone());
                Module::load_native(&code, engine, identity, ModuleOrigin::DiskCache)
            })
        });
        match read {
            Ok(Some(Ok(module))) => {
                tracing::debug!(elapsed = ?started.elapsed(), "loaded a compiled module");
                Some(module)
            }
            Ok(Some(Err(error))) => {
                tracing::warn!(entry = %disk.entry(&self.identity).display(), %error,
                    "an entry of the module cache was refused, and the module is compiled anew");
                None
            }
            Err(error) => {
                tracing::warn!(entry = %disk.entry(&self.identity).display(), %error,
                    "an entry of the module cache was refused, and the module is compiled anew");
                None
            }
            Ok(None) => None,
        }
    }

    fn compile(self) -> Result<Module> {
        let started = Instant::now();
        let module = Module::compile_as(self.wasm, self.policy, self.engine, self.identity)?;
        tracing::debug!(elapsed = ?started.elapsed(), "compiled a module");
        Ok(module)
    }
}

/// Leaves a module in the folder for other processes.
fn keep(disk: &DiskCache, module: &Module) {
    if let Err(error) = disk.store(module) {
        tracing::warn!(entry = %disk.entry(module.identity()).display(), %error,
            "a compiled module could not be kept in the cache folder");
    }
}

#[cfg(test)]
mod tests;
