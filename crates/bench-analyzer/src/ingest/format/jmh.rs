//! JMH's `-rf json`: the raw scores of every fork. A fork is a process, so it is a run.
//!
//! One method may be measured in several modes, which are different things: the time of a call on
//! average (`avgt`), of sampled calls (`sample`) and of a single cold one (`ss`). All but the
//! first are named with their mode.

use std::collections::BTreeMap;
use std::io::BufRead;

use serde::Deserialize;

use super::elements::each;
use super::{Complaint, Format, is_json_with, nanoseconds_in};
use crate::ingest::collector::{Collector, RunKey};
use crate::model::{BenchmarkId, Direction, Metric, Sample, Series, Unit};

pub(super) struct Jmh;

#[derive(Deserialize)]
struct Benchmark {
    benchmark: String,
    mode: String,
    #[serde(default)]
    params: BTreeMap<String, String>,
    #[serde(rename = "primaryMetric")]
    primary: Scores,
}

#[derive(Deserialize)]
struct Scores {
    score: f64,
    #[serde(rename = "scoreUnit")]
    unit: String,
    /// By fork, and then by iteration.
    #[serde(rename = "rawData", default)]
    raw: Vec<Vec<f64>>,
    /// By fork, then by iteration: values and how often each was seen.
    #[serde(rename = "rawDataHistogram", default)]
    histograms: Vec<Vec<Vec<(f64, u64)>>>,
}

impl Format for Jmh {
    fn recognises(&self, head: &str) -> bool {
        is_json_with(head, '[', &["jmhVersion"]) || is_json_with(head, '[', &["primaryMetric"])
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        results.runs_are_replicates();
        each(input, |one: Benchmark| {
            one.collect(results);
            Ok(())
        })
    }
}

impl Benchmark {
    fn collect(self, results: &mut Collector) {
        let (series, factor) = self.series();
        let Scores { score, raw, histograms, .. } = self.primary;
        let mut fork = |number: usize, values: &mut dyn Iterator<Item = (f64, u64)>| {
            let label = Some(format!("fork {number}"));
            let run = results.run(RunKey { label, ..RunKey::default() });
            for (value, iterations) in values {
                #[expect(clippy::cast_precision_loss, reason = "a number of calls")]
                let total = value * factor * iterations as f64;
                results.push(run, series.clone(), Sample { iterations, total });
            }
        };
        if !histograms.iter().all(Vec::is_empty) {
            for (number, iterations) in (1..).zip(&histograms) {
                fork(number, &mut iterations.iter().flatten().copied());
            }
        } else if raw.iter().all(Vec::is_empty) {
            // Results that were written without raw data have nothing but their score.
            fork(1, &mut std::iter::once((score, 1)));
        } else {
            for (number, scores) in (1..).zip(&raw) {
                fork(number, &mut scores.iter().map(|&score| (score, 1)));
            }
        }
    }

    /// What was measured, and what its scores have to be multiplied with.
    fn series(&self) -> (Series, f64) {
        let params: Vec<String> =
            self.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut name = self.benchmark.clone();
        if !params.is_empty() {
            name.push_str(&format!(":{}", params.join(",")));
        }
        if !matches!(self.mode.as_str(), "avgt" | "thrpt") {
            name.push_str(&format!(" ({})", self.mode));
        }
        let time_unit = self.primary.unit.strip_suffix("/op").and_then(nanoseconds_in);
        match time_unit {
            Some(factor) => (Series::time(name), factor),
            None => {
                let direction =
                    if self.mode == "thrpt" { Direction::Higher } else { Direction::Lower };
                let series = Series {
                    benchmark: BenchmarkId::new(name),
                    metric: Metric::new(if self.mode == "thrpt" { "rate" } else { "score" }),
                    unit: Unit::new(self.primary.unit.clone()),
                    direction,
                };
                (series, 1.0)
            }
        }
    }
}
