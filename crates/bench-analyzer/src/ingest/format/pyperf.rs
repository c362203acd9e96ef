//! pyperf's `-o`: the values of every worker process, which is a run.
//!
//! What all benchmarks have in common, their unit and even a single name, stands behind them. So the file
//! is kept until its end; it holds a summary of every process, not every loop.

use std::io::BufRead;

use serde::Deserialize;
use serde_json::Value;

use super::elements::{Others, each_in_field, numbers};
use super::{Complaint, Format, Names, is_json_with, series};
use crate::ingest::collector::{Collector, RunKey};
use crate::ingest::machine::NamedMachine;
use bench_stats::model::{Direction, Sample, Series};

pub(super) struct Pyperf;

#[derive(Deserialize)]
struct Benchmark {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    runs: Vec<Value>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    name: Option<String>,
    unit: Option<String>,
}

/// A worker process. Those that only calibrate have no values.
#[derive(Deserialize)]
struct Run {
    #[serde(default, deserialize_with = "numbers")]
    values: Vec<Option<f64>>,
}

impl Format for Pyperf {
    fn marks(&self) -> &'static [&'static str] {
        &["\"benchmarks\"", "\"runs\"", "\"metadata\"", "\"warmups\"", "\"perf_version\""]
    }

    fn recognises(&self, head: &str) -> bool {
        is_json_with(head, '{', &["benchmarks", "runs", "values"])
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        results.runs_are_replicates();
        let mut benchmarks = Vec::new();
        let others = each_in_field(input, "benchmarks", &["metadata"], results, |one, _| {
            benchmarks.push(one);
            Ok(())
        })?;
        let machine = machine(&others);
        let mut names = Names::default();
        for benchmark in benchmarks {
            if let Err(Complaint(reason)) =
                collect(benchmark, &others, &machine, &mut names, results)
            {
                results.remarks.leave_out(reason);
            }
        }
        Ok(())
    }
}

fn machine(others: &Others) -> NamedMachine {
    let of = |name: &str| others.text(&["metadata", name]);
    NamedMachine {
        cpu: of("cpu_model_name").or_else(|| of("hostname")),
        cores: others.count(&["metadata", "cpu_count"]),
        os: of("platform").and_then(|platform| {
            let system = platform.split('-').next()?.to_lowercase();
            let machine = ["x86_64", "aarch64", "arm64", "AMD64"];
            let machine = machine.into_iter().find(|name| platform.contains(name))?;
            Some(format!("{system} {machine}"))
        }),
        compiler: of("python_implementation")
            .zip(of("python_version"))
            .map(|(name, version)| format!("{name} {version}")),
    }
}

fn collect(
    benchmark: Benchmark,
    others: &Others,
    machine: &NamedMachine,
    names: &mut Names,
    results: &mut Collector,
) -> Result<(), Complaint> {
    let Benchmark { metadata: Metadata { name, unit }, runs } = benchmark;
    let name = name.or_else(|| others.text(&["metadata", "name"]));
    let name = name.ok_or_else(|| Complaint("a benchmark without a name".to_owned()))?;
    let name = names.unique(name, results);
    // Without the end of the file, its unit is not known.
    if unit.is_none() && others.get(&["metadata"]).is_none() {
        return Err(Complaint(format!("`{name}`: its unit stands at the end, which is missing")));
    }
    let unit = unit.or_else(|| others.text(&["metadata", "unit"]));
    let (series, factor) = measured(&name, unit.as_deref().unwrap_or("second"));
    let mut number = 0;
    for run in runs {
        let run = match serde_json::from_value::<Run>(run) {
            Ok(run) if run.values.is_empty() => continue,
            Ok(run) => run,
            Err(error) => {
                results.remarks.leave_out(format!("`{name}`: a process: {error}"));
                continue;
            }
        };
        number += 1;
        let label = Some(format!("process {number}"));
        let key = RunKey { label, machine: machine.clone(), ..RunKey::default() };
        let place = results.run(key);
        for value in run.values {
            let total = value.unwrap_or(f64::NAN) * factor;
            results.push(place, series.clone(), Sample { iterations: 1, total });
        }
    }
    Ok(())
}

fn measured(name: &str, unit: &str) -> (Series, f64) {
    match unit {
        "second" => (Series::time(name), 1e9),
        "byte" => (series(name, "memory", "bytes", Direction::Lower), 1.0),
        other => (series(name, "value", other, Direction::Lower), 1.0),
    }
}
