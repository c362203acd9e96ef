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
    /// How many samples lie outside the fences if all are normal.
    #[serde(skip)]
    pub by_chance: f64,
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
    /// Whether more than a tenth of the samples lie outside the fences, and far more than chance has there. Runs of few samples have
    /// a tenth there without anything that disturbed them.
    #[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
    pub fn is_disturbed(&self) -> bool {
        let (outside, all) = (self.samples.total() as f64, self.sample_count as f64);
        // Those of one run come together, so their variance is up to twice their number.
        let far = self.by_chance + 3.0 * (2.0 * self.by_chance).sqrt();
        outside > 0.1 * all && outside > far
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
            let mut by_chance = 0.0;
            for measurement in &result.measurements {
                let values: Vec<f64> = measurement.samples.per_iteration().collect();
                sample_count += values.len();
                by_chance += FenceCounts::by_chance(values.len());
                samples.add(FenceCounts::of(&values));
            }
            let runs = outlying_runs(result);
            let found = samples.total() > 0 || !runs.is_empty();
            let series = result.series.clone();
            found.then_some(OutlierDetection { series, samples, sample_count, by_chance, runs })
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

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_pcg::Pcg64Mcg;

    use super::*;

    #[test]
    fn normal_samples_disturb_nothing_however_few_a_run_has() {
        let mut random = Pcg64Mcg::seed_from_u64(5);
        let mut normal = || {
            let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
            radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
        };
        let mut of_runs = |runs: usize, size: usize, far: usize| {
            let mut one = OutlierDetection {
                series: Series::time("a"),
                samples: FenceCounts::default(),
                sample_count: runs * size,
                by_chance: 0.0,
                runs: Vec::new(),
            };
            for _ in 0..runs {
                let mut values: Vec<f64> = (0..size).map(|_| normal()).collect();
                values[..far].iter_mut().for_each(|value| *value += 50.0);
                one.samples.add(FenceCounts::of(&values));
                one.by_chance += FenceCounts::by_chance(size);
            }
            one.is_disturbed()
        };
        for (runs, size) in [(5, 5), (3, 10), (1, 100)] {
            let disturbed = (0..300).filter(|_| of_runs(runs, size, 0)).count();
            assert!(disturbed <= 2, "{disturbed} of 300, {runs} runs of {size}");
        }
        assert!(of_runs(3, 20, 3));
        assert!(of_runs(1, 100, 12));
    }
}
