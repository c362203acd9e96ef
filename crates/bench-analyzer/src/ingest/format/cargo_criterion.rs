//! The messages of `cargo criterion --message-format json`, one JSON object a line.

use std::io::BufRead;

use serde::Deserialize;
use serde_json::Value;

use super::elements::{numbers, parse};
use super::lines::each_line;
use super::{Complaint, Format, custom_series, nanoseconds_in};
use crate::ingest::collector::Collector;
use bench_stats::model::{Series, Throughput, ThroughputKind};

pub(super) struct CargoCriterion;

#[derive(Deserialize)]
struct Message {
    reason: String,
}

#[derive(Deserialize)]
struct Complete {
    id: String,
    #[serde(deserialize_with = "numbers")]
    iteration_count: Vec<Option<f64>>,
    #[serde(deserialize_with = "numbers")]
    measured_values: Vec<Option<f64>>,
    unit: String,
    #[serde(default)]
    throughput: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct PerIteration {
    per_iteration: u64,
    unit: String,
}

impl Format for CargoCriterion {
    fn marks(&self) -> &'static [&'static str] {
        &["\"reason\"", "\"benchmark-complete\"", "\"iteration_count\""]
    }

    fn recognises(&self, head: &str) -> bool {
        head.lines().any(|line| {
            let line = line.trim_start();
            line.starts_with('{')
                && line.contains("\"reason\"")
                && (line.contains("\"benchmark-complete\"") || line.contains("\"group-complete\""))
        })
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        each_line(input, results, |line, results| {
            if !line.text.trim_start().starts_with('{') {
                return Ok(());
            }
            let message: Message = serde_json::from_str(line.text)?;
            if message.reason == "benchmark-complete" {
                let complete: Complete = parse(line.text.as_bytes().to_vec())?;
                complete.collect(run, results)?;
            }
            Ok(())
        })
    }
}

impl Complete {
    fn collect(self, run: u32, results: &mut Collector) -> Result<(), Complaint> {
        let (series, factor) = match nanoseconds_in(&self.unit) {
            Some(factor) => (Series::time(self.id), factor),
            None => (custom_series(&self.id, &self.unit), 1.0),
        };
        if self.iteration_count.len() != self.measured_values.len() {
            return Err(Complaint(format!(
                "`{series}`: as many iteration counts as values are needed"
            )));
        }
        for (iterations, value) in self.iteration_count.into_iter().zip(self.measured_values) {
            let iterations = iterations.unwrap_or(f64::NAN);
            let total = value.unwrap_or(f64::NAN) * factor;
            results.push_counted(run, series.clone(), iterations, total);
        }
        for work in self.throughput.into_iter().flatten() {
            let PerIteration { per_iteration, unit } = match serde_json::from_value(work) {
                Ok(work) => work,
                Err(error) => {
                    results.remarks.leave_out(format!("the work of `{series}`: {error}"));
                    continue;
                }
            };
            let kind = match unit.as_str() {
                "bits" => ThroughputKind::Bits,
                "bytes" => ThroughputKind::Bytes,
                _ => ThroughputKind::Elements,
            };
            let throughput = Throughput { kind, amount: per_iteration };
            results.set_throughput(run, series.clone(), throughput);
        }
        Ok(())
    }
}
