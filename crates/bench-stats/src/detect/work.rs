//! Benchmarks whose work changed: an iteration handles more or fewer elements or bytes than it did. Their
//! times cannot be compared, their rates can.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use crate::model::{
    BenchmarkResult, BenchmarkResults, Measurement, Sample, Samples, Series, ThroughputKind,
    Timeline,
};
use crate::stats::summary::Summary;

/// A benchmark whose definition changed.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkChange {
    /// Whose.
    pub series: Series,
    /// Unit that its work is counted in.
    pub kind: ThroughputKind,
    /// The work of one iteration in the baseline.
    pub before: u64,
    /// The work of one iteration now.
    pub now: u64,
}

impl WorkChange {
    fn between(baseline: &BenchmarkResult, current: &BenchmarkResult) -> Option<Self> {
        if !current.series.metric.is_time() {
            return None;
        }
        current.throughput.iter().find_map(|now| {
            let before = baseline.throughput.iter().find(|before| before.kind == now.kind)?;
            let differs = before.amount != now.amount && before.amount > 0 && now.amount > 0;
            differs.then(|| Self {
                series: current.series.clone(),
                kind: now.kind,
                before: before.amount,
                now: now.amount,
            })
        })
    }

    /// By how much more work an iteration is now.
    fn factor(&self) -> f64 {
        ratio(self.now, self.before)
    }
}

impl fmt::Display for WorkChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = self.kind.things();
        let Self { series, before, now, .. } = self;
        write!(
            f,
            "{series} does {now} {unit} an iteration instead of {before}: the baseline is shown for as \
             much work, so it is the rate that is compared"
        )
    }
}

/// The baseline as if its iterations had done the work that they do now, and what changed. Comparing with
/// that compares the rates.
pub fn level<'b>(
    baseline: &'b BenchmarkResults,
    current: &BenchmarkResults,
) -> (Cow<'b, BenchmarkResults>, Vec<WorkChange>) {
    let changes: Vec<WorkChange> = current
        .results
        .iter()
        .filter_map(|(series, now)| WorkChange::between(baseline.results.get(series)?, now))
        .collect();
    if changes.is_empty() {
        return (Cow::Borrowed(baseline), changes);
    }
    let mut levelled = baseline.clone();
    for change in &changes {
        if let Some(result) = levelled.results.get_mut(&change.series) {
            let factor = change.factor();
            result.measurements.iter_mut().for_each(|one| scale(one, factor));
        }
    }
    (Cow::Owned(levelled), changes)
}

fn scale(one: &mut Measurement, factor: f64) {
    let scaled = one
        .samples
        .as_slice()
        .iter()
        .map(|sample| Sample { total: sample.total * factor, ..*sample });
    // A product of finite numbers may still be too large for one.
    let Ok(samples) = Samples::new(scaled.collect()) else { return };
    let Summary { median, minimum, p90, .. } = one.summary;
    one.summary = Summary {
        median: median * factor,
        minimum: minimum * factor,
        p90: p90 * factor,
        ..one.summary
    };
    one.samples = samples;
}

/// A point of a history from which on an iteration does other work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WorkStep {
    /// The first point of the new work.
    pub index: usize,
    /// Unit that the work is counted in.
    pub kind: ThroughputKind,
    /// The work of one iteration before.
    pub before: u64,
    /// The work of one iteration from here on.
    pub now: u64,
}

/// Puts the points of a history where their iterations had done the work that the latest do, and says
/// where that changed. So a step of what remains is a step of the rate.
pub fn level_history(timeline: &mut Timeline) -> Vec<WorkStep> {
    let Some(latest) = timeline.points.iter().rev().find(|point| !point.work.is_empty()) else {
        return Vec::new();
    };
    if !timeline.series.metric.is_time() {
        return Vec::new();
    }
    let changed = latest.work.iter().find_map(|work| {
        let steps = work_steps(timeline, work.kind);
        (work.amount > 0 && !steps.is_empty()).then_some((*work, steps))
    });
    let Some((latest, steps)) = changed else { return Vec::new() };
    for point in &mut timeline.points {
        let own = point.work.iter().find(|work| work.kind == latest.kind && work.amount > 0);
        if let Some(own) = own.filter(|own| own.amount != latest.amount) {
            point.value *= ratio(latest.amount, own.amount);
        }
    }
    steps
}

/// Where the work of one kind changes. Points that do not say are taken to do what those before did.
fn work_steps(timeline: &Timeline, kind: ThroughputKind) -> Vec<WorkStep> {
    let of_kind = |(index, point): (usize, &crate::model::TimelinePoint)| {
        let work = point.work.iter().find(|work| work.kind == kind && work.amount > 0)?;
        Some((index, work.amount))
    };
    let known: Vec<(usize, u64)> = timeline.points.iter().enumerate().filter_map(of_kind).collect();
    let changes = known.windows(2).filter(|pair| pair[0].1 != pair[1].1);
    changes
        .map(|pair| WorkStep { index: pair[1].0, kind, before: pair[0].1, now: pair[1].1 })
        .collect()
}

fn ratio(now: u64, before: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "an amount of work")]
    let (now, before) = (now as f64, before as f64);
    now / before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RunId, Throughput, TimelinePoint};

    fn side(nanoseconds: f64, elements: Option<u64>) -> BenchmarkResults {
        let mut results = BenchmarkResults::new("side");
        let series = Series::time("sort");
        let samples = Samples::of_values([nanoseconds]).unwrap();
        let summary = Summary::of(&samples);
        results.add(&series, Measurement { run: RunId(1), summary, samples });
        let kind = ThroughputKind::Elements;
        results.results.get_mut(&series).unwrap().throughput =
            elements.map(|amount| Throughput { kind, amount }).into_iter().collect();
        results
    }

    #[test]
    fn twice_the_work_in_twice_the_time_is_no_change() {
        let (old, new) = (side(100.0, Some(1000)), side(200.0, Some(2000)));
        let (levelled, changes) = level(&old, &new);
        assert_eq!((changes[0].before, changes[0].now), (1000, 2000));
        let median = levelled.results[&Series::time("sort")].medians()[0];
        assert!((median - 200.0).abs() < 1e-9, "{median}");
    }

    fn history(points: &[(f64, Option<u64>)]) -> Timeline {
        let kind = ThroughputKind::Elements;
        let points = (1..).zip(points).map(|(run, &(value, amount))| TimelinePoint {
            runs: vec![RunId(run)],
            set: run,
            measured_at: jiff::Timestamp::UNIX_EPOCH,
            commit: None,
            fingerprint: 1,
            attributes: Default::default(),
            work: amount.map(|amount| Throughput { kind, amount }).into_iter().collect(),
            value,
        });
        Timeline { series: Series::time("sort"), points: points.collect() }
    }

    #[test]
    fn a_history_goes_on_at_its_rate_where_the_work_changes() {
        let mut timeline = history(&[
            (100.0, Some(1000)),
            (100.0, None),
            (210.0, Some(2000)),
            (50.0, Some(500)),
            (60.0, Some(500)),
        ]);
        let steps = level_history(&mut timeline);
        let found: Vec<_> = steps.iter().map(|one| (one.index, one.before, one.now)).collect();
        assert_eq!(found, [(2, 1000, 2000), (3, 2000, 500)]);
        let values: Vec<f64> = timeline.points.iter().map(|point| point.value).collect();
        // What says nothing of its work stays as it is.
        assert_eq!(values, [50.0, 100.0, 52.5, 50.0, 60.0]);
    }

    #[test]
    fn a_history_of_one_work_stays_as_it_is() {
        for points in [[(100.0, None), (200.0, Some(5))], [(100.0, Some(5)), (200.0, Some(5))]] {
            let mut timeline = history(&points);
            assert!(level_history(&mut timeline).is_empty());
            assert_eq!(timeline, history(&points));
        }
    }

    #[test]
    fn the_same_or_unknown_work_is_left_alone() {
        for (old, new) in [(Some(5), Some(5)), (None, Some(5)), (Some(5), None)] {
            let (old, new) = (side(100.0, old), side(200.0, new));
            let (levelled, changes) = level(&old, &new);
            assert!(changes.is_empty());
            assert_eq!(*levelled, old);
        }
    }
}
