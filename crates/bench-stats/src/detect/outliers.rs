//! Values that stand out. They are named, and stay in every calculation.

use serde::Serialize;

use crate::model::{BenchmarkResults, RunId, Series};
use crate::stats::outliers::{FenceCounts, outlying};

/// Outlying values of one series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutlierDetection {
    /// Whose values.
    #[serde(flatten)]
    pub series: Series,
    /// Samples outside Tukey's fences, over all runs.
    pub samples: FenceCounts,
    /// How many samples there are.
    pub sample_count: usize,
    /// Runs whose median lies beyond 3.5 robust standard deviations of the other runs', and further than chance
    /// would have it.
    pub runs: Vec<OutlyingRun>,
}

/// A run that stands out among its replicates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OutlyingRun {
    /// The run.
    pub run: RunId,
    /// Its median.
    pub value: f64,
    /// Its modified z-score.
    pub score: f64,
}

impl OutlierDetection {
    /// The share of samples outside the fences.
    #[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
    pub fn share(&self) -> f64 {
        self.samples.total() as f64 / self.sample_count as f64
    }
}

/// With fewer runs, half of them being close together makes any other look far.
const RUNS_AT_LEAST: usize = 5;

/// Of so many benchmarks whose runs are normal, one has a run that is called outlying: one in five hundred.
const BY_CHANCE: f64 = 0.002;

/// Finds the outlying samples and runs of every series that has any.
pub fn detect_outliers(results: &BenchmarkResults) -> Vec<OutlierDetection> {
    results
        .results
        .values()
        .filter_map(|result| {
            let mut samples = FenceCounts::default();
            let mut sample_count = 0;
            for measurement in &result.measurements {
                let values: Vec<f64> = measurement.samples.per_iteration().collect();
                sample_count += values.len();
                samples.add(FenceCounts::of(&values));
            }
            let runs = outlying_runs(result);
            let found = samples.total() > 0 || !runs.is_empty();
            let series = result.series.clone();
            found.then_some(OutlierDetection { series, samples, sample_count, runs })
        })
        .collect()
}

fn outlying_runs(result: &crate::model::BenchmarkResult) -> Vec<OutlyingRun> {
    let medians = result.medians();
    if medians.len() < RUNS_AT_LEAST {
        return Vec::new();
    }
    outlying(&medians, BY_CHANCE)
        .into_iter()
        .map(|(index, score)| {
            let measurement = &result.measurements[index];
            OutlyingRun { run: measurement.run, value: measurement.summary.median, score }
        })
        .collect()
}
