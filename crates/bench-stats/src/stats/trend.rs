//! How steadily values rise or fall, and how sure that is.

use super::difference::t_quantile;
use super::mean::{mean, to_f64};
use super::quantile::median;

/// A line through values in the order of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// By how much the line rises from the first value to the last.
    pub rise: f64,
    /// The interval of that.
    pub interval: (f64, f64),
}

/// More values are thinned out to medians of as many neighbours: there are pairs of all.
const MOST: usize = 150;

/// The slope of `values` by the median of all slopes between two of them (Theil, *A Rank-Invariant
/// Method of Linear and Polynomial Regression Analysis*, 1950), with the interval of Sen (*Estimates
/// of the Regression Coefficient Based on Kendall's Tau*, 1968) at `level`. Dependent neighbours
/// widen it: `inflation` says, from the deviations of the values from the line, by how much the
/// variance of sums exceeds that of independent values (Hamed and Rao, *A Modified Mann-Kendall Trend
/// Test for Autocorrelated Data*, 1998).
///
/// `None` for fewer than four values.
pub fn slope(values: &[f64], level: f64, inflation: impl Fn(&[f64]) -> f64) -> Option<Slope> {
    const AT_LEAST: usize = 4;
    let width = values.len().div_ceil(MOST).max(1);
    let values: Vec<f64> = values.chunks(width).map(|part| median(&mut part.to_vec())).collect();
    let n = values.len();
    if n < AT_LEAST {
        return None;
    }
    let mut slopes = Vec::with_capacity(n * (n - 1) / 2);
    for (at, value) in values.iter().enumerate() {
        let pairs = (1..).zip(&values[at + 1..]);
        slopes.extend(pairs.map(|(apart, other)| (other - value) / f64::from(apart)));
    }
    slopes.sort_by(f64::total_cmp);
    let steepness = median(&mut slopes.clone());
    let deviations: Vec<f64> =
        (0_u32..).zip(&values).map(|(at, value)| value - steepness * f64::from(at)).collect();
    let center = median(&mut deviations.clone());
    let deviations: Vec<f64> = deviations.iter().map(|value| value - center).collect();
    let count = to_f64(n);
    let variance = count * (count - 1.0) * (2.0 * count + 5.0) / 18.0 * inflation(&deviations);
    let reach = t_quantile(f64::midpoint(1.0, level), count - 2.0) * variance.sqrt();
    let pairs = to_f64(slopes.len());
    let ranked = |rank: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between the first and the last of the slopes"
        )]
        let index = rank.clamp(0.0, pairs - 1.0) as usize;
        slopes[index]
    };
    let steps = count - 1.0;
    let low = ranked(((pairs - reach) / 2.0).floor() - 1.0) * steps;
    let high = ranked(((pairs + reach) / 2.0).ceil()) * steps;
    Some(Slope { rise: steepness * steps, interval: (low, high) })
}

/// The deviations of values from the straight line that is nearest to them by least squares.
pub fn deviations_from_line(values: &[f64]) -> Vec<f64> {
    let middle = to_f64(values.len().saturating_sub(1)) / 2.0;
    let center = mean(values);
    let places = || (0..values.len()).map(|index| to_f64(index) - middle);
    let products: f64 = places().zip(values).map(|(place, value)| place * (value - center)).sum();
    let squares: f64 = places().map(|place| place * place).sum();
    let slope = if squares > 0.0 { products / squares } else { 0.0 };
    places().zip(values).map(|(place, value)| value - center - slope * place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SciPy 1.17: `theilslopes(y, alpha=0.95)` gives a slope of 0.95 and an interval from 0.9
    /// to 1.0833; its quantile is the normal one, so it is a little narrower.
    #[test]
    fn the_slope_agrees_with_scipy() {
        let values = [1.0, 2.2, 2.9, 4.4, 4.8, 6.1, 7.3, 7.6, 9.4, 9.5];
        let (expected, least, most) = (0.95, 0.9, 1.083_333_333_333_333_3);
        let slope = slope(&values, 0.95, |_| 1.0).unwrap();
        assert!((slope.rise / 9.0 - expected).abs() < 1e-9, "{slope:?}");
        let (low, high) = (slope.interval.0 / 9.0, slope.interval.1 / 9.0);
        assert!(low <= least + 1e-9 && high >= most - 1e-9, "{low} to {high}");
        assert!(low > least - 0.1 && high < most + 0.1, "{low} to {high}");
    }

    #[test]
    fn dependence_widens_the_interval_and_thinning_keeps_the_rise() {
        let values: Vec<f64> = (0..1000).map(|at| to_f64(at) + to_f64((at * 7919) % 97)).collect();
        let narrow = slope(&values, 0.99, |_| 1.0).unwrap();
        let wide = slope(&values, 0.99, |_| 9.0).unwrap();
        assert!((narrow.rise - 1000.0).abs() < 15.0, "{narrow:?}");
        assert!(wide.interval.1 - wide.interval.0 > narrow.interval.1 - narrow.interval.0);
        assert_eq!(slope(&[1.0, 2.0, 3.0], 0.99, |_| 1.0), None);
    }

    #[test]
    fn a_line_leaves_no_deviation() {
        let values: Vec<f64> = (0..20).map(|at| 3.0 + 0.5 * to_f64(at)).collect();
        assert!(deviations_from_line(&values).iter().all(|one| one.abs() < 1e-12));
    }
}
