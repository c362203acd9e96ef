//! A hierarchical bootstrap interval for the ratio of two sides.
//!
//! Runs are drawn with replacement, then samples inside each drawn run, because both levels
//! vary (Davison and Hinkley, *Bootstrap Methods and their Application*, 1997, section 3.8;
//! Kalibera and Jones, *Rigorous Benchmarking in Reasonable Time*, 2013).
//!
//! The inner level needs no drawing. The bootstrap distribution of a sample median is known in
//! closed form (Efron, *Bootstrap Methods: Another Look at the Jackknife*, 1979): it is the sample
//! quantile at a Beta-distributed fraction. Tabulating that once per run turns every draw into a
//! table look-up and the whole interval into tens of microseconds.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use statrs::distribution::{Beta, ContinuousCDF};

use super::quantile::Weighted;
use super::summary::{mean, to_f64};
use crate::model::Samples;

/// How many equally likely medians stand for the bootstrap distribution of one run.
const TABLE: usize = 32;

/// Equally likely log medians of one run under resampling of its samples.
#[derive(Debug, Clone)]
pub struct RunMedians([f64; TABLE]);

/// The fractions at which a run's quantiles are its resampled medians, by effective number of
/// samples; computing one takes a Beta quantile, so they are kept.
#[derive(Debug, Default)]
pub struct MedianFractions {
    known: std::collections::HashMap<u64, [f64; TABLE]>,
}

impl MedianFractions {
    /// Tabulates the log medians of one run. Samples weigh as much as they have iterations; the
    /// effective number of samples is Kish's (*Survey Sampling*, 1965).
    pub fn medians_of(&mut self, samples: &Samples) -> RunMedians {
        #[expect(clippy::cast_precision_loss, reason = "a weight, not a count to be exact about")]
        let pairs: Vec<(f64, f64)> = samples
            .as_slice()
            .iter()
            .map(|sample| (sample.per_iteration(), sample.iterations as f64))
            .collect();
        let sum: f64 = pairs.iter().map(|(_, weight)| weight).sum();
        let squares: f64 = pairs.iter().map(|(_, weight)| weight * weight).sum();
        let fractions = self.fractions(sum * sum / squares);
        let weighted = Weighted::new(pairs);
        RunMedians(fractions.map(|fraction| weighted.quantile(fraction).ln()))
    }

    fn fractions(&mut self, effective: f64) -> [f64; TABLE] {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an effective number of samples is at least 1 and far below 2^64"
        )]
        let key = effective.round().max(1.0) as u64;
        *self.known.entry(key).or_insert_with(|| {
            let shape = f64::midpoint(effective.round().max(1.0), 1.0);
            std::array::from_fn(|index| {
                let probability = (to_f64(index) + 0.5) / to_f64(TABLE);
                Beta::new(shape, shape).map_or(0.5, |beta| beta.inverse_cdf(probability))
            })
        })
    }
}

/// The interval of log ratios (current minus baseline) that holds the true one with probability
/// `level`, from `resamples` draws; the same input and seed give the same interval.
///
/// Percentile intervals of a few runs are too narrow by `sqrt((n - 1) / n)` (Davison and
/// Hinkley, section 2.3): draws are widened around their center by the inverse.
pub fn log_ratio_interval(
    baseline: &[RunMedians],
    current: &[RunMedians],
    level: f64,
    resamples: usize,
    seed: u64,
) -> Option<(f64, f64)> {
    if baseline.len() < 2 || current.len() < 2 || resamples == 0 {
        return None;
    }
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut draw = |runs: &[RunMedians]| {
        let n = to_f64(runs.len());
        let center = mean(&runs.iter().map(|run| mean(&run.0)).collect::<Vec<_>>());
        let sum: f64 = (0..runs.len())
            .map(|_| runs[random.random_range(0..runs.len())].0[random.random_range(0..TABLE)])
            .sum();
        center + (sum / n - center) * (n / (n - 1.0)).sqrt()
    };
    let draws: Vec<(f64, f64)> =
        (0..resamples).map(|_| (draw(current) - draw(baseline), 1.0)).collect();
    let draws = Weighted::new(draws);
    let tail = (1.0 - level) / 2.0;
    Some((draws.quantile(tail), draws.quantile(1.0 - tail)))
}
