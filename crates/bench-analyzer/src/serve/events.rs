//! Events that most histories share, said once: another machine or compiler, and moves that most
//! benchmarks made together. And what happened to one history, as labels for its chart.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::Serialize;

use crate::report::format_change;
use crate::report::text::plural;
use crate::serve::change_state::ChangeState;
use bench_stats::detect::changes::{ChangePoint, SeriesChanges};
use bench_stats::detect::verdict::Verdict;
use bench_stats::model::{Fingerprint, TimelinePoint};
use bench_stats::stats::quantile::median;

/// Something that happened to several histories at about the same time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Event {
    pub(super) kind: EventKind,
    /// The event in words.
    pub(super) said: String,
    pub(super) measured_at: Timestamp,
    pub(super) after_commit: Option<String>,
    pub(super) up_to_commit: Option<String>,
    /// The machine that measured since.
    pub(super) machine: i64,
    /// The sets of runs that it shows in first, in the one history or the other.
    #[serde(skip)]
    sets: Vec<i64>,
}

/// Kind of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EventKind {
    /// Other hardware, system, compiler or profile: values before and after are not compared.
    MachineChange,
    /// Most benchmarks moved the same way.
    CommonMove,
}

/// A place in one history that its chart says something about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Label {
    kind: LabelKind,
    /// The first point that it concerns.
    index: usize,
    /// The last one, where it concerns more than a place.
    until: Option<usize>,
    /// A few words, for the chart.
    short: String,
    /// A sentence.
    said: String,
    verdict: Option<Verdict>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum LabelKind {
    Step,
    Machine,
    CommonMove,
    Drift,
}

/// How far apart the places of one event may be in different histories, in sets of runs: a step is not
/// always located where it is.
const APART: usize = 4;

/// The events of some histories, oldest first.
pub(super) fn among(series: &[SeriesChanges], machines: &BTreeMap<i64, Fingerprint>) -> Vec<Event> {
    let order = order_of_sets(series);
    let place = |point: &TimelinePoint| order.get(&point.set).copied().unwrap_or(usize::MAX);
    let mut changed: BTreeMap<(i64, i64), Vec<Place<'_>>> = BTreeMap::new();
    let mut moved: BTreeMap<Verdict, Vec<Place<'_>>> = BTreeMap::new();
    for one in series.iter().filter(|one| !one.timeline.series.metric.is_resource()) {
        let points = &one.timeline.points;
        for &index in one.epochs.iter().skip(1) {
            let pair = (points[index - 1].fingerprint, points[index].fingerprint);
            let order = place(&points[index]);
            changed.entry(pair).or_default().push(Place { order, one, index });
        }
        for change in one.change_points.iter().filter(|change| change.machine_event) {
            let (order, index) = (place(&points[change.index]), change.index);
            moved.entry(change.verdict).or_default().push(Place { order, one, index });
        }
    }
    let of = series.iter().filter(|one| !one.timeline.series.metric.is_resource()).count();
    let mut events = Vec::new();
    for ((from, to), places) in changed {
        let said = differences(machines, from, to);
        for group in neighbours(places) {
            events.push(Event::of(EventKind::MachineChange, said.clone(), &group));
        }
    }
    for (verdict, places) in moved {
        for group in neighbours(places) {
            let mut changes: Vec<f64> = group.iter().filter_map(Place::change).collect();
            let said = format!(
                "{} of {} moved together, {} in the middle: by something that they share, such as the \
                 machine or the compiler, or code that all of them run",
                group.len(),
                plural(of, "benchmark", "benchmarks"),
                format_change(median(&mut changes)),
            );
            let said = match verdict {
                Verdict::Regression => format!("slower: {said}"),
                Verdict::Improvement => format!("faster: {said}"),
                _ => said,
            };
            events.push(Event::of(EventKind::CommonMove, said, &group));
        }
    }
    events.sort_by_key(|event| (event.measured_at, event.kind));
    events
}

/// A point of a history, and where its set of runs is among all.
#[derive(Debug, Clone, Copy)]
struct Place<'s> {
    order: usize,
    one: &'s SeriesChanges,
    index: usize,
}

impl Place<'_> {
    fn point(&self) -> &TimelinePoint {
        &self.one.timeline.points[self.index]
    }

    /// The relative change of the level there.
    fn change(&self) -> Option<f64> {
        let found = self.one.change_points.iter().find(|change| change.index == self.index);
        found.map(|change| change.change)
    }
}

impl Event {
    fn of(kind: EventKind, said: String, group: &[Place<'_>]) -> Self {
        // The place that most of them have.
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        group.iter().for_each(|place| *counts.entry(place.order).or_default() += 1);
        let usual = counts.iter().max_by_key(|(_, count)| **count).map(|(order, _)| *order);
        let typical = group.iter().find(|place| Some(place.order) == usual).unwrap_or(&group[0]);
        let before = typical.one.timeline.points[..typical.index].last();
        let mut sets: Vec<i64> = group.iter().map(|place| place.point().set).collect();
        sets.sort_unstable();
        sets.dedup();
        Self {
            kind,
            said,
            measured_at: typical.point().measured_at,
            after_commit: before.and_then(|point| point.commit.clone()),
            up_to_commit: typical.point().commit.clone(),
            machine: typical.point().fingerprint,
            sets,
        }
    }
}

/// The labels of one history, in the order of their places.
pub(super) fn labels(
    one: &SeriesChanges,
    changes: &[ChangePoint],
    events: &[Event],
    machines: &BTreeMap<i64, Fingerprint>,
) -> Vec<Label> {
    let points = &one.timeline.points;
    let machine_changes = one.epochs.iter().skip(1).map(|&index| Label {
        kind: LabelKind::Machine,
        index,
        until: None,
        short: "other machine".to_owned(),
        said: differences(machines, points[index - 1].fingerprint, points[index].fingerprint),
        verdict: None,
    });
    let steps = changes.iter().filter(|change| change.withdrawn.is_none()).map(|change| {
        let size = format_change(change.change);
        let shared = change.machine_event.then(|| {
            let set = points[change.index].set;
            let is = |event: &&Event| {
                event.kind == EventKind::CommonMove && event.sets.binary_search(&set).is_ok()
            };
            events
                .iter()
                .find(is)
                .map_or_else(|| "most benchmarks moved".to_owned(), |event| event.said.clone())
        });
        let accepted = change.acknowledged.as_ref();
        Label {
            kind: if shared.is_some() { LabelKind::CommonMove } else { LabelKind::Step },
            index: change.index,
            until: None,
            short: match (&shared, ChangeState::of(one, change)) {
                (Some(_), _) => format!("{size}, most moved"),
                (None, ChangeState::Accepted) => format!("{size}, accepted"),
                (None, ChangeState::New) => format!("{size}, new"),
                (None, ChangeState::Watch) => format!("{size}, to watch"),
                (None, _) => size.clone(),
            },
            said: match (shared, accepted) {
                (Some(shared), _) => format!("{size} here. {shared}"),
                (None, Some(accepted)) => {
                    format!("{size}, accepted by {}: {}", accepted.author, accepted.reason)
                }
                (None, None) => size,
            },
            verdict: Some(change.verdict),
        }
    });
    let drift = one.trend.iter().map(|trend| {
        let said = format!("drifts, {} over {} values", format_change(trend.change), trend.points);
        Label {
            kind: LabelKind::Drift,
            index: trend.from,
            until: Some(points.len().saturating_sub(1)),
            short: format!("drift {}", format_change(trend.change)),
            said,
            verdict: Some(trend.verdict),
        }
    });
    let mut labels: Vec<Label> = machine_changes.chain(steps).chain(drift).collect();
    labels.sort_by_key(|label| label.index);
    labels
}

/// Names a machine where one of several is chosen.
pub(super) fn machine_name(machine: &Fingerprint) -> String {
    let Fingerprint { cpu, os, rustc, profile, .. } = machine;
    let cores = machine.known_cores().and_then(|cores| usize::try_from(cores).ok());
    let cores = cores.map(|cores| plural(cores, "core", "cores"));
    let parts = [Some(cpu.clone()), cores, Some(os.clone()), Some(rustc.clone())];
    let known = parts.into_iter().flatten().filter(|part| !part.is_empty() && part != "unknown");
    let known: Vec<String> = known.collect();
    let known = if known.is_empty() { "unknown machine".to_owned() } else { known.join(", ") };
    if profile == "bench" || profile.is_empty() { known } else { format!("{known}, {profile}") }
}

/// Says in words how two machines differ.
fn differences(machines: &BTreeMap<i64, Fingerprint>, from: i64, to: i64) -> String {
    match (machines.get(&from), machines.get(&to)) {
        (Some(from), Some(to)) => from.differences(to).join("; "),
        _ => "another machine".to_owned(),
    }
}

/// The places of all sets of runs in time.
pub(super) fn order_of_sets(series: &[SeriesChanges]) -> HashMap<i64, usize> {
    let points = series.iter().flat_map(|one| &one.timeline.points);
    let mut sets: Vec<(Timestamp, i64)> =
        points.map(|point| (point.measured_at, point.set)).collect();
    sets.sort_unstable();
    let mut order = HashMap::new();
    for (_, set) in sets {
        let next = order.len();
        order.entry(set).or_insert(next);
    }
    order
}

/// Groups of places that are near each other.
fn neighbours(mut places: Vec<Place<'_>>) -> Vec<Vec<Place<'_>>> {
    places.sort_by_key(|place| place.order);
    let groups = places.chunk_by(|a, b| a.order.abs_diff(b.order) <= APART);
    groups.map(<[Place<'_>]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bench_stats::detect::changes::find_changes;
    use bench_stats::detect::steps::StepSettings;
    use bench_stats::model::{Attributes, Memory, RunId, Series, Timeline};

    /// Forty values around 100, which `factor` changes by their place, measured on `machine`.
    fn history(
        name: &str,
        seed: i64,
        factor: impl Fn(i64) -> f64,
        machine: impl Fn(i64) -> i64,
    ) -> Timeline {
        let point = |at: i64| TimelinePoint {
            runs: vec![RunId(at)],
            set: at,
            measured_at: Timestamp::from_second(1_700_000_000 + at * 3600).unwrap(),
            commit: Some(format!("c{at}")),
            fingerprint: machine(at),
            attributes: Attributes::default(),
            work: Vec::new(),
            value: 100.0 * factor(at) * (1.0 + ((at * 7919 + seed * 31) % 97) as f64 / 9700.0),
        };
        Timeline { series: Series::time(name), points: (0..40).map(point).collect() }
    }

    fn machine(cpu: &str) -> Fingerprint {
        Fingerprint { cpu: cpu.into(), ..Fingerprint::default() }
    }

    fn found(timelines: Vec<Timeline>) -> (Vec<SeriesChanges>, Vec<Event>) {
        let series = find_changes(timelines, &Memory::default(), &StepSettings::default());
        let machines = BTreeMap::from([(1, machine("old")), (2, machine("new"))]);
        let events = among(&series, &machines);
        (series, events)
    }

    #[test]
    fn another_machine_is_one_event_however_many_histories_it_is_in() {
        let timelines = (0..9)
            .map(|seed| history(&format!("b{seed}"), seed, |_| 1.0, |at| 1 + i64::from(at >= 20)));
        let (series, events) = found(timelines.collect());
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(events[0].kind, EventKind::MachineChange);
        assert_eq!(events[0].said, "CPU: old -> new");
        assert_eq!(events[0].up_to_commit.as_deref(), Some("c20"));
        let machines = BTreeMap::new();
        let labels = labels(&series[0], &series[0].change_points, &events, &machines);
        assert_eq!((labels.len(), labels[0].index), (1, 20), "{labels:?}");
    }

    #[test]
    fn a_move_of_most_benchmarks_is_one_event_and_its_chart_says_so() {
        let moved = |at: i64| if at >= 25 { 1.2 } else { 1.0 };
        let mut timelines: Vec<Timeline> =
            (0..9).map(|seed| history(&format!("b{seed}"), seed, moved, |_| 1)).collect();
        timelines.push(history("calm", 10, |_| 1.0, |_| 1));
        let (series, events) = found(timelines);
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(events[0].said.starts_with("slower: 9 of 10 benchmarks moved together, +20"));
        let one = &series[0];
        let labels = labels(one, &one.change_points, &events, &BTreeMap::new());
        assert_eq!(labels[0].kind, LabelKind::CommonMove);
        assert!(labels[0].said.contains("9 of 10 benchmarks"), "{labels:?}");
    }

    #[test]
    fn a_drift_is_labelled_from_where_it_was_told() {
        let drifts = |at: i64| 1.0 + 0.01 * at as f64;
        let (series, _) = found(vec![history("slow", 1, drifts, |_| 1)]);
        let labels = labels(&series[0], &[], &[], &BTreeMap::new());
        let drift = labels.iter().find(|label| label.kind == LabelKind::Drift);
        assert!(drift.is_some_and(|drift| drift.until == Some(39)), "{labels:?}");
    }
}
