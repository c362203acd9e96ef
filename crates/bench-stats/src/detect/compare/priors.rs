//! Assumptions about the spread between runs, metric by metric.

use std::collections::BTreeMap;

use crate::detect::settings::Settings;
use crate::model::{BenchmarkResult, BenchmarkResults, History, HistoryPoint, Metric, Series};
use crate::stats::prior;
use crate::stats::spread::Spread;

/// The population of spreads of each metric: from the benchmarks of the report, from the history
/// where these are few, and a constant where both are.
#[derive(Debug, Clone, PartialEq)]
pub struct Priors {
    known: BTreeMap<Metric, Spread>,
    moderating: Spread,
    unreplicated: Spread,
}

impl Priors {
    /// Estimates the populations from both sides, or from one where there is no other.
    pub fn of(sides: &[&BenchmarkResults], history: &History, settings: &Settings) -> Self {
        let mut observed: BTreeMap<&Metric, BTreeMap<&Series, Vec<Vec<f64>>>> = BTreeMap::new();
        for (series, result) in sides.iter().flat_map(|side| &side.results) {
            if let Some(logs) = finite_logs(result) {
                observed.entry(&series.metric).or_default().entry(series).or_default().push(logs);
            }
        }
        let mut spreads: BTreeMap<&Metric, Vec<Spread>> = BTreeMap::new();
        for (metric, series) in observed {
            let pooled = series.values().map(|groups| {
                Spread::pooled(&groups.iter().map(Vec::as_slice).collect::<Vec<_>>())
            });
            let telling = |one: &Spread| one.relative > 0.0 && one.degrees_of_freedom > 0.0;
            spreads.insert(metric, pooled.filter(telling).collect());
        }
        let is_told = |metric: &Metric| {
            spreads.get(metric).is_some_and(|all| all.len() >= prior::SPREADS_AT_LEAST)
        };
        let wanting: Vec<_> =
            history.iter().filter(|(series, _)| !is_told(&series.metric)).collect();
        for (series, points) in wanting {
            let all = spreads.entry(&series.metric).or_default();
            all.extend(Spread::of_history(&logs_of_history(points)));
        }
        let known = spreads
            .into_iter()
            .filter_map(|(metric, spreads)| Some((metric.clone(), prior::fit(&spreads)?)))
            .collect();
        Self { known, moderating: settings.moderating, unreplicated: settings.unreplicated }
    }

    /// Returns the prior that moderates observed spreads of this metric.
    pub(super) fn moderating(&self, metric: &Metric) -> Spread {
        self.known.get(metric).copied().unwrap_or(self.moderating)
    }

    /// Returns the prior that stands for a spread of this metric that nobody observed.
    pub(super) fn unreplicated(&self, metric: &Metric) -> Spread {
        self.known.get(metric).copied().unwrap_or(self.unreplicated)
    }
}

/// The logarithms of earlier values.
pub(super) fn logs_of_history(points: &[HistoryPoint]) -> Vec<f64> {
    points.iter().filter(|point| point.median > 0.0).map(|point| point.median.ln()).collect()
}

fn finite_logs(result: &BenchmarkResult) -> Option<Vec<f64>> {
    let logs: Vec<f64> = result.medians().iter().map(|median| median.ln()).collect();
    logs.iter().all(|log| log.is_finite()).then_some(logs)
}
