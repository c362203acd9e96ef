//! One instance for several calls.

use std::sync::Arc;

use super::accounting::billed;
use super::calls::with_numbers;
use super::instances::Turn;
use super::snapshot::Snapshot;
use super::{Inner, WasmSandbox, spans};
use crate::error::{CallResult, Result, SandboxError, checked_range};
use crate::instance::{INSTANTIATION, Instance, Returned};
use crate::marshal::arguments::{Arguments, CallBuffer};
use crate::marshal::convert::{FromGuest, IntoGuest};
use crate::marshal::export::ExportKind;
use crate::module::FunctionId;
use crate::output::Output;
use crate::threads::dispatch::on_worker;
use crate::usage::ResourceUsage;
use crate::wasi::GuestFiles;
use crate::watchdog::cancellation::{Cancellation, Scope};

/// Name of the session in errors that no function of the guest caused.
const SESSION: &str = "session";

/// One instance of a sandbox, held for several calls that nobody else's come between.
///
/// Between the calls the host reads and writes the guest's memory and files. So guests can be used that know no ABI but
/// a pointer and a length, and several calls are one step to others.
///
/// - **Begin.** In the mode [`Persistent`](crate::InstanceMode::Persistent) a session has the sandbox's one instance, as
///   earlier calls left it, and all other calls wait until the session is dropped. In the mode
///   [`Fresh`](crate::InstanceMode::Fresh) it has an instance of its own, which is as new, and counts as one of
///   [`max_instances`](crate::SecurityPolicy::max_instances).
/// - **End.** Dropping the session gives a persistent instance back as it is, and resets a fresh one.
/// - **Failure.** After a trap, a limit, a cancelled call or a call that was dropped the session is over: the instance is
///   gone, and what is asked of the session is [`SandboxError::SessionEnded`]. An error that the guest returned, and a value
///   that does not fit, leave it as it is.
/// - **Limits.** Those of the policy, of [`with_time_limit`](WasmSandbox::with_time_limit) and of
///   [`with_cancel_handle`](WasmSandbox::with_cancel_handle) hold for each call of the session. How long the session
///   itself lasts is the holder's choice.
///
/// A session is `Send`: it may be made in one task or thread and used in another. Whoever has one and waits for an ordinary
/// call of the same persistent sandbox waits for ever.
///
/// ```
/// use sandbox_core::WasmSandbox;
///
/// # #[tokio::main]
/// # async fn main() -> sandbox_core::Result<()> {
/// # let wasm = wat::parse_str(r#"(module
/// #     (memory (export "memory") 1)
/// #     (global $free (mut i32) (i32.const 1024))
/// #     (func (export "alloc") (param i32) (result i32)
/// #         global.get $free
/// #         (global.set $free (i32.add (global.get $free) (local.get 0))))
/// #     (func (export "sum") (param $at i32) (param $len i32) (result i32)
/// #         (local $sum i32)
/// #         (block $done (loop $next
/// #             (br_if $done (i32.eqz (local.get $len)))
/// #             (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $at))))
/// #             (local.set $at (i32.add (local.get $at) (i32.const 1)))
/// #             (local.set $len (i32.sub (local.get $len) (i32.const 1)))
/// #             (br $next)))
/// #         local.get $sum))"#).expect("valid text");
/// let sandbox = WasmSandbox::builder().source_bytes(&wasm).build().await?;
/// let mut session = sandbox.session().await?;
/// let at: u32 = session.call("alloc", 3).await?;
/// session.write(at, &[1, 2, 3])?;
/// let sum: u32 = session.call("sum", (at, 3)).await?;
/// assert_eq!(sum, 6);
/// assert_eq!(session.read(at, 3)?, [1, 2, 3]);
/// # Ok(())
/// # }
/// ```
#[must_use = "a session keeps others waiting, and is of no use until something is called in it"]
pub struct Session {
    /// Turn on the instance. `None` once the instance is gone. Before the rest, so that it ends while that is there.
    turn: Option<Turn<'static>>,
    files: Option<GuestFiles>,
    inner: Arc<Inner>,
    scope: Scope,
    usage: ResourceUsage,
}

impl WasmSandbox {
    /// Waits for a turn, and holds the instance for several calls.
    ///
    /// # Errors
    /// [`SandboxError::Cancelled`] if the sandbox's cancel handle is, while it waits; [`SandboxError::NestedCall`] in a
    /// host function whose guest has the turn; those of starting the module where a new instance has to be made.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect, but that an instance which is being started is stopped and made anew for the
    /// next caller.
    pub async fn session(&self) -> Result<Session> {
        let turn = self.inner.turn_owned(SESSION, &self.scope).await?;
        let mut session = Session::new(self, turn);
        if !session.has_instance() {
            let cancellation = self.scope.droppable();
            let guard = cancellation.on_drop();
            let started = on_worker(INSTANTIATION, move || {
                session.start(&cancellation)?;
                Ok::<_, SandboxError>(session)
            })
            .await;
            guard.disarm();
            session = started??;
        }
        Ok(session)
    }

    /// Waits for a turn as [`WasmSandbox::session`] does, blocking the thread and without an async runtime.
    ///
    /// # Errors
    /// As [`WasmSandbox::session`].
    pub fn session_blocking(&self) -> Result<Session> {
        let turn = pollster::block_on(self.inner.turn_owned(SESSION, &self.scope))?;
        let mut session = Session::new(self, turn);
        if !session.has_instance() {
            session.start(&self.scope.undroppable())?;
        }
        Ok(session)
    }
}

impl Session {
    fn new(sandbox: &WasmSandbox, mut turn: Turn<'static>) -> Self {
        turn.hold();
        let (inner, scope) = (Arc::clone(&sandbox.inner), sandbox.scope.clone());
        Self { turn: Some(turn), files: None, inner, scope, usage: ResourceUsage::default() }
    }

    fn has_instance(&self) -> bool {
        self.turn.as_ref().is_some_and(|turn| turn.instance().is_some())
    }

    /// Makes the instance. May run guest code.
    fn start(&mut self, cancellation: &Cancellation) -> Result<()> {
        let turn = self.turn.as_mut().ok_or_else(|| ended(SESSION))?;
        turn.ready(&self.inner.recipe, cancellation).map_err(|error| *error)?;
        Ok(())
    }

    /// Calls an exported function of the session's instance, as [`WasmSandbox::call`] does but for the turn, which the
    /// session has.
    ///
    /// # Errors
    /// As [`WasmSandbox::call`], and [`SandboxError::SessionEnded`].
    ///
    /// # Cancel safety
    /// Dropping the future while the guest runs stops it within milliseconds, and ends the session.
    pub async fn call<R: FromGuest>(
        &mut self,
        function: &str,
        arguments: impl IntoGuest,
    ) -> Result<R> {
        let (id, _) = self.inner.recipe.module.function(function)?;
        self.call_by_id(id, &arguments).await
    }

    /// Calls an exported function as [`Session::call`] does, on the calling thread and without an async runtime.
    ///
    /// # Errors
    /// As [`Session::call`].
    pub fn call_blocking<R: FromGuest>(
        &mut self,
        function: &str,
        arguments: impl IntoGuest,
    ) -> Result<R> {
        let (id, _) = self.inner.recipe.module.function(function)?;
        self.call_by_id_blocking(id, &arguments)
    }

    /// The guest's linear memory, whole; empty if it has none or the session is over.
    pub fn memory(&self) -> &[u8] {
        self.instance().map(Instance::memory).unwrap_or_default()
    }

    /// That part of the guest's memory.
    ///
    /// # Errors
    /// [`SandboxError::GuestMemory`] if it is not all there, and [`SandboxError::SessionEnded`].
    pub fn read(&self, start: u32, len: u32) -> Result<&[u8]> {
        let memory = self.instance().ok_or_else(|| ended("read"))?.memory();
        Ok(&memory[checked_range(memory.len(), start, len)?])
    }

    /// Writes the bytes to the guest's memory, all or none.
    ///
    /// # Errors
    /// [`SandboxError::GuestMemory`] if there is no room for all of them there, and [`SandboxError::SessionEnded`].
    pub fn write(&mut self, start: u32, bytes: &[u8]) -> Result<()> {
        let instance = self.turn.as_mut().and_then(Turn::instance_mut);
        Ok(instance.ok_or_else(|| ended("write"))?.write_memory(start, bytes)?)
    }

    /// The files that the guest has in memory, to be read, written and listed.
    ///
    /// # Errors
    /// [`SandboxError::GuestFile`] if the module imports nothing of WASI, and [`SandboxError::SessionEnded`].
    pub fn files(&mut self) -> Result<&GuestFiles> {
        let instance = self.turn.as_mut().and_then(Turn::instance_mut);
        let files = instance.ok_or_else(|| ended("files"))?.files();
        let files = files.ok_or_else(|| SandboxError::GuestFile {
            path: "/".to_owned(),
            error: std::io::Error::new(
                std::io::ErrorKind::Unsupported,
                "the module imports nothing of WASI, and so has no files",
            ),
        })?;
        Ok(self.files.insert(files))
    }

    /// Saves what the guest is now, for other instances to begin as. The session goes on as if nothing had happened.
    ///
    /// Copies the guest's memory, which takes time in proportion to its size; no guest code runs. [`Snapshot`] says what is
    /// saved and what is not.
    ///
    /// # Errors
    /// [`SandboxError::Snapshot`] with the reason if the guest has or did what another instance cannot have;
    /// [`SandboxError::SystemRefused`] if there is no memory for it; and [`SandboxError::SessionEnded`].
    pub fn snapshot(&mut self) -> Result<Snapshot> {
        let instance = self.turn.as_mut().and_then(Turn::instance_mut);
        let template = instance.ok_or_else(|| ended("snapshot"))?.capture()?;
        let recipe = &self.inner.recipe;
        Ok(Snapshot::new(template, recipe.module.clone(), Arc::clone(&recipe.policy)))
    }

    /// Takes what the guest has written to standard output and standard error since this was last taken: as much as one
    /// call may write is kept. What it wrote before it failed is in the [error](SandboxError::output).
    pub fn take_output(&mut self) -> Output {
        self.instance().map(Instance::take_output).unwrap_or_default()
    }

    /// Resources that the calls of the session have used so far. Counts, bytes and fuel are exact. Times are of all
    /// calls but those that are not timed: of a function that has proven quick about one in 1,024 is.
    pub fn usage(&self) -> ResourceUsage {
        let mut usage = self.usage;
        let now = self.instance().map_or(0, Instance::memory_bytes);
        usage.memory_high_water_bytes = usage.memory_high_water_bytes.max(now);
        usage
    }

    /// Whether the session is over, because a call of it failed or was dropped.
    pub fn has_ended(&self) -> bool {
        !self.has_instance()
    }

    fn instance(&self) -> Option<&Instance> {
        self.turn.as_ref().and_then(Turn::instance)
    }

    /// Whether the session is of that sandbox.
    pub(super) fn is_of(&self, inner: &Arc<Inner>) -> bool {
        Arc::ptr_eq(&self.inner, inner)
    }

    pub(super) async fn call_by_id<A, R>(&mut self, id: FunctionId, arguments: &A) -> Result<R>
    where
        A: IntoGuest,
        R: FromGuest,
    {
        let export = self.inner.recipe.module.export(id);
        let span = spans::wanted(&self.inner, &export.name);
        if span.is_none()
            && let Some(callers_thread) = self.inner.callers_thread(id)
        {
            let _on_callers_thread = callers_thread.enter();
            return self.here().call(id, arguments).map_err(|error| *error);
        }
        let prepared = self.inner.prepare::<_, R>(export, arguments)?.into_owned();
        Box::pin(spans::maybe_traced(span, self.call_on_worker(id, prepared))).await
    }

    #[inline]
    pub(super) fn call_by_id_blocking<A, R>(&mut self, id: FunctionId, arguments: &A) -> Result<R>
    where
        A: IntoGuest,
        R: FromGuest,
    {
        let span = spans::wanted(&self.inner, &self.inner.recipe.module.export(id).name);
        let here = self.here();
        let called = match span {
            None => here.call(id, arguments),
            Some(span) => spans::traced_blocking(&span, || here.call(id, arguments)),
        };
        called.map_err(|error| *error)
    }

    #[inline]
    fn here(&mut self) -> Here<'_> {
        let Self { turn, inner, scope, usage, .. } = self;
        Here { turn, inner, scope, usage }
    }

    async fn call_on_worker<R>(
        &mut self,
        id: FunctionId,
        arguments: Arguments<'static>,
    ) -> Result<R>
    where
        R: FromGuest,
    {
        let inner = Arc::clone(&self.inner);
        let export = inner.recipe.module.export(id);
        // If the future is dropped, the worker ends the turn.
        let turn = self.turn.take().ok_or_else(|| ended(&export.name))?;
        let (turn, arguments, returned, usage) =
            inner.run_on_worker(turn, id, arguments, &self.scope).await?;
        self.usage += usage;
        let values = match &arguments {
            Arguments::Numbers(values) => values.as_slice(),
            _ => &[],
        };
        let format = arguments.format();
        let result = returned
            .and_then(|returned| inner.result(turn.instance(), export, values, &returned, format));
        self.turn = Some(turn);
        let result = result.map_err(|error| billed(error, Some(usage)));
        if result.is_err() {
            inner.totals.count_failure();
            end_if_poisoned(&mut self.turn);
        }
        result.map_err(|error| *error)
    }
}

/// Parts of a session that a call on this thread needs.
struct Here<'s> {
    turn: &'s mut Option<Turn<'static>>,
    inner: &'s Inner,
    scope: &'s Scope,
    usage: &'s mut ResourceUsage,
}

impl Here<'_> {
    #[inline]
    fn call<A, R>(self, id: FunctionId, arguments: &A) -> CallResult<R>
    where
        A: IntoGuest,
        R: FromGuest,
    {
        let inner = self.inner;
        let export = inner.recipe.module.export(id);
        if let ExportKind::Numbers(signature) = &export.kind {
            return with_numbers(export, signature, arguments, |values| {
                self.enter(id, CallBuffer::Numbers(values), |_, _| Ok(()))?;
                inner.number_result(export, signature, values)
            });
        }
        let mut prepared = inner.prepare::<A, R>(export, arguments)?;
        let format = prepared.format();
        self.enter(id, prepared.call_buffer(), |instance, returned| {
            inner.result(Some(instance), export, &[], returned, format)
        })
    }

    /// Runs a call, and does something with what it left.
    #[inline]
    fn enter<T>(
        self,
        id: FunctionId,
        call_buffer: CallBuffer<'_>,
        then: impl FnOnce(&Instance, &Returned) -> CallResult<T>,
    ) -> CallResult<T> {
        let Self { turn: place, inner, scope, usage: sum } = self;
        let export = inner.recipe.module.export(id);
        let turn = place.as_mut().ok_or_else(|| ended(&export.name))?;
        let meter = inner.begin(id, turn);
        let bytes_in = call_buffer.bytes();
        let cancellation = scope.undroppable();
        let result = turn.ready(&inner.recipe, &cancellation).and_then(|instance| {
            let mut returned = instance.enter(id, export, call_buffer);
            let usage = inner.account_silently(&meter, id, instance, bytes_in, &mut returned);
            match usage {
                Some(usage) => *sum += usage,
                None => sum.calls += 1,
            }
            then(instance, &returned?).map_err(|error| billed(error, usage))
        });
        if result.is_err() {
            inner.totals.count_failure();
            end_if_poisoned(place);
        }
        result
    }
}

/// Gives a turn back if there is nothing left to be called.
fn end_if_poisoned(place: &mut Option<Turn<'static>>) {
    let Some(turn) = place else { return };
    turn.retire_poisoned();
    if turn.instance().is_none_or(Instance::is_poisoned) {
        *place = None;
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("module", &self.inner.recipe.module)
            .field("usage", &self.usage)
            .field("has_ended", &self.has_ended())
            .finish_non_exhaustive()
    }
}

fn ended(function: &str) -> SandboxError {
    SandboxError::SessionEnded { function: function.to_owned() }
}
