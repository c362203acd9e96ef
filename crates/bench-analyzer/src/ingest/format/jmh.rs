//! JMH's `-rf json`: the raw scores of every fork. A fork is a process, so it is a run.

use std::collections::BTreeMap;
use std::io::BufRead;

use serde::Deserialize;

use super::{Complaint, Format, is_json_with, json, nanoseconds_in};
use crate::ingest::collector::{Collector, RunKey};
use crate::model::{BenchmarkId, Direction, Metric, Series, Unit};

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
    #[serde(rename = "rawData", default)]
    raw: Vec<Vec<f64>>,
}

impl Format for Jmh {
    fn recognises(&self, head: &str) -> bool {
        is_json_with(head, '[', &["jmhVersion"]) || is_json_with(head, '[', &["primaryMetric"])
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let benchmarks: Vec<Benchmark> = json(input)?;
        for one in benchmarks {
            let (series, factor) = one.series();
            // Sampling modes keep histograms instead of raw data; their score is all there is.
            let forks = if one.primary.raw.iter().all(Vec::is_empty) {
                vec![vec![one.primary.score]]
            } else {
                one.primary.raw
            };
            for (fork, scores) in (1..).zip(forks) {
                let label = Some(format!("fork {fork}"));
                let run = results.run(RunKey { label, ..RunKey::default() });
                for score in scores {
                    results.push_value(run, series.clone(), score * factor);
                }
            }
        }
        results.runs_are_replicates();
        Ok(())
    }
}

impl Benchmark {
    /// What was measured, and what its scores have to be multiplied with.
    fn series(&self) -> (Series, f64) {
        let params: Vec<String> =
            self.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let name = if params.is_empty() {
            self.benchmark.clone()
        } else {
            format!("{}:{}", self.benchmark, params.join(","))
        };
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
