//! Where a guest calls a host function, and what happens around the function itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use wasmer::FunctionEnvMut;

use super::caller::Caller;
use super::failure::{ImportName, Unwound};
use super::numbers::BoxedError;
use super::state::HostState;
use crate::sys::interrupt;
use crate::threads::{callers_runtime, workers};

/// Where an instance calls a host function.
pub(crate) struct Site {
    pub(super) state: Arc<HostState>,
    pub(super) name: Arc<ImportName>,
    /// Number that a call adds to the count: 0 if it only fetches what another brought.
    pub(super) weight: u64,
}

impl Site {
    /// Serves one call. Whatever goes wrong in it, no panic leaves this.
    pub(super) fn serve<T>(
        &self,
        context: &mut FunctionEnvMut<'_, ()>,
        run: impl FnOnce(&mut Caller<'_>) -> Result<T, BoxedError>,
    ) -> Result<T, Unwound> {
        let state = &*self.state;
        state.count_call(self.weight);
        // Before: a guest that is to stop has no effects any more. After: nor does it go on computing, should
        // the interrupt have come while the host ran, where it unwinds nothing.
        if state.control.stop_reason().is_some() {
            return Err(Unwound::Stopped);
        }
        let brought = state.control.brought();
        let mut caller = Caller::new(context, state, brought.as_deref());
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&mut caller)));
        interrupt::settle(state.control.requests());
        if state.control.stop_reason().is_some() {
            return Err(Unwound::Stopped);
        }
        if let Some(error) = state.take_failure() {
            return Err(Unwound::InNestedCall(error));
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
        let control = &self.state.control;
        self.serve(context, |caller| {
            let _context = callers_runtime::get()?.enter();
            // Without a result the call is to stop, which `serve` sees; the error is never looked at.
            workers::without_slot(|| control.wait_unless_stopped(run(caller)))
                .unwrap_or_else(|| Err("stopped".into()))
        })
    }
}
