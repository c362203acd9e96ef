//! Many calls of one function with one turn, and of quick functions of numbers with one entry into the guest.

use std::sync::Arc;
use std::time::Duration;

use wasmer_types::RawValue;

use super::batch_results::BatchResults;
use super::instances::Turn;
use super::{Inner, WasmSandbox, spans};
use crate::error::Result;
use crate::marshal::arguments::{Arguments, CallBuffer, no_format, signature_mismatch};
use crate::marshal::convert::{FromGuest, IntoGuest};
use crate::marshal::export::{Export, ExportKind};
use crate::marshal::numbers::Signature;
use crate::module::FunctionId;
use crate::policy::InstanceMode;
use crate::sys::entry::Reach;
use crate::threads::dispatch::on_worker;
use crate::watchdog::cancellation::Cancellation;

/// The most calls that are made with one entry into the guest. Entering costs so little that more would not help.
const MOST_AT_ONCE: usize = 256;

/// Number of calls in one entry of functions that are quick, but would not be so often.
const SOME_AT_ONCE: usize = 64;

/// A wall-clock limit that so many quick calls together cannot come near.
const LONG_WALL_CLOCK: Duration = Duration::from_secs(1);

/// The arguments of a batch.
enum Batch {
    /// One set of values after the other, as many for each as the width of the function.
    Numbers {
        values: Vec<RawValue>,
        calls: usize,
    },
    Others(Vec<Arguments<'static>>),
}

impl Batch {
    fn calls(&self) -> usize {
        match self {
            Self::Numbers { calls, .. } => *calls,
            Self::Others(all) => all.len(),
        }
    }
}

impl WasmSandbox {
    /// Calls a function once for each set of arguments, in order and in one turn.
    ///
    /// The results are those of so many calls one after the other: an error of one leaves the others alone,
    /// and after a trap the next call finds a new instance. Other callers wait until the batch is done.
    ///
    /// Calls of a quick function of numbers that reaches no import share the cost of entering the guest, up to 256 of
    /// them. That is so in the mode [`Persistent`](crate::InstanceMode::Persistent), and for functions that change no state in the
    /// mode [`Fresh`](crate::InstanceMode::Fresh); not where each call has a limit of fuel or a wall clock below a second.
    ///
    /// # Errors
    /// One error for the whole batch if there is no such function, or if an argument does not fit it, in which
    /// case nothing has been called; else a result for each call.
    ///
    /// # Cancel safety
    /// As [`WasmSandbox::call`]. How many calls of the batch were made before the drop cannot be told.
    pub async fn call_batch<R: FromGuest + Send + 'static>(
        &self,
        function: &str,
        arguments: impl IntoIterator<Item = impl IntoGuest>,
    ) -> Result<BatchResults<R>> {
        let (id, export) = self.inner.recipe.module.function(function)?;
        let batch = self.inner.prepare_batch::<_, R>(export, arguments)?;
        let span = spans::call(&self.inner, function, batch.calls());
        spans::traced(span, self.batch(id, batch)).await
    }

    async fn batch<R>(&self, id: FunctionId, batch: Batch) -> Result<BatchResults<R>>
    where
        R: FromGuest + Send + 'static,
    {
        let name = &self.inner.recipe.module.export(id).name;
        if self.inner.profiles[id.index()].is_quick_for(batch.calls())
            && let Some(callers_thread) = self.inner.callers_thread(id)
        {
            let mut turn = self.inner.turn(name, &self.scope).await?;
            let _on_callers_thread = callers_thread.enter();
            let cancellation = self.scope.undroppable();
            return Ok(BatchRun::new(&self.inner, &mut turn, id, &cancellation).run(batch));
        }
        let mut turn = self.inner.turn_owned(name, &self.scope).await?;
        let cancellation = self.scope.droppable();
        let guard = cancellation.on_drop();
        let inner = Arc::clone(&self.inner);
        let run = move || BatchRun::new(&inner, &mut turn, id, &cancellation).run(batch);
        let results = on_worker(name, run).await;
        guard.disarm();
        results
    }
}

impl Inner {
    fn prepare_batch<A: IntoGuest, R: FromGuest>(
        &self,
        export: &Export,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Batch> {
        let arguments = arguments.into_iter();
        let ExportKind::Numbers(signature) = &export.kind else {
            let all = arguments.map(|each| Ok(self.prepare::<A, R>(export, &each)?.into_owned()));
            return Ok(Batch::Others(all.collect::<Result<_>>()?));
        };
        no_format(export, A::FORMAT.or(R::FORMAT))?;
        let (values, calls) = signature
            .collect_values(arguments)
            .map_err(|mismatch| signature_mismatch(export, mismatch.into_words()))?;
        Ok(Batch::Numbers { values, calls })
    }

    /// Whether several calls may be made with one entry into the guest.
    ///
    /// They have the time of one call together. So only functions that have proven quick are entered for several,
    /// and only where so many quick calls are far from the limit. Limits of fuel and output are for each call alone.
    fn may_share_entry(&self, id: FunctionId, cancellation: &Cancellation) -> bool {
        let export = self.recipe.module.export(id);
        let limits = [self.recipe.policy.wall_clock, cancellation.time_limit()];
        let has_time = limits.into_iter().flatten().all(|limit| limit >= LONG_WALL_CLOCK);
        let may_share_state =
            self.recipe.policy.instances == InstanceMode::Persistent || export.pure;
        let writes_nothing = export.reach != Reach::Imports;
        // Of a module that is metered, each call's fuel is counted, whether it has a limit or not.
        let is_unmetered = !self.recipe.module.is_metered();
        has_time
            && may_share_state
            && writes_nothing
            && is_unmetered
            && self.profiles[id.index()].is_trusted()
    }
}

/// Calls of one function that are made on this thread, in order.
struct BatchRun<'a, 'turn> {
    inner: &'a Inner,
    turn: &'a mut Turn<'turn>,
    /// The function's place.
    id: FunctionId,
    cancellation: &'a Cancellation,
}

impl<'a, 'turn> BatchRun<'a, 'turn> {
    fn new(
        inner: &'a Inner,
        turn: &'a mut Turn<'turn>,
        id: FunctionId,
        cancellation: &'a Cancellation,
    ) -> Self {
        Self { inner, turn, id, cancellation }
    }

    fn run<R: FromGuest>(mut self, batch: Batch) -> BatchResults<R> {
        let mut results = BatchResults::with_room_for(batch.calls());
        match (batch, &self.inner.recipe.module.export(self.id).kind) {
            (Batch::Numbers { mut values, calls }, ExportKind::Numbers(signature)) => {
                let width = signature.width();
                while results.len() < calls {
                    let rest = &mut values[width * results.len()..];
                    let left = calls - results.len();
                    self.make_some(signature, rest, left, &mut results);
                }
            }
            (Batch::Others(all), _) => {
                for mut arguments in all {
                    results.push(self.make_one(arguments.call_buffer()));
                }
            }
            (Batch::Numbers { .. }, ExportKind::Declared(_)) => {}
        }
        results
    }

    fn make_one<R: FromGuest>(&mut self, call_buffer: CallBuffer<'_>) -> Result<R> {
        if self.cancellation.is_cancelled() {
            return Err(self.inner.cancelled(self.id));
        }
        let result = self.inner.run(self.turn, self.id, call_buffer, self.cancellation);
        result.map_err(|error| *error)
    }

    /// Makes the first of so many calls, and with the same entry others if that is allowed. Adds at least one result.
    fn make_some<R: FromGuest>(
        &mut self,
        signature: &Signature,
        values: &mut [RawValue],
        calls: usize,
        results: &mut BatchResults<R>,
    ) {
        let width = signature.width();
        let may_share = calls > 1 && self.inner.may_share_entry(self.id, self.cancellation);
        if may_share && !self.cancellation.is_cancelled() {
            let most = match self.inner.profiles[self.id.index()].is_quick_for(MOST_AT_ONCE) {
                true => MOST_AT_ONCE,
                false => SOME_AT_ONCE,
            };
            let calls = calls.min(most);
            self.make_together(signature, &mut values[..width * calls], calls, results);
        } else {
            results.push(self.make_one(CallBuffer::Numbers(&mut values[..width])));
        }
    }

    /// Makes several calls with one entry, and adds at least one result: of those that returned, and of the
    /// first that failed.
    fn make_together<R: FromGuest>(
        &mut self,
        signature: &Signature,
        values: &mut [RawValue],
        calls: usize,
        results: &mut BatchResults<R>,
    ) {
        let inner = self.inner;
        let before = results.len();
        let meter = inner.totals.begin_sampled(calls as u64);
        let export = inner.recipe.module.export(self.id);
        match self.turn.ready(&inner.recipe, self.cancellation) {
            Ok(instance) => {
                let (mut returned, outcome) =
                    instance.enter_each(self.id, &export.name, values, calls);
                if outcome.is_err() && returned == calls {
                    // Told to stop when the last call had just returned: it ends as a single call does then.
                    returned -= 1;
                }
                let failed_before = results.errors().len();
                results.read(export, signature, values, returned);
                if let Err(error) = outcome {
                    results.push(Err(*error));
                }
                let failed = results.errors().len() - failed_before;
                let made = results.len() - before;
                inner.account_each(&meter, self.id, instance, (made, failed));
                inner.totals.forget((calls - made) as u64);
            }
            Err(error) => {
                inner.totals.count_failures(1);
                inner.totals.forget(calls as u64 - 1);
                results.push(Err(*error));
            }
        }
        self.turn.retire_poisoned();
    }
}
