//! The difference of two sides' log run medians: estimate, interval, significance and power.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::mean::{mean, to_f64, variance};
use super::spending::Plan;
use super::spread::Spread;

/// A difference of log medians (current minus baseline) with its standard error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// The estimate; its exponential is the ratio of both sides.
    pub log_ratio: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// The degrees of freedom of the standard error.
    pub degrees_of_freedom: f64,
}

impl Difference {
    /// Welch's test with the spread of each side moderated by `prior`.
    ///
    /// Each side takes half of the prior, so that sides of equal size are moderated exactly as one
    /// pooled spread would be. The degrees of freedom are Satterthwaite's (*An Approximate
    /// Distribution of Estimates of Variance Components*, 1946) over everything the error is made of:
    /// what either side showed and what the prior assumed. So three noisy runs against ten quiet ones
    /// count as three. A side that is quieter than both together is counted as if it were not: that
    /// its error is mostly assumed must not make it look less known than it is.
    ///
    /// A side that is noisier than the other, or than the prior explains, speaks for itself alone:
    /// drawn towards quieter ones, it would make every difference look significant.
    pub fn moderated(baseline: &[f64], current: &[f64], prior: Spread) -> Self {
        let shown = [baseline, current].map(|values| Spread::pooled(&[values]));
        let both = prior.moderated_by(Spread::pooled(&[baseline, current]));
        let sides = [
            Part::of(to_f64(baseline.len()), shown[0], shown[1], prior, both),
            Part::of(to_f64(current.len()), shown[1], shown[0], prior, both),
        ];
        let error: f64 = sides.iter().map(|side| side.squared_error).sum();
        let counted: f64 = sides.iter().map(|side| side.assumed + side.shown).sum();
        let terms: f64 = sides.iter().map(Part::satterthwaite).sum();
        let degrees_of_freedom =
            if terms > 0.0 { counted.powi(2) / terms } else { both.degrees_of_freedom };
        Self {
            log_ratio: mean(current) - mean(baseline),
            standard_error: error.sqrt(),
            degrees_of_freedom,
        }
    }

    /// Welch's test as published, without a prior; both sides need two values.
    pub fn welch(baseline: &[f64], current: &[f64]) -> Self {
        let (n, m) = (to_f64(baseline.len()), to_f64(current.len()));
        let (left, right) = (variance(baseline) / n, variance(current) / m);
        let standard_error = (left + right).sqrt();
        let degrees_of_freedom =
            (left + right).powi(2) / (left.powi(2) / (n - 1.0) + right.powi(2) / (m - 1.0));
        Self { log_ratio: mean(current) - mean(baseline), standard_error, degrees_of_freedom }
    }

    /// The two-sided p-value of "there is no difference".
    pub fn p_value(&self) -> f64 {
        if self.standard_error <= 0.0 {
            return if self.log_ratio == 0.0 { 1.0 } else { 0.0 };
        }
        let t = (self.log_ratio / self.standard_error).abs();
        (2.0 * student(self.degrees_of_freedom).map_or(0.5, |student| student.sf(t))).min(1.0)
    }

    /// The interval of log ratios that holds the true one with probability `level`.
    pub fn interval(&self, level: f64) -> (f64, f64) {
        let reach = t_quantile(f64::midpoint(1.0, level), self.degrees_of_freedom);
        let half = reach * self.standard_error;
        (self.log_ratio - half, self.log_ratio + half)
    }

    /// The same difference, known so many times less precisely.
    #[must_use]
    pub fn widened_by(self, factor: f64) -> Self {
        Self { standard_error: self.standard_error * factor, ..self }
    }

    /// The same difference from something that is itself known only to this standard error.
    #[must_use]
    pub fn with_error(self, standard_error: f64) -> Self {
        Self { standard_error: self.standard_error.hypot(standard_error), ..self }
    }

    /// The same difference seen with the common shift of all benchmarks taken away.
    pub fn without_shift(self, shift: f64) -> Self {
        Self { log_ratio: self.log_ratio - shift, ..self }
    }
}

/// Share of one side in the squared standard error of a difference.
struct Part {
    squared_error: f64,
    /// How much of that the degrees of freedom count as assumed.
    assumed: f64,
    /// How much they count as shown.
    shown: f64,
    /// The degrees of freedom of the assumption.
    degrees_assumed: f64,
    /// Those of what was shown.
    degrees_shown: f64,
}

impl Part {
    fn of(runs: f64, own: Spread, other: Spread, prior: Spread, both: Spread) -> Self {
        /// A spread as large as this happens so rarely that something else is behind it.
        const UNEXPLAINED: f64 = 0.01;
        /// The same beside the other side, which most spreads agree with.
        const UNLIKE: f64 = 0.05;
        let alone =
            own.is_beyond(prior, UNEXPLAINED) || own.is_beyond(prior.moderated_by(other), UNLIKE);
        let half = if alone { 0.0 } else { prior.degrees_of_freedom / 2.0 };
        let usual = if half > 0.0 { both.relative } else { own.relative };
        let (degrees, all) = (own.degrees_of_freedom, half + own.degrees_of_freedom);
        // Without anything to go by, the scale of the prior is all there is.
        let (weight, all) = if all > 0.0 { (half, all) } else { (1.0, 1.0) };
        let share = |degrees: f64, relative: f64| degrees * relative.powi(2) / all / runs;
        Self {
            squared_error: share(degrees, own.relative) + share(weight, prior.relative),
            assumed: share(weight, usual),
            shown: share(degrees, own.relative.max(usual)),
            degrees_assumed: half,
            degrees_shown: degrees,
        }
    }

    fn satterthwaite(&self) -> f64 {
        let term =
            |part: f64, degrees: f64| if degrees > 0.0 { part.powi(2) / degrees } else { 0.0 };
        term(self.assumed, self.degrees_assumed) + term(self.shown, self.degrees_shown)
    }
}

/// The quantile of Student's t distribution.
pub fn t_quantile(probability: f64, degrees_of_freedom: f64) -> f64 {
    student(degrees_of_freedom).map_or(f64::INFINITY, |student| student.inverse_cdf(probability))
}

fn student(degrees_of_freedom: f64) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, degrees_of_freedom).ok()
}

/// Rule for calling a difference one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// The largest p-value that counts as significant, over all looks of the plan.
    pub alpha: f64,
    /// The level of the interval that has to lie beyond the threshold.
    pub level: f64,
    /// The practical threshold, as a log ratio.
    pub threshold: f64,
    /// When somebody looks.
    pub plan: Plan,
}

impl Rule {
    /// The largest p-value that counts as significant when the smaller side has so many runs.
    pub fn alpha_at(&self, runs: usize) -> f64 {
        self.alpha * self.plan.share(runs)
    }

    /// The level of the interval that has to lie inside the threshold for nothing to have changed,
    /// whenever somebody stops.
    pub fn inside_level_at(&self, runs: usize) -> f64 {
        1.0 - (1.0 - self.level) * self.plan.share_inside(runs)
    }

    /// The smallest log ratio that this rule would find four times out of five, given the
    /// precision of `difference` and the number of runs of the smaller side.
    pub fn detectable(&self, difference: &Difference, runs: usize) -> f64 {
        const POWER: f64 = 0.8;
        let degrees = difference.degrees_of_freedom;
        let margin = t_quantile(POWER, degrees);
        let significant =
            t_quantile(1.0 - self.alpha_at(runs) / 2.0, degrees) * difference.standard_error;
        let beyond = self.threshold
            + t_quantile(f64::midpoint(1.0, self.level), degrees) * difference.standard_error;
        significant.max(beyond) + margin * difference.standard_error
    }

    /// How many runs a side it would take to decide a difference of this size and spread, one way
    /// or the other; `None` if a hundred would not do. `prior` is how many degrees of freedom the
    /// spread is moderated with. More runs are looks that nobody planned.
    pub fn runs_to_decide(&self, log_ratio: f64, spread: Spread, prior: f64) -> Option<u32> {
        const AT_MOST: u32 = 100;
        let size = log_ratio.abs();
        let open = Self { plan: Plan::Open, ..*self };
        (2..=AT_MOST).find(|&runs| {
            let looked_at = usize::try_from(runs).unwrap_or(usize::MAX);
            let degrees = 2.0 * f64::from(runs - 1) + prior;
            let error = spread.relative * (2.0 / f64::from(runs)).sqrt();
            let half = |level: f64| t_quantile(f64::midpoint(1.0, level), degrees) * error;
            let significant =
                t_quantile(1.0 - open.alpha_at(looked_at) / 2.0, degrees) * error < size;
            if size > self.threshold {
                significant && size - half(self.level) > self.threshold
            } else {
                size + half(open.inside_level_at(looked_at)) < self.threshold
            }
        })
    }
}

#[cfg(test)]
mod tests;
