//! Outlying values: labelled, never dropped.

use serde::Serialize;

use super::quantile::{MAD_TO_SIGMA, Weighted, median, median_absolute_deviation};

/// How many values lie outside Tukey's fences (*Exploratory Data Analysis*, 1977), on each side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct FenceCounts {
    /// Mild ones below.
    pub low_mild: usize,
    /// Severe ones below.
    pub low_severe: usize,
    /// Mild ones above.
    pub high_mild: usize,
    /// Severe ones above.
    pub high_severe: usize,
}

impl FenceCounts {
    /// Counts the values outside the fences. Fewer than four values have no quartiles to speak of
    /// and no outliers.
    pub fn of(values: &[f64]) -> Self {
        let mut counts = Self::default();
        if values.len() < 4 {
            return counts;
        }
        let weighted = Weighted::new(values.iter().map(|&value| (value, 1.0)).collect());
        let (low, high) = (weighted.quantile(0.25), weighted.quantile(0.75));
        let range = high - low;
        for &value in values {
            let below = low - value;
            let above = value - high;
            if below > 3.0 * range {
                counts.low_severe += 1;
            } else if below > 1.5 * range {
                counts.low_mild += 1;
            } else if above > 3.0 * range {
                counts.high_severe += 1;
            } else if above > 1.5 * range {
                counts.high_mild += 1;
            }
        }
        counts
    }

    /// Adds the counts of other values.
    pub fn add(&mut self, other: Self) {
        self.low_mild += other.low_mild;
        self.low_severe += other.low_severe;
        self.high_mild += other.high_mild;
        self.high_severe += other.high_severe;
    }

    /// All of them.
    pub fn total(self) -> usize {
        self.low_mild + self.low_severe + self.high_mild + self.high_severe
    }
}

/// The modified z-scores of values: their distance from the median in robust standard deviations.
/// Beyond 3.5 a value counts as outlying (Iglewicz and Hoaglin, *How to Detect and Handle
/// Outliers*, 1993).
///
/// All zero where more than half of the values are the same, as no scale can be told then.
pub fn modified_z_scores(values: &[f64]) -> Vec<f64> {
    let center = median(&mut values.to_vec());
    let scale = MAD_TO_SIGMA * median_absolute_deviation(values, center);
    values.iter().map(|value| if scale > 0.0 { (value - center) / scale } else { 0.0 }).collect()
}

/// Where [`modified_z_scores`] become outlying.
pub const OUTLYING_Z: f64 = 3.5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_tell_mild_from_severe() {
        let mut values: Vec<f64> = (1..=20).map(f64::from).collect();
        values.extend([40.0, 60.0, -40.0]);
        let counts = FenceCounts::of(&values);
        assert_eq!(counts.high_severe, 1);
        assert_eq!(counts.high_mild, 1);
        assert_eq!(counts.low_severe, 1);
        assert_eq!(counts.total(), 3);
    }

    /// By hand from SciPy 1.17's `median_abs_deviation(x, scale="normal")`, 1.482602218505602, and
    /// the median 8.625.
    #[test]
    fn scores_agree_with_scipys_scale() {
        let scores = modified_z_scores(&[12.5, 3.0, 8.25, 9.0, 100.0, 7.5, 8.0, 9.5]);
        assert!((scores[0] - 3.875 / 1.482_602_218_505_602).abs() < 1e-12);
        assert!((scores[4] - 91.375 / 1.482_602_218_505_602).abs() < 1e-12);
    }

    #[test]
    fn a_far_value_stands_out_and_a_constant_list_does_not() {
        let scores = modified_z_scores(&[10.0, 10.1, 9.9, 10.05, 9.95, 14.0]);
        assert!(scores[5] > OUTLYING_Z);
        assert!(scores[..5].iter().all(|score| score.abs() < OUTLYING_Z));
        assert_eq!(modified_z_scores(&[5.0, 5.0, 5.0]), [0.0, 0.0, 0.0]);
    }
}
