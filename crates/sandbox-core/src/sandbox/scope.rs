//! Views of a sandbox whose calls are under a condition, and what all its calls used.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use super::{Condition, WasmSandbox};
use crate::context::Context;
use crate::error::Result;
use crate::output::OutputSink;
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
        self.with_scope(self.scope.with_cancel_handle(handle))
    }

    /// Returns this sandbox for calls that may take at most that long.
    ///
    /// The limit is for the guest, as the policy's wall clock is, and the shorter of the two counts; waiting for a
    /// turn is not in it. It works wherever the guest runs, while a timeout of the caller's own runtime around a
    /// call needs the runtime to get at the call.
    #[must_use]
    pub fn with_time_limit(&self, limit: Duration) -> Self {
        self.with_scope(self.scope.with_time_limit(limit))
    }

    /// Returns this sandbox for calls whose host functions find that value with
    /// [`Caller::context`](crate::Caller::context), before the one that the
    /// [builder](crate::WasmSandboxBuilder::context) was given.
    ///
    /// So a request, a user or a transaction needs no sandbox of its own. The value is of all kinds of calls that are made
    /// through what comes back, and is dropped when that and its last call are gone. There is one; a second replaces the
    /// first. Initialisation of an instance does not see it, because the instance may serve others later.
    ///
    /// ```
    /// use sandbox_core::{Caller, MissingContext, WasmSandbox};
    ///
    /// struct Request { user: u32 }
    ///
    /// # #[tokio::main]
    /// # async fn main() -> sandbox_core::Result<()> {
    /// # let wasm = wat::parse_str(r#"(module (import "env" "user" (func $user (result i32)))
    /// #     (func (export "whose") (result i32) call $user))"#).expect("valid text");
    /// let sandbox = WasmSandbox::builder()
    ///     .source_bytes(&wasm)
    ///     .host_function("env", "user", |caller: &mut Caller<'_>| -> Result<u32, MissingContext> {
    ///         Ok(caller.context::<Request>()?.user)
    ///     })
    ///     .build()
    ///     .await?;
    /// for user in [7, 8] {
    ///     let whose: u32 = sandbox.with_context(Request { user }).call("whose", ()).await?;
    ///     assert_eq!(whose, user);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_context<T: Any + Send + Sync>(&self, context: T) -> Self {
        self.with_scope(self.scope.with_brought(|brought| brought.context = Context::new(context)))
    }

    /// Returns this sandbox for calls whose output goes to the sink: what their guest writes to standard output and
    /// standard error, also in an instance of its own, and also if it is stopped. That of a run goes to its own
    /// [writers](crate::RunRequest::stdout_to) first.
    ///
    /// Output of an initialisation is no output of a call. The output of a call that fails is in the sink and
    /// not in the error.
    ///
    /// ```
    /// use sandbox_core::{OutputSink, SecurityPolicy, WasmSandbox};
    ///
    /// # fn main() -> sandbox_core::Result<()> {
    /// # let wasm = wat::parse_str(r#"(module
    /// #     (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    /// #     (memory (export "memory") 1) (data (i32.const 0) "\10\00\00\00\05\00\00\00") (data (i32.const 16) "hello")
    /// #     (func (export "greet") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#)
    /// #     .expect("valid text");
    /// let sandbox = WasmSandbox::builder()
    ///     .source_bytes(&wasm)
    ///     .security_policy(SecurityPolicy::paranoid()) // an instance for each call
    ///     .build_blocking()?;
    /// let output = OutputSink::new();
    /// sandbox.with_output(&output).call_blocking::<()>("greet", ())?;
    /// assert_eq!(output.take().stdout, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_output(&self, sink: &OutputSink) -> Self {
        self.with_scope(self.scope.with_brought(|brought| brought.output = Some(sink.clone())))
    }

    /// Returns this sandbox for calls that may take at most that long, and as long as they might before.
    pub(crate) fn with_time_limit_at_most(&self, limit: Duration) -> Self {
        self.with_scope(self.scope.with_time_limit_at_most(limit))
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
