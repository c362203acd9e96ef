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

use super::mean::{mean, to_f64};
use super::quantile::Weighted;
use crate::samples::Samples;

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
    let (baseline, current) = (Drawn::new(baseline), Drawn::new(current));
    let draws: Vec<(f64, f64)> = (0..resamples)
        .map(|_| (current.draw(&mut random) - baseline.draw(&mut random), 1.0))
        .collect();
    let draws = Weighted::new(draws);
    let tail = (1.0 - level) / 2.0;
    Some((draws.quantile(tail), draws.quantile(1.0 - tail)))
}

/// One side, with what every draw needs of it.
struct Drawn<'r> {
    runs: &'r [RunMedians],
    center: f64,
    widening: f64,
}

impl<'r> Drawn<'r> {
    fn new(runs: &'r [RunMedians]) -> Self {
        let n = to_f64(runs.len());
        let center = mean(&runs.iter().map(|run| mean(&run.0)).collect::<Vec<_>>());
        Self { runs, center, widening: (n / (n - 1.0)).sqrt() }
    }

    fn draw(&self, random: &mut Pcg64Mcg) -> f64 {
        let count = self.runs.len();
        let sum: f64 = (0..count)
            .map(|_| self.runs[random.random_range(0..count)].0[random.random_range(0..TABLE)])
            .sum();
        self.center + (sum / to_f64(count) - self.center) * self.widening
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(medians: &[f64]) -> Vec<RunMedians> {
        let mut fractions = MedianFractions::default();
        medians
            .iter()
            .map(|&median| fractions.medians_of(&Samples::of_values([median]).unwrap()))
            .collect()
    }

    /// SciPy 1.17: `bootstrap((log(new), log(old)), difference of means, n_resamples=200000,
    /// method="percentile")` gives [0.038564, 0.064182] around 0.051217; widened by `sqrt(5 / 4)`.
    #[test]
    fn one_sample_a_run_is_the_ordinary_bootstrap_of_scipy() {
        let old = runs(&[100.0, 101.5, 99.2, 100.7, 98.9]);
        let new = runs(&[105.0, 106.2, 103.9, 107.1, 104.4]);
        let (low, high) = log_ratio_interval(&old, &new, 0.95, 50_000, 1).unwrap();
        assert!((low - 0.037_070).abs() < 4e-4, "{low}");
        assert!((high - 0.065_713).abs() < 4e-4, "{high}");
    }

    /// NumPy 2.4: 400,000 times, runs drawn with replacement and 21 samples drawn with replacement
    /// inside every drawn run, medians taken, sides widened by `sqrt(4 / 3)`.
    #[test]
    fn tabulated_medians_agree_with_drawing_samples() {
        let mut fractions = MedianFractions::default();
        let mut side = |level: f64, step: f64, wobble: f64, factor: u32, offsets: [f64; 4]| {
            offsets.map(|offset| {
                let values = (0..21_u32).map(|index| {
                    let place = f64::from(index * factor % 21) - 10.0;
                    level * (step * offset + wobble * place).exp()
                });
                fractions.medians_of(&Samples::of_values(values).unwrap())
            })
        };
        let old = side(100.0, 0.01, 0.004, 7, [-1.0, 0.3, 0.9, -0.4]);
        let new = side(108.0, 0.012, 0.005, 8, [0.5, -0.8, 0.1, 1.1]);
        let (low, high) = log_ratio_interval(&old, &new, 0.95, 50_000, 1).unwrap();
        assert!((low - 0.071_496).abs() < 1.5e-3, "{low}");
        assert!((high - 0.112_662).abs() < 1.5e-3, "{high}");
    }

    /// SciPy 1.17: `beta.ppf(p, (n + 1) / 2, (n + 1) / 2)`.
    #[test]
    fn fractions_of_medians_agree_with_scipy() {
        let mut all = MedianFractions::default();
        for (count, first, ninth, last) in [
            (5.0, 0.123_799_660_6, 0.369_148_167_0, 0.876_200_339_4),
            (25.0, 0.296_122_011_4, 0.438_251_099_6, 0.703_877_988_6),
            (100.0, 0.393_804_005_0, 0.468_803_662_8, 0.606_195_995_0),
        ] {
            let found = all.fractions(count);
            for (found, expected) in [(found[0], first), (found[8], ninth), (found[31], last)] {
                assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_interval_and_one_run_gives_none() {
        let (old, new) = (runs(&[1.0, 1.1, 0.9]), runs(&[1.2, 1.3, 1.25]));
        let draw = |seed| log_ratio_interval(&old, &new, 0.95, 500, seed);
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert_eq!(log_ratio_interval(&old[..1], &new, 0.95, 500, 0), None);
    }
}
