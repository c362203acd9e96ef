//! How far benchmarks moved between both sides, beyond what their own runs explain.
//!
//! Runs of one side usually follow each other, and share what the machine did meanwhile: its
//! frequency, its neighbours, where the linker put the code. Their spread says nothing about
//! that, however many they are, because what they share is not replicated. The other benchmarks of
//! the report say it: most of them did not change, so moves that are larger than their standard
//! errors allow show how much too small standard errors are here and now (the empirical null of
//! Efron, *Large-Scale Simultaneous Hypothesis Testing*, 2004, estimated from the median).
//!
//! A change of the code moves benchmarks one way, the machine both ways. Whatever got worse is
//! therefore measured by what got better, and the other way round: then many real changes at once
//! do not hide each other.

use crate::stats::difference::{Difference, t_quantile};
use crate::stats::quantile::median;

/// The moves of one family of benchmarks, in the median's units: 1 is what chance exceeds half of
/// the time.
#[derive(Debug, Clone, Default)]
pub(super) struct Moves {
    /// Those for the worse.
    worse: Vec<f64>,
    /// Those for the better.
    better: Vec<f64>,
}

/// The median of fewer moves is chance.
const AT_LEAST: usize = 5;

impl Moves {
    /// Adds a benchmark. `worse` tells whether more of it is worse.
    pub(super) fn add(&mut self, difference: &Difference, more: More) {
        if difference.standard_error <= 0.0 {
            return;
        }
        let usual = t_quantile(0.75, difference.degrees_of_freedom);
        let size = difference.log_ratio.abs() / difference.standard_error / usual;
        if !size.is_finite() {
            return;
        }
        // What did not move at all stands on both sides, so that swapping them changes nothing.
        let towards = more.is_worse_by(difference.log_ratio);
        if towards >= 0.0 {
            self.worse.push(size);
        }
        if towards <= 0.0 {
            self.better.push(size);
        }
    }

    /// By how much the standard error of such a difference is too small; never below 1.
    pub(super) fn excess_for(&self, difference: &Difference, more: More) -> f64 {
        let opposite =
            if more.is_worse_by(difference.log_ratio) > 0.0 { &self.better } else { &self.worse };
        let mut sizes = if opposite.len() >= AT_LEAST {
            opposite.clone()
        } else {
            self.worse.iter().chain(&self.better).copied().collect()
        };
        if sizes.len() < 2 * AT_LEAST && opposite.len() < AT_LEAST {
            return 1.0;
        }
        median(&mut sizes).max(1.0)
    }
}

/// What more of a metric means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    /// It is worse, or not known to be better.
    IsWorse,
    /// It is better.
    IsBetter,
}

impl More {
    fn is_worse_by(self, log_ratio: f64) -> f64 {
        match self {
            Self::IsWorse => log_ratio,
            Self::IsBetter => -log_ratio,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(log_ratio: f64) -> Difference {
        Difference { log_ratio, standard_error: 0.01, degrees_of_freedom: 10.0 }
    }

    fn excess(moves: &[f64], of: f64) -> f64 {
        let mut all = Moves::default();
        moves.iter().for_each(|&size| all.add(&difference(size), More::IsWorse));
        all.excess_for(&difference(of), More::IsWorse)
    }

    /// The upper quartile of t with ten degrees of freedom is 0.699812 (SciPy 1.17, `t.ppf`).
    #[test]
    fn moves_that_chance_explains_widen_nothing() {
        let usual = 0.01 * 0.699_812;
        let moves: Vec<f64> = (0..20).map(|at| if at % 2 == 0 { usual } else { -usual }).collect();
        assert!((excess(&moves, 0.05) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn what_got_worse_is_measured_by_what_got_better() {
        let moves: Vec<f64> = (0..20).map(|at| if at % 2 == 0 { 0.05 } else { -0.001 }).collect();
        assert_eq!(excess(&moves, 0.05), 1.0);
        assert!(excess(&moves, -0.05) > 5.0);
        let both: Vec<f64> = (0..20).map(|at| if at % 2 == 0 { 0.05 } else { -0.05 }).collect();
        assert!(excess(&both, 0.05) > 5.0);
    }

    #[test]
    fn few_moves_are_no_yardstick() {
        assert_eq!(excess(&[0.05, -0.05, 0.05, -0.05], 0.05), 1.0);
    }
}
