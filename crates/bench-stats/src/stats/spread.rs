//! How much a benchmark's run medians differ from run to run, and what to assume about that
//! while few runs are known.
//!
//! Two or three runs estimate their own spread badly: by chance they agree too well, and
//! everything looks significant. The remedy is to treat the spread itself as drawn from a
//! population of spreads and to moderate the observed variance towards it (Smyth, *Linear
//! Models and Empirical Bayes Methods for Assessing Differential Expression*, 2004). The
//! moderated variance is a weighted mean of both, and the prior's weight is counted in degrees
//! of freedom. Without any replicate, only the prior is left.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, FisherSnedecor};

use super::mean::{to_f64, variance};
use super::quantile::median;

/// A belief about the standard deviation of log run medians, worth some observations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The standard deviation of log run medians: 0.02 is two percent.
    pub relative: f64,
    /// How many degrees of freedom the belief is worth.
    pub degrees_of_freedom: f64,
}

impl Spread {
    /// Between-process spread of benchmarks nobody has replicated yet.
    ///
    /// Over 284 benchmarks with ten processes each, the coefficient of variation between
    /// processes had a median of 1.8% and a 90th percentile of 6.3%. A scaled inverse chi-square
    /// distribution with two degrees of freedom has the same kind of tail. A scale of 1.5% puts its
    /// median at 1.8%, one of 2.04% its 90th percentile at 6.3%; this is their geometric mean.
    pub const UNREPLICATED: Self = Self { relative: 0.0175, degrees_of_freedom: 2.0 };

    /// The same population for moderating spreads that were observed, matched at its median:
    /// the observation itself now speaks for the noisy ones.
    pub const MODERATING: Self = Self { relative: 0.015, degrees_of_freedom: 2.0 };

    /// Moderates this belief with squared deviations that were observed.
    pub fn moderated_by(self, observed: Self) -> Self {
        let degrees_of_freedom = self.degrees_of_freedom + observed.degrees_of_freedom;
        if degrees_of_freedom <= 0.0 {
            return self;
        }
        let sum = self.degrees_of_freedom * self.relative.powi(2)
            + observed.degrees_of_freedom * observed.relative.powi(2);
        Self { relative: (sum / degrees_of_freedom).sqrt(), degrees_of_freedom }
    }

    /// The pooled spread of several groups of log medians, each around its own mean.
    pub fn pooled(groups: &[&[f64]]) -> Self {
        let (mut squares, mut degrees_of_freedom) = (0.0, 0.0);
        for group in groups {
            let own = to_f64(group.len().saturating_sub(1));
            squares += own * variance(group);
            degrees_of_freedom += own;
        }
        let relative =
            if degrees_of_freedom > 0.0 { (squares / degrees_of_freedom).sqrt() } else { 0.0 };
        Self { relative, degrees_of_freedom }
    }

    /// The spread of a history of log medians, from the differences of neighbours (von Neumann
    /// et al., *The Mean Square Successive Difference*, 1941), taken robustly by their median:
    /// a step disturbs one difference instead of every deviation from the mean.
    ///
    /// `None` with fewer than five points. Medians of overlapping differences carry about a
    /// third of the information of independent deviations, and are counted so.
    pub fn of_history(log_medians: &[f64]) -> Option<Self> {
        const AT_LEAST: usize = 5;
        if log_medians.len() < AT_LEAST {
            return None;
        }
        let mut differences: Vec<f64> =
            log_medians.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
        let count = to_f64(differences.len());
        let relative =
            super::quantile::MAD_TO_SIGMA * median(&mut differences) / std::f64::consts::SQRT_2;
        Some(Self { relative, degrees_of_freedom: count / 3.0 })
    }

    /// Whether this spread is so much wider than `usual` that chance gives the like of it no more often
    /// than with probability `unlikely`, by Fisher's ratio of variances. Where either is not known at
    /// all, it is not. (Phipson et al., *Robust Hyperparameter Estimation Protects against
    /// Hypervariable Genes*, 2016, single out spreads that the prior does not explain in this way.)
    pub fn is_beyond(self, usual: Self, unlikely: f64) -> bool {
        let ratio = (self.relative / usual.relative).powi(2);
        self.relative > usual.relative
            && FisherSnedecor::new(self.degrees_of_freedom, usual.degrees_of_freedom)
                .is_ok_and(|ratios| ratio.is_infinite() || ratios.sf(ratio) < unlikely)
    }

    /// The same weight of belief in a spread at least as wide as `relative`.
    pub fn at_least(self, relative: f64) -> Self {
        Self { relative: self.relative.max(relative), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moderation_is_the_weighted_mean_of_variances() {
        let prior = Spread { relative: 0.02, degrees_of_freedom: 2.0 };
        let observed = Spread { relative: 0.01, degrees_of_freedom: 8.0 };
        let moderated = prior.moderated_by(observed);
        // (2 * 0.0004 + 8 * 0.0001) / 10 = 0.00016
        assert!((moderated.relative - 0.00016_f64.sqrt()).abs() < 1e-15);
        assert_eq!(moderated.degrees_of_freedom, 10.0);
    }

    #[test]
    fn nothing_observed_leaves_the_prior() {
        let nothing = Spread::pooled(&[&[1.0], &[2.0]]);
        assert_eq!(nothing.degrees_of_freedom, 0.0);
        assert_eq!(Spread::MODERATING.moderated_by(nothing), Spread::MODERATING);
    }

    #[test]
    fn a_spread_of_another_kind_is_beyond_the_usual_one() {
        let usual = Spread { relative: 0.01, degrees_of_freedom: 20.0 };
        let own = |relative| Spread { relative, degrees_of_freedom: 4.0 };
        assert!(!own(0.001).is_beyond(usual, 0.01) && !own(0.015).is_beyond(usual, 0.01));
        assert!(own(0.1).is_beyond(usual, 0.01));
        // A prior that knows little excludes little, and one that knows nothing, nothing.
        let vague = Spread { degrees_of_freedom: 1.0, ..usual };
        assert!(!own(0.1).is_beyond(vague, 0.01));
        assert!(!own(0.1).is_beyond(Spread { degrees_of_freedom: 0.0, ..usual }, 0.01));
    }

    #[test]
    fn one_step_in_a_history_hardly_widens_its_spread() {
        let noise = |index: usize| to_f64(index * 37 % 11) / 1000.0;
        let level: Vec<f64> = (0..30).map(noise).collect();
        let stepped: Vec<f64> =
            (0..30).map(|index| noise(index) + if index < 15 { 0.0 } else { 0.5 }).collect();
        let (level, stepped) =
            (Spread::of_history(&level).unwrap(), Spread::of_history(&stepped).unwrap());
        assert!(stepped.relative < 1.3 * level.relative);
        assert_eq!(Spread::of_history(&[1.0, 1.1, 1.2, 1.3]), None);
    }
}
