//! Changes of the shape of the samples, which medians do not show: some iterations became much
//! slower than the rest, or more of them are slow, while the typical one stayed; or runs fall into two
//! modes.

use serde::Serialize;

use crate::model::{BenchmarkResult, BenchmarkResults, Series};
use crate::stats::difference::Difference;
use crate::stats::mean::{mean, to_f64};
use crate::stats::modes::{Modes, two_modes};

/// The slow samples of a benchmark moved relative to their median.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShapeChange {
    /// The benchmark.
    #[serde(flatten)]
    pub series: Series,
    /// The 90th percentile over the median before, as the mean of the runs' logarithms.
    pub tail_before: f64,
    /// That ratio or share now.
    pub tail_now: f64,
    /// The mean of all samples over the median before, as the mean of the runs' logarithms.
    pub mean_before: f64,
    /// That ratio or share now.
    pub mean_now: f64,
    /// The share of samples that take more than a tenth longer than the median, before.
    pub slow_before: f64,
    /// That ratio or share now.
    pub slow_now: f64,
    /// The smaller p-value of "the tail is the same" and "the mean is the same", times two.
    pub p_value: f64,
}

/// The runs of a side fall into two groups that have nothing between them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunModes {
    /// The benchmark.
    #[serde(flatten)]
    pub series: Series,
    /// The typical value of the lower group.
    pub low: f64,
    /// That of the upper group.
    pub high: f64,
    /// How many runs of the baseline are in the upper group, of how many.
    pub high_before: (usize, usize),
    /// Runs in the higher mode of the current side.
    pub high_now: (usize, usize),
}

/// Fewer runs cannot show it.
const RUNS_AT_LEAST: usize = 3;

/// Tails that grow by less than a tenth of the median are noise's business.
const LEAST_GROWTH: f64 = 0.1;

/// The mean holds every sample, so that two percent of it are a lot: one sample in ten that takes a
/// fifth longer.
const LEAST_GROWTH_OF_MEAN: f64 = 0.02;

/// Finds the benchmarks of which some iterations became slow: a cache that is now missed, a lock
/// that is now waited for, a second mode. The 90th percentile shows slow samples that became slower
/// or appeared, the mean those that became more.
pub fn shape_changes(
    baseline: &BenchmarkResults,
    current: &BenchmarkResults,
    alpha: f64,
) -> Vec<ShapeChange> {
    both_sides(baseline, current)
        .filter_map(|(series, old, new)| {
            let (old, new) = (Shapes::of(old)?, Shapes::of(new)?);
            let grew = |old: &[f64], new: &[f64], least: f64| {
                let difference = Difference::welch(old, new);
                let p_value = (2.0 * difference.p_value()).min(1.0);
                (difference.log_ratio > least.ln_1p() && p_value <= alpha).then_some(p_value)
            };
            let tail = grew(&old.tails, &new.tails, LEAST_GROWTH);
            let whole = grew(&old.means, &new.means, LEAST_GROWTH_OF_MEAN);
            let p_value = tail.into_iter().chain(whole).reduce(f64::min)?;
            Some(ShapeChange {
                series: series.clone(),
                tail_before: mean(&old.tails).exp(),
                tail_now: mean(&new.tails).exp(),
                mean_before: mean(&old.means).exp(),
                mean_now: mean(&new.means).exp(),
                slow_before: mean(&old.slow),
                slow_now: mean(&new.slow),
                p_value,
            })
        })
        .collect()
}

/// Finds the benchmarks whose runs fall into two modes: memory that is placed well or badly, a
/// processor that boosts or not. No typical value is typical of them.
pub fn run_modes(baseline: &BenchmarkResults, current: &BenchmarkResults) -> Vec<RunModes> {
    both_sides(baseline, current)
        .filter_map(|(series, old, new)| {
            let (old, new) = (old.medians(), new.medians());
            let logs = |medians: &[f64]| -> Vec<f64> { medians.iter().map(|m| m.ln()).collect() };
            let (old_logs, new_logs) = (logs(&old), logs(&new));
            // One mode on either side is a change, two on one are two modes.
            let modes = two_modes(&old_logs).or_else(|| two_modes(&new_logs))?;
            let Modes { low, high, between } = modes;
            let upper =
                |logs: &[f64]| (logs.iter().filter(|log| **log > between).count(), logs.len());
            Some(RunModes {
                series: series.clone(),
                low: low.exp(),
                high: high.exp(),
                high_before: upper(&old_logs),
                high_now: upper(&new_logs),
            })
        })
        .collect()
}

fn both_sides<'r>(
    baseline: &'r BenchmarkResults,
    current: &'r BenchmarkResults,
) -> impl Iterator<Item = (&'r Series, &'r BenchmarkResult, &'r BenchmarkResult)> {
    current.results.iter().filter_map(|(series, new)| {
        let old = baseline.results.get(series)?;
        let many = |result: &BenchmarkResult| result.measurements.len() >= RUNS_AT_LEAST;
        (many(old) && many(new) && !series.metric.is_resource()).then_some((series, old, new))
    })
}

/// The shapes of a side's runs.
struct Shapes {
    /// The logarithms of the 90th percentiles over the medians.
    tails: Vec<f64>,
    /// The logarithms of the means over the medians.
    means: Vec<f64>,
    /// The shares of samples that are slow.
    slow: Vec<f64>,
}

impl Shapes {
    fn of(result: &BenchmarkResult) -> Option<Self> {
        let mut shapes = Self { tails: Vec::new(), means: Vec::new(), slow: Vec::new() };
        for measurement in &result.measurements {
            let summary = measurement.summary;
            if summary.median <= 0.0 || summary.p90 <= 0.0 {
                return None;
            }
            let values: Vec<f64> = measurement.samples.per_iteration().collect();
            let slow =
                values.iter().filter(|value| **value > summary.median * (1.0 + LEAST_GROWTH));
            shapes.slow.push(to_f64(slow.count()) / to_f64(values.len()));
            shapes.tails.push((summary.p90 / summary.median).ln());
            shapes.means.push((mean(&values) / summary.median).ln());
        }
        Some(shapes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Measurement, RunId, Samples};
    use crate::stats::summary::Summary;

    /// Runs of a hundred samples, of which so many are slow, at these levels.
    fn runs(slow: usize, levels: &[f64]) -> BenchmarkResults {
        let mut results = BenchmarkResults::new("side");
        for (run, level) in (0..).zip(levels) {
            let values = (0..100).map(|index| {
                let base = level + f64::from(run) / 10.0 + to_f64(index * 37 % 11) / 10.0;
                if (index * 29) % 100 < slow { 2.0 * base } else { base }
            });
            let samples = Samples::of_values(values).unwrap();
            let summary = Summary::of(&samples);
            let run = RunId(i64::from(run));
            results.add(&Series::time("b"), Measurement { run, summary, samples });
        }
        results
    }

    fn side(slow: usize) -> BenchmarkResults {
        runs(slow, &[100.0; 4])
    }

    #[test]
    fn a_slow_fifth_is_a_new_shape_and_the_same_samples_are_not() {
        let found = shape_changes(&side(0), &side(20), 0.01);
        assert_eq!(found.len(), 1);
        assert!(found[0].tail_before < 1.02 && found[0].tail_now > 1.9, "{found:?}");
        assert!(shape_changes(&side(20), &side(20), 0.01).is_empty());
        assert!(shape_changes(&side(20), &side(0), 0.01).is_empty());
    }

    /// The 90th percentile stands in the slow mode on both sides.
    #[test]
    fn a_slow_mode_that_grows_is_a_new_shape() {
        let found = shape_changes(&side(11), &side(40), 0.01);
        assert_eq!(found.len(), 1);
        assert!((found[0].slow_before - 0.11).abs() < 1e-9, "{found:?}");
        assert!((found[0].slow_now - 0.4).abs() < 1e-9, "{found:?}");
        assert!(found[0].mean_now > 1.3, "{found:?}");
    }

    #[test]
    fn runs_in_two_modes_are_named_and_a_change_of_level_is_not() {
        let calm = runs(0, &[100.0; 6]);
        let torn = runs(0, &[100.0, 130.0, 100.0, 130.0, 130.0, 130.0]);
        let found = run_modes(&calm, &torn);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].high_before, found[0].high_now), ((0, 6), (4, 6)));
        assert!(run_modes(&calm, &runs(0, &[130.0; 6])).is_empty());
        assert!(run_modes(&calm, &calm).is_empty());
    }
}
