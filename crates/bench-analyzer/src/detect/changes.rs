//! The changes in the history of every series, as people need to know them: where, by how much,
//! between which commits, how surely, and whether somebody accepted them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::steps::{Segmentation, StepSettings, segment};
use super::verdict::Verdict;
use crate::model::{Blessing, Direction, RunId, Series, Timeline, TimelinePoint};

/// A series through time and what happened to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeriesChanges {
    /// The series and its values.
    #[serde(flatten)]
    pub timeline: Timeline,
    /// The first point on every machine; values of different machines are never compared.
    pub epochs: Vec<usize>,
    /// Its lasting changes, in order.
    pub change_points: Vec<ChangePoint>,
    /// Points far from their level that did not stay.
    pub spikes: Vec<SpikePoint>,
    /// The correlation of neighbouring values in the longest epoch.
    pub autocorrelation: f64,
}

/// A lasting change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangePoint {
    /// The first point of the new level.
    pub index: usize,
    /// The first run of the new level.
    pub run: RunId,
    /// When that run measured.
    pub measured_at: Timestamp,
    /// The last commit known to have the old level.
    pub after_commit: Option<String>,
    /// The first commit known to have the new level: the cause lies after the one before, up to
    /// and including this.
    pub up_to_commit: Option<String>,
    /// The old level.
    pub before: f64,
    /// The new level.
    pub after: f64,
    /// The relative change: 0.05 is five percent more.
    pub change: f64,
    /// Better or worse.
    pub verdict: Verdict,
    /// The probability of such a step around here without any change.
    pub p_value: f64,
    /// Whether too few points follow to exclude that it reverts.
    pub provisional: bool,
    /// Whether most series changed the same way here: then the machine did.
    pub machine_event: bool,
    /// Who accepted it, and why.
    pub acknowledged: Option<Blessing>,
}

impl ChangePoint {
    /// Whether somebody should look at this: it got worse for good, by itself, and nobody has.
    pub fn alarms(&self) -> bool {
        self.verdict == Verdict::Regression
            && !self.provisional
            && !self.machine_event
            && self.acknowledged.is_none()
    }
}

/// A point that stood out for a moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SpikePoint {
    /// Which point.
    pub index: usize,
    /// Its first run.
    pub run: RunId,
    /// Its value.
    pub value: f64,
    /// Its distance from its level in robust standard deviations.
    pub score: f64,
}

/// A change may be located a little differently once more values are known: an acknowledgement
/// counts for as many points around it as do not yet make a level of their own.
pub(crate) fn tolerance(settings: &StepSettings) -> usize {
    settings.min_segment - 1
}

/// Finds the changes of many series by the same rules, on all processors, in the order of
/// `timelines`.
pub fn find_changes(
    timelines: Vec<Timeline>,
    blessings: &[Blessing],
    settings: &StepSettings,
) -> Vec<SeriesChanges> {
    find_changes_by(timelines, blessings, |_| *settings)
}

/// [`find_changes`] with rules for every series of its own, as a configuration gives them.
pub fn find_changes_by(
    timelines: Vec<Timeline>,
    blessings: &[Blessing],
    rules: impl Fn(&Series) -> StepSettings + Sync,
) -> Vec<SeriesChanges> {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = timelines.len().div_ceil(workers).max(1);
    let mut by_series: BTreeMap<&Series, Vec<&Blessing>> = BTreeMap::new();
    for blessing in blessings {
        by_series.entry(&blessing.series).or_default().push(blessing);
    }
    let mut changes: Vec<SeriesChanges> = std::thread::scope(|scope| {
        let mut timelines = timelines.into_iter();
        let handles: Vec<_> = (0..workers)
            .map(|_| {
                let chunk: Vec<Timeline> = timelines.by_ref().take(share).collect();
                let (by_series, rules) = (&by_series, &rules);
                scope.spawn(move || -> Vec<SeriesChanges> {
                    let of = |timeline: Timeline| {
                        let blessings = by_series.get(&timeline.series).cloned();
                        let settings = rules(&timeline.series);
                        SeriesChanges::of(timeline, &blessings.unwrap_or_default(), &settings)
                    };
                    chunk.into_iter().map(of).collect()
                })
            })
            .collect();
        handles.into_iter().flat_map(|handle| handle.join().unwrap_or_default()).collect()
    });
    mark_machine_events(&mut changes, tolerance(&StepSettings::default()));
    changes
}

impl SeriesChanges {
    fn of(timeline: Timeline, blessings: &[&Blessing], settings: &StepSettings) -> Self {
        let points = &timeline.points;
        let mut changes = Self {
            epochs: Vec::new(),
            change_points: Vec::new(),
            spikes: Vec::new(),
            autocorrelation: 0.0,
            timeline: timeline.clone(),
        };
        let (mut start, mut longest) = (0, 0);
        for epoch in points.chunk_by(|a, b| a.fingerprint == b.fingerprint) {
            changes.epochs.push(start);
            // A zero has no logarithm; such series are counts, whose differences speak as well.
            let positive = epoch.iter().all(|point| point.value > 0.0);
            let scale = |value: f64| if positive { value.ln() } else { value };
            let values: Vec<f64> = epoch.iter().map(|point| scale(point.value)).collect();
            let segmentation = segment(&values, settings);
            if epoch.len() > longest {
                longest = epoch.len();
                changes.autocorrelation = segmentation.autocorrelation;
            }
            let back = |value: f64| if positive { value.exp() } else { value };
            changes.add(&segmentation, start, back);
            start += epoch.len();
        }
        changes.acknowledge(blessings, tolerance(settings));
        changes
    }

    fn add(&mut self, segmentation: &Segmentation, start: usize, back: impl Fn(f64) -> f64) {
        let points = &self.timeline.points;
        for step in &segmentation.steps {
            let index = start + step.index;
            let (before, after) = (back(step.before), back(step.after));
            let point = &points[index];
            let verdict = match (self.timeline.series.direction, after > before) {
                (Direction::Neutral, _) => Verdict::Inconclusive,
                (Direction::Lower, true) | (Direction::Higher, false) => Verdict::Regression,
                (Direction::Lower, false) | (Direction::Higher, true) => Verdict::Improvement,
            };
            self.change_points.push(ChangePoint {
                index,
                run: point.runs[0],
                measured_at: point.measured_at,
                after_commit: commit_before(points, index),
                up_to_commit: point.commit.clone(),
                before,
                after,
                change: if before == 0.0 { f64::MAX } else { after / before - 1.0 },
                verdict,
                p_value: step.p_value,
                provisional: step.provisional,
                machine_event: false,
                acknowledged: None,
            });
        }
        for spike in &segmentation.spikes {
            let (index, score) = (start + spike.index, spike.score);
            let point = &points[index];
            self.spikes.push(SpikePoint { index, run: point.runs[0], value: point.value, score });
        }
    }

    fn acknowledge(&mut self, blessings: &[&Blessing], tolerance: usize) {
        for blessing in blessings {
            let points = &self.timeline.points;
            let Some(at) = points.iter().position(|point| point.runs.contains(&blessing.run))
            else {
                continue;
            };
            let nearest = self
                .change_points
                .iter_mut()
                .filter(|change| change.index.abs_diff(at) <= tolerance)
                .min_by_key(|change| change.index.abs_diff(at));
            if let Some(change) = nearest {
                change.acknowledged = Some((*blessing).clone());
            }
        }
    }
}

fn commit_before(points: &[TimelinePoint], index: usize) -> Option<String> {
    points[..index].last().and_then(|point| point.commit.clone())
}

/// Marks changes that more than half of all series made the same way at about the same time.
fn mark_machine_events(changes: &mut [SeriesChanges], tolerance: usize) {
    /// With fewer series, a few real changes look like a common one.
    const AT_LEAST: usize = 6;
    let mut sets: Vec<(Timestamp, i64)> = changes
        .iter()
        .flat_map(|one| one.timeline.points.iter().map(|point| (point.measured_at, point.set)))
        .collect();
    sets.sort_unstable();
    sets.dedup_by_key(|(_, set)| *set);
    let order: BTreeMap<i64, usize> = (0..).zip(&sets).map(|(at, (_, set))| (*set, at)).collect();
    let place = |one: &SeriesChanges, change: &ChangePoint| {
        order.get(&one.timeline.points[change.index].set).copied().unwrap_or(usize::MAX)
    };
    // How many series turned better or worse at every place in time.
    let mut turns: BTreeMap<(usize, Verdict), usize> = BTreeMap::new();
    for one in changes.iter() {
        for change in &one.change_points {
            *turns.entry((place(one, change), change.verdict)).or_default() += 1;
        }
    }
    let series = changes.iter().filter(|one| !one.timeline.points.is_empty()).count();
    for one in changes.iter_mut() {
        for index in 0..one.change_points.len() {
            let change = &one.change_points[index];
            let at = place(one, change);
            let around: usize = (at.saturating_sub(tolerance)..=at.saturating_add(tolerance))
                .filter_map(|at| turns.get(&(at, change.verdict)))
                .sum();
            one.change_points[index].machine_event = around >= AT_LEAST && 2 * around > series;
        }
    }
}

#[cfg(test)]
mod tests;
