//! Slow moves: a level that rises or falls all the time, in parts too small to be steps.

use serde::Serialize;

use super::steps::{StepSettings, inflation};
use super::verdict::Verdict;
use crate::model::Direction;
use crate::stats::trend::slope;

/// A level that moves steadily, since the last step of its history.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trend {
    /// The first point that it was told from; the last one is the latest.
    pub from: usize,
    /// How many points it was told from.
    pub points: usize,
    /// The relative change from the first to the last point: 0.05 is five percent more.
    pub change: f64,
    /// The interval of that.
    pub interval: (f64, f64),
    /// The level of the interval.
    pub level: f64,
    /// Better or worse.
    pub verdict: Verdict,
}

/// With fewer points, a line is chance.
const AT_LEAST: usize = 20;

impl Trend {
    /// The trend of logarithms from the point `from` on, if it is beyond chance and the practical
    /// threshold. Deviations from the line that depend on each other, as those of a wave or a random
    /// walk, widen the interval.
    pub(super) fn of(
        logs: &[f64],
        from: usize,
        direction: Direction,
        settings: &StepSettings,
    ) -> Option<Self> {
        if logs.len() < AT_LEAST {
            return None;
        }
        let level = 1.0 - settings.alpha;
        let slope = slope(logs, level, inflation)?;
        let (low, high) = slope.interval;
        let sure = low > 0.0 || high < 0.0;
        (sure && slope.rise.abs() >= settings.threshold).then(|| Self {
            from,
            points: logs.len(),
            change: slope.rise.exp_m1(),
            interval: (low.exp_m1(), high.exp_m1()),
            level,
            verdict: Verdict::of_change(direction, slope.rise),
        })
    }
}
