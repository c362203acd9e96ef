//! What benchmarks come to together: the geometric mean of their ratios, over what both sides have.
//!
//! Ratios of one quantity in one unit are put together, never those of different ones: a mean of times and
//! sizes means nothing. What is zero on a side has no ratio, and a quantity of which neither more nor less
//! is better has no mean that anybody could judge.

use std::collections::BTreeMap;

use serde::Serialize;

use super::compare::REPLICATED;
use super::verdict::{Comparison, RatioInterval};
use crate::model::{BenchmarkResult, BenchmarkResults, Direction, Metric, RunId, Series, Unit};
use crate::stats::difference::Difference;
use crate::stats::mean::{mean, to_f64};

/// The geometric mean of the ratios of several benchmarks, current over baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GeometricMean {
    /// What the names of its benchmarks begin with, up to the first slash; none stands for all of them.
    pub group: Option<String>,
    /// The quantity.
    pub metric: Metric,
    /// The unit of all its values.
    pub unit: Unit,
    /// Which way is better.
    pub direction: Direction,
    /// How many benchmarks it is of.
    pub benchmarks: usize,
    /// The mean itself: 1.05 is five percent more.
    pub ratio: f64,
    /// The interval of it.
    pub interval: RatioInterval,
    /// Ground that the interval rests on.
    pub basis: Basis,
    /// Series that took no part.
    pub left_out: LeftOut,
}

/// Ground that the interval of a mean rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The mean of each run: what all benchmarks of a run share is seen between runs.
    Runs,
    /// The intervals of the benchmarks, as wide as if all erred together: fewer than three runs of a side
    /// measured them all.
    Intervals,
}

/// How many benchmarks took no part in a mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Those that are zero on a side, and have no ratio.
    pub zero: usize,
    /// Those that one side does not have.
    pub on_one_side: usize,
}

/// The benchmarks of one mean.
#[derive(Default)]
struct Members<'c> {
    compared: Vec<&'c Comparison>,
    left_out: LeftOut,
}

type Key<'c> = (&'c Metric, &'c Unit, Direction, Option<&'c str>);

/// The means of all that was compared, by quantity, and of each group that is not all of it. A mean is of two
/// benchmarks at least. `baseline` and `current` are what the comparisons were made from.
pub fn geometric_means(
    comparisons: &[Comparison],
    (baseline, current): (&BenchmarkResults, &BenchmarkResults),
    on_one_side: &[Series],
    level: f64,
) -> Vec<GeometricMean> {
    let mut members: BTreeMap<Key<'_>, Members<'_>> = BTreeMap::new();
    for one in comparisons {
        for key in keys(&one.series) {
            let members = members.entry(key).or_default();
            if has_ratio(one) {
                members.compared.push(one);
            } else {
                members.left_out.zero += 1;
            }
        }
    }
    for series in on_one_side {
        for key in keys(series) {
            members.entry(key).or_default().left_out.on_one_side += 1;
        }
    }
    let all: BTreeMap<_, usize> = members
        .iter()
        .filter(|((.., group), _)| group.is_none())
        .map(|((metric, unit, direction, _), all)| {
            ((*metric, *unit, *direction), all.compared.len())
        })
        .collect();
    let mut means: Vec<GeometricMean> = members
        .iter()
        .filter(|((metric, unit, direction, group), of)| {
            let is_all = all.get(&(*metric, *unit, *direction)) == Some(&of.compared.len());
            of.compared.len() > 1 && (group.is_none() || !is_all)
        })
        .map(|(key, members)| members.mean(key, baseline, current, level))
        .collect();
    // What most benchmarks are about comes first.
    means.sort_by_key(|one| !one.metric.is_time());
    means
}

/// The means that a benchmark takes part in: none where neither way is better.
fn keys(series: &Series) -> impl Iterator<Item = Key<'_>> {
    let Series { benchmark, metric, unit, direction } = series;
    let group = benchmark.as_str().split_once('/').map(|(group, _)| Some(group));
    let groups = (*direction != Direction::Neutral).then_some([Some(None), group]);
    groups.into_iter().flatten().flatten().map(move |group| (metric, unit, *direction, group))
}

fn has_ratio(one: &Comparison) -> bool {
    let (low, high) = (one.interval.low, one.interval.high);
    let usual = |value: f64| value > 0.0 && value < f64::MAX;
    usual(one.baseline.value) && usual(one.current.value) && usual(low) && usual(high)
}

impl Members<'_> {
    fn mean(
        &self,
        key: &Key<'_>,
        baseline: &BenchmarkResults,
        current: &BenchmarkResults,
        level: f64,
    ) -> GeometricMean {
        let (metric, unit, direction, group) = key;
        let of = |value: fn(&Comparison) -> f64| {
            mean(&self.compared.iter().map(|one| value(one).ln()).collect::<Vec<f64>>())
        };
        let log_ratio = of(|one| one.ratio);
        let by_runs = self.reach_by_runs(baseline, current, level);
        let (low, high) = match by_runs {
            Some(reach) => (log_ratio - reach, log_ratio + reach),
            None => (of(|one| one.interval.low), of(|one| one.interval.high)),
        };
        GeometricMean {
            group: group.map(str::to_owned),
            metric: (*metric).clone(),
            unit: (*unit).clone(),
            direction: *direction,
            benchmarks: self.compared.len(),
            ratio: log_ratio.exp(),
            interval: RatioInterval::of_logs((low, high)),
            basis: if by_runs.is_some() { Basis::Runs } else { Basis::Intervals },
            left_out: self.left_out,
        }
    }

    /// How far the interval reaches to either side, by what the means of the runs show (Welch's test), and by
    /// what intervals were widened beyond that, each benchmark by itself.
    fn reach_by_runs(
        &self,
        baseline: &BenchmarkResults,
        current: &BenchmarkResults,
        level: f64,
    ) -> Option<f64> {
        let (old, new) = (self.means_of_runs(baseline), self.means_of_runs(current));
        if old.len() < REPLICATED || new.len() < REPLICATED {
            return None;
        }
        let difference = Difference::welch(&old, &new);
        let shown = if difference.standard_error > 0.0 {
            let (low, high) = difference.interval(level);
            (high - low) / 2.0
        } else {
            0.0
        };
        let widened: f64 = self
            .compared
            .iter()
            .map(|one| {
                let reach = (one.interval.high.ln() - one.interval.low.ln()) / 2.0;
                reach.powi(2) * (1.0 - one.excess.max(1.0).powi(-2))
            })
            .sum();
        let widened = widened.sqrt() / to_f64(self.compared.len());
        Some(shown.hypot(widened))
    }

    /// The mean of the logarithms of each run that measured all of these benchmarks.
    fn means_of_runs(&self, side: &BenchmarkResults) -> Vec<f64> {
        let mut runs: BTreeMap<RunId, Vec<f64>> = BTreeMap::new();
        let results = self.compared.iter().filter_map(|one| side.results.get(&one.series));
        for BenchmarkResult { measurements, .. } in results {
            for one in measurements {
                runs.entry(one.run).or_default().push(one.summary.median.ln());
            }
        }
        runs.values()
            .filter(|logs| logs.len() == self.compared.len())
            .map(|logs| mean(logs))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BenchmarkAnalyzer;
    use crate::model::{Measurement, Samples};
    use crate::stats::summary::Summary;

    /// A side of runs: what every run measured of every series.
    fn side(name: &str, runs: &[&[(Series, f64)]]) -> BenchmarkResults {
        let mut results = BenchmarkResults::new(name);
        for (run, values) in (1..).zip(runs) {
            for (series, value) in *values {
                let samples = Samples::of_values([*value]).unwrap();
                let summary = Summary::of(&samples);
                results.add(series, Measurement { run: RunId(run), summary, samples });
            }
        }
        results
    }

    /// Runs that are each by so much slower as a whole, of benchmarks with these values.
    fn shared(name: &str, shifts: &[f64], values: &[(&str, f64)]) -> BenchmarkResults {
        let runs: Vec<Vec<(Series, f64)>> = shifts
            .iter()
            .map(|shift| {
                values.iter().map(|(name, value)| (Series::time(*name), value * shift)).collect()
            })
            .collect();
        side(name, &runs.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    fn means(old: BenchmarkResults, new: &BenchmarkResults) -> Vec<GeometricMean> {
        BenchmarkAnalyzer::new(old).analyze_results(new).geometric_means
    }

    const SHIFTS: [f64; 5] = [1.0, 1.02, 0.99, 1.01, 0.98];

    #[test]
    fn a_mean_is_of_ratios_and_swapping_the_sides_inverts_it() {
        let names = [("a/x", 100.0), ("a/y", 1e6), ("b/z", 5.0), ("b/w", 7.0)];
        let twice = [("a/x", 200.0), ("a/y", 2e6), ("b/z", 2.5), ("b/w", 3.5)];
        let (old, new) = (shared("old", &SHIFTS, &names), shared("new", &SHIFTS, &twice));
        let forth = means(old.clone(), &new);
        let back = means(new, &old);
        let found: Vec<_> = forth
            .iter()
            .map(|one| (one.group.as_deref(), one.benchmarks, (one.ratio * 1e6).round() / 1e6))
            .collect();
        assert_eq!(found, [(None, 4, 1.0), (Some("a"), 2, 2.0), (Some("b"), 2, 0.5)]);
        for (forth, back) in forth.iter().zip(&back) {
            assert!((forth.ratio * back.ratio - 1.0).abs() < 1e-12);
            assert!((forth.interval.low * back.interval.high - 1.0).abs() < 1e-9);
            assert!(forth.interval.low < forth.ratio && forth.ratio < forth.interval.high);
        }
    }

    /// What slows a whole run down is no more certain for being seen in a hundred benchmarks.
    #[test]
    fn what_a_run_shares_does_not_average_out() {
        let names: Vec<String> = (0..100).map(|index| format!("b{index}")).collect();
        let values: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 100.0)).collect();
        let shifts = [1.0, 1.1, 0.9, 1.05, 0.95];
        let (old, new) = (shared("old", &shifts, &values), shared("new", &shifts, &values));
        let all = &means(old, &new)[0];
        assert_eq!((all.benchmarks, all.basis), (100, Basis::Runs));
        // Welch's interval of five runs a side that vary by 7.9%.
        assert!((1.10..1.14).contains(&all.interval.high), "{all:?}");
    }

    /// Benchmarks that vary by themselves are known better together than each alone.
    #[test]
    fn what_benchmarks_do_by_themselves_averages_out() {
        let names: Vec<String> = (0..64).map(|index| format!("b{index}")).collect();
        let runs = |seed: usize| -> Vec<Vec<(Series, f64)>> {
            (0..5)
                .map(|run| {
                    let value = |index: usize| {
                        let phase = (index * 7919 + run * 104_729 + seed * 1_299_709) % 101;
                        100.0 * (1.0 + (phase as f64 / 101.0 - 0.5) * 0.2)
                    };
                    names
                        .iter()
                        .enumerate()
                        .map(|(i, n)| (Series::time(n.as_str()), value(i)))
                        .collect()
                })
                .collect()
        };
        let of = |name: &str, seed| {
            side(name, &runs(seed).iter().map(Vec::as_slice).collect::<Vec<_>>())
        };
        let report = BenchmarkAnalyzer::new(of("old", 1)).analyze_results(&of("new", 2));
        let reach = |interval: RatioInterval| (interval.high / interval.low).ln() / 2.0;
        let alone: f64 =
            report.comparisons.iter().map(|one| reach(one.interval)).sum::<f64>() / 64.0;
        let together = reach(report.geometric_means[0].interval);
        assert!(together < alone / 3.0, "{together} of all, {alone} of one");
    }

    #[test]
    fn times_come_before_other_quantities() {
        let counted = |name: &str| Series { metric: Metric::new("calls"), ..Series::time(name) };
        let values = ["a", "b"].map(|name| [(Series::time(name), 5.0), (counted(name), 7.0)]);
        let run = values.concat();
        let found = means(side("old", &[&run[..]; 3]), &side("new", &[&run[..]; 3]));
        let metrics: Vec<&str> = found.iter().map(|one| one.metric.as_str()).collect();
        assert_eq!(metrics, ["time", "calls"]);
    }

    #[test]
    fn few_runs_leave_the_interval_as_wide_as_those_of_its_benchmarks() {
        let values = [("a", 100.0), ("b", 200.0)];
        let (old, new) = (shared("old", &[1.0], &values), shared("new", &[1.1], &values));
        let report = BenchmarkAnalyzer::new(old).analyze_results(&new);
        let all = &report.geometric_means[0];
        assert_eq!(all.basis, Basis::Intervals);
        let low = report.comparisons.iter().map(|one| one.interval.low.ln()).sum::<f64>() / 2.0;
        assert!((all.interval.low.ln() - low).abs() < 1e-9);
    }

    #[test]
    fn zeros_other_units_and_what_one_side_lacks_take_no_part() {
        let of = |metric: &str, unit: &str, name: &str, direction| Series {
            metric: Metric::new(metric),
            unit: Unit::new(unit),
            direction,
            ..Series::time(name)
        };
        let size = |name| of("size", "bytes", name, Direction::Lower);
        let load = |name| of("load", "percent", name, Direction::Neutral);
        let old = [
            (size("a"), 10.0),
            (size("b"), 20.0),
            (size("gone"), 5.0),
            (size("zero"), 0.0),
            (of("size", "pages", "a", Direction::Lower), 3.0),
            (load("a"), 5.0),
            (load("b"), 5.0),
        ];
        let new = [
            (size("a"), 20.0),
            (size("b"), 40.0),
            (size("fresh"), 5.0),
            (size("zero"), 7.0),
            (of("size", "pages", "a", Direction::Lower), 30.0),
            (load("a"), 50.0),
            (load("b"), 50.0),
        ];
        let found = means(side("old", &[&old[..]; 3]), &side("new", &[&new[..]; 3]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].unit.as_str(), found[0].benchmarks), ("bytes", 2));
        assert!((found[0].ratio - 2.0).abs() < 1e-12);
        assert_eq!(found[0].left_out, LeftOut { zero: 1, on_one_side: 2 });
        // What does not vary is known exactly.
        assert!((found[0].interval.high - 2.0).abs() < 1e-12);
    }
}
