//! JMH's `-rf json`: the raw scores of every fork. A fork is a process, so it is a run.
//!
//! One method may be measured in several modes, which are different things: the time of a call on
//! average (`avgt`), of sampled calls (`sample`) and of a single cold one (`ss`). All but the
//! first are named with their mode. Profilers add secondary metrics, each a series of its own.

use std::collections::BTreeMap;
use std::io::BufRead;

use serde::Deserialize;
use serde_json::Value;

use super::elements::{each, numbers};
use super::{Complaint, Format, Names, is_json_with, nanoseconds_in, series};
use crate::ingest::collector::{Collector, RunKey};
use crate::ingest::machine::NamedMachine;
use bench_stats::model::{Direction, Series};

pub(super) struct Jmh;

#[derive(Deserialize)]
struct Benchmark {
    benchmark: String,
    mode: String,
    threads: Option<u32>,
    #[serde(rename = "jdkVersion")]
    jdk_version: Option<String>,
    #[serde(rename = "vmName")]
    vm_name: Option<String>,
    #[serde(default)]
    params: Option<BTreeMap<String, Value>>,
    #[serde(rename = "primaryMetric")]
    primary: Scores,
    /// Each is understood on its own: a profiler may write what no number is.
    #[serde(rename = "secondaryMetrics", default)]
    secondary: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
struct Scores {
    score: Option<f64>,
    #[serde(rename = "scoreUnit")]
    unit: String,
    /// By fork, and then by iteration.
    #[serde(rename = "rawData", default)]
    raw: Option<Vec<Scored>>,
    /// By fork, then by iteration: values and how often each was seen.
    #[serde(rename = "rawDataHistogram", default)]
    histograms: Option<Vec<Vec<Histogram>>>,
}

/// The scores of one fork.
#[derive(Deserialize)]
#[serde(transparent)]
struct Scored(#[serde(deserialize_with = "numbers")] Vec<Option<f64>>);

/// Values, and how often each was seen.
type Histogram = Vec<(f64, f64)>;

impl Format for Jmh {
    fn marks(&self) -> &'static [&'static str] {
        &["\"jmhVersion\"", "\"primaryMetric\"", "\"scoreUnit\""]
    }

    fn recognises(&self, head: &str) -> bool {
        is_json_with(head, '[', &["jmhVersion"]) || is_json_with(head, '[', &["primaryMetric"])
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        results.runs_are_replicates();
        let mut names = Names::default();
        each(input, results, |one: Benchmark, results| one.collect(&mut names, results))
    }
}

impl Benchmark {
    fn collect(self, names: &mut Names, results: &mut Collector) -> Result<(), Complaint> {
        let named = names.unique(format!("{} {}", self.name(), self.mode), results);
        // The mode only tells names apart, unless it is said in them.
        let name = named.replacen(&format!(" {}", self.mode), "", 1);
        let compiler = self.jdk_version.map(|version| match &self.vm_name {
            Some(vm) => format!("jdk {version} {vm}"),
            None => format!("jdk {version}"),
        });
        let machine = NamedMachine { compiler, ..NamedMachine::default() };
        let (series, factor) = primary(&name, &self.mode, &self.primary.unit);
        self.primary.collect(&series, factor, &machine, results)?;
        for (metric, scores) in self.secondary.into_iter().flatten() {
            // Older versions mark those of profilers with a dot.
            let metric = metric.trim_start_matches('\u{b7}');
            let scores = serde_json::from_value::<Scores>(scores).map_err(Complaint::from);
            let collected = scores.and_then(|scores| {
                let (series, factor) = secondary(&name, metric, &scores.unit);
                scores.collect(&series, factor, &machine, results)
            });
            if let Err(Complaint(reason)) = collected {
                results.remarks.leave_out(format!("`{name}` [{metric}]: {reason}"));
            }
        }
        Ok(())
    }

    /// The name, with all that makes it a benchmark of its own.
    fn name(&self) -> String {
        let mut parts: Vec<String> = self
            .params
            .iter()
            .flatten()
            .map(|(name, value)| match value.as_str() {
                Some(text) => format!("{name}={text}"),
                None => format!("{name}={value}"),
            })
            .collect();
        parts.extend(self.threads.filter(|count| *count != 1).map(|n| format!("threads={n}")));
        let mut name = self.benchmark.clone();
        if !parts.is_empty() {
            name.push_str(&format!(":{}", parts.join(",")));
        }
        if !matches!(self.mode.as_str(), "avgt" | "thrpt") {
            name.push_str(&format!(" ({})", self.mode));
        }
        name
    }
}

impl Scores {
    fn collect(
        self,
        series: &Series,
        factor: f64,
        machine: &NamedMachine,
        results: &mut Collector,
    ) -> Result<(), Complaint> {
        let Self { score, raw, histograms, .. } = self;
        let (raw, histograms) = (raw.unwrap_or_default(), histograms.unwrap_or_default());
        let mut fork = |number: usize, values: &mut dyn Iterator<Item = (f64, f64)>| {
            let label = Some(format!("fork {number}"));
            let key = RunKey { label, machine: machine.clone(), ..RunKey::default() };
            let run = results.run(key);
            for (value, iterations) in values {
                let total = value * factor * iterations;
                results.push_counted(run, series.clone(), iterations, total);
            }
        };
        if !histograms.iter().all(Vec::is_empty) {
            for (number, iterations) in (1..).zip(&histograms) {
                fork(number, &mut iterations.iter().flatten().copied());
            }
        } else if raw.iter().all(|Scored(scores)| scores.is_empty()) {
            // Results that were written without raw data have nothing but their score.
            let score = score.ok_or_else(|| Complaint(format!("`{series}` has no score")))?;
            fork(1, &mut std::iter::once((score, 1.0)));
        } else {
            for (number, Scored(scores)) in (1..).zip(&raw) {
                fork(number, &mut scores.iter().map(|score| (score.unwrap_or(f64::NAN), 1.0)));
            }
        }
        Ok(())
    }
}

/// Quantity, and what its scores have to be multiplied with.
fn primary(name: &str, mode: &str, unit: &str) -> (Series, f64) {
    if let Some(factor) = unit.strip_suffix("/op").and_then(nanoseconds_in) {
        return (Series::time(name), factor);
    }
    let (metric, direction) = match mode {
        "thrpt" => ("rate", Direction::Higher),
        _ => ("score", Direction::Lower),
    };
    (series(name, metric, unit, direction), 1.0)
}

/// What a profiler or an auxiliary counter measured. Costs of an operation are better low, rates of
/// operations high; how fast garbage is made, or how often it is collected, follows from how much
/// was done.
fn secondary(name: &str, metric: &str, unit: &str) -> (Series, f64) {
    if let Some(factor) = unit.strip_suffix("/op").and_then(nanoseconds_in) {
        return (series(name, metric, "ns", Direction::Lower), factor);
    }
    let direction = if unit.ends_with("/op") {
        Direction::Lower
    } else if unit.starts_with("ops/") {
        Direction::Higher
    } else {
        Direction::Neutral
    };
    (series(name, metric, unit, direction), 1.0)
}
