//! The state of a change, which is one on every page.

use bench_stats::detect::changes::{ChangePoint, SeriesChanges};
use bench_stats::stats::quantile::median;
use serde::Serialize;

/// State of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChangeState {
    /// Too few values followed to know whether it stays.
    New,
    /// As new, and no further from the values before than noise often is: of many benchmarks, some show such.
    Watch,
    /// Lasting, and nobody has accepted it.
    Open,
    /// The level moves without a step.
    Drift,
    /// Somebody accepted it.
    Accepted,
    /// Most benchmarks of the machine changed with it.
    MachineEvent,
    /// Later values, or somebody, took it back.
    Withdrawn,
}

impl ChangeState {
    /// Finds the state of a step.
    pub(super) fn of(one: &SeriesChanges, change: &ChangePoint) -> Self {
        let last_epoch = one.epochs.last().copied().unwrap_or(0);
        if change.withdrawn.is_some() {
            Self::Withdrawn
        } else if change.acknowledged.is_some() {
            Self::Accepted
        } else if change.machine_event {
            Self::MachineEvent
        } else if !change.provisional || change.index < last_epoch {
            // Before the machine changed nobody will measure any more.
            Self::Open
        } else if stands_out(one, change) {
            Self::New
        } else {
            Self::Watch
        }
    }
}

/// Whether a change is far beyond the noise of the values before it. A single value among those of hundreds of
/// benchmarks is often three standard deviations away by chance, and hardly ever five.
fn stands_out(one: &SeriesChanges, change: &ChangePoint) -> bool {
    const FAR: f64 = 5.0;
    const AT_LEAST: usize = 6;
    let start = one.epochs.iter().rev().find(|start| **start <= change.index).copied().unwrap_or(0);
    let before = &one.timeline.points[start..change.index];
    if before.len() < AT_LEAST {
        return false;
    }
    // Differences of neighbours know nothing of steps and drifts. Their median absolute value is 0.954 standard
    // deviations of a value, if these are normal: sqrt(2) times 0.6745.
    let mut differences: Vec<f64> =
        before.windows(2).map(|pair| (pair[1].value / pair[0].value).ln().abs()).collect();
    let deviation = median(&mut differences) / 0.954;
    change.change.ln_1p().abs() > FAR * deviation
}
