//! One series with both its sides: how much it differs, how sure that is, and what it comes to.

use super::REPLICATED;
use super::priors::{Priors, logs_of_history};
use super::together::CommonMove;
use super::zero::Zeros;
use crate::detect::settings::Settings;
use crate::detect::verdict::{Comparison, RatioInterval, Replication, Side, Verdict};
use crate::model::{BenchmarkResult, Direction, History};
use crate::stats::difference::{Difference, Rule};
use crate::stats::spread::Spread;

/// One series with both sides.
pub(super) struct Pair<'r> {
    pub(super) baseline: &'r BenchmarkResult,
    pub(super) current: &'r BenchmarkResult,
    old: Vec<f64>,
    new: Vec<f64>,
    pub(super) replication: Replication,
    /// Prior that the spread of either side is moderated with.
    pub(super) spread: Spread,
    /// How many degrees of freedom of that are assumed rather than observed.
    assumed: f64,
    rule: Rule,
    /// By how much the other benchmarks say that standard errors are too small.
    pub(super) excess: f64,
}

/// Move of others that a difference is judged beside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Seen {
    /// Nothing.
    AsItIs,
    /// Move of the others: by how much worse they got, as a log ratio, and the error of that.
    Beside { log_worse: f64, error: f64 },
}

impl<'r> Pair<'r> {
    pub(super) fn new(
        baseline: &'r BenchmarkResult,
        current: &'r BenchmarkResult,
        history: &History,
        priors: &Priors,
        settings: &Settings,
    ) -> Self {
        let logs = |result: &BenchmarkResult| -> Vec<f64> {
            result.medians().iter().map(|median| median.ln()).collect()
        };
        let (old, new) = (logs(baseline), logs(current));
        let prior = priors.moderating(&current.series.metric);
        let certain = Zeros::of(baseline, current).is_some();
        let (replication, spread) = if certain || is_exact(baseline, current, history) {
            (Replication::Exact, Spread { relative: 0.0, degrees_of_freedom: 1.0 })
        } else if old.len() >= REPLICATED && new.len() >= REPLICATED {
            (Replication::Replicated, prior)
        } else {
            lent_spread(baseline, current, history, priors)
        };
        // The smaller side, so that swapping the sides changes nothing.
        let value = baseline.typical().min(current.typical());
        let rule = settings.rule(&current.series, value, replication);
        let assumed = prior.degrees_of_freedom;
        Self { baseline, current, old, new, replication, spread, assumed, rule, excess: 1.0 }
    }

    pub(super) fn has_ratio(&self) -> bool {
        self.old.iter().chain(&self.new).all(|log| log.is_finite())
    }

    pub(super) fn is_neutral(&self) -> bool {
        self.current.series.direction == Direction::Neutral
    }

    /// How many runs either side has.
    pub(super) fn runs(&self) -> (usize, usize) {
        (self.old.len(), self.new.len())
    }

    /// The runs that a look rests on: those of the smaller side.
    fn looked_at(&self) -> usize {
        self.old.len().min(self.new.len())
    }

    /// By how much worse it got, as a log ratio, if the machine has a say in that: neither what is
    /// counted nor the resources, of which one follows the other.
    pub(super) fn own_move(&self) -> Option<f64> {
        let sampled = self.replication != Replication::Exact;
        (sampled && self.has_ratio() && !self.current.series.metric.is_resource())
            .then(|| self.worse(self.difference().log_ratio))
    }

    /// The difference without what most benchmarks did, if it rests on a spread that was seen.
    pub(super) fn replicated_move(&self, common: Option<&CommonMove>) -> Option<Difference> {
        let seen = matches!(self.replication, Replication::Replicated | Replication::Borrowed);
        let own = common.filter(|_| !self.current.series.metric.is_resource());
        let shift = own.map_or(0.0, |common| self.worse(common.log_shift()));
        (seen && self.has_ratio()).then(|| self.difference().without_shift(shift))
    }

    /// Turns a log ratio of values into one of how much worse, and back.
    fn worse(&self, log_ratio: f64) -> f64 {
        match self.current.series.direction {
            Direction::Higher => -log_ratio,
            Direction::Lower | Direction::Neutral => log_ratio,
        }
    }

    pub(super) fn difference(&self) -> Difference {
        let own = Difference::moderated(&self.old, &self.new, self.spread);
        match self.replication {
            Replication::Exact => Difference { standard_error: 0.0, ..own },
            _ => own.widened_by(self.excess),
        }
    }

    pub(super) fn detectable_change(&self) -> Option<f64> {
        let smallest = || self.rule.detectable(&self.difference(), self.looked_at()).exp_m1();
        self.has_ratio().then(smallest)
    }

    pub(super) fn measure(&self, settings: &Settings) -> Comparison {
        let side = |result: &BenchmarkResult| Side {
            value: result.typical(),
            runs: result.measurements.len(),
            samples: result.measurements.iter().map(|m| m.summary.sample_count).sum(),
        };
        let (baseline, current) = (side(self.baseline), side(self.current));
        let mut comparison = Comparison {
            series: self.current.series.clone(),
            verdict: Verdict::Inconclusive,
            reservation: None,
            replication: self.replication,
            baseline,
            current,
            throughput: self.current.throughput.clone(),
            ratio: 1.0,
            interval: RatioInterval { low: 0.0, high: f64::MAX },
            excess: self.excess,
            p_value: 1.0,
            always_valid_p_value: 1.0,
            adjusted_p_value: 1.0,
            gate_p_value: None,
            look_p_value: 1.0,
            detectable_change: f64::MAX,
            within: None,
            open: false,
            runs_to_decide: None,
            acknowledged: None,
        };
        if let Some(zeros) = Zeros::of(self.baseline, self.current) {
            comparison.ratio = zeros.ratio();
            comparison.interval = zeros.interval();
            comparison.p_value = zeros.p_value();
            comparison.always_valid_p_value = zeros.p_value();
            comparison.adjusted_p_value = zeros.p_value();
            comparison.look_p_value = zeros.p_value();
            comparison.gate_p_value = Some(zeros.p_value());
        }
        if !self.has_ratio() {
            return comparison;
        }
        let difference = self.difference();
        comparison.ratio = difference.log_ratio.exp();
        comparison.interval = RatioInterval::of_logs(difference.interval(settings.level));
        comparison.p_value = difference.p_value();
        comparison.always_valid_p_value =
            self.rule.plan.always_valid(comparison.p_value, self.looked_at());
        comparison.adjusted_p_value = comparison.always_valid_p_value;
        comparison.look_p_value = comparison.p_value;
        comparison.within = Some(self.within(&difference));
        comparison.detectable_change = self.rule.detectable(&difference, self.looked_at()).exp_m1();
        if self.replication == Replication::Exact {
            comparison.gate_p_value = Some(comparison.p_value);
        }
        comparison
    }

    /// The smallest relative change that none is larger than, by the interval that is shown: also for those who
    /// look again and again, it is too small for fewer benchmarks than its level allows (see the simulations).
    fn within(&self, difference: &Difference) -> f64 {
        RatioInterval::reach_of_logs(difference.interval(self.rule.level))
    }

    /// Whether more runs are worth making. That a change is no larger than a tenth is an answer; that a change by
    /// a tenth would hardly have been found is a reason to go on all the same.
    pub(super) fn is_open(comparison: &Comparison, settings: &Settings) -> bool {
        match comparison.verdict {
            _ if comparison.reservation.is_some() => false,
            Verdict::Inconclusive => true,
            Verdict::NoChangeSeen => {
                /// The level of a single look that nobody adjusts.
                const ALONE: f64 = 0.05;
                comparison.p_value <= ALONE || comparison.detectable_change > settings.of_use
            }
            Verdict::Regression | Verdict::Improvement | Verdict::Unchanged => false,
        }
    }

    /// The verdict by significance and size.
    pub(super) fn judge(
        &self,
        comparison: &Comparison,
        settings: &Settings,
        seen: Seen,
    ) -> Verdict {
        if !self.has_ratio() {
            let zeros = Zeros::of(self.baseline, self.current);
            let direction = self.current.series.direction;
            return zeros.map_or(Verdict::Inconclusive, |zeros| zeros.verdict(direction));
        }
        let difference = match seen {
            Seen::AsItIs => self.difference(),
            Seen::Beside { log_worse, error } => {
                self.difference().without_shift(self.worse(log_worse)).with_error(error)
            }
        };
        let runs = self.looked_at();
        let (low, high) = difference.interval(self.rule.level);
        let threshold = self.rule.threshold;
        let p_value = difference.p_value();
        let significant = p_value <= self.rule.alpha_at(runs)
            && (self.replication == Replication::Unreplicated
                || comparison.adjusted_p_value <= settings.false_discovery_rate);
        let worse = match self.current.series.direction {
            Direction::Lower => Verdict::Regression,
            Direction::Higher => Verdict::Improvement,
            Direction::Neutral => Verdict::Inconclusive,
        };
        let (inside_low, inside_high) = difference.interval(self.rule.inside_level_at(runs));
        if significant && low > threshold {
            worse
        } else if significant && high < -threshold {
            worse.reversed()
        } else if inside_low >= -threshold && inside_high <= threshold {
            Verdict::Unchanged
        } else if !comparison.is_suggestive()
            && self.within(&difference) <= settings.of_use
            && !self.is_neutral()
        {
            Verdict::NoChangeSeen
        } else {
            Verdict::Inconclusive
        }
    }

    /// How many more runs a side would likely decide.
    pub(super) fn runs_to_decide(&self, comparison: &Comparison) -> Option<u32> {
        let spread = self.spread.moderated_by(Spread::pooled(&[&self.old, &self.new]));
        let spread = Spread { relative: spread.relative * self.excess, ..spread };
        let needed = self.rule.runs_to_decide(comparison.ratio.ln(), spread, self.assumed)?;
        let runs = u32::try_from(self.looked_at()).unwrap_or(u32::MAX);
        Some(needed.saturating_sub(runs).max(1))
    }
}

/// Whether the values speak for themselves: the metric is one that is counted, or all runs of
/// either side agree to the last digit, which no clock does. Earlier values that differ where nothing
/// else does are against it.
fn is_exact(baseline: &BenchmarkResult, current: &BenchmarkResult, history: &History) -> bool {
    let series = &current.series;
    if series.metric.is_time() {
        return false;
    }
    let agree = |medians: &[f64]| medians.windows(2).all(|pair| pair[0] == pair[1]);
    let (old, new) = (baseline.medians(), current.medians());
    if !agree(&old) || !agree(&new) {
        return false;
    }
    if baseline.exactness.max(current.exactness).is_exact() {
        let logs = history.get(series).map(|points| logs_of_history(points)).unwrap_or_default();
        // A step is a change of what was measured; a spread is noise of the counter.
        return Spread::of_history(&logs).is_none_or(|earlier| earlier.relative == 0.0);
    }
    old.len() >= REPLICATED && new.len() >= REPLICATED
}

/// The spread to assume where a side has too few runs to show its own. It is at least the error
/// of a run's own median: no run agrees with the next better than with itself.
fn lent_spread(
    baseline: &BenchmarkResult,
    current: &BenchmarkResult,
    history: &History,
    priors: &Priors,
) -> (Replication, Spread) {
    let noise = [baseline, current]
        .into_iter()
        .flat_map(|result| &result.measurements)
        .map(|measurement| measurement.summary.relative_error)
        .fold(0.0, f64::max);
    let metric = &current.series.metric;
    let earlier = history.get(&current.series).map(|points| logs_of_history(points));
    match earlier.and_then(|logs| Spread::of_history(&logs)) {
        Some(observed) => {
            let lent = priors.moderating(metric).moderated_by(observed);
            (Replication::Borrowed, lent.at_least(noise))
        }
        None => (Replication::Unreplicated, priors.unreplicated(metric).at_least(noise)),
    }
}
