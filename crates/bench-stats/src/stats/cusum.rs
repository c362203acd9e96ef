//! Cumulated sums of centred scores, and how surprising their largest excursion is.
//!
//! The scores are ranks, so that heavy tails and outliers weigh no more than their order does
//! (Pettitt, *A Non-parametric Approach to the Change-point Problem*, 1979).

use std::cmp::Ordering;
use std::f64::consts::PI;

use super::mean::to_f64;

/// The ranks of values, from 1; equal values share the mean of their ranks.
pub fn midranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].partial_cmp(&values[b]).unwrap_or(Ordering::Equal));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let mut end = start + 1;
        while end < order.len() && values[order[end]] == values[order[start]] {
            end += 1;
        }
        let shared = to_f64(start + end + 1) / 2.0;
        order[start..end].iter().for_each(|&index| ranks[index] = shared);
        start = end;
    }
    ranks
}

/// The largest standardised difference between the scores before and after a split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Excursion {
    /// How many scores stand before the split.
    pub split: usize,
    /// The difference in standard errors, if the scores were exchangeable; never negative.
    pub size: f64,
}

/// Finds the split with the largest excursion that leaves `margin` scores on both sides; `None`
/// if there are too few scores or all are the same.
pub fn largest_excursion(scores: &[f64], margin: usize) -> Option<Excursion> {
    let n = scores.len();
    if n < 2 * margin || margin == 0 {
        return None;
    }
    let mean = scores.iter().sum::<f64>() / to_f64(n);
    let variance = super::mean::variance(scores);
    if variance <= 0.0 {
        return None;
    }
    let mut sum = 0.0;
    let mut best = Excursion { split: 0, size: -1.0 };
    for (index, score) in scores[..n - margin].iter().enumerate() {
        sum += score - mean;
        let split = index + 1;
        if split < margin {
            continue;
        }
        let (before, after) = (to_f64(split), to_f64(n - split));
        let size = (sum * sum / (variance * before * after / to_f64(n))).sqrt();
        if size > best.size {
            best = Excursion { split, size };
        }
    }
    Some(best)
}

/// The probability that the largest excursion of `n` exchangeable scores, searched with `margin`
/// on both sides, reaches `size`.
///
/// It accounts for having looked at every split: Siegmund's approximation for discrete time
/// (*Boundary Crossing Probabilities and Statistical Applications*, 1986), with the density
/// of a standardised sum of finitely many scores in place of the normal one (James, James and
/// Siegmund, *Asymptotic Approximations for Likelihood Ratio Tests and Confidence Regions for a
/// Change-point*, 1992). It is meant for small probabilities; large ones come out as 1.
pub fn excursion_p_value(size: f64, n: usize, margin: usize) -> f64 {
    let count = to_f64(n);
    if size <= 1.0 || n < 2 * margin || n < 5 {
        return 1.0;
    }
    let remaining = 1.0 - size * size / (count - 1.0);
    if remaining <= 0.0 {
        return 0.0;
    }
    let density = remaining.powf((count - 4.0) / 2.0) / (2.0 * PI).sqrt();
    let looks: f64 = (margin..=n - margin)
        .map(|split| {
            let step = count / (to_f64(split) * to_f64(n - split));
            step * (-OVERSHOOT * size * step.sqrt()).exp()
        })
        .sum();
    (size * density * looks).min(1.0)
}

/// By how much a random walk overshoots a boundary on average, in steps (Siegmund, 1985).
const OVERSHOOT: f64 = 0.583;

/// The correlation of neighbours, corrected for the bias of short series (Kendall, *Note on Bias
/// in the Estimation of Autocorrelation*, 1954). `residuals` should have a mean of zero.
pub fn lag_one_autocorrelation(residuals: &[f64]) -> f64 {
    const AT_LEAST: usize = 8;
    let n = residuals.len();
    let squares: f64 = residuals.iter().map(|value| value * value).sum();
    if n < AT_LEAST || squares <= 0.0 {
        return 0.0;
    }
    let products: f64 = residuals.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let n = to_f64(n);
    ((n * products / squares + 1.0) / (n - 4.0)).clamp(-0.9, 0.9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_their_ranks() {
        assert_eq!(midranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
        assert!(midranks(&[]).is_empty());
    }

    /// SciPy 1.17: `rankdata`.
    #[test]
    fn ranks_agree_with_scipy() {
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0, 3.0, 5.0];
        let expected = [4.5, 1.5, 6.0, 1.5, 8.0, 11.0, 3.0, 10.0, 8.0, 4.5, 8.0];
        assert_eq!(midranks(&values), expected);
    }

    /// statsmodels 0.15: `acf(y, nlags=1)` gives 0.05445134575569361, before Kendall's correction
    /// `(n r + 1) / (n - 4)`.
    #[test]
    fn autocorrelation_agrees_with_statsmodels() {
        let values = [0.3, -0.2, 0.5, 0.4, -0.1, -0.6, -0.3, 0.2, 0.1, -0.4, 0.35, 0.15];
        let mean = crate::stats::mean::mean(&values);
        let residuals: Vec<f64> = values.iter().map(|value| value - mean).collect();
        let expected = (12.0 * 0.054_451_345_755_693_61 + 1.0) / 8.0;
        assert!((lag_one_autocorrelation(&residuals) - expected).abs() < 1e-12);
    }

    #[test]
    fn the_split_is_where_the_level_changes() {
        let scores = midranks(&[1.0, 2.0, 1.5, 1.2, 9.0, 9.5, 9.1, 9.2, 9.3]);
        let excursion = largest_excursion(&scores, 2).unwrap();
        assert_eq!(excursion.split, 4);
        assert_eq!(largest_excursion(&[1.0; 20], 2), None);
        assert_eq!(largest_excursion(&[1.0, 2.0], 2), None);
    }

    /// Simulated with NumPy: the 95% and 99% quantiles of the largest excursion, margin 4, over
    /// 20,000 permutations of the ranks from 1 to n.
    #[test]
    fn p_values_agree_with_simulated_permutations() {
        let simulated = [
            (20, 2.551, 2.972),
            (50, 2.810, 3.245),
            (100, 2.961, 3.451),
            (300, 3.090, 3.580),
            (1000, 3.205, 3.651),
        ];
        for (n, size_95, size_99) in simulated {
            let (p_05, p_01) = (excursion_p_value(size_95, n, 4), excursion_p_value(size_99, n, 4));
            assert!((0.045..0.065).contains(&p_05), "n = {n}: {p_05}");
            assert!((0.008..0.015).contains(&p_01), "n = {n}: {p_01}");
        }
        assert_eq!(excursion_p_value(0.5, 100, 4), 1.0);
        assert_eq!(excursion_p_value(99.0, 100, 4), 0.0);
    }

    #[test]
    fn neighbours_that_agree_are_correlated() {
        let alternating: Vec<f64> = (0..100).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let slow: Vec<f64> = (0..100).map(|i| if i % 20 < 10 { 1.0 } else { -1.0 }).collect();
        assert!(lag_one_autocorrelation(&alternating) < -0.8);
        assert!(lag_one_autocorrelation(&slow) > 0.7);
        assert_eq!(lag_one_autocorrelation(&[0.0; 50]), 0.0);
    }
}
