//! Modules of a pool, which come and go.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Result, SandboxError};
use crate::sandbox::WasmSandbox;
use crate::usage::ResourceUsage;

/// Identifies a module of a pool. What takes its place under its name is another one. Later ones have larger numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ModuleId(u64);

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A module of a pool, and how its sandboxes are made.
pub(super) struct PoolModule {
    pub(super) id: ModuleId,
    pub(super) name: Arc<str>,
    /// The first sandbox; the others are its siblings.
    pub(super) first: WasmSandbox,
}

impl PoolModule {
    pub(super) fn new(name: &str, first: WasmSandbox) -> Self {
        Self { id: ModuleId(NEXT.fetch_add(1, Ordering::Relaxed)), name: name.into(), first }
    }
}

/// The modules that a pool has now, by name.
pub(super) struct Modules(HashMap<Arc<str>, Named>);

struct Named {
    module: Arc<PoolModule>,
    /// The first that had the name.
    first: ModuleId,
    /// Those that had the name before, and still have callers.
    earlier: Vec<ModuleId>,
    replaced: u64,
    usage: ResourceUsage,
}

impl Modules {
    pub(super) fn new(modules: Vec<Arc<PoolModule>>) -> Self {
        let named =
            modules.into_iter().map(|module| (Arc::clone(&module.name), Named::new(module)));
        Self(named.collect())
    }

    /// The module of that name.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchModule`].
    pub(super) fn named(&self, name: &str) -> Result<&Arc<PoolModule>> {
        self.0.get(name).map(|named| &named.module).ok_or_else(|| self.missing(name))
    }

    /// The names, in the order in which they came.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.0.values().map(|named| (named.first, named.module.name.to_string())).collect();
        names.sort_unstable();
        names.into_iter().map(|(_, name)| name).collect()
    }

    /// Whether that is what its name stands for.
    pub(super) fn is_current(&self, module: &PoolModule) -> bool {
        self.0.get(&module.name).is_some_and(|named| named.module.id == module.id)
    }

    /// Those that had the name before, and still have callers.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchModule`].
    pub(super) fn earlier(&self, name: &str) -> Result<&[ModuleId]> {
        self.0.get(name).map(|named| &*named.earlier).ok_or_else(|| self.missing(name))
    }

    /// # Errors
    /// [`SandboxError::DuplicateModule`].
    pub(super) fn insert(&mut self, module: PoolModule) -> Result<Arc<PoolModule>> {
        if self.0.contains_key(&module.name) {
            return Err(SandboxError::DuplicateModule { name: module.name.to_string() });
        }
        let module = Arc::new(module);
        self.0.insert(Arc::clone(&module.name), Named::new(Arc::clone(&module)));
        Ok(module)
    }

    /// Returns what had the name until now, and what has it from now on.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchModule`].
    pub(super) fn replace(
        &mut self,
        module: PoolModule,
    ) -> Result<(Arc<PoolModule>, Arc<PoolModule>)> {
        let Some(named) = self.0.get_mut(&module.name) else {
            return Err(self.missing(&module.name));
        };
        let old = std::mem::replace(&mut named.module, Arc::new(module));
        named.earlier.push(old.id);
        Ok((old, Arc::clone(&named.module)))
    }

    /// # Errors
    /// [`SandboxError::NoSuchModule`].
    pub(super) fn remove(&mut self, name: &str) -> Result<ModuleId> {
        self.0.remove(name).map(|named| named.module.id).ok_or_else(|| self.missing(name))
    }

    /// Number of sandboxes that were discarded, and what all used, under that name.
    pub(super) fn counts(&self, name: &str) -> (u64, ResourceUsage) {
        let named = self.0.get(name);
        named.map_or((0, ResourceUsage::default()), |named| (named.replaced, named.usage))
    }

    /// Counts what a caller used, and whether its sandbox was discarded.
    pub(super) fn count(&mut self, name: &str, usage: &ResourceUsage, discarded: u64) {
        if let Some(named) = self.0.get_mut(name) {
            named.usage += *usage;
            named.replaced += discarded;
        }
    }

    /// Notes that a module has no callers now.
    pub(super) fn note_unused(&mut self, module: &PoolModule) {
        if let Some(named) = self.0.get_mut(&module.name) {
            named.earlier.retain(|known| *known != module.id);
        }
    }

    fn missing(&self, name: &str) -> SandboxError {
        SandboxError::NoSuchModule { name: name.to_owned(), available: self.names() }
    }
}

impl Named {
    fn new(module: Arc<PoolModule>) -> Self {
        let (first, usage) = (module.id, ResourceUsage::default());
        Self { module, first, earlier: Vec::new(), replaced: 0, usage }
    }
}
