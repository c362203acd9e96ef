//! asv's `results/MACHINE/COMMIT-ENVIRONMENT.json`: a file a commit, with a value for every combination
//! of a benchmark's parameters. Units stand in another file (`benchmarks.json`); the beginning of a name says
//! what asv measures.

use std::io::BufRead;

use jiff::Timestamp;
use serde_json::Value;

use super::elements::each_in_fields;
use super::{Complaint, Format, is_json_with, series};
use crate::ingest::collector::{Collector, RunKey};
use crate::ingest::machine::NamedMachine;
use bench_stats::model::{Attribute, Direction, Series};

pub(super) struct Asv;

impl Format for Asv {
    fn marks(&self) -> &'static [&'static str] {
        &["\"commit_hash\"", "\"env_name\"", "\"result_columns\"", "\"results\""]
    }

    fn recognises(&self, head: &str) -> bool {
        is_json_with(head, '{', &["commit_hash", "env_name"])
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        let mut entries: Vec<(String, Value)> = Vec::new();
        let others = &["commit_hash", "date", "params", "python", "result_columns"];
        let others = each_in_fields(input, "results", others, results, |name, entry, _| {
            entries.push((name.to_owned(), entry));
            Ok(())
        })?;
        let columns = others.get(&["result_columns"]).and_then(Value::as_array);
        for (name, entry) in entries {
            if let Err(Complaint(reason)) = collect(&name, &entry, columns, run, results) {
                results.remarks.leave_out(format!("`{name}`: {reason}"));
            }
        }
        let of = |name: &str| others.text(&["params", name]);
        // `Linux 6.1`, of which the second is the kernel's.
        let os = of("os");
        let (system, kernel) = match os.as_deref().map(|os| os.split_once(' ').unwrap_or((os, "")))
        {
            Some((system, kernel)) => (Some(system.to_lowercase()), kernel),
            None => (None, ""),
        };
        if !kernel.is_empty() {
            results.attributes.insert(Attribute::Kernel, kernel.to_owned());
        }
        let count = of("num_cpu").and_then(|count| count.parse().ok());
        let machine = NamedMachine {
            cpu: of("cpu").filter(|cpu| !cpu.is_empty()).or_else(|| of("machine")),
            cores: count.or_else(|| others.count(&["params", "num_cpu"])),
            os: system.zip(of("arch")).map(|(os, arch)| format!("{os} {arch}")),
            // In an environment that was there before it is a path.
            compiler: others
                .text(&["python"])
                .filter(|version| !version.contains('/'))
                .map(|version| format!("python {version}")),
        };
        let milliseconds = others.get(&["date"]).and_then(Value::as_i64);
        let time = milliseconds.and_then(|at| Timestamp::from_millisecond(at).ok());
        let commit = others.text(&["commit_hash"]);
        results.rename_run(run, RunKey { label: None, time, commit, machine });
        Ok(())
    }
}

/// Adds the values of one benchmark: a list in the order of the columns, or an object in older files.
fn collect(
    name: &str,
    entry: &Value,
    columns: Option<&Vec<Value>>,
    run: u32,
    results: &mut Collector,
) -> Result<(), Complaint> {
    let column = |wanted: &str| -> Option<&Value> {
        let place = match columns {
            Some(columns) => columns.iter().position(|name| name == wanted)?,
            // The order that the second version of the layout began with.
            None => ["result", "params"].iter().position(|name| *name == wanted)?,
        };
        entry.get(place).or_else(|| entry.get(wanted))
    };
    let values = match column("result") {
        Some(Value::Array(values)) => values.clone(),
        Some(Value::Null) | None => {
            return Err(Complaint("it has no result: it failed".to_owned()));
        }
        Some(value) => vec![value.clone()],
    };
    let names = combinations(column("params"));
    if names.len() != values.len() {
        let (values, names) = (values.len(), names.len());
        return Err(Complaint(format!("it has {values} results for {names} sets of parameters")));
    }
    let samples = column("samples").and_then(Value::as_array);
    for (index, (parameters, value)) in names.iter().zip(&values).enumerate() {
        let full = format!("{name}{parameters}");
        let (series, factor) = measured(&full, name);
        let samples = samples.and_then(|all| all.get(index)).and_then(Value::as_array);
        let numbers: Vec<f64> = match samples {
            Some(samples) if !samples.is_empty() => {
                samples.iter().map(|one| one.as_f64().unwrap_or(f64::NAN)).collect()
            }
            _ => match value.as_f64() {
                Some(value) => vec![value],
                // A combination that was skipped, or failed.
                None => {
                    results.remarks.leave_out(format!("`{full}`, which has no value"));
                    continue;
                }
            },
        };
        for number in numbers {
            results.push_value(run, series.clone(), number * factor);
        }
    }
    Ok(())
}

/// What is added to a benchmark's name for every combination of its parameters, in asv's order: the last
/// parameter changes first.
fn combinations(params: Option<&Value>) -> Vec<String> {
    let lists: Vec<&Vec<Value>> = params
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_array)
        .collect();
    let mut names = vec![String::new()];
    for list in &lists {
        names = names
            .iter()
            .flat_map(|start| {
                list.iter().map(move |value| {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    if start.is_empty() { text } else { format!("{start}, {text}") }
                })
            })
            .collect();
    }
    if lists.is_empty() {
        return names;
    }
    names.into_iter().map(|name| format!("({name})")).collect()
}

/// What asv measures, by the last part of a name.
fn measured(full: &str, name: &str) -> (Series, f64) {
    let function = name.rsplit('.').next().unwrap_or(name);
    let kind = function.split('_').next().unwrap_or_default().to_lowercase();
    match kind.as_str() {
        "time" | "timeraw" => (Series::time(full), 1e9),
        "mem" => (series(full, "memory", "bytes", Direction::Lower), 1.0),
        "peakmem" => (series(full, "peak_memory", "bytes", Direction::Lower), 1.0),
        // asv itself takes what a program tracks to be better low.
        _ => (series(full, "tracked", "", Direction::Lower), 1.0),
    }
}
