//! The way of one call: prepared, given a turn and a thread, run, and its result taken. Functions of numbers have a
//! shorter one ([`number_calls`](super::number_calls)).

use std::sync::Arc;

use wasmer_types::RawValue;

use super::accounting::billed;
use super::instances::Turn;
use super::{Inner, spans};
use crate::error::{CallResult, NestingFault, Result, SandboxError};
use crate::format::SerializationFormat;
use crate::instance::{Instance, Returned};
use crate::marshal::arguments::{Arguments, CallBuffer, no_format, signature_mismatch};
use crate::marshal::convert::{FromGuest, IntoGuest, asked_format};
use crate::marshal::export::{Export, ExportKind};
use crate::marshal::numbers::Signature;
use crate::marshal::results;
use crate::module::FunctionId;
use crate::sys::fork;
use crate::threads::callers_thread::CallersThread;
use crate::threads::dispatch::on_worker;
use crate::usage::ResourceUsage;
use crate::watchdog::cancellation::{Cancellation, Scope};

impl Inner {
    pub(super) async fn call<A, R>(
        self: &Arc<Self>,
        id: FunctionId,
        arguments: &A,
        scope: &Scope,
    ) -> Result<R>
    where
        A: IntoGuest,
        R: FromGuest,
    {
        let export = self.recipe.module.export(id);
        let span = spans::wanted(self, &export.name);
        if span.is_none()
            && let Some(callers_thread) = self.callers_thread(id)
            && let Some(result) = self.call_at_once(id, arguments, scope, callers_thread)
        {
            return result.map_err(|error| *error);
        }
        let prepared = self.prepare::<A, R>(export, arguments)?;
        // On the heap, so that the future of a call is small where nothing has to be waited for: tasks move it about.
        Box::pin(spans::maybe_traced(span, self.call_somewhere(id, prepared, scope))).await
    }

    /// The short way of a call whose thread may run it: without waiting, without moving anything. Nothing if it has
    /// to wait for its turn.
    #[inline]
    fn call_at_once<A, R>(
        &self,
        id: FunctionId,
        arguments: &A,
        scope: &Scope,
        callers_thread: CallersThread,
    ) -> Option<CallResult<R>>
    where
        A: IntoGuest,
        R: FromGuest,
    {
        let export = self.recipe.module.export(id);
        if let ExportKind::Numbers(signature) = &export.kind {
            let run = |values: &mut [RawValue]| match self.numbers_at_once(
                id,
                values,
                scope,
                callers_thread,
            ) {
                Some(Ok(())) => self.number_result(export, signature, values).map(Some),
                Some(Err(error)) => Err(error),
                None => Ok(None),
            };
            return with_numbers(export, signature, arguments, run).transpose();
        }
        self.exchange_at_once(id, arguments, scope, callers_thread).transpose()
    }

    fn exchange_at_once<A, R>(
        &self,
        id: FunctionId,
        arguments: &A,
        scope: &Scope,
        callers_thread: CallersThread,
    ) -> CallResult<Option<R>>
    where
        A: IntoGuest,
        R: FromGuest,
    {
        let mut prepared = self.prepare::<A, R>(self.recipe.module.export(id), arguments)?;
        fork::check()?;
        let Some(mut turn) = self.instances.try_turn() else { return Ok(None) };
        let _on_callers_thread = callers_thread.enter();
        self.run(&mut turn, id, prepared.call_buffer(), &scope.undroppable()).map(Some)
    }

    /// Makes a call whose arguments are prepared already, and says what it used.
    pub(super) async fn call_prepared<R: FromGuest>(
        self: &Arc<Self>,
        id: FunctionId,
        mut prepared: Arguments<'static>,
        scope: &Scope,
    ) -> Result<(R, ResourceUsage)> {
        let export = self.recipe.module.export(id);
        let span = spans::wanted(self, &export.name);
        let call = async {
            let Some(callers_thread) = self.callers_thread(id) else {
                return self.call_on_worker(id, prepared, scope).await;
            };
            let mut turn = self.turn(&export.name, scope).await?;
            let _on_callers_thread = callers_thread.enter();
            let format = prepared.format();
            let result = self.run_exchange(
                &mut turn,
                id,
                prepared.call_buffer(),
                &scope.undroppable(),
                |instance, returned, usage| {
                    let value = self.result(Some(instance), export, &[], returned, format)?;
                    Ok((value, usage.unwrap_or_default()))
                },
            );
            result.map_err(|error| *error)
        };
        spans::maybe_traced(span, call).await
    }

    /// Makes a call on the thread that its function has earned.
    async fn call_somewhere<R>(
        self: &Arc<Self>,
        id: FunctionId,
        mut prepared: Arguments<'_>,
        scope: &Scope,
    ) -> Result<R>
    where
        R: FromGuest,
    {
        if let Some(callers_thread) = self.callers_thread(id) {
            let mut turn = self.turn(&self.recipe.module.export(id).name, scope).await?;
            // The thread may be another one after waiting, but is of the same executor.
            let _on_callers_thread = callers_thread.enter();
            let result = self.run(&mut turn, id, prepared.call_buffer(), &scope.undroppable());
            return result.map_err(|error| *error);
        }
        self.call_on_worker(id, prepared.into_owned(), scope).await.map(|(value, _)| value)
    }

    pub(super) async fn call_on_worker<R>(
        self: &Arc<Self>,
        id: FunctionId,
        arguments: Arguments<'static>,
        scope: &Scope,
    ) -> Result<(R, ResourceUsage)>
    where
        R: FromGuest,
    {
        let export = self.recipe.module.export(id);
        let turn = self.turn_owned(&export.name, scope).await?;
        let (turn, arguments, returned, usage) =
            self.run_on_worker(turn, id, arguments, scope).await?;
        let values = match &arguments {
            Arguments::Numbers(values) => values.as_slice(),
            _ => &[],
        };
        let format = arguments.format();
        let result = returned
            .and_then(|returned| self.result(turn.instance(), export, values, &returned, format));
        if result.is_err() {
            self.totals.count_failure();
        }
        Ok((result.map_err(|error| *billed(error, Some(usage)))?, usage))
    }

    pub(super) fn call_blocking<A, R>(
        &self,
        id: FunctionId,
        arguments: &A,
        scope: &Scope,
    ) -> Result<R>
    where
        A: IntoGuest,
        R: FromGuest,
    {
        let export = self.recipe.module.export(id);
        let span = spans::wanted(self, &export.name);
        let result = match (&export.kind, &span) {
            (ExportKind::Numbers(signature), None) => {
                with_numbers(export, signature, arguments, |values| {
                    self.numbers_blocking(id, values, scope)?;
                    self.number_result(export, signature, values)
                })
            }
            (_, None) => self.exchange_blocking(id, arguments, scope),
            (_, Some(span)) => {
                spans::traced_blocking(span, || self.exchange_blocking(id, arguments, scope))
            }
        };
        result.map_err(|error| *error)
    }

    fn exchange_blocking<A, R>(&self, id: FunctionId, arguments: &A, scope: &Scope) -> CallResult<R>
    where
        A: IntoGuest,
        R: FromGuest,
    {
        let export = self.recipe.module.export(id);
        let mut prepared = self.prepare::<A, R>(export, arguments)?;
        fork::check()?;
        let mut turn = match self.instances.try_turn() {
            Some(turn) => turn,
            None => self.turn_blocking(&export.name, scope)?,
        };
        self.run(&mut turn, id, prepared.call_buffer(), &scope.undroppable())
    }

    /// Waits for a turn, unless the call is cancelled first. A host function does not wait for the guest that waits
    /// for it.
    pub(super) async fn turn(&self, function: &str, scope: &Scope) -> Result<Turn<'_>> {
        fork::check()?;
        if self.recipe.host.is_running_here() {
            return self.try_turn(function);
        }
        if let Some(turn) = self.instances.try_turn() {
            return Ok(turn);
        }
        let turn = scope.wait_for(self.instances.turn()).await;
        turn.ok_or_else(|| SandboxError::Cancelled {
            function: function.to_owned(),
            call: Box::default(),
        })
    }

    /// Waits for a turn that another thread is to have.
    pub(super) async fn turn_owned(&self, function: &str, scope: &Scope) -> Result<Turn<'static>> {
        fork::check()?;
        if self.recipe.host.is_running_here() {
            return self.instances.try_turn_owned().ok_or_else(|| nested(function));
        }
        let turn = scope.wait_for(self.instances.turn_owned()).await;
        turn.ok_or_else(|| SandboxError::Cancelled {
            function: function.to_owned(),
            call: Box::default(),
        })
    }

    /// Waits for a turn, blocking the thread.
    pub(super) fn turn_blocking(&self, function: &str, scope: &Scope) -> CallResult<Turn<'_>> {
        if self.recipe.host.is_running_here() {
            return Ok(self.try_turn(function)?);
        }
        if scope.is_cancellable() {
            return Ok(pollster::block_on(self.turn(function, scope))?);
        }
        Ok(self.instances.turn_blocking())
    }

    fn try_turn(&self, function: &str) -> Result<Turn<'_>> {
        self.instances.try_turn().ok_or_else(|| nested(function))
    }

    /// The thread of an async caller, if a call may run on it: only of a function that has proven quick, and whose
    /// host functions do not wait.
    pub(super) fn callers_thread(&self, id: FunctionId) -> Option<CallersThread> {
        if !self.profiles[id.index()].is_trusted() || self.recipe.host.waits() {
            return None;
        }
        CallersThread::of_this_thread(self.placement)
    }

    pub(super) fn cancelled(&self, id: FunctionId) -> SandboxError {
        let function = self.recipe.module.export(id).name.clone();
        SandboxError::Cancelled { function, call: Box::default() }
    }

    /// Prepares the arguments of a call that is to return an `R`.
    pub(super) fn prepare<'a, A: IntoGuest, R: FromGuest>(
        &self,
        export: &Export,
        arguments: &'a A,
    ) -> Result<Arguments<'a>> {
        let format = const { asked_format::<A, R>() }.unwrap_or(self.format);
        Arguments::prepare(export, arguments, format, self.recipe.module.formats())
    }

    /// Runs a call on a worker thread; dropping the future stops it.
    pub(super) async fn run_on_worker(
        self: &Arc<Self>,
        mut turn: Turn<'static>,
        id: FunctionId,
        mut arguments: Arguments<'static>,
        scope: &Scope,
    ) -> Result<(Turn<'static>, Arguments<'static>, CallResult<Returned>, ResourceUsage)> {
        let cancellation = scope.droppable();
        let guard = cancellation.on_drop();
        let inner = Arc::clone(self);
        let outcome = on_worker(&self.recipe.module.export(id).name, move || {
            let meter = inner.totals.begin_exact();
            if let Some(instance) = turn.instance() {
                // Those of earlier calls, which nobody wanted to know.
                inner.take_host_calls(instance);
            }
            let ready = turn.ready(&inner.recipe, &cancellation);
            let instance = match ready {
                Ok(instance) => instance,
                Err(error) => return (turn, arguments, Err(error), ResourceUsage::default()),
            };
            let export = inner.recipe.module.export(id);
            let call_buffer = arguments.call_buffer();
            let bytes_in = call_buffer.bytes();
            let mut returned = instance.enter(id, export, call_buffer);
            let usage = inner.account(&meter, id, instance, bytes_in, &mut returned);
            turn.retire_poisoned();
            // Only numbers come back in it. An input that lived on beside the output would have the allocator give
            // back memory and get it anew at every call.
            arguments.drop_input();
            (turn, arguments, returned, usage)
        })
        .await;
        guard.disarm();
        outcome
    }

    /// Runs a call on this thread, whole.
    pub(super) fn run<R: FromGuest>(
        &self,
        turn: &mut Turn<'_>,
        id: FunctionId,
        call_buffer: CallBuffer<'_>,
        cancellation: &Cancellation,
    ) -> CallResult<R> {
        let export = self.recipe.module.export(id);
        let call_buffer = match (call_buffer, &export.kind) {
            (CallBuffer::Numbers(values), ExportKind::Numbers(signature)) => {
                self.run_numbers(turn, id, values, cancellation)?;
                return self.number_result(export, signature, values);
            }
            (call_buffer, _) => call_buffer,
        };
        let format = call_buffer.format();
        self.run_exchange(turn, id, call_buffer, cancellation, |instance, returned, _| {
            self.result(Some(instance), export, &[], returned, format)
        })
    }

    /// Runs a call that goes through the exchange area on this thread, and does something with what it left there.
    pub(super) fn run_exchange<T>(
        &self,
        turn: &mut Turn<'_>,
        id: FunctionId,
        call_buffer: CallBuffer<'_>,
        cancellation: &Cancellation,
        then: impl FnOnce(&Instance, &Returned, Option<ResourceUsage>) -> CallResult<T>,
    ) -> CallResult<T> {
        let export = self.recipe.module.export(id);
        let meter = self.begin(id, turn);
        let bytes_in = call_buffer.bytes();
        let result = turn.ready(&self.recipe, cancellation).and_then(|instance| {
            let mut returned = instance.enter(id, export, call_buffer);
            let usage = self.account_silently(&meter, id, instance, bytes_in, &mut returned);
            then(instance, &returned?, usage).map_err(|error| billed(error, usage))
        });
        if result.is_err() {
            self.totals.count_failure();
            turn.retire_poisoned();
        }
        result
    }

    /// Makes what the caller asked for of the numbers that came back.
    #[inline]
    pub(super) fn number_result<R: FromGuest>(
        &self,
        export: &Export,
        signature: &Signature,
        values: &[RawValue],
    ) -> CallResult<R> {
        let result = results::from_numbers(export, signature, values);
        if result.is_err() {
            self.totals.count_failure();
        }
        result
    }

    /// Makes what the caller asked for of the numbers or the output that came back.
    #[inline]
    pub(super) fn result<R: FromGuest>(
        &self,
        instance: Option<&Instance>,
        export: &Export,
        values: &[RawValue],
        returned: &Returned,
        format: Option<SerializationFormat>,
    ) -> CallResult<R> {
        match (returned, &export.kind) {
            (Returned::Numbers, ExportKind::Numbers(signature)) => {
                results::from_numbers(export, signature, values)
            }
            (Returned::Output { range }, ExportKind::Declared(declared)) => {
                let output = instance.map(|instance| instance.output_bytes(range.clone()));
                let output = output.unwrap_or_default();
                let limit = self.recipe.policy.value_limit_bytes;
                let format = format.unwrap_or(self.format);
                results::from_output(export, declared.output, output, format, limit)
            }
            // A function takes and returns either numbers or bytes.
            _ => results::from_nothing(export),
        }
    }
}

/// Does something with the arguments of a function of numbers.
#[inline]
pub(super) fn with_numbers<A: IntoGuest, T>(
    export: &Export,
    signature: &Signature,
    arguments: &A,
    then: impl FnOnce(&mut [RawValue]) -> CallResult<T>,
) -> CallResult<T> {
    no_format(export, A::FORMAT)?;
    signature.with_values(arguments.passed(), then, |mismatch| {
        signature_mismatch(export, mismatch.into_words()).into()
    })
}

fn nested(function: &str) -> SandboxError {
    SandboxError::NestedCall { function: function.to_owned(), fault: NestingFault::WaitsForItself }
}
