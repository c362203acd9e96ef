//! Changes of the shape of the samples, which medians do not show: some iterations became much
//! slower than the rest, while the typical one stayed.

use serde::Serialize;

use crate::model::{BenchmarkResult, BenchmarkResults, Series};
use crate::stats::difference::Difference;

/// The slow end of a benchmark's samples moved relative to their median.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShapeChange {
    /// The benchmark.
    #[serde(flatten)]
    pub series: Series,
    /// The 90th percentile over the median before, as the mean of the runs' logarithms.
    pub tail_before: f64,
    /// The same now.
    pub tail_now: f64,
    /// The p-value of "it is the same".
    pub p_value: f64,
}

/// Fewer runs cannot show it.
const RUNS_AT_LEAST: usize = 3;

/// Tails that grow by less than a tenth of the median are noise's business.
const LEAST_GROWTH: f64 = 0.1;

/// Finds the benchmarks of which some iterations became slow: a cache that is now missed, a lock
/// that is now waited for, a second mode.
pub fn shape_changes(
    baseline: &BenchmarkResults,
    current: &BenchmarkResults,
    alpha: f64,
) -> Vec<ShapeChange> {
    let both = current.results.iter().filter_map(|(series, new)| {
        let old = baseline.results.get(series)?;
        let many = |result: &BenchmarkResult| result.measurements.len() >= RUNS_AT_LEAST;
        (many(old) && many(new) && !series.metric.is_resource()).then_some((series, old, new))
    });
    both.filter_map(|(series, old, new)| {
        let (old, new) = (tails(old)?, tails(new)?);
        let difference = Difference::welch(&old, &new);
        let p_value = difference.p_value();
        let grew = difference.log_ratio > LEAST_GROWTH.ln_1p() && p_value <= alpha;
        let level = |tails: &[f64]| crate::stats::summary::mean(tails).exp();
        grew.then(|| ShapeChange {
            series: series.clone(),
            tail_before: level(&old),
            tail_now: level(&new),
            p_value,
        })
    })
    .collect()
}

/// The logarithms of the runs' 90th percentiles over their medians.
fn tails(result: &BenchmarkResult) -> Option<Vec<f64>> {
    let tail = |summary: crate::stats::summary::Summary| {
        (summary.median > 0.0 && summary.p90 > 0.0).then(|| (summary.p90 / summary.median).ln())
    };
    result.measurements.iter().map(|measurement| tail(measurement.summary)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Measurement, RunId, Samples};
    use crate::stats::summary::Summary;

    /// Four runs of a hundred samples, of which so many are slow.
    fn side(slow: usize) -> BenchmarkResults {
        let mut results = BenchmarkResults::new("side");
        for run in 0..4_u8 {
            let values = (0..100).map(|index| {
                let base = 100.0
                    + f64::from(run) / 10.0
                    + crate::stats::summary::to_f64(index * 37 % 11) / 10.0;
                if index < slow { 2.0 * base } else { base }
            });
            let samples = Samples::of_values(values).unwrap();
            let summary = Summary::of(&samples);
            let run = RunId(i64::from(run));
            results.add(&Series::time("b"), Measurement { run, summary, samples });
        }
        results
    }

    #[test]
    fn a_slow_fifth_is_a_new_shape_and_the_same_samples_are_not() {
        let found = shape_changes(&side(0), &side(20), 0.01);
        assert_eq!(found.len(), 1);
        assert!(found[0].tail_before < 1.02 && found[0].tail_now > 1.9, "{found:?}");
        assert!(shape_changes(&side(20), &side(20), 0.01).is_empty());
        assert!(shape_changes(&side(20), &side(0), 0.01).is_empty());
    }
}
