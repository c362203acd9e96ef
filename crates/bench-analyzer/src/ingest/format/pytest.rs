//! pytest-benchmark's `--benchmark-json`: seconds a round in `data`, or only their median if they
//! were not saved.

use std::io::BufRead;

use jiff::Timestamp;
use serde::Deserialize;

use super::elements::{Others, each_in_field, numbers};
use super::{Complaint, Format, is_json_with};
use crate::ingest::collector::{Collector, RunKey};
use crate::ingest::machine::NamedMachine;
use bench_stats::model::{Attribute, Series};

pub(super) struct Pytest;

#[derive(Deserialize)]
struct Benchmark {
    fullname: String,
    stats: Stats,
}

#[derive(Deserialize)]
struct Stats {
    #[serde(default, deserialize_with = "numbers")]
    data: Vec<Option<f64>>,
    median: Option<f64>,
    iterations: Option<f64>,
}

impl Format for Pytest {
    fn marks(&self) -> &'static [&'static str] {
        &["\"machine_info\"", "\"python_version\"", "\"commit_info\"", "\"benchmarks\""]
    }

    fn recognises(&self, head: &str) -> bool {
        is_json_with(head, '{', &["machine_info", "python_version"])
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        let others = &["datetime", "commit_info", "machine_info"];
        let others =
            each_in_field(input, "benchmarks", others, results, |one: Benchmark, results| {
                one.collect(run, results)
            })?;
        // Old versions leave the offset away, and mean UTC.
        let time = others
            .text(&["datetime"])
            .and_then(|text| text.parse().or_else(|_| format!("{text}Z").parse()).ok());
        // Outside a repository it writes these words.
        let real =
            |text: &String| text != "unversioned" && text != "unknown" && text != "(unknown)";
        let commit = others.text(&["commit_info", "id"]).filter(real);
        results.branch = others.text(&["commit_info", "branch"]).filter(real);
        results.dirty = others.get(&["commit_info", "dirty"]).and_then(serde_json::Value::as_bool);
        if let Some(kernel) = others.text(&["machine_info", "release"]) {
            results.attributes.insert(Attribute::Kernel, kernel);
        }
        results.rename_run(run, key(time, commit, &others));
        Ok(())
    }
}

fn key(time: Option<Timestamp>, commit: Option<String>, others: &Others) -> RunKey {
    let info = |name: &str| others.text(&["machine_info", name]);
    let brand = others.text(&["machine_info", "cpu", "brand_raw"]);
    let system = info("system").map(|system| system.to_lowercase());
    let machine = NamedMachine {
        cpu: brand.or_else(|| info("node")),
        cores: others.count(&["machine_info", "cpu", "count"]),
        os: system.zip(info("machine")).map(|(system, machine)| format!("{system} {machine}")),
        compiler: info("python_implementation")
            .zip(info("python_version"))
            .map(|(name, version)| format!("{name} {version}")),
    };
    RunKey { time, commit, machine, ..RunKey::default() }
}

impl Benchmark {
    fn collect(self, run: u32, results: &mut Collector) -> Result<(), Complaint> {
        let Self { fullname, stats: Stats { data, median, iterations } } = self;
        if data.is_empty() && median.is_none() {
            return Err(Complaint(format!("`{fullname}`: it has neither data nor a median")));
        }
        let data = if data.is_empty() { vec![median] } else { data };
        // A round's time is given for one iteration, so without their number it is still that.
        let iterations = iterations.unwrap_or(1.0);
        for seconds in data {
            let total = seconds.unwrap_or(f64::NAN) * 1e9 * iterations;
            results.push_counted(run, Series::time(fullname.as_str()), iterations, total);
        }
        Ok(())
    }
}
