//! Benchmarks that came, went, or seem to have another name now.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::Serialize;

use super::events::order_of_sets;
use bench_stats::detect::changes::SeriesChanges;
use bench_stats::model::Series;

/// A benchmark that is there since, or no longer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Arrival {
    pub(super) kind: ArrivalKind,
    #[serde(flatten)]
    pub(super) series: Series,
    /// When it was measured first, or last.
    pub(super) measured_at: Timestamp,
    pub(super) commit: Option<String>,
    /// The name that it seems to have had.
    pub(super) was: Option<String>,
}

/// Whether a benchmark came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ArrivalKind {
    New,
    Gone,
    Renamed,
}

/// How much the values of one benchmark may differ under two names: as much as a machine does from day to day.
const ALIKE: f64 = 0.1;

/// How many sets of runs later the new name may come: some measure only a few benchmarks.
const APART: usize = 3;

/// All benchmarks that came after the first set of runs, or are missing since one that measured most of
/// the others; in the order of their names.
pub(super) fn among(series: &[SeriesChanges]) -> Vec<Arrival> {
    let order = order_of_sets(series);
    let main = || {
        let all = series.iter().filter(|one| !one.timeline.series.metric.is_resource());
        all.filter(|one| !one.timeline.points.is_empty())
    };
    let Some(newest) = newest_whole_set(main(), &order) else { return Vec::new() };
    let place = |set: i64| order.get(&set).copied().unwrap_or(0);
    let (mut new, mut gone) = (Vec::new(), Vec::new());
    for one in main() {
        let points = &one.timeline.points;
        let (first, last) = (&points[0], &points[points.len() - 1]);
        if place(first.set) > 0 {
            new.push((place(first.set), one));
        }
        if place(last.set) < newest {
            gone.push((place(last.set), one));
        }
    }
    let mut arrivals = Vec::new();
    // Who came first is the next of who went.
    new.sort_by_key(|(at, _)| *at);
    for (at, one) in new {
        let is_earlier_name = |(end, other): &(usize, &SeriesChanges)| {
            *end < at && at - *end <= APART && alike(other, one)
        };
        // The nearest one before.
        let candidates =
            gone.iter().enumerate().filter(|(_, candidate)| is_earlier_name(candidate));
        let was = candidates.max_by_key(|(_, (end, _))| *end).map(|(position, _)| position);
        let was = was.map(|position| gone.remove(position).1);
        let was = was.map(|was| was.timeline.series.benchmark.as_str().to_owned());
        let kind = if was.is_some() { ArrivalKind::Renamed } else { ArrivalKind::New };
        let first = &one.timeline.points[0];
        arrivals.push(Arrival {
            kind,
            series: one.timeline.series.clone(),
            measured_at: first.measured_at,
            commit: first.commit.clone(),
            was,
        });
    }
    for (_, one) in gone {
        let last = &one.timeline.points[one.timeline.points.len() - 1];
        arrivals.push(Arrival {
            kind: ArrivalKind::Gone,
            series: one.timeline.series.clone(),
            measured_at: last.measured_at,
            commit: last.commit.clone(),
            was: None,
        });
    }
    arrivals.sort_by(|a, b| a.series.cmp(&b.series));
    arrivals
}

/// The newest set of runs that measured at least half as much as the fullest one. A run of a few benchmarks
/// says nothing of the others.
fn newest_whole_set<'s>(
    series: impl Iterator<Item = &'s SeriesChanges>,
    order: &HashMap<i64, usize>,
) -> Option<usize> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for point in series.flat_map(|one| &one.timeline.points) {
        if let Some(&place) = order.get(&point.set) {
            *counts.entry(place).or_default() += 1;
        }
    }
    let fullest = *counts.values().max()?;
    counts.into_iter().rev().find(|(_, count)| 2 * count >= fullest).map(|(place, _)| place)
}

/// Whether two series are one quantity with values that could be the same benchmark's.
fn alike(earlier: &SeriesChanges, later: &SeriesChanges) -> bool {
    let (a, b) = (&earlier.timeline.series, &later.timeline.series);
    let same_kind = (&a.metric, &a.unit, a.direction) == (&b.metric, &b.unit, b.direction);
    let (Some(last), Some(first)) = (earlier.timeline.points.last(), later.timeline.points.first())
    else {
        return false;
    };
    let group = |series: &Series| {
        let name = series.benchmark.as_str();
        name.rsplit_once(['/', ':']).map_or_else(String::new, |(group, _)| group.to_owned())
    };
    let last_part = |series: &Series| {
        series.benchmark.as_str().rsplit(['/', ':']).next().unwrap_or_default().to_owned()
    };
    let related = group(a) == group(b) || last_part(a) == last_part(b);
    let near = last.value > 0.0 && (first.value / last.value - 1.0).abs() <= ALIKE;
    same_kind && related && near && last.fingerprint == first.fingerprint
}

#[cfg(test)]
mod tests {
    use super::*;
    use bench_stats::detect::changes::find_changes;
    use bench_stats::detect::steps::StepSettings;
    use bench_stats::model::{Attributes, Memory, RunId, Timeline, TimelinePoint};

    fn measured(name: &str, value: f64, places: std::ops::Range<i64>) -> Timeline {
        let point = |at: i64| TimelinePoint {
            runs: vec![RunId(at)],
            set: at,
            measured_at: Timestamp::from_second(1_700_000_000 + at * 3600).unwrap(),
            commit: None,
            fingerprint: 1,
            attributes: Attributes::default(),
            work: Vec::new(),
            value: value + (at % 3) as f64,
        };
        Timeline { series: Series::time(name), points: places.map(point).collect() }
    }

    fn said(timelines: Vec<Timeline>) -> Vec<(ArrivalKind, String, Option<String>)> {
        let series = find_changes(timelines, &Memory::default(), &StepSettings::default());
        let arrivals = among(&series).into_iter();
        arrivals.map(|one| (one.kind, one.series.benchmark.as_str().to_owned(), one.was)).collect()
    }

    #[test]
    fn what_came_went_and_changed_its_name_is_told_apart() {
        let told = said(vec![
            measured("always", 500.0, 0..20),
            measured("and/always", 700.0, 0..20),
            measured("group/new", 900.0, 12..20),
            measured("group/gone", 300.0, 0..15),
            measured("group/before", 1000.0, 0..10),
            measured("group/after", 1010.0, 10..20),
        ]);
        assert_eq!(
            told,
            [
                (ArrivalKind::Renamed, "group/after".into(), Some("group/before".into())),
                (ArrivalKind::Gone, "group/gone".into(), None),
                (ArrivalKind::New, "group/new".into(), None),
            ]
        );
    }

    #[test]
    fn a_run_of_a_few_benchmarks_makes_the_others_not_gone() {
        let told = said(vec![
            measured("a", 500.0, 0..11),
            measured("b", 700.0, 0..10),
            measured("c", 900.0, 0..10),
        ]);
        assert_eq!(told, []);
    }
}
