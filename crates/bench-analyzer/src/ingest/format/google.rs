//! Google Benchmark's `--benchmark_format=json`: every repetition is a sample; the aggregates that
//! it adds are left to us.

use std::io::BufRead;

use serde::Deserialize;

use super::{Complaint, Format, is_json_with, json, nanoseconds_in};
use crate::ingest::collector::{Collector, RunKey};
use crate::model::{Metric, Series};

pub(super) struct Google;

#[derive(Deserialize)]
struct Export {
    context: Context,
    benchmarks: Vec<Repetition>,
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
        let export: Export = json(input)?;
        let time = export.context.date.as_deref().and_then(|date| date.parse().ok());
        let run = results.run(RunKey { time, ..RunKey::default() });
        for one in export.benchmarks {
            if one.error_occurred {
                results.notes.push(format!("`{}` failed and was left out", one.name));
                continue;
            }
            let Some(real_time) = one.real_time else { continue };
            if one.run_type.as_deref().is_some_and(|kind| kind != "iteration") {
                continue;
            }
            let unit = one.time_unit.as_deref().unwrap_or("ns");
            let factor = nanoseconds_in(unit)
                .ok_or_else(|| Complaint(format!("`{unit}` is no unit of time")))?;
            let time = Series::time(one.run_name.unwrap_or(one.name));
            let cpu = Series { metric: Metric::new("cpu"), ..time.clone() };
            for (series, value) in [(time, Some(real_time)), (cpu, one.cpu_time)] {
                if let Some(value) = value {
                    // Repetitions count alike, however many iterations each one chose.
                    results.push_value(run, series, value * factor);
                }
            }
        }
        Ok(())
    }
}
