//! Quantiles of weighted values.

use std::cmp::Ordering;

/// Values sorted ascending with the weight of each, ready for quantiles.
#[derive(Debug, Clone)]
pub struct Weighted {
    /// Value and the cumulated weight up to and including it.
    points: Vec<(f64, f64)>,
}

impl Weighted {
    /// Sorts pairs of value and weight. Values must not be NaN, weights must be positive.
    pub fn new(mut pairs: Vec<(f64, f64)>) -> Self {
        pairs.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal));
        let mut cumulated = 0.0;
        for (_, weight) in &mut pairs {
            cumulated += *weight;
            *weight = cumulated;
        }
        Self { points: pairs }
    }

    /// The smallest value whose cumulated weight passes `fraction` of the whole; where it is met
    /// exactly, the middle between that value and the next. This is the inverse of the
    /// weighted empirical distribution with averaging, definition 2 of Hyndman and Fan (1996),
    /// so that with equal weights `0.5` gives the ordinary median.
    ///
    /// Returns NaN for an empty list.
    pub fn quantile(&self, fraction: f64) -> f64 {
        let Some(&(last, total)) = self.points.last() else { return f64::NAN };
        let target = fraction.clamp(0.0, 1.0) * total;
        // Sums of weights carry rounding; weights are iteration counts, so a relative sliver
        // of the whole is far below any of them.
        let sliver = total * 1e-12;
        let index = self.points.partition_point(|&(_, cumulated)| cumulated < target - sliver);
        let Some(&(value, cumulated)) = self.points.get(index) else { return last };
        match self.points.get(index + 1) {
            Some(&(next, _)) if (cumulated - target).abs() <= sliver => f64::midpoint(value, next),
            _ => value,
        }
    }
}

/// The median of unweighted values, NaN if there are none. The order of `values` is not kept.
pub fn median(values: &mut [f64]) -> f64 {
    let n = values.len();
    if n == 0 {
        return f64::NAN;
    }
    let (below, &mut upper, _) =
        values.select_nth_unstable_by(n / 2, |a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    if n % 2 == 1 {
        return upper;
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    f64::midpoint(lower, upper)
}

/// The `q`-quantile of the values without one that is `own`, between neighbours where it falls between
/// them. The values are ascending, `own` is one of them, and there is at least one other.
///
/// Asking for each of many values what the others are like takes sorting once.
pub fn quantile_of_others(ascending: &[f64], own: f64, q: f64) -> f64 {
    let at = ascending.partition_point(|value| value.total_cmp(&own).is_lt());
    let last = ascending.len() - 2;
    let other = |index: usize| ascending[index + usize::from(index >= at)];
    let place = q.clamp(0.0, 1.0) * super::mean::to_f64(last);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to the last index by construction"
    )]
    let below = (place.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let beyond = place - super::mean::to_f64(below);
    other(below) + beyond * (other(above) - other(below))
}

/// The median of the absolute deviations from `center`.
pub fn median_absolute_deviation(values: &[f64], center: f64) -> f64 {
    let mut deviations: Vec<f64> = values.iter().map(|value| (value - center).abs()).collect();
    median(&mut deviations)
}

/// What turns a median absolute deviation into the standard deviation of a normal
/// distribution: 1 / the 0.75 quantile of the standard normal.
pub const MAD_TO_SIGMA: f64 = 1.482_602_218_505_602;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_weights_give_the_ordinary_median() {
        let odd = Weighted::new(vec![(3.0, 1.0), (1.0, 1.0), (2.0, 1.0)]);
        assert_eq!(odd.quantile(0.5), 2.0);
        let even = Weighted::new(vec![(4.0, 1.0), (1.0, 1.0), (2.0, 1.0), (3.0, 1.0)]);
        assert_eq!(even.quantile(0.5), 2.5);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&mut []).is_nan());
    }

    const VALUES: [f64; 8] = [12.5, 3.0, 8.25, 9.0, 100.0, 7.5, 8.0, 9.5];

    /// NumPy 2.4: `quantile(x, q, method="averaged_inverted_cdf")`; SciPy 1.17:
    /// `median_abs_deviation(x)`, and with `scale="normal"`.
    #[test]
    fn quantiles_agree_with_numpy_and_scipy() {
        let weighted = Weighted::new(VALUES.iter().map(|&value| (value, 1.0)).collect());
        let expected = [
            (0.0, 3.0),
            (0.1, 3.0),
            (0.25, 7.75),
            (0.5, 8.625),
            (0.75, 11.0),
            (0.9, 100.0),
            (1.0, 100.0),
        ];
        for (fraction, expected) in expected {
            assert_eq!(weighted.quantile(fraction), expected, "at {fraction}");
        }
        let deviation = median_absolute_deviation(&VALUES, median(&mut VALUES.to_vec()));
        assert_eq!(deviation, 1.0);
        assert!((MAD_TO_SIGMA * deviation - 1.482_602_218_505_602).abs() < 1e-15);
    }

    /// NumPy 2.4: `quantile(x, q, method="inverted_cdf", weights=w)` away from ties.
    #[test]
    fn weighted_quantiles_agree_with_numpy() {
        let weights = [1.0, 2.0, 3.0, 1.0, 1.0, 2.0, 5.0, 1.0];
        let weighted = Weighted::new(VALUES.into_iter().zip(weights).collect());
        for (fraction, expected) in [(0.1, 3.0), (0.3, 8.0), (0.5, 8.0), (0.7, 8.25), (0.9, 12.5)] {
            assert_eq!(weighted.quantile(fraction), expected, "at {fraction}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_median_of_others_is_that_of_a_list_without_one(
            mut values in proptest::collection::vec(0_u8..9, 2..30), pick in 0_usize..30,
        ) {
            values.sort_unstable();
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let pick = pick % values.len();
            let mut others = values.clone();
            others.remove(pick);
            proptest::prop_assert_eq!(quantile_of_others(&values, values[pick], 0.5), median(&mut others));
        }

        #[test]
        fn quantiles_grow_and_follow_a_change_of_units(
            values in proptest::collection::vec((0.1_f64..1e6, 1.0_f64..9.0), 1..30),
            low in 0.0_f64..1.0, high in 0.0_f64..1.0,
        ) {
            let weighted = Weighted::new(values.clone());
            let scaled = values.iter().map(|&(value, weight)| (value * 4.0, weight)).collect();
            let scaled = Weighted::new(scaled);
            let (low, high) = (low.min(high), low.max(high));
            proptest::prop_assert!(weighted.quantile(low) <= weighted.quantile(high));
            proptest::prop_assert_eq!(weighted.quantile(low) * 4.0, scaled.quantile(low));
        }
    }

    #[test]
    fn a_heavy_value_is_the_median() {
        let values = Weighted::new(vec![(1.0, 1.0), (5.0, 10.0), (9.0, 1.0)]);
        assert_eq!(values.quantile(0.5), 5.0);
        assert_eq!(values.quantile(0.0), 1.0);
        assert_eq!(values.quantile(1.0), 9.0);
    }
}
