//! Benchmarks whose work changed: an iteration handles more or fewer elements or bytes than it did. Their
//! times cannot be compared, their rates can.

use std::borrow::Cow;
use std::fmt;

use crate::model::{
    BenchmarkResult, BenchmarkResults, Measurement, Sample, Samples, Series, ThroughputKind,
};
use crate::stats::summary::Summary;

/// A benchmark whose definition changed.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkChange {
    /// Whose.
    pub series: Series,
    /// What its work is counted in.
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
        #[expect(clippy::cast_precision_loss, reason = "an amount of work")]
        let (before, now) = (self.before as f64, self.now as f64);
        now / before
    }
}

impl fmt::Display for WorkChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.kind {
            ThroughputKind::Bits => "bits",
            ThroughputKind::Bytes | ThroughputKind::BytesDecimal => "bytes",
            ThroughputKind::Elements => "elements",
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RunId, Throughput};

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
