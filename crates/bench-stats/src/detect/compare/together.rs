//! When most benchmarks move together.
//!
//! A lost optimisation flag, a new allocator or a new compiler does that, and so does another
//! processor frequency or a busy neighbour. It is a reason to say so, never one to acquit. What it
//! was, the order of the runs tells: sides that took turns shared the machine, so it was the code. Where
//! they did not, a benchmark that the change cannot have touched tells, if there is one. Otherwise
//! nobody can.

use serde::Serialize;

use crate::detect::settings::Settings;
use crate::stats::mean::to_f64;
use crate::stats::quantile::median;

/// A common move of most benchmarks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CommonMove {
    /// How many benchmarks moved that way, by more than the practical threshold.
    pub moved: usize,
    /// How many benchmarks there are.
    pub benchmarks: usize,
    /// The ratio that the median benchmark got worse by.
    pub median_ratio: f64,
    /// Cause that it goes back to.
    pub cause: Cause,
}

/// Cause of a common move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Both sides were measured in turns: it is the code.
    Code,
    /// They were not: the machine, or the code.
    MachineOrCode,
    /// They were not, but a control benchmark says how far the machine moved.
    Controlled,
}

impl CommonMove {
    /// With fewer benchmarks, several real changes look like a common one.
    const AT_LEAST: usize = 6;
    /// Four of five moving the same way is no accident among six or more: half of them would.
    const SAME_WAY: f64 = 0.8;

    /// Looks for a common move of all times and other primary metrics, given the log ratios of how
    /// much worse each got.
    pub(super) fn among(mut logs: Vec<f64>, cause: Cause, settings: &Settings) -> Option<Self> {
        let benchmarks = logs.len();
        if benchmarks < Self::AT_LEAST {
            return None;
        }
        let shift = median(&mut logs);
        let threshold = settings.relative_threshold.ln_1p();
        let same_way = logs.iter().filter(|log| **log * shift > 0.0).count();
        let moved = logs.iter().filter(|log| **log * shift.signum() > threshold).count();
        let together =
            2 * moved > benchmarks && to_f64(same_way) >= Self::SAME_WAY * to_f64(benchmarks);
        together.then_some(Self { moved, benchmarks, median_ratio: shift.exp(), cause })
    }

    /// The common move as a log ratio of how much worse things got.
    pub fn log_shift(&self) -> f64 {
        self.median_ratio.ln()
    }
}
