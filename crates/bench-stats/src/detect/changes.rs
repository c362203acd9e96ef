//! The changes in the history of every series, as people need to know them: where, by how much,
//! between which commits, how surely, and whether somebody accepted them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::{iter, thread};

use jiff::Timestamp;
use serde::Serialize;

use self::remembered::Remembered;
use super::reference::SinceReference;
use super::steps::{Segmentation, Step, StepSettings, segment_beside, tolerance};
use super::trend::Trend;
use super::verdict::Verdict;
use super::work::{WorkStep, level_history};
use crate::model::{
    AcceptedChange, AttributeChange, FoundStep, Memory, RunId, Series, Timeline, TimelinePoint,
    Withdrawal,
};
use crate::stats::quantile::median;

mod common;
mod remembered;
mod since;
mod slow_moves;

pub use common::{CommonDrift, CommonEvents, CommonStep, MachineChange, Stumble};
pub use slow_moves::SlowMove;

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
    /// Single points far from their level that did not stay.
    pub spikes: Vec<SpikePoint>,
    /// Points in a row that did not stay, too few to be a level.
    pub excursions: Vec<ExcursionPoints>,
    /// Where an iteration began to do other work. Values before are those of as much work as now, so that
    /// it is the rate that is followed.
    pub work_steps: Vec<WorkStep>,
    /// The correlation of neighbouring values in the longest epoch.
    pub autocorrelation: f64,
    /// How the level moves since the last step, if it does.
    pub trend: Option<Trend>,
    /// How the latest level differs from that of a reference, where one was named.
    pub since: Option<SinceReference>,
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
    /// Whether the level jumps at the very place.
    pub sharp: bool,
    /// Whether the values show it now. One that was found before stays when they do not.
    pub shown: bool,
    /// When it was first found, if that was noted.
    pub found_at: Option<Timestamp>,
    /// Why it counts no more, if it does not.
    pub withdrawn: Option<Withdrawal>,
    /// Who accepted it, and why.
    pub acknowledged: Option<AcceptedChange>,
    /// Circumstances that became different with it: a kernel, a compiler's flags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub circumstances: Vec<AttributeChange>,
    /// The first run of the new level, as it was seen when the step was found.
    #[serde(skip)]
    pub found_as: RunId,
    /// News of it that were not noted yet.
    #[serde(skip)]
    pub news: News,
}

/// News of a change that a store does not know yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Nothing, or nothing that is worth a note.
    None,
    /// That it was found.
    Found,
    /// Outcome.
    Revised,
}

impl ChangePoint {
    /// Whether somebody should look at this: it got worse for good, by itself, and nobody has.
    pub fn alarms(&self) -> bool {
        self.verdict == Verdict::Regression && self.counts()
    }

    /// Whether this is a change for good that stands for itself and that nobody has accepted.
    pub fn counts(&self) -> bool {
        !self.provisional
            && !self.machine_event
            && self.withdrawn.is_none()
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

/// Points in a row that stood out for a while.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ExcursionPoints {
    /// The first of them.
    pub first: usize,
    /// The last of them.
    pub last: usize,
    /// The first run of the first of them.
    pub run: RunId,
    /// The median of their values.
    pub value: f64,
    /// The distance of the farthest from the level, in robust standard deviations.
    pub score: f64,
}

/// Finds the changes of many series by the same rules, on all processors, in the order of
/// `timelines`.
pub fn find_changes(
    timelines: Vec<Timeline>,
    memory: &Memory,
    settings: &StepSettings,
) -> Vec<SeriesChanges> {
    find_changes_by(timelines, memory, |_| *settings)
}

/// [`find_changes`] with rules for every series of its own, as a configuration gives them.
pub fn find_changes_by(
    timelines: Vec<Timeline>,
    memory: &Memory,
    rules: impl Fn(&Series) -> StepSettings + Sync,
) -> Vec<SeriesChanges> {
    let workers = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let known = Known::of(memory);
    let left = Mutex::new(timelines.into_iter().enumerate());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let find_some = || -> Vec<(usize, SeriesChanges)> {
        let of = |(place, timeline): (usize, Timeline)| {
            let settings = rules(&timeline.series);
            (place, SeriesChanges::of(timeline, &known, &settings))
        };
        iter::from_fn(next).map(of).collect()
    };
    let mut found = thread::scope(|scope| {
        // Where there is no thread, this one finds what the other would have.
        let helpers: Vec<_> = (1..workers)
            .map_while(|_| thread::Builder::new().spawn_scoped(scope, find_some).ok())
            .collect();
        let mut found = find_some();
        found.extend(helpers.into_iter().flat_map(|helper| helper.join().unwrap_or_default()));
        found
    });
    found.sort_unstable_by_key(|(place, _)| *place);
    let mut changes: Vec<SeriesChanges> = found.into_iter().map(|(_, changes)| changes).collect();
    mark_machine_events(&mut changes, tolerance(&StepSettings::default()));
    changes
}

/// Knowledge beside the values, by series.
#[derive(Debug, Default)]
struct Known<'m> {
    accepted_changes: BTreeMap<&'m Series, Vec<&'m AcceptedChange>>,
    steps: BTreeMap<&'m Series, Vec<&'m FoundStep>>,
}

impl<'m> Known<'m> {
    fn of(memory: &'m Memory) -> Self {
        let mut known = Self::default();
        for accepted in &memory.accepted_changes {
            known.accepted_changes.entry(&accepted.series).or_default().push(accepted);
        }
        for step in &memory.steps {
            known.steps.entry(&step.series).or_default().push(step);
        }
        known
    }
}

impl SeriesChanges {
    /// Whether the latest level differs from that of the reference, beside found steps.
    pub fn has_moved(&self) -> bool {
        self.since.as_ref().is_some_and(|since| since.beside_steps_verdict != Verdict::Unchanged)
    }

    fn of(mut timeline: Timeline, known: &Known<'_>, settings: &StepSettings) -> Self {
        let work_steps = level_history(&mut timeline);
        let points = &timeline.points;
        let mut changes = Self {
            epochs: Vec::new(),
            change_points: Vec::new(),
            spikes: Vec::new(),
            excursions: Vec::new(),
            work_steps,
            autocorrelation: 0.0,
            trend: None,
            since: None,
            timeline: timeline.clone(),
        };
        let series = &timeline.series;
        let remembered = known.steps.get(series).map(Vec::as_slice).unwrap_or_default();
        let mut remembered = Remembered::among(points, remembered, settings.threshold);
        let (mut start, mut longest) = (0, 0);
        for epoch in points.chunk_by(|a, b| a.fingerprint == b.fingerprint) {
            changes.epochs.push(start);
            let (values, scale) = scale_of(epoch);
            let held = remembered.held(start..start + epoch.len());
            let segmentation = segment_beside(&values, &held, settings);
            if epoch.len() > longest {
                longest = epoch.len();
                changes.autocorrelation = segmentation.autocorrelation;
            }
            changes.add(&segmentation, start, scale, &mut remembered, tolerance(settings));
            start += epoch.len();
        }
        changes.add_withdrawn(remembered);
        let accepted_changes =
            known.accepted_changes.get(series).map(Vec::as_slice).unwrap_or_default();
        changes.change_points = changes.acknowledged(accepted_changes, settings);
        changes.trend = changes.trend_since_last_step(settings);
        changes
    }

    fn trend_since_last_step(&self, settings: &StepSettings) -> Option<Trend> {
        let lasting = |change: &&ChangePoint| !change.provisional && change.withdrawn.is_none();
        let step = self.change_points.iter().rev().find(lasting).map_or(0, |change| change.index);
        let from = step.max(*self.epochs.last()?);
        let (logs, scale) = scale_of(&self.timeline.points[from..]);
        let direction = self.timeline.series.direction;
        (scale == Scale::Logarithms).then(|| Trend::of(&logs, from, direction, settings))?
    }

    fn add(
        &mut self,
        segmentation: &Segmentation,
        start: usize,
        scale: Scale,
        remembered: &mut Remembered<'_>,
        tolerance: usize,
    ) {
        for step in &segmentation.steps {
            let step = Step {
                index: start + step.index,
                before: scale.back(step.before),
                after: scale.back(step.after),
                ..*step
            };
            let change = self.change_point(&step);
            let change = match remembered.take(step.index, tolerance) {
                Some(found) => change.found_before(found),
                None => change,
            };
            self.change_points.push(change);
        }
        let points = &self.timeline.points;
        for spike in &segmentation.spikes {
            let (index, score) = (start + spike.index, spike.score);
            let point = &points[index];
            self.spikes.push(SpikePoint { index, run: point.runs[0], value: point.value, score });
        }
        for one in &segmentation.excursions {
            let (first, last) = (start + one.first, start + one.last);
            let mut values: Vec<f64> = points[first..=last].iter().map(|one| one.value).collect();
            self.excursions.push(ExcursionPoints {
                first,
                last,
                run: points[first].runs[0],
                value: median(&mut values),
                score: one.score,
            });
        }
    }

    fn change_point(&self, step: &Step) -> ChangePoint {
        let points = &self.timeline.points;
        let (index, before, after) = (step.index, step.before, step.after);
        let point = &points[index];
        ChangePoint {
            index,
            run: point.runs[0],
            measured_at: point.measured_at,
            after_commit: commit_before(points, index),
            up_to_commit: point.commit.clone(),
            before,
            after,
            change: relative_change(before, after),
            verdict: Verdict::of_change(self.timeline.series.direction, after - before),
            p_value: step.p_value,
            provisional: step.provisional,
            machine_event: false,
            sharp: step.sharp,
            shown: step.shown,
            found_at: None,
            withdrawn: None,
            acknowledged: None,
            circumstances: circumstances(points, index),
            found_as: point.runs[0],
            news: if step.provisional { News::None } else { News::Found },
        }
    }

    /// Returns the lasting changes as they are with these acceptances of the series, which take the place of those
    /// that it was made with.
    pub fn acknowledged(
        &self,
        accepted_changes: &[&AcceptedChange],
        settings: &StepSettings,
    ) -> Vec<ChangePoint> {
        let (points, tolerance) = (&self.timeline.points, tolerance(settings));
        let mut changes = self.change_points.clone();
        changes.iter_mut().for_each(|change| change.acknowledged = None);
        for accepted in accepted_changes {
            let Some(at) = points.iter().position(|point| point.runs.contains(&accepted.run))
            else {
                continue;
            };
            let nearest = changes
                .iter_mut()
                .filter(|change| change.index.abs_diff(at) <= tolerance)
                .min_by_key(|change| change.index.abs_diff(at));
            if let Some(change) = nearest {
                change.acknowledged = Some((*accepted).clone());
            }
        }
        changes
    }
}

/// How the values of points are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    /// By their logarithms.
    Logarithms,
    /// As they are, because one is zero, which has no logarithm. Such series are counts, whose
    /// differences speak as well.
    Values,
}

impl Scale {
    fn back(self, value: f64) -> f64 {
        match self {
            Self::Logarithms => value.exp(),
            Self::Values => value,
        }
    }
}

fn scale_of(points: &[TimelinePoint]) -> (Vec<f64>, Scale) {
    let values = points.iter().map(|point| point.value);
    if points.iter().all(|point| point.value > 0.0) {
        (values.map(f64::ln).collect(), Scale::Logarithms)
    } else {
        (values.collect(), Scale::Values)
    }
}

/// The relative change from one level to another; infinite from zero.
fn relative_change(before: f64, after: f64) -> f64 {
    if before == after {
        0.0
    } else if before == 0.0 {
        f64::INFINITY
    } else {
        after / before - 1.0
    }
}

fn circumstances(points: &[TimelinePoint], index: usize) -> Vec<AttributeChange> {
    let before = points[..index].last();
    before.map_or_else(Vec::new, |before| {
        AttributeChange::between(&before.attributes, &points[index].attributes)
    })
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
