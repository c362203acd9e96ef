//! Many calls of one function with one turn, and of quick functions of numbers with one entry into the guest.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use wasmer::FunctionType;
use wasmer_types::RawValue;

use super::instances::Turn;
use super::{Inner, WasmSandbox, spans};
use crate::call::arguments::{Arguments, Passage, signature_mismatch};
use crate::call::cancellation::Cancellation;
use crate::call::dispatch::on_worker;
use crate::call::{numbers, results};
use crate::error::Result;
use crate::module::{Export, ExportKind};
use crate::policy::InstanceMode;
use crate::sys::number::ZERO;

/// The most calls that are made with one entry into the guest. Entering costs so little that more would not help.
const MOST_AT_ONCE: usize = 64;

/// A wall-clock limit that so many quick calls together cannot come near.
const LONG_WALL_CLOCK: Duration = Duration::from_secs(1);

/// The arguments of a batch.
enum Batch {
    /// One set of values after the other, with as many places as the function needs for each.
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
    /// Calls of a quick function of numbers share the cost of entering the guest, up to 64 of them. That is so in
    /// the mode [`Persistent`](crate::InstanceMode::Persistent), and for functions that change no state in the
    /// mode [`Fresh`](crate::InstanceMode::Fresh); not where each call has a limit of fuel or a wall clock below a second.
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
        let batch = self.inner.prepare_batch(export, arguments)?;
        let span = spans::call(&self.inner, function, batch.calls());
        spans::traced(span, self.batch(at, batch)).await
    }

    async fn batch<R>(&self, at: usize, batch: Batch) -> Result<Vec<Result<R>>>
    where
        R: DeserializeOwned + Send + 'static,
    {
        let name = &self.inner.module.exports()[at].name;
        if self.inner.profiles[at].is_quick_for(batch.calls())
            && let Some(seat) = self.inner.seat(at)
        {
            let mut turn = self.inner.turn(name, &self.scope).await?;
            let _seated = seat.sit();
            return Ok(self.inner.batch(&mut turn, at, batch, &self.scope.undroppable()));
        }
        let mut turn = self.inner.turn_to_keep(name, &self.scope).await?;
        let cancellation = self.scope.droppable();
        let guard = cancellation.on_drop();
        let inner = Arc::clone(&self.inner);
        let results = on_worker(move || inner.batch(&mut turn, at, batch, &cancellation)).await;
        guard.disarm();
        results
    }
}

impl Inner {
    fn prepare_batch<A: Serialize>(
        &self,
        export: &Export,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Batch> {
        let arguments = arguments.into_iter();
        let ExportKind::Numbers(ty) = &export.kind else {
            let all = arguments.map(|each| Ok(self.prepare(export, &each)?.into_owned()));
            return Ok(Batch::Others(all.collect::<Result<_>>()?));
        };
        let places = numbers::places(ty);
        let mut values = Vec::with_capacity(places * arguments.size_hint().0);
        let mut calls = 0;
        for each in arguments {
            let start = places * calls;
            if values.len() == start {
                // For several calls at a time, which is quicker.
                values.resize(start + places * MOST_AT_ONCE, ZERO);
            }
            numbers::write_values(&each, ty.params(), &mut values[start..start + places])
                .map_err(|mismatch| signature_mismatch(export, mismatch.0))?;
            calls += 1;
        }
        values.truncate(places * calls);
        Ok(Batch::Numbers { values, calls })
    }

    /// Runs calls of one function on this thread, in order.
    fn batch<R: DeserializeOwned + 'static>(
        &self,
        turn: &mut Turn<'_>,
        at: usize,
        batch: Batch,
        cancellation: &Cancellation,
    ) -> Vec<Result<R>> {
        let mut results = Vec::with_capacity(batch.calls());
        match (batch, &self.module.exports()[at].kind) {
            (Batch::Numbers { mut values, calls }, ExportKind::Numbers(ty)) => {
                let places = numbers::places(ty);
                while results.len() < calls {
                    let rest = &mut values[places * results.len()..];
                    let left = calls - results.len();
                    self.run_some(turn, (at, ty), rest, left, cancellation, &mut results);
                }
            }
            (Batch::Others(all), _) => {
                for mut arguments in all {
                    let passage = arguments.passage();
                    results.push(self.run_unless_cancelled(turn, at, passage, cancellation));
                }
            }
            (Batch::Numbers { .. }, ExportKind::Declared(_)) => {}
        }
        results
    }

    fn run_unless_cancelled<R: DeserializeOwned + 'static>(
        &self,
        turn: &mut Turn<'_>,
        at: usize,
        passage: Passage<'_>,
        cancellation: &Cancellation,
    ) -> Result<R> {
        if cancellation.is_cancelled() {
            return Err(self.cancelled(at));
        }
        self.run(turn, at, passage, cancellation).map_err(|error| *error)
    }

    /// Runs the first of so many calls, and with the same entry others if that is allowed. Adds at least one result.
    fn run_some<R: DeserializeOwned + 'static>(
        &self,
        turn: &mut Turn<'_>,
        (at, ty): (usize, &FunctionType),
        values: &mut [RawValue],
        calls: usize,
        cancellation: &Cancellation,
        results: &mut Vec<Result<R>>,
    ) {
        let places = numbers::places(ty);
        if calls > 1 && self.may_share_entry(at, cancellation) && !cancellation.is_cancelled() {
            let calls = calls.min(MOST_AT_ONCE);
            self.run_each(
                turn,
                (at, ty),
                &mut values[..places * calls],
                calls,
                cancellation,
                results,
            );
        } else {
            let passage = Passage::Numbers(&mut values[..places]);
            results.push(self.run_unless_cancelled(turn, at, passage, cancellation));
        }
    }

    /// Whether several calls may be made with one entry into the guest.
    ///
    /// They have the time of one call together. So only functions that have proven quick are entered for several,
    /// and only where so many quick calls are far from the limit. A limit of fuel is for each call alone.
    fn may_share_entry(&self, at: usize, cancellation: &Cancellation) -> bool {
        let limits = [self.policy.wall_clock, cancellation.time_limit()];
        let has_time = limits.into_iter().flatten().all(|limit| limit >= LONG_WALL_CLOCK);
        let may_share_state =
            self.policy.instances == InstanceMode::Persistent || self.module.exports()[at].pure;
        let is_unmetered = self.policy.fuel.is_none();
        has_time && may_share_state && is_unmetered && self.profiles[at].is_trusted()
    }

    /// Runs several calls with one entry, and adds at least one result: of those that returned, and of the
    /// first that failed.
    fn run_each<R: DeserializeOwned + 'static>(
        &self,
        turn: &mut Turn<'_>,
        (at, ty): (usize, &FunctionType),
        values: &mut [RawValue],
        calls: usize,
        cancellation: &Cancellation,
        results: &mut Vec<Result<R>>,
    ) {
        let before = results.len();
        let meter = self.totals.begin_sampled(calls as u64);
        let export = &self.module.exports()[at];
        match turn.ready(&self.module, &self.policy, &self.host, cancellation) {
            Ok(instance) => {
                let (mut returned, outcome) = instance.enter_each(at, &export.name, values, calls);
                if outcome.is_err() && returned == calls {
                    // Told to stop when the last call had just returned: it ends as a single call does then.
                    returned -= 1;
                }
                let places = numbers::places(ty);
                let mut failed = usize::from(outcome.is_err());
                results.extend((0..returned).map(|call| {
                    let result =
                        results::from_numbers(export, ty.results(), &values[call * places..]);
                    failed += usize::from(result.is_err());
                    result.map_err(|error| *error)
                }));
                results.extend(outcome.err().map(|error| Err(*error)));
                self.account_each(&meter, at, instance, (results.len() - before, failed));
                self.totals.forget((calls - (results.len() - before)) as u64);
            }
            Err(error) => {
                self.totals.count_failures(1);
                self.totals.forget(calls as u64 - 1);
                results.push(Err(*error));
            }
        }
        turn.retire_poisoned();
    }
}
