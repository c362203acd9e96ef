//! How much neighbouring values depend on each other, and what is left of a step beside that.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;

use super::StepSettings;
use crate::stats::cusum::{lag_one_autocorrelation, largest_excursion, midranks};
use crate::stats::mean::{mean, to_f64};

/// How much values around their levels depend on their neighbours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dependence {
    /// The correlation of neighbours.
    pub(super) correlation: f64,
    /// Whether it is more than chance makes of independent values.
    pub(super) real: bool,
}

impl Dependence {
    pub(super) fn of(residuals: &[f64]) -> Self {
        // By ranks, because a spike next to a normal value hides the dependence of the rest.
        let ranks = midranks(residuals);
        let center = mean(&ranks);
        let centered: Vec<f64> = ranks.iter().map(|rank| rank - center).collect();
        let correlation = lag_one_autocorrelation(&centered);
        // The standard error of an autocorrelation is about 1 / sqrt(n) (Bartlett, 1946).
        let real = correlation > 2.0 / to_f64(residuals.len().max(1)).sqrt();
        Self { correlation, real }
    }

    /// By how much sums vary more than those of independent values: the long-run variance of a
    /// first-order autoregression over its variance.
    pub(super) fn inflation(self) -> f64 {
        if self.real { (1.0 + self.correlation) / (1.0 - self.correlation) } else { 1.0 }
    }

    /// The length of blocks that keep most of the dependence (Andrews, *Heteroskedasticity and
    /// Autocorrelation Consistent Covariance Matrix Estimation*, 1991, for the Bartlett kernel).
    fn block_length(self, n: usize) -> usize {
        let square = self.correlation * self.correlation;
        let strength = 4.0 * square / (1.0 - square).powi(2);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most n times a small constant"
        )]
        let length = (1.1447 * (strength * to_f64(n)).cbrt()).ceil() as usize;
        length.clamp(2, (n / 4).max(2))
    }

    /// By how much a jump between neighbours exceeds what it would in independent values with the
    /// same differences, whether or not chance explains the correlation.
    pub(super) fn swing(self) -> f64 {
        let correlation = self.correlation.max(0.0);
        ((1.0 + correlation) / (1.0 - correlation)).sqrt()
    }
}

/// How often blocks of the scores in random order show an excursion as large. Blocks keep the
/// dependence of neighbours, which permuting single values would destroy (Künsch, *The Jackknife
/// and the Bootstrap for General Stationary Observations*, 1989, argues for blocks).
pub(super) fn permuted_p_value(
    scores: &[f64],
    size: f64,
    dependence: Dependence,
    settings: &StepSettings,
) -> f64 {
    /// With the observed order itself counted, the smallest p-value is 1 in 200.
    const PERMUTATIONS: usize = 199;
    let mut blocks: Vec<&[f64]> = scores.chunks(dependence.block_length(scores.len())).collect();
    let mut random = Pcg64Mcg::seed_from_u64(0);
    let mut permuted = Vec::with_capacity(scores.len());
    let mut reached = 1;
    for _ in 0..PERMUTATIONS {
        blocks.shuffle(&mut random);
        permuted.clear();
        blocks.iter().for_each(|block| permuted.extend_from_slice(block));
        let excursion = largest_excursion(&permuted, settings.min_segment);
        if excursion.is_some_and(|excursion| excursion.size >= size) {
            reached += 1;
        }
        if to_f64(reached) > settings.alpha * to_f64(PERMUTATIONS + 1) {
            break;
        }
    }
    to_f64(reached) / to_f64(PERMUTATIONS + 1)
}
