//! What connects an instance with the host functions of its sandbox.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use wasmer::{FunctionEnv, FunctionEnvMut, Imports, Store};

use super::binding::HostBinding;
use super::caller::Caller;
use super::failure::{ImportName, Unwound};
use super::numbers::BoxedError;
use super::values::NAMESPACE;
use crate::threads::{callers_runtime, workers};
use crate::watchdog::CallControl;

/// The host functions' state of one instance.
#[derive(Debug)]
pub(crate) struct HostLink {
    pub(super) binding: Arc<HostBinding>,
    pub(super) control: Arc<CallControl>,
    /// How large a value that the guest passes may be, in bytes.
    pub(super) value_limit_bytes: u64,
    /// Only the thread that runs the guest writes to it.
    calls: AtomicU64,
    /// Memory was given out as a slice, so that other threads than the guest's may have written to it.
    lent: AtomicBool,
    /// The output of a function of values that the guest had no room for.
    pub(super) held: Mutex<Vec<u8>>,
}

impl HostLink {
    pub(crate) fn new(
        binding: Arc<HostBinding>,
        control: Arc<CallControl>,
        value_limit_bytes: u64,
    ) -> Arc<Self> {
        Arc::new(Self {
            binding,
            control,
            value_limit_bytes,
            calls: AtomicU64::new(0),
            lent: AtomicBool::new(false),
            held: Mutex::default(),
        })
    }

    pub(crate) fn binding(&self) -> &Arc<HostBinding> {
        &self.binding
    }

    /// How many host functions were called since this was last asked.
    pub(crate) fn take_calls(&self) -> u64 {
        self.calls.swap(0, Ordering::Relaxed)
    }

    /// Whether a host function got a slice of the guest's memory to write to since this was last asked.
    pub(crate) fn take_lent(&self) -> bool {
        self.lent.load(Ordering::Relaxed) && self.lent.swap(false, Ordering::Relaxed)
    }

    pub(super) fn lend(&self) {
        self.lent.store(true, Ordering::Relaxed);
    }

    /// Forgets what an earlier call left.
    pub(crate) fn begin_call(&self) {
        if self.binding.holds_output() {
            self.held.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// Makes the functions that the module imports, in the instance's store.
    pub(crate) fn define(self: &Arc<Self>, store: &mut Store, imports: &mut Imports) {
        if self.binding.is_empty() {
            return;
        }
        let environment = FunctionEnv::new(store, ());
        for definition in self.binding.functions() {
            let name = Arc::clone(&definition.name);
            let weight = u64::from(name.module != NAMESPACE);
            let site = Site { link: Arc::clone(self), name, weight };
            let function = (definition.make)(store, &environment, site);
            imports.define(&definition.name.module, &definition.name.name, function);
        }
    }
}

/// Where an instance calls a host function.
pub(crate) struct Site {
    link: Arc<HostLink>,
    name: Arc<ImportName>,
    /// What a call adds to the count: nothing, if it only fetches what another brought.
    weight: u64,
}

impl Site {
    /// Serves one call. Whatever goes wrong in it, no panic leaves this.
    pub(super) fn serve<T>(
        &self,
        context: &mut FunctionEnvMut<'_, ()>,
        run: impl FnOnce(&mut Caller<'_>) -> Result<T, BoxedError>,
    ) -> Result<T, Unwound> {
        let link = &*self.link;
        // One thread at a time runs the guest, so this needs no exchange.
        let calls = link.calls.load(Ordering::Relaxed).wrapping_add(self.weight);
        link.calls.store(calls, Ordering::Relaxed);
        // Before: a guest that is to stop has no effects any more. After: nor does it go on computing, should
        // the interrupt have come while the host ran, where it unwinds nothing.
        if link.control.stop_reason().is_some() {
            return Err(Unwound::Stopped);
        }
        let mut caller = Caller::new(context, link);
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&mut caller)));
        if link.control.stop_reason().is_some() {
            return Err(Unwound::Stopped);
        }
        match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Unwound::Failed { function: Arc::clone(&self.name), error }),
            Err(panic) => Err(Unwound::panicked(&self.name, panic.as_ref())),
        }
    }

    /// Serves one call by waiting for a future, on this thread.
    pub(super) fn serve_waiting<T>(
        &self,
        context: &mut FunctionEnvMut<'_, ()>,
        run: impl AsyncFnOnce(&mut Caller<'_>) -> Result<T, BoxedError>,
    ) -> Result<T, Unwound> {
        let control = &self.link.control;
        self.serve(context, |caller| {
            let _context = callers_runtime::get()?.enter();
            // Without a result the call is to stop, which `serve` sees; the error is never looked at.
            workers::without_slot(|| control.wait_unless_stopped(run(caller)))
                .unwrap_or_else(|| Err("stopped".into()))
        })
    }
}
