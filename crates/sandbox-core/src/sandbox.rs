//! The sandbox that users hold.

mod accounting;
mod batch_results;
mod batches;
mod builder;
mod callable;
mod calls;
mod function;
mod instances;
mod mock;
mod number_calls;
mod reading;
mod run;
mod scope;
mod session;
mod snapshot;
mod spans;
mod tier;
mod totals;

use std::sync::Arc;

use bytes::Bytes;

use crate::error::Result;
use crate::format::SerializationFormat;
use crate::instance::{INSTANTIATION, Instance, Recipe};
use crate::marshal::arguments::Arguments;
use crate::marshal::convert::{FromGuest, IntoGuest};
use crate::marshal::fitting;
use crate::module::{FunctionId, Module};
use crate::output::Output;
use crate::policy::SecurityPolicy;
use crate::threads::callers_thread::CallPlacement;
use crate::threads::dispatch::{Profile, on_worker};
use crate::usage::ResourceUsage;
use crate::watchdog::cancellation::Scope;

pub use batch_results::{BatchIter, BatchResults};
pub use builder::{IntoFormat, MemoryReset, WasmSandboxBuilder};
pub use callable::Callable;
pub use function::Function;
pub(crate) use instances::Condition;
use instances::Instances;
pub use mock::MockSandbox;
pub use run::{RunOutput, RunReport, RunRequest};
pub use session::Session;
pub use snapshot::Snapshot;
use totals::Totals;

/// A guest module behind its limits, ready to be called.
///
/// In the mode [`Persistent`](crate::InstanceMode::Persistent) a sandbox has one instance: the guest's state
/// lives on from call to call, and calls take turns. After a trap, a
/// timeout or a limit the instance is replaced before the next call, so nobody sees a guest that was stopped
/// in the middle of something. In the mode [`Fresh`](crate::InstanceMode::Fresh) every call has an instance
/// of its own, and calls run side by side, as many as the policy lets.
///
/// Calls that have to wait do so in the order in which they were made. One that comes just as a turn ends may go before
/// them, because waking another thread takes longer than a short call; but not before one that has waited for half a
/// millisecond and has been woken.
///
/// Cloning is cheap; all clones are the same sandbox.
///
/// ```
/// use sandbox_core::WasmSandbox;
///
/// # #[tokio::main]
/// # async fn main() -> sandbox_core::Result<()> {
/// # let wasm = wat::parse_str(r#"(module (func (export "add") (param i32 i32) (result i32)
/// #     local.get 0 local.get 1 i32.add))"#).expect("valid text");
/// let sandbox = WasmSandbox::builder().source_bytes(&wasm).build().await?;
/// let sum: i32 = sandbox.call("add", (42i32, 24i32)).await?;
/// assert_eq!(sum, 66);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct WasmSandbox {
    inner: Arc<Inner>,
    scope: Scope,
}

struct Inner {
    recipe: Recipe,
    format: SerializationFormat,
    placement: CallPlacement,
    /// Name that a program which is run sees as its own, unless the run says otherwise.
    program: Option<Arc<str>>,
    instances: Instances,
    /// In the order of [`Module::callable`]. Shared with siblings: what is quick in one is quick in all.
    profiles: Arc<[Profile]>,
    totals: Arc<Totals>,
}

impl WasmSandbox {
    /// Starts describing a sandbox.
    pub fn builder() -> WasmSandboxBuilder {
        WasmSandboxBuilder::default()
    }

    fn new(
        recipe: Recipe,
        format: SerializationFormat,
        placement: CallPlacement,
        program: Option<Arc<str>>,
        instances: Instances,
    ) -> Self {
        let profiles = recipe.module.callable().iter().map(|_| Profile::default()).collect();
        let totals = Arc::default();
        let inner = Inner { recipe, format, placement, program, instances, profiles, totals };
        Self { inner: Arc::new(inner), scope: Scope::default() }
    }

    /// Calls an exported function and returns its result.
    ///
    /// The function's own signature says how the arguments travel: a number or a tuple of numbers in Wasm
    /// registers; bytes (`Vec<u8>`, `&[u8]`, [`Bytes`](bytes::Bytes)) and text with one copy in and one out;
    /// any other serde value in the sandbox's [`SerializationFormat`].
    ///
    /// An integer fits a parameter if its value does: a signed type's has to be one of `i32` or `i64`, an
    /// unsigned type's one of `u32` or `u64`, whichever the function takes. The same goes for results. WebAssembly's
    /// integers have no sign, so a `u32` that was given can be read back as the `i32` with the same bits, and a `u64` as
    /// an `i64`; nothing else becomes another number on the way.
    ///
    /// A function that has proven quick runs on the caller's thread where that can hold up no other task, any
    /// other on a worker thread; see [`CallPlacement`]. If the module imports a host function that may wait
    /// ([async](crate::HostFunctions::async_function) or [blocking](crate::HostFunctions::blocking_function)),
    /// everything runs on worker threads.
    ///
    /// # Errors
    /// See [`SandboxError`](crate::SandboxError); each of its causes can occur here except those of loading
    /// a module.
    ///
    /// # Cancel safety
    /// Dropping the future before the call has its turn has no effect. Dropping it later stops the guest
    /// within milliseconds, and the next call finds a new instance.
    ///
    /// A future that was polled, has to wait for its turn, and is then neither polled nor dropped keeps its place in
    /// the line, as that of an async mutex does, and those behind it wait as long.
    ///
    /// A future cannot be dropped while it is being polled. So if a function that has proven quick turns out not to
    /// be, on the caller's thread, then a `select` or a timeout in the same task comes after the call. What
    /// stops it even then: the policy's wall clock, a [time limit](Self::with_time_limit), a
    /// [cancel handle](Self::with_cancel_handle); or choose [`CallPlacement::Workers`].
    pub async fn call<R: FromGuest>(&self, function: &str, arguments: impl IntoGuest) -> Result<R> {
        let (id, _) = self.inner.recipe.module.function(function)?;
        self.inner.call(id, &arguments, &self.scope).await
    }

    /// Calls an exported function as [`WasmSandbox::call`] does, on the calling thread and without an async runtime.
    ///
    /// Blocks until the call has its turn and the guest has returned; do not use it in async code.
    ///
    /// # Errors
    /// As [`WasmSandbox::call`].
    pub fn call_blocking<R: FromGuest>(
        &self,
        function: &str,
        arguments: impl IntoGuest,
    ) -> Result<R> {
        let (id, _) = self.inner.recipe.module.function(function)?;
        self.inner.call_blocking(id, &arguments, &self.scope)
    }

    /// Calls a function and says what the call used. The call runs on a worker thread.
    ///
    /// # Errors
    /// As [`WasmSandbox::call`].
    ///
    /// # Cancel safety
    /// As [`WasmSandbox::call`].
    pub async fn call_with_usage<R: FromGuest>(
        &self,
        function: &str,
        arguments: impl IntoGuest,
    ) -> Result<(R, ResourceUsage)> {
        let (id, export) = self.inner.recipe.module.function(function)?;
        let prepared = self.inner.prepare::<_, R>(export, &arguments)?.into_owned();
        let span = spans::call(&self.inner, function, 1);
        spans::traced(span, self.inner.call_on_worker(id, prepared, &self.scope)).await
    }

    /// Calls a function and has its output read where it lies, in the guest's memory: bytes, text, or a value as it was
    /// encoded. Nothing is copied on the way out.
    ///
    /// The guest waits while `read` runs, which is on the task or thread of the caller. `read` must not wait for
    /// another call of the same persistent sandbox, which would wait for this one.
    ///
    /// ```
    /// # async fn example(sandbox: &sandbox_core::WasmSandbox, picture: &[u8]) -> sandbox_core::Result<()> {
    /// let first = sandbox.call_with("scale", picture, |scaled: &[u8]| scaled.first().copied()).await?;
    /// # let _ = first;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`WasmSandbox::call`]; [`SandboxError::SignatureMismatch`](crate::SandboxError::SignatureMismatch) if the
    /// function returns numbers.
    ///
    /// # Cancel safety
    /// As [`WasmSandbox::call`].
    pub async fn call_with<T>(
        &self,
        function: &str,
        arguments: impl IntoGuest,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<T> {
        let (id, _) = self.inner.recipe.module.function(function)?;
        self.inner.call_with(id, &arguments, &self.scope, read).await
    }

    /// Calls a function as [`WasmSandbox::call_with`] does, on the calling thread and without an async runtime.
    ///
    /// # Errors
    /// As [`WasmSandbox::call_with`].
    pub fn call_with_blocking<T>(
        &self,
        function: &str,
        arguments: impl IntoGuest,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<T> {
        let (id, _) = self.inner.recipe.module.function(function)?;
        self.inner.call_with_blocking(id, &arguments, &self.scope, read)
    }

    /// Resolves a function once, to be called many times.
    ///
    /// The types are compared with those of the function, as far as types can tell: a result's always, arguments' if they
    /// are bytes, text, or up to three numbers. What is of other types is looked at when the function is called, and so is
    /// whether a number fits by its value.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchFunction`](crate::SandboxError::NoSuchFunction), and
    /// [`SandboxError::SignatureMismatch`](crate::SandboxError::SignatureMismatch), which names both types.
    pub fn function<A, R>(&self, function: &str) -> Result<Function<A, R>>
    where
        A: IntoGuest,
        R: FromGuest,
    {
        let (id, export) = self.inner.recipe.module.function(function)?;
        fitting::check::<A, R>(export)?;
        Ok(Function::new(self.clone(), id))
    }

    /// Takes what the guest has written to standard output and standard error since this was last taken.
    ///
    /// As much as one call may write is kept until it is taken; when a call needs the room, what earlier ones wrote makes
    /// way. Waits for its turn among the calls. What an instance wrote before it failed is in the
    /// [error](crate::SandboxError::output); what a fresh instance wrote in a call that succeeded is lost, unless the call was
    /// made [with a sink](Self::with_output). A host function of the sandbox itself finds nothing while the guest that
    /// called it has the turn.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn take_output(&self) -> Output {
        let turn = self.inner.turn("take_output", &Scope::default()).await;
        let Ok(turn) = turn else { return Output::default() };
        turn.instance().map(Instance::take_output).unwrap_or_default()
    }

    /// Takes output as [`WasmSandbox::take_output`] does, blocking the thread and without an async runtime.
    pub fn take_output_blocking(&self) -> Output {
        pollster::block_on(self.take_output())
    }

    /// Calls a function of a stream with its next chunk, or with its end, and says what the call used.
    pub(crate) async fn call_chunk(
        &self,
        id: FunctionId,
        chunk: Option<Bytes>,
    ) -> Result<(Bytes, ResourceUsage)> {
        self.inner.call_prepared(id, Arguments::Chunk(chunk), &self.scope).await
    }

    /// A sandbox of the same module and limits with an instance of its own, whose calls are counted in these totals.
    async fn sibling_counted_in(&self, totals: Arc<Totals>) -> Result<Self> {
        let (inner, scope) = (Arc::clone(&self.inner), self.scope.clone());
        let cancellation = scope.droppable();
        let guard = cancellation.on_drop();
        let sibling = on_worker(INSTANTIATION, move || {
            let recipe = inner.recipe.detached();
            let instances = Instances::new(&recipe, &cancellation)?;
            let (format, placement) = (inner.format, inner.placement);
            let (program, profiles) = (inner.program.clone(), Arc::clone(&inner.profiles));
            let inner = Inner { recipe, format, placement, program, instances, profiles, totals };
            Ok(Self { inner: Arc::new(inner), scope })
        })
        .await;
        guard.disarm();
        sibling?
    }

    /// The module that runs in this sandbox.
    pub fn module(&self) -> &Module {
        &self.inner.recipe.module
    }

    /// The policy that the guest runs under.
    pub fn policy(&self) -> &SecurityPolicy {
        &self.inner.recipe.policy
    }
}

impl std::fmt::Debug for WasmSandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WasmSandbox")
            .field("module", &self.inner.recipe.module)
            .field("policy", &self.inner.recipe.policy)
            .finish_non_exhaustive()
    }
}
