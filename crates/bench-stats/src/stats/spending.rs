//! Looking at results again and again, without being wrong more often for it.
//!
//! Who measures until something is decided looks at the same data many times, and each look is
//! another chance to be wrong: ten looks at 1% each raise about 4% of false alarms. So the allowed
//! error is spent: every number of runs has a share of it, and a p-value is divided by the share
//! of the number of runs it rests on. The smallest of such p-values over all looks is again a
//! p-value, an *always valid* one (Johari et al., *Always Valid Inference: Continuous Monitoring
//! of A/B Tests*, 2022), for whatever reason somebody stopped: if no look's p-value is below `a`
//! with more than probability `a`, then by Boole's inequality
//!
//! ```text
//! P(p_n / share_n <= a for any n)  <=  sum of P(p_n <= a share_n)  <=  a * sum of share_n  <=  a
//! ```
//!
//! whatever the looks have in common. Up to ten runs the shares add up to .9; beyond, where
//! neighbouring looks hardly differ, the tenth that is left is not proven but simulated, up to a
//! hundred runs (see the tests). What is always valid for one benchmark can be adjusted for many as
//! any p-value: the lists of benchmarks that were stopped at different numbers of runs keep their
//! false discovery rate. Spending is to be preferred here to e-values, whose mixtures cost a factor
//! of five to ten in the p-value at numbers as small as these.
//!
//! Whoever knows beforehand how many runs there will be loses nothing: nearly all is spent
//! on that one look ([`Plan::Stated`]).

use serde::Serialize;

/// When somebody looks at results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// Whenever they like, and again with more runs.
    #[default]
    Open,
    /// After so many runs a side, which were decided on before measuring. Looks at other numbers are
    /// valid too, and find little.
    Stated(u32),
    /// Only now: the whole error is spent at once, and looking again is not accounted for.
    Once,
}

/// The shares of an open plan for one to ten runs of the smaller side. Most lies where people look:
/// at one run, at three, which is the least that shows a spread, at five and at ten.
const OPEN: [f64; 10] = [0.12, 0.03, 0.21, 0.03, 0.27, 0.03, 0.03, 0.03, 0.03, 0.12];

/// What an open plan spends on every number beyond ten is this, falling with the number.
const OPEN_BEYOND: f64 = 0.05;

/// What a stated plan spends where it said it would look. The rest is spread like an open plan.
const STATED: f64 = 0.9;

impl Plan {
    /// The share of the allowed error that is spent on the look at so many runs of the smaller side.
    pub fn share(self, runs: usize) -> f64 {
        let open = match runs.checked_sub(1).map(|index| (OPEN.get(index), runs)) {
            Some((Some(share), _)) => *share,
            Some((None, runs)) => OPEN_BEYOND * 10.0 / super::mean::to_f64(runs),
            None => OPEN[0],
        };
        match self {
            Self::Open => open,
            Self::Stated(planned) if usize::try_from(planned) == Ok(runs) => STATED,
            Self::Stated(_) => (1.0 - STATED) * open,
            Self::Once => 1.0,
        }
    }

    /// The share of the allowed error that is spent at each look on saying that nothing changed. Under an
    /// open plan it is the same at every look: so much may be known of a benchmark that runs up to a
    /// hundred say nothing but that. Ten looks then err less often than allowed, and a hundred twice
    /// as often, where a change is exactly as large as the threshold; where there is none, never.
    pub fn share_inside(self, runs: usize) -> f64 {
        const EVERY_LOOK: f64 = 0.25;
        match self {
            Self::Open => EVERY_LOOK,
            Self::Stated(_) | Self::Once => self.share(runs),
        }
    }

    /// The p-value that is valid whenever somebody stops.
    pub fn always_valid(self, p_value: f64, runs: usize) -> f64 {
        (p_value / self.share(runs)).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::*;
    use crate::stats::difference::Difference;
    use crate::stats::mean::to_f64;
    use crate::stats::spread::Spread;

    #[test]
    fn no_more_is_spent_than_there_is() {
        let spent = |plan: Plan, most: usize| (1..=most).map(|runs| plan.share(runs)).sum::<f64>();
        assert!((spent(Plan::Open, 10) - 0.9).abs() < 1e-12);
        for planned in 1..=10 {
            assert!(spent(Plan::Stated(planned), 10) <= 1.0, "{planned}");
        }
    }

    #[test]
    fn a_stated_plan_costs_next_to_nothing_where_it_looks() {
        assert_eq!(Plan::Stated(5).share(5), 0.9);
        assert!(Plan::Stated(5).share(6) < Plan::Open.share(6));
        assert!((Plan::Open.always_valid(0.001, 4) - 0.001 / 0.03).abs() < 1e-12);
        assert_eq!(Plan::Open.always_valid(0.5, 4), 1.0);
        assert_eq!(Plan::Open.share(0), Plan::Open.share(1));
    }

    /// How often some look between three and `most` runs a side calls equal sides different.
    fn ever_wrong(alpha: f64, most: usize, adjust: impl Fn(f64, usize) -> f64) -> f64 {
        const TIMES: usize = 2000;
        let mut random = Pcg64Mcg::seed_from_u64(3);
        let mut normal = || {
            let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
            0.015 * radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
        };
        let wrong = (0..TIMES).filter(|_| {
            let (old, new): (Vec<f64>, Vec<f64>) = (0..most).map(|_| (normal(), normal())).unzip();
            (3..=most).any(|runs| {
                let prior = Spread::MODERATING;
                let look = Difference::moderated(&old[..runs], &new[..runs], prior);
                adjust(look.p_value(), runs) <= alpha
            })
        });
        to_f64(wrong.count()) / to_f64(TIMES)
    }

    #[test]
    fn whoever_adds_runs_until_something_shows_is_not_wrong_more_often() {
        let careless = ever_wrong(0.01, 10, |p_value, _| p_value);
        let open = ever_wrong(0.01, 10, |p_value, runs| Plan::Open.always_valid(p_value, runs));
        let stated = ever_wrong(0.01, 10, |p, runs| Plan::Stated(5).always_valid(p, runs));
        assert!(careless > 0.02, "{careless}");
        assert!(open <= 0.01 && stated <= 0.015, "{open} {stated}");
    }

    #[test]
    fn what_is_spent_beyond_ten_runs_holds_up_to_a_hundred() {
        let open = ever_wrong(0.05, 100, |p_value, runs| Plan::Open.always_valid(p_value, runs));
        assert!(open <= 0.05, "{open}");
    }
}
