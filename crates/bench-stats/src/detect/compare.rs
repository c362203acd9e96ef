//! Compares two sides, benchmark by benchmark, and judges them together.

use std::collections::BTreeMap;

use serde::Serialize;

use super::settings::Settings;
use super::verdict::{Comparison, Replication, Reservation, Verdict};
use crate::model::{BenchmarkResult, BenchmarkResults, History, Metric};
use crate::stats::quantile::quantile_of_others;

mod family;
mod moves;
mod pair;
mod priors;
mod together;
mod turns;
mod zero;

use family::Family;
use moves::{Move, Offset};
use pair::{Pair, Seen};
pub use priors::Priors;
pub use together::{Cause, CommonMove};
pub use turns::Order;

/// The comparisons of one report.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Compared {
    /// One for every series that both sides have, in the order of the series.
    pub comparisons: Vec<Comparison>,
    /// Set if most benchmarks moved together.
    pub common_move: Option<CommonMove>,
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
    let priors = Priors::of(&[baseline, current], history, settings);
    let mut pairs: Vec<Pair<'_>> = current
        .results
        .iter()
        .filter_map(|(series, current)| {
            let baseline = baseline.results.get(series)?;
            Some(Pair::new(baseline, current, history, &priors, settings))
        })
        .collect();
    widen_by_each_other(&mut pairs);
    let control = Control::among(&pairs, settings);
    let cause = match (Order::of(baseline, current), &control) {
        (Order::InTurns, _) => Cause::Code,
        (Order::Apart, Some(_)) => Cause::Controlled,
        (Order::Apart, None) => Cause::MachineOrCode,
    };
    let common_move =
        CommonMove::among(pairs.iter().filter_map(Pair::own_move).collect(), cause, settings);
    widen_by_offsets(&mut pairs, common_move.as_ref());
    let mut judged: Vec<Comparison> = pairs.iter().map(|pair| pair.measure(settings)).collect();
    Family::split(&judged).iter().for_each(|family| family.adjust(&mut judged));
    family::adjust_looks(&mut judged);
    for (comparison, pair) in judged.iter_mut().zip(&pairs) {
        comparison.verdict = pair.judge(comparison, settings, Seen::AsItIs);
    }
    for comparison in judged.iter_mut().filter(|one| !settings.gates(&one.series)) {
        comparison.gate_p_value = None;
    }
    let circumstances = Circumstances {
        common_move: common_move.as_ref(),
        control: control.as_ref(),
        other_machine: !same_machine(baseline, current),
    };
    for (comparison, pair) in judged.iter_mut().zip(&pairs) {
        circumstances.reserve(comparison, pair, settings);
        comparison.open = Pair::is_open(comparison, settings);
    }
    Compared { comparisons: judged, common_move }
}

/// The smallest relative change of `result` that comparing it with as many runs again would find
/// four times out of five, if those have its spread; `None` where a value is zero.
pub fn detectable_change(
    result: &BenchmarkResult,
    history: &History,
    priors: &Priors,
    settings: &Settings,
) -> Option<f64> {
    Pair::new(result, result, history, priors, settings).detectable_change()
}

fn same_machine(baseline: &BenchmarkResults, current: &BenchmarkResults) -> bool {
    let machines = |results: &BenchmarkResults| {
        results.runs.iter().map(|run| run.fingerprint.clone()).collect::<Vec<_>>()
    };
    let current = machines(current);
    machines(baseline).iter().all(|old| current.iter().all(|new| old.same_machine(new)))
}

/// Moves of the benchmarks that no change of the code can touch.
struct Control {
    /// By how much worse they got in the mean, as a log ratio.
    log_worse: f64,
    /// The standard error of that.
    standard_error: f64,
}

impl Control {
    fn among(pairs: &[Pair<'_>], settings: &Settings) -> Option<Self> {
        let named = pairs.iter().filter(|pair| settings.is_control(&pair.current.series));
        let moves: Vec<(f64, f64)> = named
            .filter_map(|pair| Some((pair.own_move()?, pair.difference().standard_error)))
            .collect();
        let count = crate::stats::mean::to_f64(moves.len());
        (!moves.is_empty()).then(|| Self {
            log_worse: moves.iter().map(|(worse, _)| worse).sum::<f64>() / count,
            standard_error: moves.iter().map(|(_, error)| error.powi(2)).sum::<f64>().sqrt()
                / count,
        })
    }
}

/// Reservation against taking a verdict at its word.
struct Circumstances<'c> {
    common_move: Option<&'c CommonMove>,
    control: Option<&'c Control>,
    other_machine: bool,
}

impl Circumstances<'_> {
    /// Takes back what the circumstances forbid to say, and says what would decide the rest.
    fn reserve(&self, comparison: &mut Comparison, pair: &Pair<'_>, settings: &Settings) {
        comparison.reservation = self.reservation(comparison, pair, settings);
        if comparison.reservation.is_some() {
            comparison.verdict = Verdict::Inconclusive;
        } else if comparison.verdict == Verdict::Inconclusive {
            comparison.runs_to_decide = pair.runs_to_decide(comparison);
        }
    }

    fn reservation(
        &self,
        comparison: &Comparison,
        pair: &Pair<'_>,
        settings: &Settings,
    ) -> Option<Reservation> {
        let open = comparison.verdict == Verdict::Inconclusive;
        let changed = matches!(comparison.verdict, Verdict::Regression | Verdict::Improvement);
        if !pair.has_ratio() && open {
            return Some(Reservation::NoRatio);
        }
        if pair.is_neutral() {
            return open.then_some(Reservation::Neutral);
        }
        if pair.replication == Replication::Exact {
            // What is counted, no machine changes.
            return None;
        }
        if self.other_machine {
            return Some(Reservation::OtherMachine);
        }
        let common = self.common_move.filter(|_| changed)?;
        let (beside, why) = match (common.cause, self.control) {
            (Cause::Code, _) => return None,
            (_, Some(control)) => (
                Seen::Beside { log_worse: control.log_worse, error: control.standard_error },
                Reservation::WithControl,
            ),
            (_, None) => (
                Seen::Beside { log_worse: common.log_shift(), error: 0.0 },
                Reservation::MachineOrCode,
            ),
        };
        (pair.judge(comparison, settings, beside) != comparison.verdict).then_some(why)
    }
}

/// Without replicates, the other benchmarks of the report are a yardstick for how much things
/// move between two runs here and now (the empirical null of Efron, *Large-Scale Simultaneous
/// Hypothesis Testing*, 2004): the smaller of what their median and their lower quartile say is
/// noise, as many may really have changed. It only ever widens.
fn widen_by_each_other(pairs: &mut [Pair<'_>]) {
    /// Of fewer moves, real changes may be half.
    const AT_LEAST: usize = 5;
    /// The median and the lower quartile of |t| with two degrees of freedom, those of
    /// [`Spread::UNREPLICATED`](crate::stats::spread::Spread::UNREPLICATED).
    const USUAL: [(f64, f64); 2] = [(0.5, 0.816_496_580_927_726), (0.25, 0.365_148_371_670_110_7)];
    let moves: Vec<(usize, f64)> = pairs
        .iter()
        .enumerate()
        .filter(|(_, pair)| pair.replication == Replication::Unreplicated)
        .filter_map(|(index, pair)| Some((index, pair.own_move()?.abs())))
        .collect();
    if moves.len() <= AT_LEAST {
        return;
    }
    let mut sizes: Vec<f64> = moves.iter().map(|(_, size)| *size).collect();
    sizes.sort_by(f64::total_cmp);
    for &(own, size) in &moves {
        let scales = USUAL.map(|(q, usual)| quantile_of_others(&sizes, size, q) / usual);
        let scale = scales.into_iter().fold(f64::INFINITY, f64::min) / std::f64::consts::SQRT_2;
        pairs[own].spread = pairs[own].spread.at_least(scale);
    }
}

/// Widens what rests on the spread of runs by what the other benchmarks' moves say about it, metric
/// by metric: see [`moves`]. A common move is taken away first: it is spoken of as a whole.
fn widen_by_offsets(pairs: &mut [Pair<'_>], common: Option<&CommonMove>) {
    let mut moves: BTreeMap<Metric, Vec<Move>> = BTreeMap::new();
    for pair in pairs.iter() {
        let Some(difference) = pair.replicated_move(common) else { continue };
        let (old, new) = pair.runs();
        let of_metric = moves.entry(pair.current.series.metric.clone()).or_default();
        of_metric.extend(Move::of(&difference, old, new));
    }
    let offsets: BTreeMap<Metric, Offset> =
        moves.into_iter().map(|(metric, moves)| (metric, Offset::among(&moves))).collect();
    for pair in pairs.iter_mut().filter(|pair| pair.replicated_move(common).is_some()) {
        let offset = offsets.get(&pair.current.series.metric).copied().unwrap_or(Offset::NONE);
        let (old, new) = pair.runs();
        pair.excess = offset.excess_of(old, new);
    }
}

#[cfg(test)]
mod tests;
