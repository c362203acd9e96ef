//! A guest's store and instance, movable between threads, and its memory as slices.
#![expect(unsafe_code, reason = "Wasmer's store is not Send, and its memory views are unchecked")]

use std::sync::Arc;

use wasmer::sys::NativeEngineExt;
use wasmer::sys::vm::{
    StoreObject, VMFunction, VMFunctionEnvironment, VMGlobal, VMInstance, VMMemory, VMTable,
};
use wasmer::{
    AsStoreMut, Engine, ExportError, Function, Imports, Instance, InstantiationError, Memory,
    Module, RuntimeError, Store,
};
use wasmer_types::RawValue;

use super::builtins;
use super::entry::{Gate, Reach, Reentry, Target};
use super::limits::LimitingTunables;
use super::memory::{Effort, NotRestored, Writes};
use super::state::{Recorder, Snapshot, State};

/// A store with what lives in it.
///
/// Whoever owns this owns the guest: nothing of the store is reachable from elsewhere, so exclusive access
/// to this is exclusive access to the guest and its memory.
pub(crate) struct Guest {
    memory: Option<Memory>,
    gate: Gate,
    /// The functions that can be called by name.
    targets: Arc<[Target]>,
    store: Store,
    /// Of the instance, where it may be reset. Its addresses are used only while the store lives.
    state: State,
}

// SAFETY: `Store` is not `Send` for two reasons, and neither applies. It can hold an `on_called` callback
// that is not `Send`; only asyncify in WASIX sets one, and no guest gets a function of WASIX. And with `experimental-async`,
// which the feature `wasix` turns on, a store can be made one that the tasks of one thread share (`StoreAsync`); nobody
// here makes one. All host data in the store is `Send`: `FunctionEnv` requires it. The handles and pointers beside the store point into that store only, move with it, and are never
// given out by value.
unsafe impl Send for Guest {}

impl Guest {
    /// A guest without an instance yet, that may use so much of a stack.
    pub(crate) fn new(mut engine: Engine, tunables: LimitingTunables, stack_bytes: usize) -> Self {
        engine.set_tunables(tunables);
        let mut store = Store::new(engine);
        let gate = Gate::new(&mut store, stack_bytes);
        let (targets, state) = (Arc::default(), State::default());
        Self { memory: None, gate, targets, store, state }
    }

    pub(crate) fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Instantiates the module. No code of it runs: its start function was made an export.
    ///
    /// What is exported is the caller's to keep as long as it is needed: names take memory.
    pub(crate) fn instantiate(
        &mut self,
        module: &Module,
        imports: &Imports,
    ) -> Result<Instance, Box<InstantiationError>> {
        let instance = Instance::new(&mut self.store, module, imports).map_err(Box::new)?;
        builtins::guard(&mut self.store);
        self.memory = instance
            .exports
            .get_memory("memory")
            .ok()
            .or_else(|| instance.exports.iter().memories().next().map(|(_, memory)| memory))
            .cloned();
        Ok(instance)
    }

    /// Takes what was noted while the guest was instantiated: from now on it can be saved and put back.
    pub(crate) fn own_state(&mut self, recorder: &Recorder) {
        self.state = recorder.take();
    }

    /// Saves memories and globals, and lets this guest begin from what was saved.
    pub(crate) fn snapshot(&mut self) -> std::io::Result<Snapshot> {
        // SAFETY: the state is that of the instance in our store. Nobody else can get at the store while `self` is
        // borrowed exclusively, so no guest in it runs.
        unsafe { self.state.snapshot() }
    }

    /// Saves memories and globals, and leaves them as they are.
    pub(crate) fn capture(&mut self) -> std::io::Result<Snapshot> {
        // SAFETY: as in `snapshot`.
        unsafe { self.state.capture() }
    }

    /// Gives memories and globals what was saved, whatever they held.
    pub(crate) fn adopt(&mut self, snapshot: &Snapshot) -> Result<(), NotRestored> {
        // SAFETY: as in `snapshot`.
        unsafe { self.state.adopt(snapshot) }
    }

    /// Undoes what the guest did to memories and globals since it began from the snapshot.
    pub(crate) fn restore(
        &mut self,
        snapshot: &Snapshot,
        writes: Writes,
        effort: Effort,
    ) -> Result<(), NotRestored> {
        // SAFETY: as in `snapshot`.
        unsafe { self.state.restore(snapshot, writes, effort) }
    }

    /// Makes functions of the instance callable, by their numbers in this order.
    pub(crate) fn resolve<'a>(
        &mut self,
        instance: &Instance,
        functions: impl Iterator<Item = (&'a str, Reach)>,
    ) -> Result<(), ExportError> {
        let targets = functions.map(|(name, reach)| {
            let function = instance.exports.get_function(name)?.clone();
            Ok(Target::new(&mut self.store, function, reach))
        });
        self.targets = targets.collect::<Result<_, ExportError>>()?;
        Ok(())
    }

    /// Returns the means to call those functions out of functions of the host.
    pub(crate) fn reentry(&self) -> Reentry {
        Reentry { gate: self.gate.clone(), targets: Arc::clone(&self.targets) }
    }

    /// A function of the guest that is called by nobody's name, or that may come to call the host.
    pub(crate) fn target(&mut self, function: Function) -> Target {
        Target::new(&mut self.store, function, Reach::Imports)
    }

    /// Calls such a function, as [`Self::call`] does. Runs guest code.
    pub(crate) fn enter(
        &mut self,
        target: &Target,
        values: &mut [RawValue],
    ) -> Result<(), RuntimeError> {
        self.gate.call(&mut self.store, target, values, 1).1
    }

    /// Gives back the room that Wasmer's lists have for objects that will hardly come: it is in every instance.
    pub(crate) fn trim(&mut self) {
        let objects = self.store.objects_mut().as_sys_mut();
        VMFunction::list_mut(objects).shrink_to_fit();
        VMFunctionEnvironment::list_mut(objects).shrink_to_fit();
        VMGlobal::list_mut(objects).shrink_to_fit();
        VMInstance::list_mut(objects).shrink_to_fit();
        VMMemory::list_mut(objects).shrink_to_fit();
        VMTable::list_mut(objects).shrink_to_fit();
    }

    /// Calls a function, by its number, once for each set of values: arguments before, results after. Returns
    /// how many calls returned, and how the first that did not ended. Runs guest code.
    #[inline]
    pub(crate) fn call(
        &mut self,
        at: usize,
        values: &mut [RawValue],
        calls: usize,
    ) -> (usize, Result<(), RuntimeError>) {
        self.gate.call(&mut self.store, &self.targets[at], values, calls)
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
