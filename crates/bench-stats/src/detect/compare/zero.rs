//! Counts that begin or end at exactly zero. There is no ratio, and no doubt either: what did not
//! happen in any run of one side and happens on the other has changed.

use crate::detect::verdict::{RatioInterval, Verdict};
use crate::model::{BenchmarkResult, Direction};

/// Comparison in which a side is zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Zeros {
    /// Every run of both sides is zero.
    Both,
    /// From zero to something.
    Appeared,
    /// From something to zero.
    Vanished,
}

impl Zeros {
    /// Whether a side is zero in every run.
    pub(super) fn of(baseline: &BenchmarkResult, current: &BenchmarkResult) -> Option<Self> {
        let zero = |result: &BenchmarkResult| result.medians().iter().all(|&median| median == 0.0);
        match (zero(baseline), zero(current)) {
            (true, true) => Some(Self::Both),
            (true, false) => Some(Self::Appeared),
            (false, true) => Some(Self::Vanished),
            (false, false) => None,
        }
    }

    /// Current over baseline; nothing over nothing is no change.
    pub(super) fn ratio(self) -> f64 {
        match self {
            Self::Both => 1.0,
            Self::Appeared => f64::INFINITY,
            Self::Vanished => 0.0,
        }
    }

    /// The ratio is exact.
    pub(super) fn interval(self) -> RatioInterval {
        RatioInterval { low: self.ratio(), high: self.ratio() }
    }

    pub(super) fn p_value(self) -> f64 {
        if self == Self::Both { 1.0 } else { 0.0 }
    }

    pub(super) fn verdict(self, direction: Direction) -> Verdict {
        match self {
            Self::Both => Verdict::Unchanged,
            Self::Appeared => Verdict::of_change(direction, 1.0),
            Self::Vanished => Verdict::of_change(direction, -1.0),
        }
    }
}
