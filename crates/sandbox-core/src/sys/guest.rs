//! A guest's store and instance, movable between threads, and its memory as slices.
#![expect(unsafe_code, reason = "Wasmer's store is not Send, and its memory views are unchecked")]

use wasmer::{Imports, Instance, InstantiationError, Memory, Module, Store};

/// A store with what lives in it.
///
/// Whoever owns this owns the guest: nothing of the store is reachable from elsewhere, so exclusive access
/// to this is exclusive access to the guest and its memory.
pub(crate) struct Guest {
    // Dropped before the store that it lives in.
    instance: Option<Instance>,
    memory: Option<Memory>,
    store: Store,
}

// SAFETY: `Store` is not `Send` for two reasons, and neither applies. It can hold an `on_called` callback
// that is not `Send`; only asyncify in WASIX sets one, and only for modules that were instrumented for it,
// whose imports (`wasix_*`) this crate never offers. And it has a lock for `experimental-async`, a feature
// that is off. All host data in the store is `Send`: `FunctionEnv` requires it. The handles beside the store
// point into that store only, move with it, and are never given out by value.
unsafe impl Send for Guest {}

impl Guest {
    pub(crate) fn new(store: Store) -> Self {
        Self { instance: None, memory: None, store }
    }

    pub(crate) fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Instantiates the module, which runs its start function.
    pub(crate) fn instantiate(
        &mut self,
        module: &Module,
        imports: &Imports,
    ) -> Result<(), Box<InstantiationError>> {
        let instance = Instance::new(&mut self.store, module, imports).map_err(Box::new)?;
        self.memory = instance
            .exports
            .get_memory("memory")
            .ok()
            .or_else(|| instance.exports.iter().memories().next().map(|(_, memory)| memory))
            .cloned();
        self.instance = Some(instance);
        Ok(())
    }

    /// The store and the instance in it, once there is one.
    pub(crate) fn parts(&mut self) -> Option<(&mut Store, &Instance)> {
        Some((&mut self.store, self.instance.as_ref()?))
    }

    /// The guest's linear memory, as long as it does not run.
    pub(crate) fn memory(&self) -> &[u8] {
        let Some(memory) = &self.memory else { return &[] };
        let view = memory.view(&self.store);
        // SAFETY: the slice borrows `self`. While it lives, nobody can get at the store mutably, so the
        // guest cannot run, and without shared memories nothing else writes to or moves its memory.
        unsafe {
            let data = view.data_unchecked();
            std::slice::from_raw_parts(data.as_ptr(), data.len())
        }
    }

    /// The guest's linear memory, to write to.
    pub(crate) fn memory_mut(&mut self) -> &mut [u8] {
        let Some(memory) = &self.memory else { return &mut [] };
        let view = memory.view(&self.store);
        // SAFETY: as in `memory`, and `self` is borrowed exclusively.
        unsafe {
            let data = view.data_unchecked_mut();
            std::slice::from_raw_parts_mut(data.as_mut_ptr(), data.len())
        }
    }
}
