//! Whether values fall into two groups.

use super::mean::{mean, to_f64, variance};

/// Two groups of values and the middle of the gap between them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Modes {
    /// The mean of the lower group.
    pub low: f64,
    /// The mean of the upper group.
    pub high: f64,
    /// A value that lies between both.
    pub between: f64,
}

/// Fewer values fall into two groups by chance.
const VALUES_AT_LEAST: usize = 5;

/// A mode that was met once is an outlier.
const GROUP_AT_LEAST: usize = 2;

/// How many standard deviations of the groups the gap between them has to be wide. Of normal values,
/// two sets of five in a hundred have such a gap, and one of seven in three hundred.
const GAP: f64 = 8.0;

/// What is closer together than this is one level to anybody: two percent, for logarithms.
const LEAST_GAP: f64 = 0.02;

/// Finds two groups with a wide gap between them. The values are logarithms.
pub fn two_modes(values: &[f64]) -> Option<Modes> {
    if values.len() < VALUES_AT_LEAST || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let widest = (GROUP_AT_LEAST..=sorted.len() - GROUP_AT_LEAST)
        .max_by(|&a, &b| (sorted[a] - sorted[a - 1]).total_cmp(&(sorted[b] - sorted[b - 1])))?;
    let (low, high) = sorted.split_at(widest);
    let (below, above) = (sorted[widest - 1], sorted[widest]);
    let inside = |group: &[f64]| to_f64(group.len() - 1) * variance(group);
    let spread = ((inside(low) + inside(high)) / to_f64(sorted.len() - 2)).sqrt();
    (above - below > (GAP * spread).max(LEAST_GAP)).then(|| Modes {
        low: mean(low),
        high: mean(high),
        between: f64::midpoint(below, above),
    })
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::*;

    #[test]
    fn two_groups_are_found_and_one_is_not() {
        let found = two_modes(&[1.0, 1.3, 1.001, 1.302, 0.999, 1.301]).unwrap();
        assert!((found.low - 1.0).abs() < 0.01 && (found.high - 1.3).abs() < 0.01, "{found:?}");
        assert!((1.01..1.29).contains(&found.between));
        assert_eq!(two_modes(&[1.0, 1.001, 1.002, 1.003, 1.004]), None);
        // One that stands apart is an outlier, and four are too few.
        assert_eq!(two_modes(&[1.0, 1.001, 1.002, 1.003, 1.5]), None);
        assert_eq!(two_modes(&[1.0, 1.001, 1.3, 1.301]), None);
    }

    #[test]
    fn values_of_one_mode_hardly_ever_look_like_two() {
        let mut random = Pcg64Mcg::seed_from_u64(2);
        let mut normal = || {
            let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
            0.05 * radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
        };
        for (count, most) in [(5, 60), (6, 30), (10, 4)] {
            let torn = (0..2000)
                .filter(|_| two_modes(&(0..count).map(|_| normal()).collect::<Vec<_>>()).is_some());
            let torn = torn.count();
            assert!(torn <= most, "{torn} of 2000 sets of {count}");
        }
    }
}
