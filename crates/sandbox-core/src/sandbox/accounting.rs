//! Accounting: what is learned from calls, and added to the totals.

use super::Inner;
use super::instances::Turn;
use super::totals::Meter;
use crate::error::{CallResult, SandboxError};
use crate::instance::{Instance, Returned};
use crate::module::FunctionId;
use crate::usage::ResourceUsage;

impl Inner {
    /// Counts a call that begins, and measures it unless enough is known of its function.
    #[inline]
    pub(super) fn begin(&self, id: FunctionId, turn: &Turn<'_>) -> Meter {
        if !self.profiles[id.index()].is_trusted() {
            self.totals.begin_exact()
        } else if turn.is_of_only_instance() {
            self.totals.begin_in_turn()
        } else {
            self.totals.begin_sampled(1)
        }
    }

    /// Does what [`account`](Self::account) does where there is something to account for, which is often not so.
    #[inline]
    pub(super) fn account_silently(
        &self,
        meter: &Meter,
        id: FunctionId,
        instance: &mut Instance,
        bytes_in: u64,
        returned: &mut CallResult<Returned>,
    ) -> Option<ResourceUsage> {
        let is_nothing = !meter.is_timed()
            && matches!(returned, Ok(Returned::Numbers))
            && self.recipe.host.is_empty()
            && !self.recipe.module.is_metered()
            && !instance.control().has_outlasted_tick();
        if is_nothing {
            return None;
        }
        Some(self.account(meter, id, instance, bytes_in, returned))
    }

    /// Adds what a call used to the totals and to its error, and learns from it how quick its function is.
    pub(super) fn account(
        &self,
        meter: &Meter,
        id: FunctionId,
        instance: &mut Instance,
        bytes_in: u64,
        returned: &mut CallResult<Returned>,
    ) -> ResourceUsage {
        let outlasted_tick = instance.control().take_outlasted_tick();
        let mut usage = meter.read();
        usage.bytes_in = bytes_in;
        usage.bytes_out = returned.as_ref().map_or(0, Returned::bytes);
        usage.host_calls = self.take_host_calls(instance);
        usage.fuel = instance.fuel_used();
        usage.calls = 1;
        usage.failed_calls = u64::from(returned.is_err());
        let mut stands_for = meter.stands_for();
        if let Some(took) = outlasted_tick {
            self.profiles[id.index()].break_trust();
            if !meter.is_timed() {
                usage.wall_time = took;
            }
            stands_for = 1;
        } else if meter.is_timed() {
            self.profiles[id.index()].record(usage.wall_time);
        }
        if meter.is_timed() || returned.is_err() {
            usage.memory_high_water_bytes = instance.memory_bytes();
        }
        self.totals.add(&usage, stands_for);
        if let Err(error) = returned {
            error.note_usage(usage);
        }
        usage
    }

    /// Adds what `calls` with one entry used, of which `failed` did not return.
    pub(super) fn account_each(
        &self,
        meter: &Meter,
        id: FunctionId,
        instance: &Instance,
        (calls, failed): (usize, usize),
    ) {
        let mut usage = meter.read();
        usage.host_calls = self.take_host_calls(instance);
        if meter.is_timed() {
            usage.memory_high_water_bytes = instance.memory_bytes();
        }
        self.totals.add(&usage, meter.stands_for());
        self.totals.count_failures(failed as u64);
        if instance.control().take_outlasted_tick().is_some() {
            self.profiles[id.index()].break_trust();
        } else if meter.is_timed() {
            self.profiles[id.index()]
                .record(usage.wall_time / u32::try_from(calls).unwrap_or(u32::MAX).max(1));
        }
    }

    /// Takes the number of host functions that the guest called since this was last asked.
    pub(super) fn take_host_calls(&self, instance: &Instance) -> u64 {
        // Most modules import none, and the look costs less than the exchange.
        if self.recipe.host.is_empty() { 0 } else { instance.take_host_calls() }
    }
}

/// The error of a call that used so much, if that is not in it yet: of a result that the host could not use.
#[cold]
pub(super) fn billed(
    mut error: Box<SandboxError>,
    usage: Option<ResourceUsage>,
) -> Box<SandboxError> {
    if let Some(usage) = usage
        && error.usage().is_none()
    {
        error.note_usage(ResourceUsage { failed_calls: 1, ..usage });
    }
    error
}
