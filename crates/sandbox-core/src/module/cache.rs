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

use bytes::Bytes;

use super::artifact::Identity;
use super::compiler::{CodeSettings, Hurry, Wanted};
use super::tiering::{Order, Successor, Tiering};
use super::{Module, ModuleOrigin, validation};
use crate::error::Result;
use crate::policy::{Compiler, SecurityPolicy};

use disk::DiskCache;
pub(super) use memory::MemoryCache;

/// Largest size of a cache folder unless told otherwise, in bytes.
const DEFAULT_LIMIT_BYTES: u64 = 1024 * 1024 * 1024;

/// Options for caching that a builder was given.
#[derive(Debug, Clone, Default)]
pub(crate) struct CacheOptions {
    switch: Switch,
    folder: Option<PathBuf>,
    limit_bytes: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Switch {
    /// No option was given: memory, and the disk if a folder was named.
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

    /// Returns these options without a folder.
    fn without_disk(&self) -> Self {
        let switch = match self.switch {
            Switch::Off => Switch::Off,
            Switch::On | Switch::Untouched => Switch::Untouched,
        };
        Self { switch, folder: None, limit_bytes: None }
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
fn obtain(
    wasm: &[u8],
    policy: &SecurityPolicy,
    compiler: Compiler,
    options: &CacheOptions,
    wanted: &Wanted,
) -> Result<Module> {
    Request::new(wasm, policy, compiler, Hurry::CallerWaits, wanted)?.obtain_with(options)
}

/// Obtains a module on one thread, because nobody waits for it.
///
/// # Errors
/// As [`obtain`].
pub(super) fn obtain_in_background(
    wasm: &[u8],
    policy: &SecurityPolicy,
    compiler: Compiler,
    options: &CacheOptions,
    wanted: &Wanted,
) -> Result<Module> {
    Request::new(wasm, policy, compiler, Hurry::Background, wanted)?.obtain_with(options)
}

/// The module: from a cache, or else of the first tier if that is wanted and can be had.
///
/// # Errors
/// As [`obtain`]. What the first tier's compiler refuses, the other one is asked for; so errors are
/// the same with and without it.
pub(crate) fn obtain_tiered(
    wasm: &Bytes,
    policy: &SecurityPolicy,
    compiler: Compiler,
    tiering: Tiering,
    options: &CacheOptions,
    wanted: &Wanted,
) -> Result<Module> {
    let first_tier =
        Compiler::linear().filter(|first| tiering != Tiering::Off && *first != compiler);
    let Some(first_tier) = first_tier else {
        return obtain(wasm, policy, compiler, options, wanted);
    };
    let request = Request::new(wasm, policy, compiler, Hurry::CallerWaits, wanted)?;
    let key = options.uses_memory().then(|| request.key());
    if options.uses_memory()
        && let Some(found) = request.find(MemoryCache::of_process(), options.open_disk().as_ref())
    {
        found.require_within_limits(policy)?;
        return Ok(found);
    }
    match obtain(wasm, policy, first_tier, &options.without_disk(), wanted) {
        // The chosen compiler would not be asked, so there is no better code to come.
        Ok(only) if only.has_too_many_phis(policy) => Ok(only),
        Ok(first) => {
            let (wasm, policy, options) = (wasm.clone(), policy.clone(), options.clone());
            let order = Order::new(compiler, move |wanted| {
                obtain_in_background(&wasm, &policy, compiler, &options, wanted)
            });
            let successor = Successor::of(&first, key, order);
            Ok(first.with_successor(successor))
        }
        Err(error) => {
            tracing::debug!(%error, "a module has no first tier");
            obtain(wasm, policy, compiler, options, wanted)
        }
    }
}

/// A module that is wanted, by its identity.
struct Request<'a> {
    wasm: &'a [u8],
    policy: &'a SecurityPolicy,
    identity: Identity,
    hurry: Hurry,
    wanted: &'a Wanted,
}

impl<'a> Request<'a> {
    /// Refuses only what is too large; everything else about the bytes is known to whoever has the module.
    fn new(
        wasm: &'a [u8],
        policy: &'a SecurityPolicy,
        compiler: Compiler,
        hurry: Hurry,
        wanted: &'a Wanted,
    ) -> Result<Self> {
        validation::check_size(wasm, policy)?;
        let identity = Identity::new(wasm, &CodeSettings::new(policy, compiler));
        Ok(Self { wasm, policy, identity, hurry, wanted })
    }

    fn key(&self) -> [u8; 32] {
        *self.identity.digest().as_bytes()
    }

    fn obtain_with(self, options: &CacheOptions) -> Result<Module> {
        if options.uses_memory() {
            self.obtain(MemoryCache::of_process(), options.open_disk().as_ref())
        } else {
            self.compile()
        }
    }

    fn obtain(self, memory: &MemoryCache, disk: Option<&DiskCache>) -> Result<Module> {
        let (key, wasm_bytes, policy) = (self.key(), self.wasm.len(), self.policy);
        let module = memory.get_or_make(key, wasm_bytes, || self.read_or_compile(disk))?;
        module.require_within_limits(policy)?;
        note_use(&module, disk);
        Ok(module)
    }

    /// The module, if a cache has it. Does not wait for who makes it.
    fn find(&self, memory: &MemoryCache, disk: Option<&DiskCache>) -> Option<Module> {
        let read = || self.read(disk?);
        let module = memory.get_or_find(self.key(), self.wasm.len(), read)?;
        note_use(&module, disk);
        Some(module)
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
                Module::load_native(&code, self.identity.clone(), ModuleOrigin::DiskCache)
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
        let Self { wasm, policy, identity, hurry, wanted } = self;
        let module = Module::compile_as(wasm, policy, identity, hurry, wanted)?;
        tracing::debug!(elapsed = ?started.elapsed(), "compiled a module");
        Ok(module)
    }
}

/// Notes in the folder that a module was used that came from memory.
fn note_use(module: &Module, disk: Option<&DiskCache>) {
    if module.origin() == ModuleOrigin::MemoryCache
        && let Some(disk) = disk
        && !disk.touch(module.identity())
    {
        // Compiled by a builder that had no folder: the next process should find it all the same.
        keep(disk, module);
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
