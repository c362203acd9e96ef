//! Google Benchmark's `--benchmark_format=json`: every repetition is a sample; the aggregates that
//! it adds are left to us.

use std::io::BufRead;

use serde::Deserialize;

use super::elements::each_in_field;
use super::{Complaint, Format, is_json_with, nanoseconds_in};
use crate::ingest::collector::{Collector, RunKey};
use crate::model::{Metric, Series};

pub(super) struct Google;

#[derive(Deserialize)]
struct Export {
    context: Context,
}

#[derive(Deserialize)]
struct Context {
    date: Option<String>,
}

#[derive(Deserialize)]
struct Repetition {
    name: String,
    run_name: Option<String>,
    run_type: Option<String>,
    #[serde(default)]
    error_occurred: bool,
    real_time: Option<f64>,
    cpu_time: Option<f64>,
    time_unit: Option<String>,
}

impl Format for Google {
    fn recognises(&self, head: &str) -> bool {
        is_json_with(head, '{', &["context", "num_cpus"])
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        let take = |one: Repetition| one.collect(run, results);
        let export: Export = each_in_field(input, "benchmarks", &["context"], take)?;
        let time = export.context.date.as_deref().and_then(|date| date.parse().ok());
        results.rename_run(run, RunKey { time, ..RunKey::default() });
        Ok(())
    }
}

impl Repetition {
    fn collect(self, run: u32, results: &mut Collector) -> Result<(), Complaint> {
        if self.error_occurred {
            results.notes.push(format!("`{}` failed and was left out", self.name));
            return Ok(());
        }
        let Some(real_time) = self.real_time else { return Ok(()) };
        if self.run_type.as_deref().is_some_and(|kind| kind != "iteration") {
            return Ok(());
        }
        let unit = self.time_unit.as_deref().unwrap_or("ns");
        let factor = nanoseconds_in(unit)
            .ok_or_else(|| Complaint(format!("`{unit}` is no unit of time")))?;
        let time = Series::time(self.run_name.unwrap_or(self.name));
        let cpu = Series { metric: Metric::new("cpu"), ..time.clone() };
        for (series, value) in [(time, Some(real_time)), (cpu, self.cpu_time)] {
            if let Some(value) = value {
                // Repetitions count alike, however many iterations each one chose.
                results.push_value(run, series, value * factor);
            }
        }
        Ok(())
    }
}
