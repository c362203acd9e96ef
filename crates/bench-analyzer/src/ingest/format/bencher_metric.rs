//! Bencher's metric format (`bencher mock`, or any adapter's JSON): by benchmark and measure, a value. In its
//! first numbered version a benchmark is a list, whose elements name parameters beside their measures.

use std::collections::BTreeMap;
use std::io::BufRead;

use serde::Deserialize;
use serde_json::Value;

use super::elements::each_field;
use super::{Complaint, Format, series};
use crate::ingest::collector::Collector;
use bench_stats::model::{Direction, Series};

pub(super) struct BencherMetric;

#[derive(Deserialize)]
struct Metric {
    value: Option<f64>,
}

/// By the names of measures.
type Measures = BTreeMap<String, Value>;

/// Measures that stand under the name of a benchmark.
#[derive(Deserialize)]
#[serde(untagged)]
enum Results {
    Listed(Vec<Value>),
    Plain(Measures),
}

#[derive(Deserialize)]
struct Case {
    #[serde(default)]
    parameters: Option<BTreeMap<String, Value>>,
    measures: Measures,
}

impl Case {
    /// The name of the benchmark with these parameters; those that are equal numbers are written alike.
    fn name(&self, benchmark: &str) -> Result<String, Complaint> {
        let mut parts = Vec::new();
        for (name, value) in self.parameters.iter().flatten() {
            let value = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.as_f64().unwrap_or(f64::NAN).to_string(),
                Value::Bool(yes) => yes.to_string(),
                _ => {
                    return Err(Complaint(format!(
                        "`{benchmark}`: what is its parameter `{name}`?"
                    )));
                }
            };
            parts.push(format!("{name}={value}"));
        }
        let separator = if parts.is_empty() { "" } else { ":" };
        Ok(format!("{benchmark}{separator}{}", parts.join(",")))
    }
}

impl Format for BencherMetric {
    fn marks(&self) -> &'static [&'static str] {
        &["\"latency\"", "\"throughput\"", "\"value\"", "\"lower_value\""]
    }

    fn recognises(&self, head: &str) -> bool {
        // An object of objects of objects that have a value, or of lists of what has measures.
        let compact: String = head.chars().filter(|one| !one.is_whitespace()).take(4096).collect();
        let depth = compact.split_once("{\"value\":").map(|(before, _)| {
            let opened = before.matches('{').count();
            opened.saturating_sub(before.matches('}').count())
        });
        let is_listed = depth == Some(3) && compact.contains("\"measures\":{");
        compact.starts_with('{') && (depth == Some(2) || is_listed)
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        each_field(input, results, |name, found: Results, results| {
            let cases = match found {
                Results::Plain(measures) => {
                    collect(run, name, measures, results);
                    return Ok(());
                }
                Results::Listed(cases) => cases,
            };
            for case in cases {
                let case = serde_json::from_value::<Case>(case).map_err(Complaint::from);
                match case.and_then(|case| Ok((case.name(name)?, case.measures))) {
                    Ok((name, measures)) => collect(run, &name, measures, results),
                    Err(Complaint(reason)) => {
                        results.remarks.leave_out(format!("a part of `{name}`: {reason}"));
                    }
                }
            }
            Ok(())
        })
    }
}

fn collect(run: u32, name: &str, measures: Measures, results: &mut Collector) {
    for (measure, value) in measures {
        match serde_json::from_value::<Metric>(value).ok().and_then(|one| one.value) {
            Some(value) => {
                let (series, factor) = measured(name, &measure);
                results.push_value(run, series, value * factor);
            }
            None => results.remarks.leave_out(format!("`{name}` [{measure}]: it has no value")),
        }
    }
}

/// The measures that Bencher comes with, and those of users' own.
fn measured(name: &str, measure: &str) -> (Series, f64) {
    let of = |metric: &str, unit: &str, direction| (series(name, metric, unit, direction), 1.0);
    match measure {
        "latency" => (Series::time(name), 1.0),
        "throughput" => of("rate", "ops/s", Direction::Higher),
        "build-time" => (series(name, "build_time", "ns", Direction::Lower), 1e9),
        "file-size" => of("binary_size", "bytes", Direction::Lower),
        "instructions" => of("instructions", "count", Direction::Lower),
        "l1-hits" => of("l1_hits", "count", Direction::Lower),
        "l2-hits" | "ll-hits" => of("ll_hits", "count", Direction::Lower),
        "ram-hits" => of("ram_hits", "count", Direction::Lower),
        "total-read-write" => of("total_accesses", "count", Direction::Lower),
        "estimated-cycles" => of("estimated_cycles", "count", Direction::Lower),
        other => of(other, "", Direction::Neutral),
    }
}
