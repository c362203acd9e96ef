//! Comparing identical code with itself: how often would there have been an alarm?

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;
use serde::Serialize;

use super::compare::compare;
use super::settings::Settings;
use super::verdict::{Comparison, Verdict};
use crate::model::{BenchmarkResults, History, RunId};
use crate::stats::mean::to_f64;
use crate::stats::quantile::Weighted;
use crate::stats::spread::Spread;

/// Outcome of comparing halves of identical runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SelfComparison {
    /// How many runs there were.
    pub runs: usize,
    /// How often they were split into halves.
    pub splits: usize,
    /// How many comparisons that made.
    pub comparisons: usize,
    /// How many of them were called a change.
    pub false_alarms: usize,
    /// Tally of one run against one.
    pub single: Tally,
    /// The same with the first half of the runs against the second, in the order of time: what two
    /// sides that are measured one after the other would come to.
    pub in_order: Tally,
    /// The spread between runs, in the median of all benchmarks.
    pub median_spread: f64,
    /// The spread that nine of ten benchmarks stay below.
    pub p90_spread: f64,
    /// The spread that the configuration should say.
    pub suggested_spread: f64,
    /// The practical threshold at which no more alarms would be left than `alpha` allows; none if
    /// the present one does it.
    pub suggested_threshold: Option<f64>,
}

/// How many comparisons of some kind there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Tally {
    /// How many there were.
    pub comparisons: usize,
    /// How many were called a change.
    pub false_alarms: usize,
}

/// How often runs are split: two hundred halves tell one percent from two.
const SPLITS: usize = 200;

/// Compares halves of `results` with each other; `None` with fewer than four runs.
///
/// The same runs always give the same answer.
pub fn compare_with_itself(
    results: &BenchmarkResults,
    settings: &Settings,
) -> Option<SelfComparison> {
    let mut runs: Vec<RunId> = results.runs.iter().map(|run| run.id).collect();
    if runs.len() < 4 {
        return None;
    }
    let mut random = Pcg64Mcg::seed_from_u64(settings.seed);
    let count = |old: &[RunId], new: &[RunId]| {
        let (old, new) = (only(results, old), only(results, new));
        let compared = compare(&old, &new, &History::new(), settings).comparisons;
        let own = compared.iter().filter(|one| !one.series.metric.is_resource());
        let alarms: Vec<f64> = own.clone().filter_map(beyond).collect();
        (own.count(), alarms)
    };
    let tally = |(comparisons, alarms): (usize, Vec<f64>)| Tally {
        comparisons,
        false_alarms: alarms.len(),
    };
    let (first, second) = runs.split_at(runs.len() / 2);
    let in_order = tally(count(first, second));
    let (mut comparisons, mut alarms) = (0, Vec::new());
    let mut single = Tally::default();
    for _ in 0..SPLITS {
        runs.shuffle(&mut random);
        let (old, new) = runs.split_at(runs.len() / 2);
        let (all, beyond) = count(old, new);
        comparisons += all;
        alarms.extend(beyond);
        let one = tally(count(&old[..1], &new[..1]));
        single.comparisons += one.comparisons;
        single.false_alarms += one.false_alarms;
    }
    let spreads = Weighted::new(spreads(results).into_iter().map(|one| (one, 1.0)).collect());
    let p90_spread = spreads.quantile(0.9);
    Some(SelfComparison {
        runs: runs.len(),
        splits: SPLITS,
        comparisons,
        false_alarms: alarms.len(),
        single,
        in_order,
        median_spread: spreads.quantile(0.5),
        p90_spread,
        suggested_spread: suggested(p90_spread),
        suggested_threshold: silencing(alarms, comparisons, settings.alpha),
    })
}

/// The scale whose population of spreads has its 90th percentile here, as
/// [`Spread::UNREPLICATED`] explains: 0.3246 is the root of half the 10% quantile of chi-square
/// with two degrees of freedom.
fn suggested(p90_spread: f64) -> f64 {
    p90_spread * 0.324_6
}

/// By how much the whole interval of an alarm lies away from no change; `None` if it is none.
fn beyond(comparison: &Comparison) -> Option<f64> {
    let changed = matches!(comparison.verdict, Verdict::Regression | Verdict::Improvement);
    let (low, high) = (comparison.interval.low.ln(), comparison.interval.high.ln());
    changed.then(|| low.abs().min(high.abs()).exp_m1())
}

/// The threshold that leaves at most a share `alpha` of the comparisons alarming, rounded up to a
/// tenth of a percent.
fn silencing(mut alarms: Vec<f64>, comparisons: usize, alpha: f64) -> Option<f64> {
    let mut allowed = 0;
    while to_f64(allowed + 1) <= alpha * to_f64(comparisons) {
        allowed += 1;
    }
    alarms.sort_by(|a, b| b.total_cmp(a));
    alarms.get(allowed).map(|needed| ((needed * 1000.0).floor() + 1.0) / 1000.0)
}

fn spreads(results: &BenchmarkResults) -> Vec<f64> {
    results
        .results
        .values()
        .filter(|result| !result.series.metric.is_resource())
        .map(|result| result.medians().iter().map(|median| median.ln()).collect::<Vec<_>>())
        .filter(|logs| logs.len() >= 2 && logs.iter().all(|log| log.is_finite()))
        .map(|logs| Spread::pooled(&[&logs]).relative)
        .collect()
}

/// The results of some of the runs.
fn only(results: &BenchmarkResults, wanted: &[RunId]) -> BenchmarkResults {
    let mut part = BenchmarkResults::new(results.name.clone());
    part.runs = results.runs.iter().filter(|run| wanted.contains(&run.id)).cloned().collect();
    for (series, result) in &results.results {
        for measurement in result.measurements.iter().filter(|one| wanted.contains(&one.run)) {
            part.add(series, measurement.clone());
        }
    }
    part
}

impl SelfComparison {
    /// The share of comparisons that were false alarms.
    pub fn false_alarm_rate(&self) -> f64 {
        to_f64(self.false_alarms) / to_f64(self.comparisons.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Fingerprint, Measurement, Run, Samples, Series};
    use crate::stats::summary::Summary;

    /// Runs of eight benchmarks whose medians are what `median` says of benchmark and run.
    fn runs(count: u8, median: impl Fn(u8, u8) -> f64) -> BenchmarkResults {
        let mut results = BenchmarkResults::new("latest");
        for run in 0..count {
            results.runs.push(Run::new(
                RunId(run.into()),
                jiff::Timestamp::from_second(i64::from(run) * 60).unwrap(),
                Fingerprint::default(),
            ));
            for benchmark in 0..8 {
                let samples = Samples::of_values([median(benchmark, run)]).unwrap();
                let summary = Summary::of(&samples);
                let measurement = Measurement { run: RunId(run.into()), summary, samples };
                results.add(&Series::time(format!("b{benchmark}")), measurement);
            }
        }
        results
    }

    fn wobble(benchmark: u8, run: u8) -> f64 {
        1.0 + f64::from((u32::from(benchmark) * 31 + u32::from(run) * 17) % 23) / 2000.0
    }

    #[test]
    fn quiet_runs_raise_nothing_and_need_no_other_threshold() {
        let found =
            compare_with_itself(&runs(10, |b, r| 100.0 * wobble(b, r)), &Settings::default());
        let found = found.unwrap();
        assert_eq!((found.false_alarms, found.in_order.false_alarms), (0, 0));
        assert_eq!((found.comparisons, found.in_order.comparisons), (200 * 8, 8));
        assert_eq!(found.suggested_threshold, None);
        assert!((0.0005..0.01).contains(&found.suggested_spread), "{found:?}");
    }

    #[test]
    fn a_machine_that_changes_half_way_shows_in_the_order_of_time() {
        // Half of the benchmarks get slower in the second half, half of them faster.
        let halves = runs(10, |benchmark, run| {
            let way = if benchmark % 2 == 0 { 1.2 } else { 1.0 / 1.2 };
            100.0 * wobble(benchmark, run) * if run < 5 { 1.0 } else { way }
        });
        let settings = Settings::default();
        let found = compare_with_itself(&halves, &settings).unwrap();
        // In a random order it looks like a spread of twenty percent.
        assert!(found.false_alarm_rate() < 0.02, "{found:?}");
        assert!(found.median_spread > 0.08, "{found:?}");
        assert_eq!((found.in_order.false_alarms, found.in_order.comparisons), (8, 8));
    }

    #[test]
    fn the_threshold_that_silences_leaves_what_alpha_allows() {
        assert_eq!(silencing(vec![0.02, 0.05, 0.0301], 100, 0.01), Some(0.031));
        assert_eq!(silencing(vec![0.02], 100, 0.01), None);
        assert_eq!(silencing(Vec::new(), 0, 0.01), None);
    }
}
