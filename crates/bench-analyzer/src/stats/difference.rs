//! The difference of two sides' log run medians: estimate, interval, significance and power.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::spread::Spread;
use super::summary::{mean, to_f64, variance};

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
    /// Student's test with one spread for both sides, moderated by `prior`.
    ///
    /// Where both sides have three runs or more, the standard error is never taken smaller
    /// than Welch's (*The Generalization of Student's Problem when Several Different Population
    /// Variances are Involved*, 1947) under the same moderation: with unequal numbers of runs,
    /// one spread for both would hide that the smaller side is the noisier one.
    pub fn moderated(baseline: &[f64], current: &[f64], prior: Spread) -> Self {
        let (n, m) = (to_f64(baseline.len()), to_f64(current.len()));
        let pooled = prior.moderated_by(Spread::pooled(&[baseline, current]));
        let mut standard_error = pooled.relative * (1.0 / n + 1.0 / m).sqrt();
        if baseline.len() >= 3 && current.len() >= 3 {
            let side = |values: &[f64]| prior.moderated_by(Spread::pooled(&[values])).relative;
            let welch = (side(baseline).powi(2) / n + side(current).powi(2) / m).sqrt();
            standard_error = standard_error.max(welch);
        }
        Self {
            log_ratio: mean(current) - mean(baseline),
            standard_error,
            degrees_of_freedom: pooled.degrees_of_freedom,
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

    /// The same difference seen with the common shift of all benchmarks taken away.
    pub fn without_shift(self, shift: f64) -> Self {
        Self { log_ratio: self.log_ratio - shift, ..self }
    }
}

/// The quantile of Student's t distribution.
pub fn t_quantile(probability: f64, degrees_of_freedom: f64) -> f64 {
    student(degrees_of_freedom).map_or(f64::INFINITY, |student| student.inverse_cdf(probability))
}

fn student(degrees_of_freedom: f64) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, degrees_of_freedom).ok()
}

/// What it takes for a difference to be called one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// The largest p-value that counts as significant.
    pub alpha: f64,
    /// The level of the interval that has to lie beyond the threshold.
    pub level: f64,
    /// The practical threshold, as a log ratio.
    pub threshold: f64,
}

impl Rule {
    /// The smallest log ratio that this rule would find four times out of five, given the
    /// precision of `difference`.
    pub fn detectable(&self, difference: &Difference) -> f64 {
        const POWER: f64 = 0.8;
        let degrees = difference.degrees_of_freedom;
        let margin = t_quantile(POWER, degrees);
        let significant = t_quantile(1.0 - self.alpha / 2.0, degrees) * difference.standard_error;
        let beyond = self.threshold
            + t_quantile(f64::midpoint(1.0, self.level), degrees) * difference.standard_error;
        significant.max(beyond) + margin * difference.standard_error
    }

    /// How many runs a side it would take to decide a difference of this size and spread, one way
    /// or the other; `None` if a hundred would not do. `prior` is how many degrees of freedom the
    /// spread is moderated with.
    pub fn runs_to_decide(&self, log_ratio: f64, spread: Spread, prior: f64) -> Option<u32> {
        const AT_MOST: u32 = 100;
        let size = log_ratio.abs();
        (2..=AT_MOST).find(|&runs| {
            let degrees = 2.0 * f64::from(runs - 1) + prior;
            let error = spread.relative * (2.0 / f64::from(runs)).sqrt();
            let half = t_quantile(f64::midpoint(1.0, self.level), degrees) * error;
            let significant = t_quantile(1.0 - self.alpha / 2.0, degrees) * error < size;
            if size > self.threshold {
                significant && size - half > self.threshold
            } else {
                size + half < self.threshold
            }
        })
    }
}

#[cfg(test)]
mod tests;
