//! What one run's samples come to.

use serde::Serialize;

use super::mean::to_f64;
use super::quantile::{MAD_TO_SIGMA, Weighted, median, median_absolute_deviation};
use crate::samples::Samples;

/// The summary of one run of one series, in the series' unit per iteration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// How many samples there were.
    pub sample_count: usize,
    /// The median, each sample weighted by its iterations.
    pub median: f64,
    /// The smallest sample.
    pub minimum: f64,
    /// The 90th percentile, weighted as the median.
    pub p90: f64,
    /// The robust standard deviation of the samples over the median (from the median absolute
    /// deviation). It describes the samples, not what another run would give.
    pub relative_spread: f64,
    /// The standard error of the median over the median, by [`batch_error`].
    pub relative_error: f64,
}

impl Summary {
    /// Summarises the samples of one run.
    pub fn of(samples: &Samples) -> Self {
        let values: Vec<f64> = samples.per_iteration().collect();
        #[expect(clippy::cast_precision_loss, reason = "a weight, not a count to be exact about")]
        let pairs = samples
            .as_slice()
            .iter()
            .map(|sample| (sample.per_iteration(), sample.iterations as f64))
            .collect();
        let weighted = Weighted::new(pairs);
        let median = weighted.quantile(0.5);
        let spread = MAD_TO_SIGMA * median_absolute_deviation(&values, median);
        let relative = |absolute: f64| if median > 0.0 { absolute / median } else { 0.0 };
        Self {
            sample_count: values.len(),
            median,
            minimum: weighted.quantile(0.0),
            p90: weighted.quantile(0.9),
            relative_spread: relative(spread),
            relative_error: relative(batch_error(&values)),
        }
    }
}

/// The standard error of the median of values in the order they were taken, by batch means
/// (Conway, *Some Tactical Problems in Digital Simulation*, 1963): the values are cut into ten
/// consecutive batches, and the medians of the batches stand for independent observations. A
/// slow drift or lagged noise inside the run widens it, which the textbook error would miss. Their
/// spread is taken from the median absolute deviation, so that one interrupted sample does not
/// speak for the whole run.
///
/// Zero where there are fewer than two batches of at least one value.
pub fn batch_error(values: &[f64]) -> f64 {
    const BATCHES: usize = 10;
    let batches = BATCHES.min(values.len());
    if batches < 2 {
        return 0.0;
    }
    let medians: Vec<f64> = (0..batches)
        .map(|index| {
            let (from, to) = (index * values.len() / batches, (index + 1) * values.len() / batches);
            median(&mut values[from..to].to_vec())
        })
        .collect();
    let center = median(&mut medians.clone());
    MAD_TO_SIGMA * median_absolute_deviation(&medians, center) / to_f64(batches).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Sample;

    #[test]
    fn samples_are_divided_by_and_weighted_with_their_iterations() {
        let samples = Samples::of_time(vec![
            Sample { iterations: 1, total: 100.0 },
            Sample { iterations: 2, total: 20.0 },
            Sample { iterations: 3, total: 36.0 },
        ])
        .unwrap();
        let summary = Summary::of(&samples);
        assert_eq!(summary.median, 12.0);
        assert_eq!(summary.minimum, 10.0);
        assert_eq!(summary.p90, 100.0);
        assert_eq!(summary.sample_count, 3);
    }

    #[test]
    fn a_drift_inside_the_run_widens_its_error() {
        let jitter = |index: usize| to_f64((index * 7919) % 100) / 100.0;
        let steady: Vec<f64> = (0..100).map(|index| 100.0 + jitter(index)).collect();
        let drifting: Vec<f64> =
            (0..100).map(|index| 100.0 + jitter(index) + to_f64(index) / 20.0).collect();
        assert!(batch_error(&drifting) > 5.0 * batch_error(&steady));
        assert_eq!(batch_error(&[3.0]), 0.0);
    }
}
