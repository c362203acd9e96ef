//! A history held against a fixed place in it, which no sequence of small changes can move along.
//!
//! A baseline that follows the code forgives a tenth of ten percent ten times. So the latest level is
//! also compared with a place that stays: the last release, a named baseline, or where the present
//! machine began to measure.

use std::collections::BTreeSet;

use serde::Serialize;

use super::verdict::Verdict;
use crate::model::{RunId, TimelinePoint};

/// The place that histories are held against.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Reference {
    /// The first points on the machine that measured last.
    #[default]
    Start,
    /// The points of a commit, such as that of a release.
    Commit {
        /// Name.
        name: String,
        /// Its hash.
        sha: String,
    },
    /// The points of some runs, such as those of a baseline.
    Runs {
        /// Name of the runs.
        name: String,
        /// Which runs.
        runs: BTreeSet<RunId>,
    },
}

/// How the latest level differs from that of the reference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SinceReference {
    /// Name of the reference.
    pub reference: String,
    /// Its last point.
    pub at: usize,
    /// Its level.
    pub before: f64,
    /// The latest level.
    pub after: f64,
    /// The relative change.
    pub change: f64,
    /// The interval of that.
    pub interval: (f64, f64),
    /// The level of the interval.
    pub level: f64,
    /// Change that no step in between explains: the small parts, as a relative change.
    pub beside_steps: f64,
    /// The interval of that.
    pub beside_steps_interval: (f64, f64),
    /// Better or worse, if the change is beyond chance and the practical threshold.
    pub verdict: Verdict,
    /// Verdict on what no step explains.
    pub beside_steps_verdict: Verdict,
}

/// How many points make the level at either end.
pub(super) const LEVEL: usize = 8;

impl Reference {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Start => "the start",
            Self::Commit { name, .. } | Self::Runs { name, .. } => name,
        }
    }

    /// Its points among those of the latest machine, as places there.
    pub(super) fn places(&self, epoch: &[TimelinePoint]) -> Vec<usize> {
        let is = |point: &TimelinePoint| match self {
            Self::Start => false,
            Self::Commit { sha, .. } => point.commit.as_deref() == Some(sha.as_str()),
            Self::Runs { runs, .. } => point.runs.iter().any(|run| runs.contains(run)),
        };
        match self {
            Self::Start => (0..LEVEL.min(epoch.len() / 3)).collect(),
            _ => (0..epoch.len()).filter(|&at| is(&epoch[at])).collect(),
        }
    }
}
