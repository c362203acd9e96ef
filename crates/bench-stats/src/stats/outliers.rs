//! Outlying values: labelled, never dropped.

use serde::Serialize;

use super::difference::t_quantile;
use super::mean::{mean, to_f64, variance};
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

    /// How many of so many values lie outside the fences if they are normal: a share of 0.007 and 0.4 more (Hoaglin, Iglewicz and
    /// Tukey, *Performance of Some Resistant Rules for Outlier Labeling*, 1986), as quartiles of few values are uncertain.
    pub fn by_chance(count: usize) -> f64 {
        if count < 4 { 0.0 } else { 0.007 * to_f64(count) + 0.4 }
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

/// The values that stand out, with their modified z-scores, in order: those beyond [`OUTLYING_Z`] that are too far
/// from the rest for chance too. Of few values the median absolute deviation is often small by chance alone: of
/// five, one in six sets of normal values has one beyond 3.5. So they also have to be rejected by the generalized
/// extreme Studentized deviate test (Rosner, *Percentage Points for a Generalized ESD Many-Outlier Procedure*, 1983)
/// at the level `alpha`, the probability that a set of normal values has any.
pub fn outlying(values: &[f64], alpha: f64) -> Vec<(usize, f64)> {
    let scores = modified_z_scores(values);
    let far: Vec<usize> =
        (0..values.len()).filter(|&index| scores[index].abs() > OUTLYING_Z).collect();
    if far.is_empty() {
        return Vec::new();
    }
    let rejected = extreme_deviates(values, far.len(), alpha);
    far.into_iter()
        .filter(|index| rejected.contains(index))
        .map(|index| (index, scores[index]))
        .collect()
}

/// Up to `most` values that the generalized test rejects.
fn extreme_deviates(values: &[f64], most: usize, alpha: f64) -> Vec<usize> {
    let mut left: Vec<usize> = (0..values.len()).collect();
    let (mut removed, mut rejected) = (Vec::new(), 0);
    while removed.len() < most && left.len() > 2 {
        let kept: Vec<f64> = left.iter().map(|&index| values[index]).collect();
        let (center, deviation) = (mean(&kept), variance(&kept).sqrt());
        let distance = |index: usize| (values[index] - center).abs();
        let farthest =
            (0..left.len()).max_by(|&a, &b| distance(left[a]).total_cmp(&distance(left[b])));
        let Some(place) = farthest else { break };
        let count = to_f64(left.len());
        let t = t_quantile(1.0 - alpha / (2.0 * count), count - 2.0);
        let critical = (count - 1.0) * t / ((count - 2.0 + t * t) * count).sqrt();
        let index = left.remove(place);
        removed.push(index);
        if distance(index) > critical * deviation {
            rejected = removed.len();
        }
    }
    removed.truncate(rejected);
    removed
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

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

    /// NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.17.3: of up to ten, three are outliers at 5%.
    #[test]
    fn extreme_deviates_are_those_of_rosners_example() {
        const ROSNER: [f64; 54] = [
            -0.25, 0.68, 0.94, 1.15, 1.20, 1.26, 1.26, 1.34, 1.38, 1.43, 1.49, 1.49, 1.55, 1.56,
            1.58, 1.65, 1.69, 1.70, 1.76, 1.77, 1.81, 1.91, 1.94, 1.96, 1.99, 2.06, 2.09, 2.10,
            2.14, 2.15, 2.23, 2.24, 2.26, 2.35, 2.37, 2.40, 2.47, 2.54, 2.62, 2.64, 2.90, 2.92,
            2.92, 2.93, 3.21, 3.26, 3.30, 3.59, 3.68, 4.30, 4.64, 5.34, 5.42, 6.01,
        ];
        let found = extreme_deviates(&ROSNER, 10, 0.05);
        assert_eq!(found, [53, 52, 51]);
    }

    #[test]
    fn normal_values_lie_outside_the_fences_as_often_as_is_said() {
        let mut random = Pcg64Mcg::seed_from_u64(11);
        let mut normal = || {
            let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
            radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
        };
        for count in [5, 10, 20, 100] {
            let mut outside = 0;
            for _ in 0..4000 {
                let values: Vec<f64> = (0..count).map(|_| normal()).collect();
                outside += FenceCounts::of(&values).total();
            }
            let (found, said) = (to_f64(outside) / 4000.0, FenceCounts::by_chance(count));
            assert!(found < 1.25 * said && found > said / 2.0, "{found} of {count}, not {said}");
        }
    }

    #[test]
    fn few_normal_values_hardly_ever_have_an_outlier() {
        let mut random = Pcg64Mcg::seed_from_u64(7);
        let mut normal = || {
            let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
            radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
        };
        for count in [5, 7, 10, 60] {
            let mut with_any = 0;
            for _ in 0..2000 {
                let values: Vec<f64> = (0..count).map(|_| normal()).collect();
                with_any += usize::from(!outlying(&values, 0.002).is_empty());
            }
            assert!(with_any <= 12, "{with_any} of 2000 sets of {count}");
        }
        // What really stands out is found, also beside another.
        let values = [10.0, 10.1, 9.9, 10.05, 9.95, 10.02, 9.97, 10.08, 14.0, 15.0];
        let found: Vec<usize> = outlying(&values, 0.002).iter().map(|(index, _)| *index).collect();
        assert_eq!(found, [8, 9]);
    }
}
