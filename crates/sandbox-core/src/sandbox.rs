//! The sandbox that users hold.

mod builder;
mod function;
mod instances;
mod run;
mod stock;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use smallvec::SmallVec;
use wasmer::Value;

use crate::call::arguments::Arguments;
use crate::call::cancellation::Cancellation;
use crate::call::dispatch::{Profile, on_worker};
use crate::call::results;
use crate::error::{Result, SandboxError};
use crate::format::SerializationFormat;
use crate::host::HostBinding;
use crate::instance::{Instance, Returned};
use crate::module::{Export, ExportKind, Module};
use crate::policy::{InstanceMode, SecurityPolicy};
use crate::sys::cpu_time;
use crate::sys::memory::ResetMethod;
use crate::usage::ResourceUsage;
use crate::wasi::Output;

pub use builder::{IntoFormat, MemoryReset, WasmSandboxBuilder};
pub use function::Function;
use instances::{Instances, Turn};

pub use run::{RunOutput, RunRequest};

/// The longest batch of a trusted function that runs on the caller's thread, and the most calls of it that are
/// made with one entry into the guest.
const SHORT_BATCH: usize = 64;

/// A wall-clock limit that so many quick calls together cannot come near.
const LONG_WALL_CLOCK: Duration = Duration::from_secs(1);

/// A guest module behind its limits, ready to be called.
///
/// In the mode [`Persistent`](crate::InstanceMode::Persistent) a sandbox has one instance: the guest's state
/// lives on from call to call, and calls take turns in the order in which they were made. After a trap, a
/// timeout or a limit the instance is replaced before the next call, so nobody sees a guest that was stopped
/// in the middle of something. In the mode [`Fresh`](crate::InstanceMode::Fresh) every call has an instance
/// of its own, and calls run side by side.
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
}

struct Inner {
    module: Module,
    policy: SecurityPolicy,
    format: SerializationFormat,
    host: Arc<HostBinding>,
    instances: Instances,
    /// In the order of [`Module::exports`].
    profiles: Box<[Profile]>,
}

impl WasmSandbox {
    /// Starts describing a sandbox.
    pub fn builder() -> WasmSandboxBuilder {
        WasmSandboxBuilder::default()
    }

    fn new(
        module: Module,
        policy: SecurityPolicy,
        format: SerializationFormat,
        host: Arc<HostBinding>,
        instances: Instances,
    ) -> Self {
        let profiles = module.exports().iter().map(|_| Profile::default()).collect();
        Self { inner: Arc::new(Inner { module, policy, format, host, instances, profiles }) }
    }

    /// Calls an exported function and returns its result.
    ///
    /// The function's own signature says how the arguments travel: a number or a tuple of numbers in Wasm
    /// registers; bytes (`Vec<u8>`, `&[u8]`, [`Bytes`](bytes::Bytes)) and text with one copy in and one out;
    /// any other serde value in the sandbox's [`SerializationFormat`]. An integer fits a parameter or a
    /// result if its value does.
    ///
    /// A function that has proven quick runs on the caller's thread, any other on a worker thread, so a
    /// long call never holds up other tasks.
    ///
    /// # Errors
    /// See [`SandboxError`](crate::SandboxError); each of its causes can occur here except those of loading
    /// a module.
    ///
    /// # Cancel safety
    /// Dropping the future before the call has its turn has no effect. Dropping it later stops the guest
    /// within milliseconds, and the next call finds a new instance.
    pub async fn call<A, R>(&self, function: &str, arguments: A) -> Result<R>
    where
        A: Serialize,
        R: DeserializeOwned + 'static,
    {
        let (at, _) = self.inner.module.function(function)?;
        self.inner.call(at, &arguments).await
    }

    /// The same as [`WasmSandbox::call`] on the calling thread, without an async runtime.
    ///
    /// Blocks until the call has its turn and the guest has returned; do not use it in async code.
    ///
    /// # Errors
    /// As [`WasmSandbox::call`].
    pub fn call_blocking<A, R>(&self, function: &str, arguments: A) -> Result<R>
    where
        A: Serialize,
        R: DeserializeOwned + 'static,
    {
        let (at, _) = self.inner.module.function(function)?;
        self.inner.call_blocking(at, &arguments)
    }

    /// Calls a function once for each set of arguments, in order and in one turn.
    ///
    /// The results are those of so many calls one after the other: an error of one leaves the others alone,
    /// and after a trap the next call finds a new instance. Other callers wait until the batch is done.
    ///
    /// # Errors
    /// One error for the whole batch if there is no such function, or if an argument does not fit it, in which
    /// case nothing has been called; else a result for each call.
    ///
    /// # Cancel safety
    /// As [`WasmSandbox::call`]. How many calls of the batch were made before the drop cannot be told.
    pub async fn call_batch<A, R>(
        &self,
        function: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Vec<Result<R>>>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
    {
        let (at, export) = self.inner.module.function(function)?;
        let prepared: Vec<Arguments<'static>> = arguments
            .into_iter()
            .map(|each| Ok(self.inner.prepare(export, &each)?.into_owned()))
            .collect::<Result<_>>()?;
        let mut turn = self.inner.turn(&export.name).await?;
        if self.inner.may_run_here(at) && prepared.len() <= SHORT_BATCH {
            return Ok(self.inner.batch(&mut turn, at, &prepared, &Cancellation::default()));
        }
        let cancellation = Cancellation::default();
        let guard = cancellation.on_drop();
        let inner = Arc::clone(&self.inner);
        let results = on_worker(move || inner.batch(&mut turn, at, &prepared, &cancellation)).await;
        guard.disarm();
        results
    }

    /// Calls a function and says what the call used. The call runs on a worker thread.
    ///
    /// # Errors
    /// As [`WasmSandbox::call`].
    ///
    /// # Cancel safety
    /// As [`WasmSandbox::call`].
    pub async fn call_with_usage<A, R>(
        &self,
        function: &str,
        arguments: A,
    ) -> Result<(R, ResourceUsage)>
    where
        A: Serialize,
        R: DeserializeOwned + 'static,
    {
        let (at, export) = self.inner.module.function(function)?;
        let prepared = self.inner.prepare(export, &arguments)?;
        let turn = self.inner.turn(&export.name).await?;
        let (turn, returned, usage) =
            Inner::run_on_worker(&self.inner, turn, at, prepared.into_owned()).await?;
        Ok((self.inner.result(turn.instance(), export, returned?)?, usage))
    }

    /// Resolves a function once, to be called many times.
    ///
    /// # Errors
    /// [`SandboxError::NoSuchFunction`](crate::SandboxError::NoSuchFunction).
    pub fn function<A, R>(&self, function: &str) -> Result<Function<A, R>>
    where
        A: Serialize,
        R: DeserializeOwned + 'static,
    {
        let (at, _) = self.inner.module.function(function)?;
        Ok(Function::new(Arc::clone(&self.inner), at))
    }

    /// Takes what the guest has written to standard output and standard error since this was last taken.
    ///
    /// Waits for its turn among the calls. What an instance wrote before it was stopped is lost with it, and
    /// so is what a fresh instance wrote. A host function of the sandbox itself finds nothing while the guest that
    /// called it has the turn.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn take_output(&self) -> Output {
        let Ok(turn) = self.inner.turn("take_output").await else { return Output::default() };
        turn.instance().map(Instance::take_output).unwrap_or_default()
    }

    /// Calls a function of a stream with its next chunk, or with its end.
    pub(crate) async fn call_chunk(&self, at: usize, chunk: Option<Bytes>) -> Result<Bytes> {
        self.inner.call_prepared(at, Arguments::Chunk(chunk)).await
    }

    /// A sandbox of the same module and limits with an instance of its own.
    pub(crate) async fn sibling(&self) -> Result<Self> {
        let inner = &self.inner;
        let (module, policy, format) = (inner.module.clone(), inner.policy.clone(), inner.format);
        let host = inner.host.detached();
        let cancellation = Cancellation::default();
        let guard = cancellation.on_drop();
        let sibling = on_worker(move || {
            let method = ResetMethod::quickest();
            let instances = Instances::new(&module, &policy, &host, method, &cancellation)?;
            Ok(Self::new(module, policy, format, host, instances))
        })
        .await;
        guard.disarm();
        sibling?
    }

    /// The module that runs in this sandbox.
    pub fn module(&self) -> &Module {
        &self.inner.module
    }

    /// The policy that the guest runs under.
    pub fn policy(&self) -> &SecurityPolicy {
        &self.inner.policy
    }
}

impl Inner {
    async fn call<A, R>(self: &Arc<Self>, at: usize, arguments: &A) -> Result<R>
    where
        A: Serialize,
        R: DeserializeOwned + 'static,
    {
        let prepared = self.prepare(&self.module.exports()[at], arguments)?;
        self.call_prepared(at, prepared).await
    }

    async fn call_prepared<R>(self: &Arc<Self>, at: usize, prepared: Arguments<'_>) -> Result<R>
    where
        R: DeserializeOwned + 'static,
    {
        let export = &self.module.exports()[at];
        let mut turn = self.turn(&export.name).await?;
        let profile = &self.profiles[at];
        if self.may_run_here(at) {
            let result = self.run(&mut turn, at, &prepared, &Cancellation::none());
            if turn.instance().is_some_and(|instance| instance.control().take_outlasted_tick()) {
                profile.break_trust();
            }
            return result;
        }
        let (turn, returned, _) =
            Self::run_on_worker(self, turn, at, prepared.into_owned()).await?;
        self.result(turn.instance(), export, returned?)
    }

    fn call_blocking<A, R>(&self, at: usize, arguments: &A) -> Result<R>
    where
        A: Serialize,
        R: DeserializeOwned + 'static,
    {
        let prepared = self.prepare(&self.module.exports()[at], arguments)?;
        let mut turn = self.turn_blocking(&self.module.exports()[at].name)?;
        self.run(&mut turn, at, &prepared, &Cancellation::none())
    }

    /// Waits for a turn. A host function does not wait for the guest that waits for it.
    async fn turn(&self, function: &str) -> Result<Turn> {
        if self.host.is_running_here() {
            return self.turn_now(function);
        }
        Ok(self.instances.turn().await)
    }

    /// The same, blocking the thread.
    fn turn_blocking(&self, function: &str) -> Result<Turn> {
        if self.host.is_running_here() {
            return self.turn_now(function);
        }
        Ok(self.instances.turn_blocking())
    }

    fn turn_now(&self, function: &str) -> Result<Turn> {
        self.instances.turn_now().ok_or_else(|| SandboxError::NestedCall {
            function: function.to_owned(),
            message: "the guest that it would wait for waits for the host function".to_owned(),
        })
    }

    /// Whether a call may run on the thread of an async caller, which must not wait.
    fn may_run_here(&self, at: usize) -> bool {
        self.profiles[at].is_trusted() && !self.host.waits()
    }

    fn prepare<'a, A: Serialize>(
        &self,
        export: &Export,
        arguments: &'a A,
    ) -> Result<Arguments<'a>> {
        Arguments::prepare(export, arguments, self.format, self.module.formats())
    }

    /// Runs a call on a worker thread; dropping the future stops it.
    async fn run_on_worker(
        this: &Arc<Self>,
        mut turn: Turn,
        at: usize,
        arguments: Arguments<'static>,
    ) -> Result<(Turn, Result<Returned>, ResourceUsage)> {
        let cancellation = Cancellation::default();
        let guard = cancellation.on_drop();
        let inner = Arc::clone(this);
        let outcome = on_worker(move || {
            let started = Instant::now();
            let cpu_before = cpu_time::of_this_thread();
            if let Some(instance) = turn.instance() {
                // Those of earlier calls, which nobody wanted to know.
                instance.take_host_calls();
            }
            let ready = turn.ready(&inner.module, &inner.policy, &inner.host, &cancellation);
            let instance = match ready {
                Ok(instance) => instance,
                Err(error) => return (turn, Err(error), ResourceUsage::default()),
            };
            let returned = instance.enter(at, &inner.module.exports()[at], &arguments);
            let wall_time = started.elapsed();
            inner.profiles[at].record(wall_time);
            let usage = ResourceUsage {
                calls: 1,
                wall_time,
                cpu_time: cpu_time::of_this_thread()
                    .zip(cpu_before)
                    .map(|(after, before)| after - before),
                memory_high_water_bytes: instance.memory_bytes(),
                host_calls: instance.take_host_calls(),
                bytes_in: arguments.bytes(),
                bytes_out: returned.as_ref().map_or(0, Returned::bytes),
            };
            turn.retire_poisoned();
            (turn, returned, usage)
        })
        .await;
        guard.disarm();
        outcome
    }

    /// Runs a call on this thread, whole.
    fn run<R: DeserializeOwned + 'static>(
        &self,
        turn: &mut Turn,
        at: usize,
        arguments: &Arguments<'_>,
        cancellation: &Cancellation,
    ) -> Result<R> {
        let instance = turn.ready(&self.module, &self.policy, &self.host, cancellation)?;
        let export = &self.module.exports()[at];
        let returned = instance.enter(at, export, arguments);
        let result = returned.and_then(|returned| self.result(Some(instance), export, returned));
        turn.retire_poisoned();
        result
    }

    /// Runs calls of one function on this thread, in order.
    fn batch<R: DeserializeOwned + 'static>(
        &self,
        turn: &mut Turn,
        at: usize,
        batch: &[Arguments<'_>],
        cancellation: &Cancellation,
    ) -> Vec<Result<R>> {
        let mut results = Vec::with_capacity(batch.len());
        while let Some(rest) = batch.get(results.len()..).filter(|rest| !rest.is_empty()) {
            let started = Instant::now();
            let before = results.len();
            let numbers = self.calls_at_once(at, rest);
            if numbers.is_empty() {
                results.push(self.run(turn, at, &rest[0], cancellation));
            } else {
                self.run_each(turn, at, &numbers, cancellation, &mut results);
            }
            let calls = u32::try_from(results.len() - before).unwrap_or(u32::MAX);
            self.profiles[at].record(started.elapsed() / calls.max(1));
        }
        results
    }

    /// The arguments of as many calls as may be made with one entry into the guest; none if only one may.
    ///
    /// They have the time of one call together. So only functions that have proven quick are entered for several,
    /// and only where so many quick calls are far from the limit.
    fn calls_at_once<'a>(
        &self,
        at: usize,
        batch: &'a [Arguments<'_>],
    ) -> SmallVec<[&'a [Value]; 64]> {
        let has_time = self.policy.wall_clock.is_none_or(|limit| limit >= LONG_WALL_CLOCK);
        let may_share =
            self.policy.instances == InstanceMode::Persistent || self.module.exports()[at].pure;
        if !(has_time && may_share && self.profiles[at].is_trusted()) {
            return SmallVec::new();
        }
        let numbers = batch.iter().map_while(|arguments| match arguments {
            Arguments::Numbers(values) => Some(values.as_slice()),
            Arguments::Exchange { .. } | Arguments::Chunk(_) => None,
        });
        numbers.take(SHORT_BATCH).collect()
    }

    /// Runs several calls with one entry, and adds at least one result: of those that returned, and of the
    /// first that failed.
    fn run_each<R: DeserializeOwned + 'static>(
        &self,
        turn: &mut Turn,
        at: usize,
        arguments: &[&[Value]],
        cancellation: &Cancellation,
        results: &mut Vec<Result<R>>,
    ) {
        let instance = match turn.ready(&self.module, &self.policy, &self.host, cancellation) {
            Ok(instance) => instance,
            Err(error) => return results.push(Err(error)),
        };
        let (mut returned, outcome) = instance.enter_each(at, arguments);
        if outcome.is_err() && returned.len() == arguments.len() {
            // Told to stop when the last call had just returned: it ends as a single call does then.
            returned.pop();
        }
        let export = &self.module.exports()[at];
        results.extend(returned.iter().map(|values| results::from_numbers(export, values)));
        results.extend(outcome.err().map(Err));
        turn.retire_poisoned();
    }

    fn result<R: DeserializeOwned + 'static>(
        &self,
        instance: Option<&Instance>,
        export: &Export,
        returned: Returned,
    ) -> Result<R> {
        match (returned, &export.kind) {
            (Returned::Output { range }, ExportKind::Declared(declared)) => {
                let output = instance.map(|instance| instance.output_bytes(range));
                let output = output.unwrap_or_default();
                results::from_output(export, declared.output, output, self.format)
            }
            (Returned::Numbers(values), _) => results::from_numbers(export, &values),
            (Returned::Output { .. }, ExportKind::Numbers(_)) => results::from_numbers(export, &[]),
        }
    }
}

impl std::fmt::Debug for WasmSandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WasmSandbox")
            .field("module", &self.inner.module)
            .field("policy", &self.inner.policy)
            .finish_non_exhaustive()
    }
}
