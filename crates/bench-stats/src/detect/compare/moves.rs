//! How far benchmarks moved between both sides, beyond what their own runs explain.
//!
//! Runs of one side usually follow each other, and share what the machine did meanwhile: its
//! frequency, its neighbours, where the linker put the code. Their spread says nothing about
//! that, however many they are, because what they share is not replicated. The other benchmarks of
//! the report say it: moves of benchmarks that did not change show how much too small standard
//! errors are here and now (the empirical null of Efron, *Large-Scale Simultaneous Hypothesis
//! Testing*, 2004).
//!
//! But nobody says which ones did not change, and code moves benchmarks both ways: a trade makes some
//! faster and some slower. So the moves are taken for a mixture of two kinds, by maximum
//! likelihood (Efron, *Size, Power and False Discovery Rates*, 2007, section 4): moves of what did not
//! change, as wide as an offset makes them that each side has for itself, and moves of what did,
//! of any size. A real change counts as the second kind and widens nothing, however many there are.
//! If hardly any are of the first kind, nobody is left to speak of an offset.
//!
//! An offset is never taken for larger than the spread between runs. What makes sides differ makes
//! runs differ too; a larger one would have to be something that holds still for all runs of a
//! side, and that is the code.

use statrs::distribution::{Continuous, StudentsT};

use crate::stats::difference::Difference;
use crate::stats::mean::to_f64;

/// The move of one benchmark.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Move {
    /// In standard errors.
    t: f64,
    /// The degrees of freedom of the standard error.
    degrees_of_freedom: f64,
    /// By how much more an offset as large as the spread between runs adds to the squared error than
    /// the runs do: the harmonic mean of both numbers of runs.
    weight: f64,
}

impl Move {
    /// The move of a benchmark with so many runs a side; none if nothing is known of its error.
    pub(super) fn of(difference: &Difference, baseline: usize, current: usize) -> Option<Self> {
        let t = difference.log_ratio / difference.standard_error;
        t.is_finite().then(|| Self {
            t,
            degrees_of_freedom: difference.degrees_of_freedom,
            weight: 2.0 / (to_f64(baseline).recip() + to_f64(current).recip()),
        })
    }

    /// How likely it is if the benchmark did not change.
    fn unchanged(&self, offset: Offset) -> f64 {
        let excess = offset.excess(self.weight);
        StudentsT::new(0.0, 1.0, self.degrees_of_freedom)
            .map_or(0.0, |student| student.pdf(self.t / excess) / excess)
    }

    /// How likely it is if the benchmark changed: any order of magnitude as likely as the next, from
    /// what chance does up to a thousand standard errors.
    fn changed(&self) -> f64 {
        const MOST: f64 = 1000.0;
        (2.0 * self.t.abs().max(1.0) * MOST.ln()).recip()
    }
}

/// The standard deviation of what the runs of a side have in common, in units of the spread between
/// them: from none to as large.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Offset(f64);

/// The share of fewer moves is chance.
const MOVES_AT_LEAST: usize = 10;

/// With fewer benchmarks that did not change, there is nobody to ask.
const UNCHANGED_AT_LEAST: f64 = 5.0;

impl Offset {
    /// Both sides have nothing but their code of their own.
    pub(super) const NONE: Self = Self(0.0);

    /// Steps from none to the largest.
    const STEPS: u8 = 20;

    /// By how much the log-likelihood of a smaller offset may be less: an offset is assumed where the
    /// moves call for it, not where they merely allow it.
    const INDIFFERENT: f64 = 0.25;

    /// The offset that the moves of one metric show.
    pub(super) fn among(moves: &[Move]) -> Self {
        if moves.len() < MOVES_AT_LEAST {
            return Self::NONE;
        }
        let changed: Vec<f64> = moves.iter().map(Move::changed).collect();
        let fits: Vec<Fit> = (0..=Self::STEPS)
            .map(|step| Self(f64::from(step) / f64::from(Self::STEPS)))
            .map(|offset| Fit::of(offset, moves, &changed))
            .collect();
        let best = fits.iter().map(|fit| fit.log_likelihood).fold(f64::NEG_INFINITY, f64::max);
        let chosen = fits.iter().find(|fit| fit.log_likelihood >= best - Self::INDIFFERENT);
        match chosen {
            Some(fit) if fit.share * to_f64(moves.len()) >= UNCHANGED_AT_LEAST => fit.offset,
            _ => Self::NONE,
        }
    }

    /// By how much a standard error is too small, with so many runs a side.
    pub(super) fn excess_of(self, baseline: usize, current: usize) -> f64 {
        self.excess(2.0 / (to_f64(baseline).recip() + to_f64(current).recip()))
    }

    fn excess(self, weight: f64) -> f64 {
        (1.0 + weight * self.0.powi(2)).sqrt()
    }
}

/// The mixture that an offset makes of the moves.
struct Fit {
    offset: Offset,
    /// The share of benchmarks that did not change.
    share: f64,
    log_likelihood: f64,
}

impl Fit {
    /// Finds the share by expectation and maximisation.
    fn of(offset: Offset, moves: &[Move], changed: &[f64]) -> Self {
        const ROUNDS: u8 = 40;
        let unchanged: Vec<f64> = moves.iter().map(|one| one.unchanged(offset)).collect();
        let both = || unchanged.iter().zip(changed);
        let mut share = 0.8;
        for _ in 0..ROUNDS {
            let members: f64 = both()
                .map(|(same, other)| share * same / (share * same + (1.0 - share) * other))
                .sum();
            share = (members / to_f64(moves.len())).clamp(0.001, 0.999);
        }
        let log_likelihood =
            both().map(|(same, other)| (share * same + (1.0 - share) * other).ln()).sum();
        Self { offset, share, log_likelihood }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The 2.5%, 7.5%, ... quantiles of the standard normal distribution: what twenty benchmarks do
    /// that did not change.
    const BY_CHANCE: [f64; 20] = [
        -1.96, -1.44, -1.15, -0.93, -0.76, -0.60, -0.45, -0.32, -0.19, -0.06, 0.06, 0.19, 0.32,
        0.45, 0.60, 0.76, 0.93, 1.15, 1.44, 1.96,
    ];

    fn excess(errors: impl IntoIterator<Item = f64>) -> f64 {
        let moves: Vec<Move> =
            errors.into_iter().map(|t| Move { t, degrees_of_freedom: 10.0, weight: 5.0 }).collect();
        Offset::among(&moves).excess(5.0)
    }

    #[test]
    fn moves_that_chance_explains_widen_nothing() {
        assert_eq!(excess(BY_CHANCE), 1.0);
    }

    #[test]
    fn moves_both_ways_beyond_chance_widen() {
        let widened = excess(BY_CHANCE.map(|t| 2.2 * t));
        assert!((1.5..2.45).contains(&widened), "{widened}");
        // No offset is larger than the spread between runs.
        assert!(excess(BY_CHANCE.map(|t| 4.0 * t)) <= 6.0_f64.sqrt() + 1e-12);
    }

    #[test]
    fn what_really_changed_widens_nothing_however_much_of_it_there_is() {
        for changed in [1, 4, 8, 12, 16, 20] {
            for size in [8.0, 15.0, 40.0] {
                let trade = |(index, t): (usize, f64)| {
                    let way = if index % 2 == 0 { size } else { -size };
                    if index < changed { t + way } else { t }
                };
                let widened = excess(BY_CHANCE.into_iter().enumerate().map(trade));
                assert!(widened < 1.3, "{changed} of 20 by {size}: {widened}");
            }
        }
    }

    #[test]
    fn few_moves_are_no_yardstick() {
        assert_eq!(excess([3.0, -3.0, 3.0, -3.0, 3.0, -3.0, 2.0, -2.0]), 1.0);
    }
}
