//! What a comparison comes to.

use std::fmt;

use serde::Serialize;

use crate::model::{AcceptedChange, Direction, Series, Throughput};

/// Verdict about a benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It got worse: significantly, and by more than the practical threshold.
    Regression,
    /// It got better, as surely.
    Improvement,
    /// Too little is known to exclude either, or it is likely that it changed and not sure yet.
    Inconclusive,
    /// No change was seen, and the interval says that there is none larger than
    /// [`Comparison::within`].
    NoChangeSeen,
    /// Whatever changed is smaller than the practical threshold.
    Unchanged,
}

impl Verdict {
    /// The word used in files: [`fmt::Display`] without spaces.
    pub fn id(self) -> &'static str {
        match self {
            Self::Regression => "regression",
            Self::Improvement => "improvement",
            Self::Inconclusive => "inconclusive",
            Self::NoChangeSeen => "no_change_seen",
            Self::Unchanged => "unchanged",
        }
    }

    /// Returns the verdict of a change that is sure: `change` is positive if it is more than before.
    pub fn of_change(direction: Direction, change: f64) -> Self {
        match (direction, change > 0.0) {
            (Direction::Neutral, _) => Self::Inconclusive,
            (Direction::Lower, true) | (Direction::Higher, false) => Self::Regression,
            (Direction::Lower, false) | (Direction::Higher, true) => Self::Improvement,
        }
    }

    /// The verdict with both sides swapped.
    pub fn reversed(self) -> Self {
        match self {
            Self::Regression => Self::Improvement,
            Self::Improvement => Self::Regression,
            other => other,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Regression => "regression",
            Self::Improvement => "improvement",
            Self::Inconclusive => "inconclusive",
            Self::NoChangeSeen => "no change seen",
            Self::Unchanged => "unchanged",
        })
    }
}

/// Where the knowledge of the between-run spread comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Replication {
    /// Both sides have three runs or more.
    Replicated,
    /// At least one side has fewer, but earlier runs of this benchmark on this machine lend
    /// their spread.
    Borrowed,
    /// At least one side has fewer and there is no history: the spread is that of benchmarks in
    /// general. Such a finding is a hint and never fails a build.
    Unreplicated,
    /// The metric is counted, so there is no spread: one value a side says everything.
    Exact,
}

impl Replication {
    /// The words used in tables for programs.
    pub fn id(self) -> &'static str {
        match self {
            Self::Replicated => "replicated",
            Self::Borrowed => "spread borrowed from history",
            Self::Unreplicated => "unreplicated",
            Self::Exact => "exact",
        }
    }
}

impl fmt::Display for Replication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Replicated => "three or more runs a side",
            Self::Borrowed => "few runs; their spread is that of earlier ones",
            Self::Unreplicated => "a hint, from fewer than three runs a side",
            Self::Exact => "counted, so exact",
        })
    }
}

/// Why a comparison was left open although its numbers alone might have spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reservation {
    /// Most benchmarks moved the same way at once, and this one no more than they did. The sides were
    /// not measured in turns, so it was the machine or the code, and nobody can tell which.
    MachineOrCode,
    /// It moved with the benchmarks that no change of the code can touch.
    WithControl,
    /// The sides were measured on different machines.
    OtherMachine,
    /// Neither direction of this metric is better.
    Neutral,
    /// A side is zero, so there is no ratio.
    NoRatio,
    /// The typical sample stayed, but the slow ones became more or slower.
    SlowSamples,
}

impl Reservation {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 6] = [
        Self::MachineOrCode,
        Self::WithControl,
        Self::OtherMachine,
        Self::Neutral,
        Self::NoRatio,
        Self::SlowSamples,
    ];
}

impl fmt::Display for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::MachineOrCode => "could not be judged: machine or code",
            Self::WithControl => "moved with the control",
            Self::OtherMachine => "measured on another machine",
            Self::Neutral => "neither direction is better",
            Self::NoRatio => "a side is zero",
            Self::SlowSamples => "its slow samples became more or slower",
        })
    }
}

/// How bad a regression is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Up to a fifth worse.
    Medium,
    /// More than that.
    High,
}

impl Severity {
    /// Classifies by how many times worse the current side is.
    pub fn of(factor: f64) -> Self {
        if factor > 1.2 { Self::High } else { Self::Medium }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Medium => "medium",
            Self::High => "high",
        })
    }
}

/// An interval of ratios (current over baseline).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RatioInterval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl RatioInterval {
    /// The smallest relative change that no ratio inside exceeds, whichever side is held against the other.
    pub(crate) fn reach_of_logs((low, high): (f64, f64)) -> f64 {
        low.abs().max(high.abs()).exp_m1()
    }

    pub(crate) fn of_logs((low, high): (f64, f64)) -> Self {
        Self { low: low.exp(), high: high.exp() }
    }
}

/// One side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Side {
    /// The typical value, in the unit of the series.
    pub value: f64,
    /// How many runs it rests on.
    pub runs: usize,
    /// How many samples these took together.
    pub samples: usize,
}

/// One series compared between two sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Series that was compared.
    #[serde(flatten)]
    pub series: Series,
    /// The conclusion.
    pub verdict: Verdict,
    /// Why it was left open against its numbers, if it was.
    pub reservation: Option<Reservation>,
    /// Where the knowledge of the spread comes from.
    pub replication: Replication,
    /// The old side.
    pub baseline: Side,
    /// The new side.
    pub current: Side,
    /// The work of one iteration on the new side.
    pub throughput: Vec<Throughput>,
    /// Current over baseline.
    pub ratio: f64,
    /// The interval of the ratio.
    pub interval: RatioInterval,
    /// By how much the standard error behind `interval` was widened, because the benchmarks of the
    /// report moved further than their own runs explain; 1 if it was not.
    pub excess: f64,
    /// The p-value of "there is no difference".
    pub p_value: f64,
    /// p-value that is valid whenever somebody stops adding runs.
    pub always_valid_p_value: f64,
    /// The latter, adjusted for the number of benchmarks in the report.
    pub adjusted_p_value: f64,
    /// p-value adjusted for a gate; none where the comparison may not fail a build.
    pub gate_p_value: Option<f64>,
    /// The p-value of this look alone, adjusted for the number of benchmarks. It promises nothing to
    /// whoever looks again, and tells what is worth watching.
    pub look_p_value: f64,
    /// The smallest relative change that would have been found four times out of five.
    pub detectable_change: f64,
    /// Changes are no larger than this, in either direction: `interval` lies inside of it. None where a side has
    /// no ratio.
    pub within: Option<f64>,
    /// Whether more runs are worth making: neither a change was found, nor would one that most people want to
    /// hear of have been found ([`Settings::of_use`](super::settings::Settings::of_use)).
    pub open: bool,
    /// Why this change is fine, if somebody said so.
    pub acknowledged: Option<AcceptedChange>,
    /// How many more runs a side would likely decide, if it is undecided and a hundred would do.
    pub runs_to_decide: Option<u32>,
}

impl Comparison {
    /// The relative change: 0.05 is five percent more.
    pub fn change(&self) -> f64 {
        self.ratio - 1.0
    }

    /// How many times worse the current side is, whatever the direction; below 1 is better.
    pub fn factor_worse(&self) -> f64 {
        match self.series.direction {
            Direction::Higher => self.ratio.recip(),
            Direction::Lower | Direction::Neutral => self.ratio,
        }
    }

    /// Whether it likely changed, though that is not sure yet: one look at all benchmarks that lists what is as
    /// suspicious as this is wrong about a fifth of them in the long run.
    pub fn is_to_watch(&self) -> bool {
        self.verdict == Verdict::Inconclusive && self.reservation.is_none() && self.is_suggestive()
    }

    /// Whether a single look suggests a change, whoever else looks or looked.
    pub(super) fn is_suggestive(&self) -> bool {
        /// A p-value above this suggests nothing.
        const SUGGESTIVE: f64 = 0.05;
        /// Of what is worth watching, this share may be nothing.
        const FALSE_HINTS: f64 = 0.2;
        self.p_value <= SUGGESTIVE && self.look_p_value <= FALSE_HINTS
    }

    /// Whether the circumstances keep anybody from telling if the code got worse, so that a gate which
    /// let this pass would let everything pass.
    pub fn could_not_be_judged(&self) -> bool {
        let open = match self.reservation {
            // Most benchmarks together say something even where each is a single hint.
            Some(Reservation::MachineOrCode) => true,
            Some(Reservation::OtherMachine) => self.gate_p_value.is_some(),
            _ => false,
        };
        open && self.acknowledged.is_none()
    }

    /// Whether this fails a build that must not regress.
    pub fn fails_gate(&self, gate_error_rate: f64) -> bool {
        self.verdict == Verdict::Regression
            && self.acknowledged.is_none()
            && self.gate_p_value.is_some_and(|p_value| p_value <= gate_error_rate)
    }
}
