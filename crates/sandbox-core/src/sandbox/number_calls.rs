//! The short way of a call of numbers on its caller's thread.
//!
//! Nothing here depends on the caller's types, so it is compiled once and as one piece: arguments come and results go in
//! places on the caller's stack, and whatever else a call has to say fits in a register.

use wasmer_types::RawValue;

use super::Inner;
use super::instances::Turn;
use crate::error::CallResult;
use crate::marshal::arguments::CallBuffer;
use crate::module::FunctionId;
use crate::sys::fork;
use crate::threads::callers_thread::CallersThread;
use crate::watchdog::cancellation::{Cancellation, Scope};

impl Inner {
    /// Makes a call of a task's, unless it has to wait for its turn.
    pub(super) fn numbers_at_once(
        &self,
        id: FunctionId,
        values: &mut [RawValue],
        scope: &Scope,
        callers_thread: CallersThread,
    ) -> Option<CallResult<()>> {
        if let Err(error) = fork::check() {
            return Some(Err(error.into()));
        }
        let mut turn = self.instances.try_turn()?;
        let _on_callers_thread = callers_thread.enter();
        Some(self.run_numbers(&mut turn, id, values, &scope.undroppable()))
    }

    /// Makes a call after waiting for its turn.
    pub(super) fn numbers_blocking(
        &self,
        id: FunctionId,
        values: &mut [RawValue],
        scope: &Scope,
    ) -> CallResult<()> {
        fork::check()?;
        let mut turn = match self.instances.try_turn() {
            Some(turn) => turn,
            None => self.turn_blocking(&self.recipe.module.export(id).name, scope)?,
        };
        self.run_numbers(&mut turn, id, values, &scope.undroppable())
    }

    /// Runs a call on this thread; results come in the places of the arguments.
    #[inline]
    pub(super) fn run_numbers(
        &self,
        turn: &mut Turn<'_>,
        id: FunctionId,
        values: &mut [RawValue],
        cancellation: &Cancellation,
    ) -> CallResult<()> {
        let meter = self.begin(id, turn);
        let ready = turn.ready(&self.recipe, cancellation);
        let outcome = ready.and_then(|instance| {
            let export = self.recipe.module.export(id);
            let mut returned = instance.enter(id, export, CallBuffer::Numbers(values));
            self.account_silently(&meter, id, instance, 0, &mut returned);
            returned.map(|_| ())
        });
        if outcome.is_err() {
            self.totals.count_failure();
            turn.retire_poisoned();
        }
        outcome
    }
}
