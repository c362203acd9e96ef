//! Compares two sides, benchmark by benchmark, and judges them together.

use serde::Serialize;

use super::settings::Settings;
use super::verdict::{Comparison, RatioInterval, Replication, Reservation, Side, Verdict};
use crate::model::{BenchmarkResult, BenchmarkResults, Direction, History};
use crate::stats::bootstrap::{self, MedianFractions};
use crate::stats::difference::{Difference, Rule};
use crate::stats::quantile::median_of_others;
use crate::stats::spread::Spread;

mod event;
mod family;
mod moves;

pub use event::MachineEvent;
use family::Family;
use moves::{More, Moves};

/// The comparisons of one report.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Compared {
    /// One for every series that both sides have, in the order of the series.
    pub comparisons: Vec<Comparison>,
    /// Set if most benchmarks moved together.
    pub machine_event: Option<MachineEvent>,
}

/// How many runs a side must have to speak for itself.
pub const REPLICATED: usize = 3;

/// Compares every series that both sides have.
pub fn compare(
    baseline: &BenchmarkResults,
    current: &BenchmarkResults,
    history: &History,
    settings: &Settings,
) -> Compared {
    let mut pairs: Vec<Pair<'_>> = current
        .results
        .iter()
        .filter_map(|(series, current)| {
            let baseline = baseline.results.get(series)?;
            Some(Pair::new(baseline, current, history, settings))
        })
        .collect();
    widen_by_each_other(&mut pairs);
    let own = pairs.iter().filter(|pair| !pair.current.series.metric.is_resource());
    let machine_event = MachineEvent::among(own.map(Pair::log_worse).collect(), settings);
    widen_by_opposite_moves(&mut pairs, machine_event.as_ref());
    let mut fractions = MedianFractions::default();
    let mut judged: Vec<Comparison> =
        pairs.iter().map(|pair| pair.measure(settings, &mut fractions)).collect();
    Family::split(&judged).iter().for_each(|family| family.adjust(&mut judged));
    for (comparison, pair) in judged.iter_mut().zip(&pairs) {
        comparison.verdict = pair.judge(comparison, settings, 0.0);
    }
    for comparison in judged.iter_mut().filter(|one| !settings.gates(&one.series)) {
        comparison.gate_p_value = None;
    }
    let other_machine = !same_machine(baseline, current);
    for (comparison, pair) in judged.iter_mut().zip(&pairs) {
        pair.reserve(comparison, machine_event.as_ref(), other_machine, settings);
    }
    Compared { comparisons: judged, machine_event }
}

/// The smallest relative change of `result` that comparing it with as many runs again would find
/// four times out of five, if those have its spread; `None` where a value is zero.
pub fn detectable_change(
    result: &BenchmarkResult,
    history: &History,
    settings: &Settings,
) -> Option<f64> {
    let pair = Pair::new(result, result, history, settings);
    pair.has_ratio().then(|| pair.rule.detectable(&pair.difference()).exp_m1())
}

fn same_machine(baseline: &BenchmarkResults, current: &BenchmarkResults) -> bool {
    let machines = |results: &BenchmarkResults| {
        results.runs.iter().map(|run| run.fingerprint.clone()).collect::<Vec<_>>()
    };
    let current = machines(current);
    machines(baseline).iter().all(|old| current.iter().all(|new| old.same_machine(new)))
}

/// One series with both sides.
struct Pair<'r> {
    baseline: &'r BenchmarkResult,
    current: &'r BenchmarkResult,
    old: Vec<f64>,
    new: Vec<f64>,
    replication: Replication,
    spread: Spread,
    rule: Rule,
    /// By how much the other benchmarks say that standard errors are too small.
    excess: f64,
}

impl<'r> Pair<'r> {
    fn new(
        baseline: &'r BenchmarkResult,
        current: &'r BenchmarkResult,
        history: &History,
        settings: &Settings,
    ) -> Self {
        let logs = |result: &BenchmarkResult| -> Vec<f64> {
            result.medians().iter().map(|median| median.ln()).collect()
        };
        let (old, new) = (logs(baseline), logs(current));
        let (replication, spread) = if old.len() >= REPLICATED && new.len() >= REPLICATED {
            (Replication::Replicated, settings.moderating)
        } else {
            lent_spread(baseline, current, history, settings)
        };
        // The smaller side, so that swapping the sides changes nothing.
        let value = baseline.typical().min(current.typical());
        let rule = settings.rule(&current.series, value, replication);
        Self { baseline, current, old, new, replication, spread, rule, excess: 1.0 }
    }

    fn has_ratio(&self) -> bool {
        self.old.iter().chain(&self.new).all(|log| log.is_finite())
    }

    /// The log ratio of how much worse it got; none as 0, where there is no ratio.
    fn log_worse(&self) -> f64 {
        if !self.has_ratio() {
            return 0.0;
        }
        let log_ratio = self.difference().log_ratio;
        match self.more() {
            More::IsWorse => log_ratio,
            More::IsBetter => -log_ratio,
        }
    }

    /// What a common move means for this series, as a log ratio.
    fn shift(&self, event: &MachineEvent) -> f64 {
        match self.more() {
            More::IsWorse => event.log_shift(),
            More::IsBetter => -event.log_shift(),
        }
    }

    fn more(&self) -> More {
        match self.current.series.direction {
            Direction::Higher => More::IsBetter,
            Direction::Lower | Direction::Neutral => More::IsWorse,
        }
    }

    fn difference(&self) -> Difference {
        Difference::moderated(&self.old, &self.new, self.spread).widened_by(self.excess)
    }

    fn measure(&self, settings: &Settings, fractions: &mut MedianFractions) -> Comparison {
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
            bootstrap: None,
            p_value: 1.0,
            adjusted_p_value: 1.0,
            gate_p_value: None,
            detectable_change: f64::MAX,
            runs_to_decide: None,
            acknowledged: None,
        };
        if !self.has_ratio() {
            return comparison;
        }
        let difference = self.difference();
        comparison.ratio = difference.log_ratio.exp();
        comparison.interval = RatioInterval::of_logs(difference.interval(settings.level));
        comparison.p_value = difference.p_value();
        comparison.adjusted_p_value = comparison.p_value;
        comparison.detectable_change = self.rule.detectable(&difference).exp_m1();
        if self.replication == Replication::Replicated {
            comparison.bootstrap = self.bootstrap(settings, fractions);
        }
        comparison
    }

    fn bootstrap(
        &self,
        settings: &Settings,
        fractions: &mut MedianFractions,
    ) -> Option<RatioInterval> {
        let mut tabulate = |result: &BenchmarkResult| -> Vec<_> {
            result.measurements.iter().map(|m| fractions.medians_of(&m.samples)).collect()
        };
        let (old, new) = (tabulate(self.baseline), tabulate(self.current));
        let (level, resamples) = (settings.level, settings.resamples);
        bootstrap::log_ratio_interval(&old, &new, level, resamples, settings.seed)
            .map(RatioInterval::of_logs)
    }

    /// The verdict by significance and size, after a common shift is taken away.
    fn judge(&self, comparison: &Comparison, settings: &Settings, shift: f64) -> Verdict {
        if !self.has_ratio() {
            let zero = |result: &BenchmarkResult| result.medians().iter().all(|&m| m == 0.0);
            let both = zero(self.baseline) && zero(self.current);
            return if both { Verdict::Unchanged } else { Verdict::Inconclusive };
        }
        let difference = self.difference().without_shift(shift);
        let (low, high) = difference.interval(self.rule.level);
        let threshold = self.rule.threshold;
        let significant = difference.p_value() <= self.rule.alpha
            && (self.replication == Replication::Unreplicated
                || comparison.adjusted_p_value <= settings.false_discovery_rate);
        let worse = match self.current.series.direction {
            Direction::Lower => Verdict::Regression,
            Direction::Higher => Verdict::Improvement,
            Direction::Neutral => Verdict::Inconclusive,
        };
        if significant && low > threshold {
            worse
        } else if significant && high < -threshold {
            worse.reversed()
        } else if low >= -threshold && high <= threshold {
            Verdict::Unchanged
        } else {
            Verdict::Inconclusive
        }
    }

    /// Takes back what the circumstances forbid to say, and says what would decide the rest.
    fn reserve(
        &self,
        comparison: &mut Comparison,
        event: Option<&MachineEvent>,
        other_machine: bool,
        settings: &Settings,
    ) {
        let changed = matches!(comparison.verdict, Verdict::Regression | Verdict::Improvement);
        let reservation = if !self.has_ratio() && comparison.verdict == Verdict::Inconclusive {
            Some(Reservation::NoRatio)
        } else if self.current.series.direction == Direction::Neutral {
            (comparison.verdict == Verdict::Inconclusive).then_some(Reservation::Neutral)
        } else if other_machine {
            Some(Reservation::OtherMachine)
        } else if let Some(event) = event.filter(|_| changed) {
            let alone = self.judge(comparison, settings, self.shift(event));
            (alone != comparison.verdict).then_some(Reservation::MachineEvent)
        } else {
            None
        };
        if reservation.is_some() {
            comparison.reservation = reservation;
            comparison.verdict = Verdict::Inconclusive;
        } else if comparison.verdict == Verdict::Inconclusive {
            let spread = self.spread.moderated_by(Spread::pooled(&[&self.old, &self.new]));
            let spread = Spread { relative: spread.relative * self.excess, ..spread };
            let prior = settings.moderating.degrees_of_freedom;
            let needed = self.rule.runs_to_decide(comparison.ratio.ln(), spread, prior);
            let runs = u32::try_from(self.old.len().min(self.new.len())).unwrap_or(u32::MAX);
            comparison.runs_to_decide = needed.map(|needed| needed.saturating_sub(runs).max(1));
        }
    }
}

/// The spread to assume where a side has too few runs to show its own. It is at least the error
/// of a run's own median: no run agrees with the next better than with itself.
fn lent_spread(
    baseline: &BenchmarkResult,
    current: &BenchmarkResult,
    history: &History,
    settings: &Settings,
) -> (Replication, Spread) {
    let noise = [baseline, current]
        .into_iter()
        .flat_map(|result| &result.measurements)
        .map(|measurement| measurement.summary.relative_error)
        .fold(0.0, f64::max);
    let earlier: Vec<f64> = history
        .get(&current.series)
        .into_iter()
        .flatten()
        .filter(|point| point.median > 0.0)
        .map(|point| point.median.ln())
        .collect();
    match Spread::of_history(&earlier) {
        Some(observed) => {
            (Replication::Borrowed, settings.moderating.moderated_by(observed).at_least(noise))
        }
        None => {
            let spread = settings.unreplicated.at_least(noise);
            (Replication::Unreplicated, spread)
        }
    }
}

/// Without replicates, the other benchmarks of the report are a yardstick for how much things
/// move between two runs here and now (the empirical null of Efron, *Large-Scale Simultaneous
/// Hypothesis Testing*, 2004): most of them did not change, so the median of their moves is noise.
/// It only ever widens.
fn widen_by_each_other(pairs: &mut [Pair<'_>]) {
    /// Of fewer moves, real changes may be half.
    const AT_LEAST: usize = 5;
    /// The median of |t| with two degrees of freedom, those of [`Spread::UNREPLICATED`].
    const MEDIAN_T: f64 = 0.816_496_580_927_726;
    let moves: Vec<(usize, f64)> = pairs
        .iter()
        .enumerate()
        .filter(|(_, pair)| pair.replication == Replication::Unreplicated && pair.has_ratio())
        .filter(|(_, pair)| !pair.current.series.metric.is_resource())
        .map(|(index, pair)| (index, pair.difference().log_ratio.abs()))
        .collect();
    if moves.len() <= AT_LEAST {
        return;
    }
    let mut sizes: Vec<f64> = moves.iter().map(|(_, size)| *size).collect();
    sizes.sort_by(f64::total_cmp);
    for &(own, size) in &moves {
        let scale = median_of_others(&sizes, size) / (MEDIAN_T * std::f64::consts::SQRT_2);
        pairs[own].spread = pairs[own].spread.at_least(scale);
    }
}

/// Widens what rests on the spread of runs by what the other benchmarks' moves say about it:
/// see [`moves`]. Times and resources are families of their own.
///
/// A common move of most benchmarks is taken away first: it is spoken of as a whole.
fn widen_by_opposite_moves(pairs: &mut [Pair<'_>], event: Option<&MachineEvent>) {
    for resources in [false, true] {
        let member = |pair: &Pair<'_>| {
            pair.current.series.metric.is_resource() == resources
                && pair.replication != Replication::Unreplicated
                && pair.has_ratio()
        };
        let own_move = |pair: &Pair<'_>| match event.filter(|_| !resources) {
            Some(event) => pair.difference().without_shift(pair.shift(event)),
            None => pair.difference(),
        };
        let mut moves = Moves::default();
        for pair in pairs.iter().filter(|pair| member(pair)) {
            moves.add(&own_move(pair), pair.more());
        }
        for pair in pairs.iter_mut().filter(|pair| member(pair)) {
            pair.excess = moves.excess_for(&own_move(pair), pair.more());
        }
    }
}

#[cfg(test)]
mod tests;
