//! Bencher's metric format (`bencher mock`, or any adapter's JSON): by benchmark and measure, a value.

use std::collections::BTreeMap;
use std::io::BufRead;

use serde::Deserialize;

use super::elements::each_field;
use super::{Complaint, Format, series};
use crate::ingest::collector::Collector;
use bench_stats::model::{Direction, Series};

pub(super) struct BencherMetric;

#[derive(Deserialize)]
struct Value {
    value: Option<f64>,
}

impl Format for BencherMetric {
    fn marks(&self) -> &'static [&'static str] {
        &["\"latency\"", "\"throughput\"", "\"value\"", "\"lower_value\""]
    }

    fn recognises(&self, head: &str) -> bool {
        // An object of objects of objects that have a value.
        let compact: String = head.chars().filter(|one| !one.is_whitespace()).take(4096).collect();
        let depth = compact.split_once("{\"value\":").map(|(before, _)| {
            let opened = before.matches('{').count();
            opened.saturating_sub(before.matches('}').count())
        });
        compact.starts_with('{') && depth == Some(2)
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        each_field(
            input,
            results,
            |name, measures: BTreeMap<String, serde_json::Value>, results| {
                for (measure, value) in measures {
                    let value =
                        serde_json::from_value::<Value>(value).ok().and_then(|one| one.value);
                    match value {
                        Some(value) => {
                            let (series, factor) = measured(name, &measure);
                            results.push_value(run, series, value * factor);
                        }
                        None => results
                            .remarks
                            .leave_out(format!("`{name}` [{measure}]: it has no value")),
                    }
                }
                Ok(())
            },
        )
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
