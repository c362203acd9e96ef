//! Moves that most series made at once, which are said once and not of each.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::SeriesChanges;
use crate::detect::verdict::Verdict;
use crate::model::RunId;
use crate::stats::quantile::median;

/// A move that most of some histories made.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CommonEvents {
    /// Where another machine or compiler took over, in order.
    pub machine_changes: Vec<MachineChange>,
    /// Lasting changes that most series made together, in order.
    pub moves: Vec<CommonStep>,
    /// Moments at which most series stood out, in order.
    pub stumbles: Vec<Stumble>,
    /// Set if most series drift the same way.
    pub drift: Option<CommonDrift>,
}

/// A place where values go on from another machine or compiler.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MachineChange {
    /// The last run before.
    pub before: RunId,
    /// The first run on the other machine.
    pub run: RunId,
    /// When that measured.
    pub measured_at: Timestamp,
    /// How many series go on there.
    pub series: usize,
}

/// A lasting change that most series made together: the machine's, by all that can be told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CommonStep {
    /// The first run of the new level, of the first of them.
    pub run: RunId,
    /// When that measured.
    pub measured_at: Timestamp,
    /// How many series made it.
    pub series: usize,
    /// The median of their relative changes.
    pub change: f64,
    /// For the better or the worse.
    pub verdict: Verdict,
}

/// A moment at which most series stood out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stumble {
    /// The first run of it.
    pub run: RunId,
    /// When that measured.
    pub measured_at: Timestamp,
    /// How many series stood out.
    pub series: usize,
}

/// A drift of most series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CommonDrift {
    /// How many series drift.
    pub series: usize,
    /// The median of their relative changes over what each looked at.
    pub change: f64,
    /// For the better or the worse.
    pub verdict: Verdict,
}

impl CommonEvents {
    /// Finds what most of these histories did at once.
    pub fn among(changes: &[SeriesChanges]) -> Self {
        /// With fewer series, a few real changes look like a common one.
        const AT_LEAST: usize = 6;
        let count = changes.iter().filter(|one| !one.timeline.points.is_empty()).count();
        let most = |series: usize| series >= AT_LEAST && 2 * series > count;
        Self {
            machine_changes: machine_changes(changes),
            moves: moves(changes),
            stumbles: stumbles(changes).into_iter().filter(|one| most(one.series)).collect(),
            drift: drift(changes).filter(|one| most(one.series)),
        }
    }

    /// Whether most series stood out when this one did.
    pub fn is_stumble(&self, one: &SeriesChanges, index: usize) -> bool {
        let at = one.timeline.points.get(index).map(|point| point.measured_at);
        self.stumbles.iter().any(|stumble| Some(stumble.measured_at) == at)
    }

    /// Whether a series only drifts as most do.
    pub fn is_drift(&self, one: &SeriesChanges) -> bool {
        let verdict = one.trend.as_ref().map(|trend| trend.verdict);
        self.drift.as_ref().is_some_and(|drift| Some(drift.verdict) == verdict)
    }
}

fn machine_changes(changes: &[SeriesChanges]) -> Vec<MachineChange> {
    let mut found: BTreeMap<(Timestamp, i64, i64), MachineChange> = BTreeMap::new();
    for one in changes {
        let points = &one.timeline.points;
        for &epoch in one.epochs.iter().filter(|epoch| **epoch > 0) {
            let (before, first) = (&points[epoch - 1], &points[epoch]);
            let key = (first.measured_at, before.fingerprint, first.fingerprint);
            let place = found.entry(key).or_insert_with(|| MachineChange {
                before: before.runs[0],
                run: first.runs[0],
                measured_at: first.measured_at,
                series: 0,
            });
            place.series += 1;
        }
    }
    found.into_values().collect()
}

/// The changes that are marked as the machine's, those of one verdict that follow each other closely as one.
fn moves(changes: &[SeriesChanges]) -> Vec<CommonStep> {
    let mut places: Vec<Timestamp> = changes
        .iter()
        .flat_map(|one| one.timeline.points.iter().map(|point| point.measured_at))
        .collect();
    places.sort_unstable();
    places.dedup();
    let mut found: Vec<(usize, CommonStep, Vec<f64>)> = Vec::new();
    let mut marked: Vec<_> = changes
        .iter()
        .flat_map(|one| one.change_points.iter().filter(|change| change.machine_event))
        .collect();
    marked.sort_by_key(|change| (change.verdict, change.measured_at));
    for change in marked {
        /// As many points as a step may be located from where it is.
        const NEAR: usize = 3;
        let place = places.partition_point(|at| *at < change.measured_at);
        let same = found.last_mut().filter(|(last, step, _)| {
            step.verdict == change.verdict && place.abs_diff(*last) <= NEAR
        });
        if let Some((last, step, sizes)) = same {
            *last = place;
            step.series += 1;
            sizes.push(change.change);
            continue;
        }
        let step = CommonStep {
            run: change.run,
            measured_at: change.measured_at,
            series: 1,
            change: 0.0,
            verdict: change.verdict,
        };
        found.push((place, step, vec![change.change]));
    }
    let mut steps: Vec<CommonStep> = found
        .into_iter()
        .map(|(_, step, mut sizes)| CommonStep { change: median(&mut sizes), ..step })
        .collect();
    steps.sort_by_key(|step| step.measured_at);
    steps
}

fn stumbles(changes: &[SeriesChanges]) -> Vec<Stumble> {
    let mut found: BTreeMap<Timestamp, Stumble> = BTreeMap::new();
    for one in changes {
        for spike in &one.spikes {
            let measured_at = one.timeline.points[spike.index].measured_at;
            let place = found.entry(measured_at).or_insert_with(|| Stumble {
                run: spike.run,
                measured_at,
                series: 0,
            });
            place.series += 1;
        }
    }
    found.into_values().collect()
}

fn drift(changes: &[SeriesChanges]) -> Option<CommonDrift> {
    let of = |verdict: Verdict| {
        let trends = changes.iter().filter_map(|one| one.trend.as_ref());
        let mut sizes: Vec<f64> =
            trends.filter(|trend| trend.verdict == verdict).map(|trend| trend.change).collect();
        let series = sizes.len();
        (series > 0).then(|| CommonDrift { series, change: median(&mut sizes), verdict })
    };
    let both = [of(Verdict::Regression), of(Verdict::Improvement)];
    both.into_iter().flatten().max_by_key(|one| one.series)
}
