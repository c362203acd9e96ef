//! How spreads themselves are spread: the prior that moderates them, estimated from many benchmarks.
//!
//! Benchmarks of one report and metric were measured by one tool on one machine, so their spreads
//! say better than any constant what a spread usually is here. Their variances are taken for draws
//! from a scaled inverse chi-square distribution, whose scale and degrees of freedom follow from
//! the mean and the variance of the logarithms of the observed ones (Smyth, *Linear Models and
//! Empirical Bayes Methods for Assessing Differential Expression in Microarray Experiments*, 2004,
//! section 6.2; limma's `fitFDist` and `squeezeVar`).

use statrs::function::gamma::digamma;

use super::mean::{mean, variance};
use super::spread::Spread;

/// What fewer spreads say about their population is mostly chance.
pub const SPREADS_AT_LEAST: usize = 10;

/// Spreads that agree as well as chance allows would make the prior certain. It is never worth more
/// than this, so that a benchmark of another kind can still speak for itself.
const AT_MOST: f64 = 30.0;

/// Estimates the population that `observed` spreads come from. Spreads of zero, or without a degree
/// of freedom, say nothing; `None` if fewer than [`SPREADS_AT_LEAST`] others are left.
pub fn fit(observed: &[Spread]) -> Option<Spread> {
    let telling = |one: &&Spread| one.relative > 0.0 && one.degrees_of_freedom > 0.0;
    let observed: Vec<&Spread> = observed.iter().filter(telling).collect();
    if observed.len() < SPREADS_AT_LEAST {
        return None;
    }
    let half = |one: &&Spread| one.degrees_of_freedom / 2.0;
    // The logarithm of a variance, freed from the bias that its own degrees of freedom give it.
    let logs: Vec<f64> = observed
        .iter()
        .map(|one| 2.0 * one.relative.ln() - digamma(half(one)) + half(one).ln())
        .collect();
    let by_chance: Vec<f64> = observed.iter().map(|one| trigamma(half(one))).collect();
    let beyond_chance = variance(&logs) - mean(&by_chance);
    let center = mean(&logs);
    let most = AT_MOST / 2.0;
    let half = if beyond_chance > 0.0 { inverse_trigamma(beyond_chance).min(most) } else { most };
    let log_scale = center + digamma(half) - half.ln();
    Some(Spread { relative: (log_scale / 2.0).exp(), degrees_of_freedom: 2.0 * half })
}

/// The second derivative of the logarithm of the gamma function, for positive arguments: by its
/// recurrence up to where its asymptotic series (Abramowitz and Stegun, *Handbook of Mathematical
/// Functions*, 6.4.12) holds to the last digits.
fn trigamma(x: f64) -> f64 {
    const SERIES_FROM: f64 = 12.0;
    let (mut x, mut sum) = (x, 0.0);
    while x < SERIES_FROM {
        sum += x.powi(-2);
        x += 1.0;
    }
    let square = x.powi(-2);
    let tail = 1.0 / 6.0 - square * (1.0 / 30.0 - square * (1.0 / 42.0 - square / 30.0));
    sum + x.recip() + square / 2.0 + square * tail / x
}

/// The argument at which [`trigamma`], which falls, has this value: by bisection of the logarithm.
fn inverse_trigamma(value: f64) -> f64 {
    let (mut low, mut high) = (-30.0_f64, 30.0_f64);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if trigamma(middle.exp()) > value { low = middle } else { high = middle }
    }
    f64::midpoint(low, high).exp()
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::*;

    /// SciPy 1.17: `polygamma(1, x)`.
    #[test]
    fn trigamma_agrees_with_scipy() {
        for (x, expected) in [
            (0.01, 10_001.621_213_528_311),
            (0.5, 4.934_802_200_544_679),
            (1.0, 1.644_934_066_848_226_6),
            (7.3, 0.146_795_768_131_427_03),
            (250.0, 0.004_008_010_666_632_532),
        ] {
            let found = trigamma(x);
            assert!((found / expected - 1.0).abs() < 1e-9, "{x}: {found} is not {expected}");
            assert!((inverse_trigamma(expected) / x - 1.0).abs() < 1e-6);
        }
    }

    /// Draws from the population itself, so that the truth is known.
    #[test]
    fn the_population_of_spreads_is_found_again() {
        let mut random = Pcg64Mcg::seed_from_u64(1);
        let mut normal = || {
            let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
            radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
        };
        let mut chi_square = |degrees: usize| (0..degrees).map(|_| normal().powi(2)).sum::<f64>();
        let spreads: Vec<Spread> = (0..3000)
            .map(|_| {
                let variance = 0.02_f64.powi(2) * 6.0 / chi_square(6);
                let observed = variance * chi_square(8) / 8.0;
                Spread { relative: observed.sqrt(), degrees_of_freedom: 8.0 }
            })
            .collect();
        let prior = fit(&spreads).unwrap();
        assert!((prior.relative / 0.02 - 1.0).abs() < 0.05, "{prior:?}");
        assert!((4.5..8.0).contains(&prior.degrees_of_freedom), "{prior:?}");
    }

    #[test]
    fn equal_spreads_make_a_strong_prior_and_few_make_none() {
        let one = Spread { relative: 0.01, degrees_of_freedom: 4.0 };
        let prior = fit(&[one; 20]).unwrap();
        assert_eq!(prior.degrees_of_freedom, AT_MOST);
        assert_eq!(fit(&[one; 9]), None);
        assert_eq!(fit(&[Spread { relative: 0.0, degrees_of_freedom: 4.0 }; 20]), None);
    }
}
