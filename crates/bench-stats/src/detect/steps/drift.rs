//! What looks like a step but is drift: a level that moves all the time, not at one place.
//!
//! It is told by the values themselves, because ranks throw away how large a step is. Values far
//! from their level are pulled in first, so that a spike weighs no more than an ordinary value that is
//! far out.

use crate::stats::mean::{mean, to_f64};
use crate::stats::quantile::{MAD_TO_SIGMA, median};
use crate::stats::trend::deviations_from_line;

/// The values on both sides of a candidate.
#[derive(Debug)]
pub(super) struct Surroundings<'v> {
    pub(super) before: &'v [f64],
    pub(super) after: &'v [f64],
    /// The standard deviation of values around their levels.
    pub(super) noise: f64,
    /// The fewest values that make a level.
    pub(super) level: usize,
}

/// A cubic bends twice: enough for a drift that turns, or a wave, and too stiff for a step.
const MAX_DEGREE: usize = 3;

/// Values farther from their level than this many standard deviations are pulled in: few of a normal
/// distribution, and most of what heavy tails do to sums of squares.
const FAR: f64 = 2.5;

impl Surroundings<'_> {
    /// Whether drift explains the candidate as well as a step does.
    pub(super) fn are_drift(&self) -> bool {
        let (before, after) = (self.before.len(), self.after.len());
        // Over all surroundings by Schwarz' criterion, which asks for more the more values there
        // are; next to the split by Akaike's.
        let whole = to_f64(before + after).ln();
        self.curve_fits_better(before, after, whole, MAX_DEGREE)
            || self.curve_fits_better(before.div_ceil(2), after.div_ceil(2), 2.0, 1)
            || self.changes_elsewhere()
    }

    /// Whether the level jumps at the very place by far more than noise and the slopes on both sides
    /// explain: then it is a step, whatever the level does around it. `swing` is by how much
    /// dependent neighbours may jump farther than independent ones.
    pub(super) fn jump_is_sharp(&self, swing: f64) -> bool {
        /// How many values on each side are looked at.
        const NEAR: usize = 10;
        /// How many standard errors chance does not reach at any place of a long history.
        const SURE: f64 = 5.0;
        let left = &self.before[self.before.len().saturating_sub(NEAR)..];
        let right = &self.after[..self.after.len().min(NEAR)];
        let apart = level(right) - level(left);
        // A line through both sides covers this much between their middles.
        let width = to_f64(left.len() + right.len()) / 2.0;
        let drift = f64::midpoint(slope(left), slope(right)) * width;
        let jump = (apart - drift) * apart.signum();
        let scale = self.noise_of_differences().max(noise_around_levels(left, right));
        // The median of m values varies by 1.57 / m, the slope of a line through them by 12 / m^3,
        // and Theil's by a little more.
        let variance = |side: &[f64]| {
            let m = to_f64(side.len());
            1.57 / m + 12.6 * (width / 2.0).powi(2) / m.powi(3)
        };
        let error = scale * swing * (variance(left) + variance(right)).sqrt();
        jump > SURE * error && jump > 0.5 * self.effect().abs()
    }

    /// The deviations of all values from a line through each side. What is far out is pulled in.
    pub(super) fn straightened(&self) -> Vec<f64> {
        let sides = [self.before, self.after];
        sides.iter().flat_map(|side| deviations_from_line(&self.pulled_in(side))).collect()
    }

    fn effect(&self) -> f64 {
        level(self.after) - level(self.before)
    }

    /// Whether a smooth curve, a polynomial of at most `degree`, explains so many values before and
    /// after the split as well as two levels do. Every parameter has its `price` (Schwarz,
    /// *Estimating the Dimension of a Model*, 1978; Akaike, *A New Look at the Statistical Model
    /// Identification*, 1974); two levels have three, with the place of the split.
    fn curve_fits_better(&self, before: usize, after: usize, price: f64, degree: usize) -> bool {
        let mut values = self.pulled_in(&self.before[self.before.len() - before..]);
        values.extend(self.pulled_in(&self.after[..after]));
        let squares = |values: &[f64]| {
            let center = mean(values);
            values.iter().map(|value| (value - center).powi(2)).sum::<f64>()
        };
        let levels = squares(&values[..before]) + squares(&values[before..]);
        if levels <= 0.0 {
            return false;
        }
        let n = to_f64(values.len());
        (1..).zip(polynomial_residuals(&values, degree)).any(|(degree, curve)| {
            // A line is what nobody would take for a step. What bends could follow one, so it has
            // to be very strongly better (Kass and Raftery, *Bayes Factors*, 1995).
            let margin = if degree == 1 { 0.0 } else { 10.0 };
            n * (curve / levels).ln() < (3.0 - f64::from(degree + 1)) * price - margin
        })
    }

    fn pulled_in(&self, side: &[f64]) -> Vec<f64> {
        let center = level(side);
        let far = FAR * self.noise;
        side.iter().map(|value| value.clamp(center - far, center + far)).collect()
    }

    /// Whether the values next to the split differ by less than half of the effect, beyond what
    /// noise explains. Next to it is within an eighth of the surroundings: a steady drift
    /// covers only a quarter of its effect there.
    fn changes_elsewhere(&self) -> bool {
        let eighth = (self.before.len() + self.after.len()) / 8;
        let reach = eighth.clamp(self.level, 10);
        let left = &self.before[self.before.len().saturating_sub(reach)..];
        let right = &self.after[..self.after.len().min(reach)];
        let effect = self.effect();
        let jump = level(right) - level(left);
        // The standard error of a median is 1.2533 times that of a mean.
        let widths = 1.0 / to_f64(left.len()) + 1.0 / to_f64(right.len());
        let error = 1.2533 * self.noise * widths.sqrt();
        jump * effect.signum() < 0.5 * effect.abs() - error
    }

    /// The robust standard deviation of values, were they independent, from the differences of
    /// neighbours: no drift and no step tells in it.
    fn noise_of_differences(&self) -> f64 {
        let sides = [self.before, self.after];
        let pairs = sides.iter().flat_map(|side| side.windows(2));
        let mut differences: Vec<f64> = pairs.map(|pair| (pair[1] - pair[0]).abs()).collect();
        if differences.is_empty() {
            return 0.0;
        }
        MAD_TO_SIGMA * median(&mut differences) / std::f64::consts::SQRT_2
    }
}

fn level(values: &[f64]) -> f64 {
    median(&mut values.to_vec())
}

/// The median of the slopes between all pairs of values (Theil, *A Rank-Invariant Method of Linear
/// and Polynomial Regression Analysis*, 1950); zero where there are no pairs.
fn slope(values: &[f64]) -> f64 {
    let mut slopes = Vec::with_capacity(values.len() * values.len() / 2);
    for (at, value) in values.iter().enumerate() {
        let pairs = (1..).zip(&values[at + 1..]);
        slopes.extend(pairs.map(|(apart, other)| (other - value) / f64::from(apart)));
    }
    if slopes.is_empty() { 0.0 } else { median(&mut slopes) }
}

/// The robust standard deviation of the values on both sides around the level of each.
fn noise_around_levels(left: &[f64], right: &[f64]) -> f64 {
    let mut deviations = Vec::with_capacity(left.len() + right.len());
    for side in [left, right] {
        let center = level(side);
        deviations.extend(side.iter().map(|value| (value - center).abs()));
    }
    MAD_TO_SIGMA * median(&mut deviations)
}

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
