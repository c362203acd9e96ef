//! Since when: the place in the history that a change of a report goes back to.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::changes::{ChangePoint, SeriesChanges};
use super::verdict::{Comparison, Verdict};
use crate::model::{BenchmarkResults, RunId, Series};

/// Where a change of a report began.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Onset {
    /// Series that changed.
    #[serde(flatten)]
    pub series: Series,
    /// How the place was found.
    pub evidence: OnsetEvidence,
    /// The last commit that was measured without the change, if known.
    pub after_commit: Option<String>,
    /// The first commit that was measured with it, if known.
    pub up_to_commit: Option<String>,
    /// The first run with it.
    pub first_run: RunId,
    /// When that run measured.
    pub measured_at: Timestamp,
    /// The latest values of the series up to the current side, oldest first, at most
    /// [`RECENT`].
    pub recent: Vec<f64>,
}

/// How the place of a change was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnsetEvidence {
    /// The history steps there.
    Step,
    /// It seems to step there, but too few later points exclude that it reverts.
    ProvisionalStep,
    /// The history shows no step between the sides: the change lies somewhere between them.
    Sides,
}

impl fmt::Display for OnsetEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Step => "step",
            Self::ProvisionalStep => "provisional_step",
            Self::Sides => "sides",
        })
    }
}

/// How many values of the history an onset carries along.
pub const RECENT: usize = 60;

/// The onsets of all regressions and improvements, as far as the runs of both sides tell.
pub fn onsets(
    comparisons: &[Comparison],
    baseline: &BenchmarkResults,
    current: &BenchmarkResults,
    histories: &[SeriesChanges],
) -> Vec<Onset> {
    comparisons
        .iter()
        .filter(|one| matches!(one.verdict, Verdict::Regression | Verdict::Improvement))
        .filter_map(|comparison| {
            let history = histories.iter().find(|one| one.timeline.series == comparison.series);
            onset(comparison, baseline, current, history)
        })
        .collect()
}

fn onset(
    comparison: &Comparison,
    baseline: &BenchmarkResults,
    current: &BenchmarkResults,
    history: Option<&SeriesChanges>,
) -> Option<Onset> {
    let old = baseline.runs.last()?;
    let new = current.runs.first()?;
    let between = Onset {
        series: comparison.series.clone(),
        evidence: OnsetEvidence::Sides,
        after_commit: old.revision.commit.clone(),
        up_to_commit: new.revision.commit.clone(),
        first_run: new.id,
        measured_at: new.measured_at,
        recent: Vec::new(),
    };
    let Some(history) = history else { return Some(between) };
    let points = &history.timeline.points;
    let last_with = |results: &BenchmarkResults| {
        points.iter().rposition(|point| results.runs.iter().any(|run| point.runs.contains(&run.id)))
    };
    let end = last_with(current).unwrap_or(points.len().saturating_sub(1));
    let shown = points.get(..=end).unwrap_or_default();
    let recent: Vec<f64> = shown
        .get(shown.len().saturating_sub(RECENT)..)
        .unwrap_or_default()
        .iter()
        .map(|point| point.value)
        .collect();
    let start = last_with(baseline);
    let step = history
        .change_points
        .iter()
        .filter(|change| start.is_none_or(|start| change.index > start) && change.index <= end)
        .filter(|change| start.is_some() || change.measured_at > old.measured_at)
        .filter(|change| change.verdict == comparison.verdict)
        .max_by(|a, b| size(a).total_cmp(&size(b)));
    Some(match step {
        Some(change) => Onset {
            evidence: if change.provisional {
                OnsetEvidence::ProvisionalStep
            } else {
                OnsetEvidence::Step
            },
            after_commit: change.after_commit.clone(),
            up_to_commit: change.up_to_commit.clone(),
            first_run: change.run,
            measured_at: change.measured_at,
            recent,
            ..between
        },
        None => Onset { recent, ..between },
    })
}

fn size(change: &ChangePoint) -> f64 {
    change.change.ln_1p().abs()
}
