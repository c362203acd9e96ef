//! Comparing identical code with itself: how often would there have been an alarm?

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;
use serde::Serialize;

use super::compare::compare;
use super::settings::Settings;
use super::verdict::Verdict;
use crate::model::{BenchmarkResults, History, RunId};
use crate::stats::quantile::Weighted;
use crate::stats::spread::Spread;
use crate::stats::summary::to_f64;

/// What comparing halves of identical runs came to.
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
    /// The same with one run against one.
    pub single: SingleRuns,
    /// The spread between runs, in the median of all benchmarks.
    pub median_spread: f64,
    /// The spread that nine of ten benchmarks stay below.
    pub p90_spread: f64,
    /// The spread that the configuration should say.
    pub suggested_spread: f64,
}

/// Comparisons of one run with another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct SingleRuns {
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
    // The bootstrap would only make alarms rarer, and takes most of the time.
    let settings = Settings { resamples: 0, ..settings.clone() };
    let count = |old: &[RunId], new: &[RunId]| {
        let (old, new) = (only(results, old), only(results, new));
        let compared = compare(&old, &new, &History::new(), &settings).comparisons;
        let own = compared.iter().filter(|one| !one.series.metric.is_resource());
        let changed = |verdict| matches!(verdict, Verdict::Regression | Verdict::Improvement);
        let alarms = own.clone().filter(|one| changed(one.verdict)).count();
        (own.count(), alarms)
    };
    let (mut comparisons, mut false_alarms) = (0, 0);
    let mut single = SingleRuns::default();
    for _ in 0..SPLITS {
        runs.shuffle(&mut random);
        let (old, new) = runs.split_at(runs.len() / 2);
        let (all, alarms) = count(old, new);
        comparisons += all;
        false_alarms += alarms;
        let (all, alarms) = count(&old[..1], &new[..1]);
        single.comparisons += all;
        single.false_alarms += alarms;
    }
    let spreads = Weighted::new(spreads(results).into_iter().map(|one| (one, 1.0)).collect());
    let p90_spread = spreads.quantile(0.9);
    Some(SelfComparison {
        runs: runs.len(),
        splits: SPLITS,
        comparisons,
        false_alarms,
        single,
        median_spread: spreads.quantile(0.5),
        p90_spread,
        suggested_spread: suggested(p90_spread),
    })
}

/// The scale whose population of spreads has its 90th percentile here, as
/// [`Spread::UNREPLICATED`] explains: 0.3246 is the root of half the 10% quantile of chi-square
/// with two degrees of freedom.
fn suggested(p90_spread: f64) -> f64 {
    p90_spread * 0.324_6
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
