//! The messages of `cargo criterion --message-format json`, one JSON object a line.

use std::io::BufRead;

use serde::Deserialize;

use super::lines::each_line;
use super::{Complaint, Format, nanoseconds_in};
use crate::ingest::collector::Collector;
use crate::model::{Sample, Series, Throughput, ThroughputKind};

pub(super) struct CargoCriterion;

#[derive(Deserialize)]
struct Message {
    reason: String,
}

#[derive(Deserialize)]
struct Complete {
    id: String,
    iteration_count: Vec<u64>,
    measured_values: Vec<f64>,
    unit: String,
    #[serde(default)]
    throughput: Vec<PerIteration>,
}

#[derive(Deserialize)]
struct PerIteration {
    per_iteration: u64,
    unit: String,
}

impl Format for CargoCriterion {
    fn recognises(&self, head: &str) -> bool {
        head.lines().any(|line| line.contains("\"reason\":\"benchmark-complete\""))
            || head.lines().any(|line| line.contains("\"reason\":\"group-complete\""))
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        each_line(input, |line| {
            if !line.trim_start().starts_with('{') {
                return Ok(());
            }
            let message: Message = serde_json::from_str(line)?;
            if message.reason == "benchmark-complete" {
                let complete: Complete = serde_json::from_str(line)?;
                complete.collect(run, results)?;
            }
            Ok(())
        })
    }
}

impl Complete {
    fn collect(self, run: u32, results: &mut Collector) -> Result<(), Complaint> {
        let factor = nanoseconds_in(&self.unit)
            .ok_or_else(|| Complaint(format!("`{}` is no unit of time", self.unit)))?;
        if self.iteration_count.len() != self.measured_values.len() {
            return Err(Complaint("as many iteration counts as values are needed".to_owned()));
        }
        let series = Series::time(self.id);
        for (iterations, value) in self.iteration_count.into_iter().zip(self.measured_values) {
            let sample = Sample { iterations, total: value * factor };
            results.push(run, series.clone(), sample);
        }
        for PerIteration { per_iteration, unit } in self.throughput {
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
