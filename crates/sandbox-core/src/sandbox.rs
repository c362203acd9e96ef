//! The sandbox that users hold.

mod builder;
mod function;
mod instances;
mod run;
mod scope;
mod spans;
mod stock;
mod tier;
mod totals;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use smallvec::SmallVec;
use wasmer::Value;

use crate::call::arguments::Arguments;
use crate::call::cancellation::{Cancellation, Scope};
use crate::call::dispatch::{Profile, on_worker};
use crate::call::results;
use crate::call::seat::{CallPlacement, Seat};
use crate::error::{Result, SandboxError};
use crate::format::SerializationFormat;
use crate::host::HostBinding;
use crate::instance::{Instance, Returned};
use crate::module::{Export, ExportKind, Module};
use crate::policy::{InstanceMode, SecurityPolicy};
use crate::sys::memory::ResetMethod;
use crate::usage::ResourceUsage;
use crate::wasi::Output;

pub use builder::{IntoFormat, MemoryReset, WasmSandboxBuilder};
pub use function::Function;
pub(crate) use instances::Condition;
use instances::{Instances, Turn};
pub use run::{RunOutput, RunRequest};
use totals::{Meter, Totals};

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
    scope: Scope,
}

struct Inner {
    module: Module,
    policy: SecurityPolicy,
    format: SerializationFormat,
    placement: CallPlacement,
    host: Arc<HostBinding>,
    instances: Instances,
    /// In the order of [`Module::exports`]. Shared with siblings: what is quick in one is quick in all.
    profiles: Arc<[Profile]>,
    totals: Arc<Totals>,
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
        placement: CallPlacement,
        host: Arc<HostBinding>,
        instances: Instances,
    ) -> Self {
        let profiles = module.exports().iter().map(|_| Profile::default()).collect();
        let totals = Arc::default();
        let inner = Inner { module, policy, format, placement, host, instances, profiles, totals };
        Self { inner: Arc::new(inner), scope: Scope::default() }
    }

    /// Calls an exported function and returns its result.
    ///
    /// The function's own signature says how the arguments travel: a number or a tuple of numbers in Wasm
    /// registers; bytes (`Vec<u8>`, `&[u8]`, [`Bytes`](bytes::Bytes)) and text with one copy in and one out;
    /// any other serde value in the sandbox's [`SerializationFormat`]. An integer fits a parameter or a
    /// result if its value does.
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
    /// A future cannot be dropped while it is being polled. So if a function that has proven quick turns out not to
    /// be, on the caller's thread, then a `select` or a timeout in the same task comes after the call. What
    /// stops it even then: the policy's wall clock, a [time limit](Self::with_time_limit), a
    /// [cancel handle](Self::with_cancel_handle); or choose [`CallPlacement::Workers`].
    pub async fn call<A, R>(&self, function: &str, arguments: A) -> Result<R>
    where
        A: Serialize,
        R: DeserializeOwned + 'static,
    {
        let (at, _) = self.inner.module.function(function)?;
        self.inner.call(at, &arguments, &self.scope).await
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
        self.inner.call_blocking(at, &arguments, &self.scope)
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
        let span = spans::call(&self.inner, function, prepared.len());
        spans::traced(span, self.batch(at, prepared)).await
    }

    async fn batch<R>(&self, at: usize, batch: Vec<Arguments<'static>>) -> Result<Vec<Result<R>>>
    where
        R: DeserializeOwned + Send + 'static,
    {
        let mut turn = self.inner.turn(&self.inner.module.exports()[at].name, &self.scope).await?;
        if batch.len() <= SHORT_BATCH
            && let Some(seat) = self.inner.seat(at)
        {
            let _seated = seat.sit();
            return Ok(self.inner.batch(&mut turn, at, &batch, &self.scope.undroppable()));
        }
        let cancellation = self.scope.droppable();
        let guard = cancellation.on_drop();
        let inner = Arc::clone(&self.inner);
        let results = on_worker(move || inner.batch(&mut turn, at, &batch, &cancellation)).await;
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
        let prepared = self.inner.prepare(export, &arguments)?.into_owned();
        let span = spans::call(&self.inner, function, 1);
        spans::traced(span, self.inner.call_on_worker(at, prepared, &self.scope)).await
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
        Ok(Function::new(self.clone(), at))
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
        let turn = self.inner.turn("take_output", &Scope::default()).await;
        let Ok(turn) = turn else { return Output::default() };
        turn.instance().map(Instance::take_output).unwrap_or_default()
    }

    /// Calls a function of a stream with its next chunk, or with its end.
    pub(crate) async fn call_chunk(&self, at: usize, chunk: Option<Bytes>) -> Result<Bytes> {
        self.inner.call_prepared(at, Arguments::Chunk(chunk), &self.scope).await
    }

    /// A sandbox of the same module and limits with an instance of its own, whose calls are counted in these totals.
    async fn sibling_counted_in(&self, totals: Arc<Totals>) -> Result<Self> {
        let (inner, scope) = (Arc::clone(&self.inner), self.scope.clone());
        let cancellation = scope.droppable();
        let guard = cancellation.on_drop();
        let sibling = on_worker(move || {
            let Inner { module, policy, format, placement, profiles, .. } = &*inner;
            let host = inner.host.detached();
            let method = ResetMethod::quickest();
            let instances = Instances::new(module, policy, &host, method, &cancellation)?;
            let (module, policy, profiles) = (module.clone(), policy.clone(), Arc::clone(profiles));
            let (format, placement) = (*format, *placement);
            let inner =
                Inner { module, policy, format, placement, host, instances, profiles, totals };
            Ok(Self { inner: Arc::new(inner), scope })
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
    async fn call<A, R>(self: &Arc<Self>, at: usize, arguments: &A, scope: &Scope) -> Result<R>
    where
        A: Serialize,
        R: DeserializeOwned + 'static,
    {
        let prepared = self.prepare(&self.module.exports()[at], arguments)?;
        self.call_prepared(at, prepared, scope).await
    }

    async fn call_prepared<R>(
        self: &Arc<Self>,
        at: usize,
        prepared: Arguments<'_>,
        scope: &Scope,
    ) -> Result<R>
    where
        R: DeserializeOwned + 'static,
    {
        let span = spans::call(self, &self.module.exports()[at].name, 1);
        if span.is_disabled() {
            return self.call_somewhere(at, prepared, scope).await;
        }
        spans::traced(span, self.call_somewhere(at, prepared, scope)).await
    }

    /// Makes a call on the thread that its function has earned.
    async fn call_somewhere<R>(
        self: &Arc<Self>,
        at: usize,
        prepared: Arguments<'_>,
        scope: &Scope,
    ) -> Result<R>
    where
        R: DeserializeOwned + 'static,
    {
        if let Some(seat) = self.seat(at) {
            let mut turn = self.turn(&self.module.exports()[at].name, scope).await?;
            // The thread may be another one after waiting, but is of the same executor.
            let _seated = seat.sit();
            return self.run(&mut turn, at, &prepared, &scope.undroppable());
        }
        self.call_on_worker(at, prepared.into_owned(), scope).await.map(|(value, _)| value)
    }

    async fn call_on_worker<R>(
        self: &Arc<Self>,
        at: usize,
        arguments: Arguments<'static>,
        scope: &Scope,
    ) -> Result<(R, ResourceUsage)>
    where
        R: DeserializeOwned + 'static,
    {
        let export = &self.module.exports()[at];
        let turn = self.turn(&export.name, scope).await?;
        let (turn, returned, usage) = Self::run_on_worker(self, turn, at, arguments, scope).await?;
        let result = returned.and_then(|returned| self.result(turn.instance(), export, returned));
        if result.is_err() {
            self.totals.count_failure();
        }
        Ok((result?, usage))
    }

    fn call_blocking<A, R>(&self, at: usize, arguments: &A, scope: &Scope) -> Result<R>
    where
        A: Serialize,
        R: DeserializeOwned + 'static,
    {
        let export = &self.module.exports()[at];
        let prepared = self.prepare(export, arguments)?;
        spans::traced_blocking(&spans::call(self, &export.name, 1), || {
            let mut turn = self.turn_blocking(&export.name, scope)?;
            self.run(&mut turn, at, &prepared, &scope.undroppable())
        })
    }

    /// Waits for a turn, unless the call is cancelled first. A host function does not wait for the guest that waits
    /// for it.
    async fn turn(&self, function: &str, scope: &Scope) -> Result<Turn> {
        if self.host.is_running_here() {
            return self.turn_now(function);
        }
        let turn = scope.wait_for(self.instances.turn()).await;
        turn.ok_or_else(|| SandboxError::Cancelled { function: function.to_owned() })
    }

    /// The same, blocking the thread.
    fn turn_blocking(&self, function: &str, scope: &Scope) -> Result<Turn> {
        if scope.cancel.is_some() {
            return pollster::block_on(self.turn(function, scope));
        }
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

    /// The thread of an async caller, if a call may run on it: only of a function that has proven quick, and whose
    /// host functions do not wait.
    fn seat(&self, at: usize) -> Option<Seat> {
        if !self.profiles[at].is_trusted() || self.host.waits() {
            return None;
        }
        Seat::of_this_thread(self.placement)
    }

    fn cancelled(&self, at: usize) -> SandboxError {
        SandboxError::Cancelled { function: self.module.exports()[at].name.clone() }
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
        scope: &Scope,
    ) -> Result<(Turn, Result<Returned>, ResourceUsage)> {
        let cancellation = scope.droppable();
        let guard = cancellation.on_drop();
        let inner = Arc::clone(this);
        let outcome = on_worker(move || {
            let meter = inner.totals.begin_exact();
            if let Some(instance) = turn.instance() {
                // Those of earlier calls, which nobody wanted to know.
                inner.take_host_calls(instance);
            }
            let ready = turn.ready(&inner.module, &inner.policy, &inner.host, &cancellation);
            let instance = match ready {
                Ok(instance) => instance,
                Err(error) => return (turn, Err(error), ResourceUsage::default()),
            };
            let returned = instance.enter(at, &inner.module.exports()[at], &arguments);
            let usage = inner.account(&meter, at, instance, &arguments, &returned);
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
        let trusted = self.profiles[at].is_trusted();
        let meter = if trusted { self.totals.begin_sampled() } else { self.totals.begin_exact() };
        let result =
            turn.ready(&self.module, &self.policy, &self.host, cancellation).and_then(|instance| {
                let returned = instance.enter(at, &self.module.exports()[at], arguments);
                self.account(&meter, at, instance, arguments, &returned);
                self.result(Some(instance), &self.module.exports()[at], returned?)
            });
        if result.is_err() {
            self.totals.count_failure();
            turn.retire_poisoned();
        }
        result
    }

    /// Adds what a call used to the totals, and learns from it how quick its function is.
    fn account(
        &self,
        meter: &Meter,
        at: usize,
        instance: &mut Instance,
        arguments: &Arguments<'_>,
        returned: &Result<Returned>,
    ) -> ResourceUsage {
        let profile = &self.profiles[at];
        let outlasted_tick = instance.control().take_outlasted_tick();
        if let Some(took) = outlasted_tick {
            if profile.is_trusted() {
                profile.break_trust();
            }
            if !meter.is_timed() {
                self.totals.add_time(took);
            }
        }
        let mut usage = meter.read();
        usage.bytes_in = arguments.bytes();
        usage.bytes_out = returned.as_ref().map_or(0, Returned::bytes);
        usage.host_calls = self.take_host_calls(instance);
        usage.fuel = instance.fuel_used();
        usage.calls = 1;
        usage.failed_calls = u64::from(returned.is_err());
        if meter.is_timed() {
            usage.memory_high_water_bytes = instance.memory_bytes();
            if meter.stands_for() == 1 {
                profile.record(usage.wall_time);
            }
        }
        let stands_for = if outlasted_tick.is_some() { 1 } else { meter.stands_for() };
        self.totals.add(&usage, stands_for);
        usage
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
            if cancellation.is_cancelled() {
                results.push(Err(self.cancelled(at)));
                continue;
            }
            let numbers = self.calls_at_once(at, rest, cancellation);
            if numbers.is_empty() {
                results.push(self.run(turn, at, &rest[0], cancellation));
            } else {
                self.run_each(turn, at, &numbers, cancellation, &mut results);
            }
        }
        results
    }

    /// The arguments of as many calls as may be made with one entry into the guest; none if only one may.
    ///
    /// They have the time of one call together. So only functions that have proven quick are entered for several,
    /// and only where so many quick calls are far from the limit. A limit of fuel is for each call alone.
    fn calls_at_once<'a>(
        &self,
        at: usize,
        batch: &'a [Arguments<'_>],
        cancellation: &Cancellation,
    ) -> SmallVec<[&'a [Value]; 64]> {
        let limits = [self.policy.wall_clock, cancellation.time_limit()];
        let has_time = limits.into_iter().flatten().all(|limit| limit >= LONG_WALL_CLOCK);
        let may_share =
            self.policy.instances == InstanceMode::Persistent || self.module.exports()[at].pure;
        let is_unmetered = self.policy.fuel.is_none();
        if !(has_time && may_share && is_unmetered && self.profiles[at].is_trusted()) {
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
        let before = results.len();
        let meter = Meter::exact();
        match turn.ready(&self.module, &self.policy, &self.host, cancellation) {
            Ok(instance) => {
                let (mut returned, outcome) = instance.enter_each(at, arguments);
                if outcome.is_err() && returned.len() == arguments.len() {
                    // Told to stop when the last call had just returned: it ends as a single call does then.
                    returned.pop();
                }
                let export = &self.module.exports()[at];
                results.extend(returned.iter().map(|values| results::from_numbers(export, values)));
                results.extend(outcome.err().map(Err));
                self.account_each(&meter, at, instance, &results[before..]);
            }
            Err(error) => results.push(Err(error)),
        }
        turn.retire_poisoned();
    }

    /// How many host functions the guest called since this was last asked.
    fn take_host_calls(&self, instance: &Instance) -> u64 {
        // Most modules import none, and the look costs less than the exchange.
        if self.host.is_empty() { 0 } else { instance.take_host_calls() }
    }

    /// The same as [`account`](Self::account) for several calls with one entry.
    fn account_each<R>(
        &self,
        meter: &Meter,
        at: usize,
        instance: &Instance,
        results: &[Result<R>],
    ) {
        let mut usage = meter.read();
        usage.memory_high_water_bytes = instance.memory_bytes();
        usage.host_calls = self.take_host_calls(instance);
        self.totals.count(results);
        self.totals.add(&usage, 1);
        self.profiles[at]
            .record(usage.wall_time / u32::try_from(results.len()).unwrap_or(1).max(1));
        if instance.control().take_outlasted_tick().is_some() {
            self.profiles[at].break_trust();
        }
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
