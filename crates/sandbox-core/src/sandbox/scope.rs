//! Views of a sandbox whose calls are under a condition, and what all its calls used.

use std::sync::Arc;
use std::time::Duration;

use super::{Condition, WasmSandbox};
use crate::error::Result;
use crate::usage::ResourceUsage;
use crate::watchdog::cancel_handle::CancelHandle;
use crate::watchdog::cancellation::Scope;

impl WasmSandbox {
    /// Returns this sandbox for calls that can be stopped with the handle.
    ///
    /// All kinds of calls: by name and by [handle](super::Function), in batches, blocking, and
    /// [runs](Self::run). The module, the instances and the totals are those of this sandbox.
    ///
    /// ```
    /// use sandbox_core::{CancelHandle, SandboxError, WasmSandbox};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> sandbox_core::Result<()> {
    /// # let wasm = wat::parse_str(r#"(module (func (export "spin") (loop $again br $again)))"#)
    /// #     .expect("valid text");
    /// let sandbox = WasmSandbox::builder().source_bytes(&wasm).build().await?;
    /// let handle = CancelHandle::new();
    /// let cancellable = sandbox.with_cancel_handle(&handle);
    /// let call = tokio::spawn(async move { cancellable.call::<()>("spin", ()).await });
    /// handle.cancel();
    /// let outcome = call.await.expect("the call does not panic");
    /// assert!(matches!(outcome, Err(SandboxError::Cancelled { .. })));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_cancel_handle(&self, handle: &CancelHandle) -> Self {
        let scope = Scope { cancel: Some(handle.clone()), ..self.scope.clone() };
        Self { inner: Arc::clone(&self.inner), scope }
    }

    /// Returns this sandbox for calls that may take at most that long.
    ///
    /// The limit is for the guest, as the policy's wall clock is, and the shorter of the two counts; waiting for a
    /// turn is not in it. It works wherever the guest runs, while a timeout of the caller's own runtime around a
    /// call needs the runtime to get at the call.
    #[must_use]
    pub fn with_time_limit(&self, limit: Duration) -> Self {
        let scope = Scope { time_limit: Some(limit), ..self.scope.clone() };
        Self { inner: Arc::clone(&self.inner), scope }
    }

    /// Returns this sandbox for calls that may take at most that long, and as long as they might before.
    pub(crate) fn with_time_limit_at_most(&self, limit: Duration) -> Self {
        self.with_time_limit(self.scope.time_limit.map_or(limit, |other| other.min(limit)))
    }

    /// Resources that all calls of this sandbox have used together, those of its streams and clones included.
    ///
    /// Counts are exact. Reading clocks takes about as long as a short call, so of the calls of quick functions one
    /// in 1,024 is timed and stands for the others. Linear memory is looked at then too, and now if the instance is
    /// not in use.
    pub fn usage(&self) -> ResourceUsage {
        let mut usage = self.inner.totals.read();
        let size = self.inner.instances.idle_memory_bytes();
        usage.memory_high_water_bytes = usage.memory_high_water_bytes.max(size.unwrap_or(0));
        usage
    }

    /// Takes what the calls have used since this was last asked.
    pub(crate) fn take_usage(&self) -> ResourceUsage {
        self.inner.totals.take()
    }

    /// A sandbox of the same module and limits with an instance of its own; calls count for both.
    pub(crate) async fn sibling(&self) -> Result<Self> {
        self.sibling_counted_in(Arc::clone(&self.inner.totals)).await
    }

    /// A sandbox of the same module and limits with an instance and totals of its own.
    pub(crate) async fn independent_sibling(&self) -> Result<Self> {
        self.sibling_counted_in(Arc::default()).await
    }

    /// Returns this sandbox under that condition only.
    pub(crate) fn with_scope(&self, scope: Scope) -> Self {
        Self { inner: Arc::clone(&self.inner), scope }
    }

    /// Condition that the next caller would find the sandbox in.
    pub(crate) fn condition(&self) -> Condition {
        self.inner.instances.condition()
    }

    /// Waits until the calls of the sandbox that are being stopped are over. Wants the context of tokio.
    pub(crate) async fn settled(&self) {
        self.inner.instances.settled().await;
    }
}
