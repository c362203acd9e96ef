//! Link between an instance and the host functions of its sandbox.

use std::sync::Arc;

use wasmer::{FunctionEnv, Imports, Store};

use super::binding::HostBinding;
use super::site::Site;
use super::state::{HostState, Reentrance};
use super::values::NAMESPACE;
use crate::module::Module;
use crate::sys::entry::Reentry;
use crate::sys::refusals::Refusals;
use crate::watchdog::CallControl;

/// An instance's own side of a binding.
#[derive(Debug)]
pub(crate) struct HostLink {
    binding: Arc<HostBinding>,
    state: Arc<HostState>,
}

impl HostLink {
    pub(crate) fn new(
        binding: Arc<HostBinding>,
        control: Arc<CallControl>,
        value_limit_bytes: u64,
    ) -> Self {
        let state = HostState::new(binding.context().clone(), control, value_limit_bytes);
        Self { binding, state }
    }

    pub(crate) fn binding(&self) -> &Arc<HostBinding> {
        &self.binding
    }

    /// Takes the number of host functions that were called since this was last asked.
    pub(crate) fn take_calls(&self) -> u64 {
        self.state.take_calls()
    }

    /// Whether a host function was called since the number was last taken.
    pub(crate) fn has_calls(&self) -> bool {
        self.state.has_calls()
    }

    /// Whether a host function got a slice of the guest's memory to write to since this was last asked.
    pub(crate) fn take_lent(&self) -> bool {
        self.state.take_lent()
    }

    /// Lets functions of the host call the guest, which has been started.
    pub(crate) fn note_started(&self, entry: Reentry, module: &Module, refusals: &Arc<Refusals>) {
        if self.binding.is_empty() {
            return;
        }
        let (module, refusals) = (module.clone(), Arc::clone(refusals));
        let address = Arc::as_ptr(&self.binding).addr();
        let _ =
            self.state.reentrance.set(Box::new(Reentrance { entry, module, refusals, address }));
    }

    /// Forgets what an earlier call left.
    pub(crate) fn begin_call(&self) {
        if self.binding.holds_output() {
            self.state.forget_output();
        }
    }

    /// Makes the functions that the module imports, in the instance's store.
    pub(crate) fn define(&self, store: &mut Store, imports: &mut Imports) {
        if self.binding.is_empty() {
            return;
        }
        let environment = FunctionEnv::new(store, ());
        for definition in self.binding.functions() {
            let name = Arc::clone(&definition.name);
            let weight = u64::from(name.module != NAMESPACE);
            let site = Site { state: Arc::clone(&self.state), name, weight };
            let function = (definition.make)(store, &environment, site);
            imports.define(&definition.name.module, &definition.name.name, function);
        }
    }
}
