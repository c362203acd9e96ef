//! BenchmarkDotNet's `JsonExporter`, full or brief. A launch is a process, so it is a run.

use std::collections::BTreeMap;
use std::io::BufRead;

use serde::Deserialize;

use super::elements::{Others, each_in_field, numbers};
use super::{Complaint, Format, Names, is_json_with, series};
use crate::ingest::collector::{Collector, RunKey};
use crate::ingest::machine::NamedMachine;
use bench_stats::model::{Direction, Series};

pub(super) struct BenchmarkDotNet;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Benchmark {
    full_name: String,
    statistics: Option<Statistics>,
    memory: Option<Memory>,
    #[serde(default)]
    measurements: Vec<Measurement>,
    #[serde(default)]
    metrics: Vec<Measured>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statistics {
    #[serde(default, deserialize_with = "numbers")]
    original_values: Vec<Option<f64>>,
    median: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Memory {
    bytes_allocated_per_operation: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Measurement {
    iteration_mode: String,
    iteration_stage: String,
    launch_index: u32,
    operations: Option<f64>,
    nanoseconds: Option<f64>,
}

/// What a diagnoser measured.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Measured {
    value: Option<f64>,
    descriptor: Descriptor,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Descriptor {
    id: String,
    #[serde(default)]
    unit: String,
    #[serde(default)]
    the_greater_the_better: bool,
}

impl Format for BenchmarkDotNet {
    fn marks(&self) -> &'static [&'static str] {
        &["\"HostEnvironmentInfo\"", "\"Benchmarks\"", "\"FullName\"", "\"Statistics\""]
    }

    fn recognises(&self, head: &str) -> bool {
        is_json_with(head, '{', &["HostEnvironmentInfo", "Benchmarks"])
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        results.runs_are_replicates();
        let mut benchmarks: Vec<Benchmark> = Vec::new();
        let others = &["HostEnvironmentInfo"];
        let others = each_in_field(input, "Benchmarks", others, results, |one, _| {
            benchmarks.push(one);
            Ok(())
        })?;
        let machine = machine(&others);
        let mut names = Names::default();
        for one in benchmarks {
            let name = names.unique(one.full_name.clone(), results);
            if let Err(Complaint(reason)) = one.collect(&name, &machine, results) {
                results.remarks.leave_out(format!("`{name}`: {reason}"));
            }
        }
        Ok(())
    }
}

fn machine(others: &Others) -> NamedMachine {
    let of = |name: &str| others.text(&["HostEnvironmentInfo", name]);
    NamedMachine {
        cpu: of("ProcessorName"),
        cores: others.count(&["HostEnvironmentInfo", "LogicalCoreCount"]),
        os: of("OsVersion").zip(of("Architecture")).map(|(os, arch)| format!("{os} {arch}")),
        compiler: of("RuntimeVersion"),
    }
}

impl Benchmark {
    fn collect(
        self,
        name: &str,
        machine: &NamedMachine,
        results: &mut Collector,
    ) -> Result<(), Complaint> {
        let mut launches: BTreeMap<u32, Vec<(f64, f64)>> = BTreeMap::new();
        for one in self.measurements {
            if one.iteration_mode == "Workload" && one.iteration_stage == "Result" {
                let known = |number: Option<f64>| number.unwrap_or(f64::NAN);
                let sample = (known(one.operations), known(one.nanoseconds));
                launches.entry(one.launch_index).or_default().push(sample);
            }
        }
        if launches.is_empty() {
            let Statistics { original_values, median } = self
                .statistics
                .ok_or_else(|| Complaint("it has no statistics: it failed".into()))?;
            let values = if original_values.is_empty() { vec![median] } else { original_values };
            let samples = values.into_iter().map(|value| (1.0, value.unwrap_or(f64::NAN)));
            launches.insert(1, samples.collect());
        }
        let run_of = |launch: u32, results: &mut Collector| {
            let label = Some(format!("launch {launch}"));
            results.run(RunKey { label, machine: machine.clone(), ..RunKey::default() })
        };
        for (launch, samples) in launches {
            let run = run_of(launch, results);
            for (iterations, total) in samples {
                results.push_counted(run, Series::time(name), iterations, total);
            }
        }
        let run = run_of(1, results);
        if let Some(bytes) = self.memory.and_then(|memory| memory.bytes_allocated_per_operation) {
            let allocated = series(name, "allocated_bytes", "bytes", Direction::Lower);
            results.push_value(run, allocated, bytes);
        }
        for Measured { value, descriptor } in self.metrics {
            let Descriptor { id, unit, the_greater_the_better } = descriptor;
            // The same number as that of the memory above.
            let Some(value) = value.filter(|_| id != "Allocated Memory") else { continue };
            let direction =
                if the_greater_the_better { Direction::Higher } else { Direction::Lower };
            results.push_value(run, series(name, &id, &unit, direction), value);
        }
        Ok(())
    }
}
