//! What a candidate has to survive to be called a step.

use std::ops::Range;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;

use super::{Split, StepSettings, bounds, noise, residuals};
use crate::stats::cusum::{
    excursion_p_value, lag_one_autocorrelation, largest_excursion, midranks,
};
use crate::stats::quantile::median;
use crate::stats::summary::{mean, to_f64};

/// The steps that are left, and how the values around them depend on each other.
pub(super) struct Verified {
    pub(super) splits: Vec<Split>,
    pub(super) autocorrelation: f64,
}

/// Removes the weakest candidate that does not hold until all do.
pub(super) fn verified(
    values: &[f64],
    ranks: &[f64],
    mut splits: Vec<Split>,
    settings: &StepSettings,
) -> Verified {
    loop {
        let ranges = bounds(&splits, values.len());
        let residuals = residuals(values, &ranges);
        let dependence = Dependence::of(&residuals);
        let noise = noise(&residuals);
        let mut weakest: Option<(usize, f64)> = None;
        for (position, levels) in ranges.windows(2).enumerate() {
            let candidate = Candidate {
                before: levels[0].clone(),
                after: levels[1].clone(),
                values,
                ranks,
                noise,
                settings,
            };
            let judged = candidate.p_value(dependence);
            splits[position].p_value = judged;
            if judged > settings.alpha && weakest.is_none_or(|(_, worst)| judged > worst) {
                weakest = Some((position, judged));
            }
        }
        match weakest {
            Some((position, _)) => drop(splits.remove(position)),
            None => return Verified { splits, autocorrelation: dependence.correlation },
        }
    }
}

/// How much values around their levels depend on their neighbours.
#[derive(Debug, Clone, Copy)]
struct Dependence {
    correlation: f64,
    /// Whether it is more than chance makes of independent values.
    real: bool,
}

impl Dependence {
    fn of(residuals: &[f64]) -> Self {
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
    fn inflation(self) -> f64 {
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
}

/// A split between two levels.
struct Candidate<'v> {
    before: Range<usize>,
    after: Range<usize>,
    values: &'v [f64],
    ranks: &'v [f64],
    noise: f64,
    settings: &'v StepSettings,
}

/// Worse than any p-value: what is no step at all goes first.
const NO_STEP: f64 = 2.0;

impl Candidate<'_> {
    fn p_value(&self, dependence: Dependence) -> f64 {
        let effect = self.effect();
        if effect.abs() < self.settings.threshold
            || effect.abs() < self.settings.min_effect * self.noise
            || self.is_drift(effect)
        {
            return NO_STEP;
        }
        let scores = &self.ranks[self.before.start..self.after.end];
        let margin = self.settings.min_segment;
        let Some(excursion) = largest_excursion(scores, margin) else { return NO_STEP };
        let size = excursion.size / dependence.inflation().sqrt();
        let p_value = excursion_p_value(size, scores.len(), margin);
        if dependence.real && p_value <= self.settings.alpha {
            p_value.max(permuted_p_value(scores, excursion.size, dependence, self.settings))
        } else {
            p_value
        }
    }

    fn level(&self, range: Range<usize>) -> f64 {
        median(&mut self.values[range].to_vec())
    }

    fn effect(&self) -> f64 {
        self.level(self.after.clone()) - self.level(self.before.clone())
    }

    fn is_drift(&self, effect: f64) -> bool {
        let (before, after) = (self.before.len(), self.after.len());
        // Over the whole neighbourhood by Schwarz' criterion, which asks for more the more values
        // there are; next to the split by Akaike's.
        let whole = to_f64(before + after).ln();
        self.curve_fits_better(before, after, whole, MAX_DEGREE)
            || self.curve_fits_better(before.div_ceil(2), after.div_ceil(2), 2.0, 1)
            || self.changes_elsewhere(effect)
    }

    /// Whether a smooth curve through the ranks, a polynomial of at most `degree`, explains so many
    /// scores before and after the split as well as two levels do. Every parameter has its `price`
    /// (Schwarz, *Estimating the Dimension of a Model*, 1978; Akaike, *A New Look at the Statistical
    /// Model Identification*, 1974); two levels have three, with the place of the split.
    fn curve_fits_better(&self, before: usize, after: usize, price: f64, degree: usize) -> bool {
        let at = self.after.start;
        let scores = &self.ranks[at - before..at + after];
        let squares = |scores: &[f64]| {
            let center = mean(scores);
            scores.iter().map(|score| (score - center).powi(2)).sum::<f64>()
        };
        let levels = squares(&scores[..before]) + squares(&scores[before..]);
        let n = to_f64(scores.len());
        (1..).zip(polynomial_residuals(scores, degree)).any(|(degree, curve)| {
            // A line is what nobody would take for a step. What bends could follow one, so it has
            // to be very strongly better (Kass and Raftery, *Bayes Factors*, 1995).
            let margin = if degree == 1 { 0.0 } else { 10.0 };
            n * (curve / levels).ln() < (3.0 - f64::from(degree + 1)) * price - margin
        })
    }

    /// Whether the values next to the split differ by less than half of the effect, beyond what
    /// noise explains. Next to it is within an eighth of the neighbourhood: a steady drift
    /// covers only a quarter of its effect there.
    fn changes_elsewhere(&self, effect: f64) -> bool {
        let split = self.after.start;
        let eighth = (self.after.end - self.before.start) / 8;
        let reach = eighth.clamp(self.settings.min_segment, 10);
        let left = split.saturating_sub(reach).max(self.before.start);
        let right = (split + reach).min(self.after.end);
        let jump = self.level(split..right) - self.level(left..split);
        // The standard error of a median is 1.2533 times that of a mean.
        let widths = 1.0 / to_f64(split - left) + 1.0 / to_f64(right - split);
        let error = 1.2533 * self.noise * widths.sqrt();
        jump * effect.signum() < 0.5 * effect.abs() - error
    }
}

/// A cubic bends twice: enough for a drift that turns, or a wave, and too stiff for a step.
const MAX_DEGREE: usize = 3;

/// The sums of squares that polynomials of degree 1 up to `degree` leave unexplained, by
/// orthogonal polynomials (Forsythe, *Generation and Use of Orthogonal Polynomials for
/// Data-Fitting with a Digital Computer*, 1957).
fn polynomial_residuals(scores: &[f64], degree: usize) -> Vec<f64> {
    let middle = to_f64(scores.len().saturating_sub(1)) / 2.0;
    let position = |index: usize| (to_f64(index) - middle) / middle.max(1.0);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut previous = vec![0.0; scores.len()];
    let mut basis = vec![1.0; scores.len()];
    let mut norm = to_f64(scores.len());
    let mut previous_norm = 1.0;
    let center = mean(scores);
    let centered: Vec<f64> = scores.iter().map(|score| score - center).collect();
    let mut unexplained = dot(&centered, &centered);
    let mut residuals = Vec::with_capacity(degree);
    for _ in 1..=degree {
        let weighted =
            basis.iter().enumerate().map(|(index, value)| position(index) * value * value);
        let shift = weighted.sum::<f64>() / norm;
        let scale = if residuals.is_empty() { 0.0 } else { norm / previous_norm };
        let next: Vec<f64> = basis
            .iter()
            .zip(&previous)
            .enumerate()
            .map(|(index, (now, before))| (position(index) - shift) * now - scale * before)
            .collect();
        previous = std::mem::replace(&mut basis, next);
        previous_norm = norm;
        norm = dot(&basis, &basis);
        if norm > 0.0 {
            unexplained -= dot(&centered, &basis).powi(2) / norm;
        }
        residuals.push(unexplained.max(0.0));
    }
    residuals
}

/// How often blocks of the scores in random order show an excursion as large. Blocks keep the
/// dependence of neighbours, which permuting single values would destroy (Künsch, *The Jackknife
/// and the Bootstrap for General Stationary Observations*, 1989, argues for blocks).
fn permuted_p_value(
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

#[cfg(test)]
mod tests {
    use super::*;

    /// NumPy 2.4: `((y - polyval(polyfit(x, y, d), x))**2).sum()` for d = 1, 2, 3.
    #[test]
    fn polynomial_residuals_agree_with_numpy() {
        let values = [1.0, 5.0, 2.0, 8.0, 3.0, 9.0, 4.0, 7.0, 12.0, 6.0, 10.0, 11.0];
        let expected = [65.90209790209789, 65.75524475524476, 64.18181818181817];
        for (found, expected) in polynomial_residuals(&values, 3).into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
        }
    }
}
