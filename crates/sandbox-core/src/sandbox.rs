//! The sandbox that users hold.

mod builder;
mod run;

use std::sync::Arc;
use std::time::Instant;

use async_lock::{Mutex, MutexGuardArc};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::arguments::Arguments;
use crate::call::cancellation::Cancellation;
use crate::call::dispatch::{Profile, on_worker};
use crate::call::results;
use crate::error::Result;
use crate::format::SerializationFormat;
use crate::instance::{Instance, Returned};
use crate::module::{Export, ExportKind, Module};
use crate::policy::SecurityPolicy;
use crate::wasi::Output;

pub use builder::{IntoFormat, WasmSandboxBuilder};
pub use run::{RunOutput, RunRequest};

/// A guest module behind its limits, ready to be called.
///
/// A sandbox has one instance: the guest's state lives on from call to call, and calls take turns in the
/// order in which they were made. After a trap, a timeout or a limit the instance is replaced before the
/// next call, so nobody sees a guest that was stopped in the middle of something.
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
    /// Empty while there is no instance fit to be called.
    instance: Arc<Mutex<Option<Instance>>>,
    /// In the order of [`Module::exports`].
    profiles: Box<[Profile]>,
}

/// A caller's turn: sole use of the instance until it is dropped.
type Turn = MutexGuardArc<Option<Instance>>;

impl WasmSandbox {
    /// Starts describing a sandbox.
    pub fn builder() -> WasmSandboxBuilder {
        WasmSandboxBuilder::default()
    }

    fn new(
        module: Module,
        policy: SecurityPolicy,
        format: SerializationFormat,
        instance: Instance,
    ) -> Self {
        let profiles = module.exports().iter().map(|_| Profile::default()).collect();
        let instance = Arc::new(Mutex::new(Some(instance)));
        Self { inner: Arc::new(Inner { module, policy, format, instance, profiles }) }
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
        let (at, export) = self.inner.module.function(function)?;
        let prepared = self.inner.prepare(export, &arguments)?;
        let mut turn = self.inner.instance.lock_arc().await;
        let profile = &self.inner.profiles[at];
        if profile.is_trusted()
            && let Some(instance) = &mut *turn
        {
            instance.begin_turn();
            let result = self.inner.run(instance, at, export, &prepared);
            if instance.control().take_outlasted_tick() {
                profile.break_trust();
            }
            retire(&mut turn);
            return result;
        }
        let (turn, returned) = self.run_on_worker(turn, at, prepared.into_owned()).await?;
        self.inner.result(turn.as_ref(), export, returned?)
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
        let (at, export) = self.inner.module.function(function)?;
        let prepared = self.inner.prepare(export, &arguments)?;
        let mut turn = self.inner.instance.lock_arc_blocking();
        let instance = self.inner.ready(&mut turn, &Cancellation::default())?;
        let result = self.inner.run(instance, at, export, &prepared);
        retire(&mut turn);
        result
    }

    /// Takes what the guest has written to standard output and standard error since this was last taken.
    ///
    /// Waits for its turn among the calls. What an instance wrote before it was stopped is lost with it.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn take_output(&self) -> Output {
        self.inner.instance.lock().await.as_ref().map(Instance::take_output).unwrap_or_default()
    }

    /// The module that runs in this sandbox.
    pub fn module(&self) -> &Module {
        &self.inner.module
    }

    /// The policy that the guest runs under.
    pub fn policy(&self) -> &SecurityPolicy {
        &self.inner.policy
    }

    /// Runs a call on a worker thread; dropping the future stops it.
    async fn run_on_worker(
        &self,
        mut turn: Turn,
        at: usize,
        arguments: Arguments<'static>,
    ) -> Result<(Turn, Result<Returned>)> {
        let cancellation = Cancellation::default();
        let guard = cancellation.on_drop();
        let inner = Arc::clone(&self.inner);
        let outcome = on_worker(move || {
            let instance = match inner.ready(&mut turn, &cancellation) {
                Ok(instance) => instance,
                Err(error) => return (turn, Err(error)),
            };
            let started = Instant::now();
            let returned = instance.enter(at, &arguments);
            inner.profiles[at].record(started.elapsed());
            // The output of a call that returned is read even from an instance that is then retired.
            if returned.is_err() {
                retire(&mut turn);
            }
            (turn, returned)
        })
        .await;
        guard.disarm();
        outcome
    }
}

impl Inner {
    fn prepare<'a, A: Serialize>(
        &self,
        export: &Export,
        arguments: &'a A,
    ) -> Result<Arguments<'a>> {
        Arguments::prepare(export, arguments, self.format, self.module.formats())
    }

    /// The instance of this turn, created if there is none. Runs guest code.
    fn ready<'a>(
        &self,
        turn: &'a mut Turn,
        cancellation: &Cancellation,
    ) -> Result<&'a mut Instance> {
        retire(turn);
        let instance = match turn.take() {
            Some(instance) => instance,
            None => Instance::create(&self.module, &self.policy, cancellation)?,
        };
        let instance = turn.insert(instance);
        let begun = instance.begin_turn();
        cancellation.attach(instance.control(), begun);
        Ok(instance)
    }

    /// Runs a call on this thread, whole.
    fn run<R: DeserializeOwned + 'static>(
        &self,
        instance: &mut Instance,
        at: usize,
        export: &Export,
        arguments: &Arguments<'_>,
    ) -> Result<R> {
        let returned = instance.enter(at, arguments)?;
        self.result(Some(instance), export, returned)
    }

    fn result<R: DeserializeOwned + 'static>(
        &self,
        instance: Option<&Instance>,
        export: &Export,
        returned: Returned,
    ) -> Result<R> {
        match (returned, &export.kind) {
            (Returned::Output { range, format }, ExportKind::Declared(declared)) => {
                let output = instance.map(|instance| instance.output_bytes(range));
                results::from_output(export, declared.output, output.unwrap_or_default(), format)
            }
            (Returned::Numbers(values), _) => results::from_numbers(export, &values),
            (Returned::Output { .. }, ExportKind::Numbers(_)) => results::from_numbers(export, &[]),
        }
    }
}

/// Discards an instance that nobody may see again.
fn retire(turn: &mut Turn) {
    if turn.as_ref().is_some_and(Instance::is_poisoned) {
        **turn = None;
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
