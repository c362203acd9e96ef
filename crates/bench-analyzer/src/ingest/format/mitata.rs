//! mitata's `format: 'json'`: nanoseconds a call, as samples if these are written, else their median.

use std::io::BufRead;

use serde::Deserialize;
use serde_json::Value;

use super::elements::{Others, each_in_field, numbers};
use super::{Complaint, Format, Names, is_json_with, series};
use crate::ingest::collector::{Collector, RunKey};
use crate::ingest::machine::NamedMachine;
use bench_stats::model::{Direction, Series};

pub(super) struct Mitata;

#[derive(Deserialize)]
struct Benchmark {
    alias: Option<String>,
    group: Option<usize>,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    name: Option<String>,
    stats: Option<Statistics>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Statistics {
    #[serde(default, deserialize_with = "numbers")]
    samples: Vec<Option<f64>>,
    p50: Option<f64>,
    heap: Option<Heap>,
}

#[derive(Deserialize)]
struct Heap {
    avg: Option<f64>,
}

impl Format for Mitata {
    fn marks(&self) -> &'static [&'static str] {
        &["\"layout\"", "\"benchmarks\"", "\"alias\"", "\"runs\"", "\"stats\""]
    }

    fn recognises(&self, head: &str) -> bool {
        is_json_with(head, '{', &["layout", "benchmarks", "alias"])
            || is_json_with(head, '{', &["benchmarks", "alias", "stats", "p999"])
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        let mut benchmarks: Vec<Benchmark> = Vec::new();
        let others = &["layout", "context"];
        let others = each_in_field(input, "benchmarks", others, results, |one, _| {
            benchmarks.push(one);
            Ok(())
        })?;
        let mut names = Names::default();
        for Benchmark { alias, group, runs } in benchmarks {
            let group = group.and_then(|group| group_name(&others, group));
            for one in runs {
                let own = one.name.clone().or_else(|| alias.clone());
                let Some(own) = own else {
                    results.remarks.leave_out("a benchmark without a name");
                    continue;
                };
                let name =
                    group.as_ref().map_or_else(|| own.clone(), |group| format!("{group}/{own}"));
                let name = names.unique(name, results);
                if let Err(Complaint(reason)) = collect(&name, one, run, results) {
                    results.remarks.leave_out(format!("`{name}`: {reason}"));
                }
            }
        }
        let runtime = others.text(&["context", "runtime"]);
        let compiler = runtime
            .zip(others.text(&["context", "version"]))
            .map(|(runtime, version)| format!("{runtime} {version}"));
        let machine = NamedMachine {
            cpu: others.text(&["context", "cpu", "name"]),
            cores: None,
            os: others.text(&["context", "arch"]),
            compiler,
        };
        results.rename_run(run, RunKey { machine, ..RunKey::default() });
        Ok(())
    }
}

fn group_name(others: &Others, group: usize) -> Option<String> {
    let name = others.get(&["layout"])?.get(group)?.get("name")?.as_str()?;
    Some(name.to_owned())
}

fn collect(name: &str, one: Run, run: u32, results: &mut Collector) -> Result<(), Complaint> {
    if let Some(error) = one.error {
        let said = error.get("message").and_then(Value::as_str).unwrap_or("it failed");
        return Err(Complaint(said.to_owned()));
    }
    let Statistics { samples, p50, heap } =
        one.stats.ok_or_else(|| Complaint("it has no stats".to_owned()))?;
    if samples.is_empty() && p50.is_none() {
        return Err(Complaint("it has neither samples nor a median".to_owned()));
    }
    let values = if samples.is_empty() { vec![p50] } else { samples };
    for nanoseconds in values {
        results.push_value(run, Series::time(name), nanoseconds.unwrap_or(f64::NAN));
    }
    if let Some(bytes) = heap.and_then(|heap| heap.avg) {
        results.push_value(run, series(name, "heap", "bytes", Direction::Lower), bytes);
    }
    Ok(())
}
