//! `vitest bench --outputJson`: milliseconds a call, as samples if these are written, else their median.

use std::io::BufRead;

use serde::Deserialize;
use serde_json::Value;

use super::elements::{each_in_field, numbers};
use super::{Complaint, Format, Names, is_json_with};
use crate::ingest::collector::Collector;
use bench_stats::model::Series;

pub(super) struct Vitest;

#[derive(Deserialize)]
struct File {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(rename = "fullName")]
    full_name: String,
    #[serde(default)]
    benchmarks: Vec<Value>,
}

#[derive(Deserialize)]
struct Benchmark {
    name: String,
    #[serde(default, deserialize_with = "numbers")]
    samples: Vec<Option<f64>>,
    median: Option<f64>,
}

impl Format for Vitest {
    fn marks(&self) -> &'static [&'static str] {
        &["\"files\"", "\"groups\"", "\"fullName\"", "\"benchmarks\""]
    }

    fn recognises(&self, head: &str) -> bool {
        is_json_with(head, '{', &["files", "groups", "fullName"])
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        let mut names = Names::default();
        each_in_field(input, "files", &[], results, |file: File, results| {
            for Group { full_name, benchmarks } in file.groups {
                for benchmark in benchmarks {
                    let collected = serde_json::from_value(benchmark)
                        .map_err(Complaint::from)
                        .and_then(|one| collect(&full_name, one, run, &mut names, results));
                    if let Err(Complaint(reason)) = collected {
                        results.remarks.leave_out(format!("in `{full_name}`: {reason}"));
                    }
                }
            }
            Ok(())
        })?;
        Ok(())
    }
}

fn collect(
    group: &str,
    one: Benchmark,
    run: u32,
    names: &mut Names,
    results: &mut Collector,
) -> Result<(), Complaint> {
    let Benchmark { name, samples, median } = one;
    let name = names.unique(format!("{group} > {name}"), results);
    if samples.is_empty() && median.is_none() {
        return Err(Complaint(format!("`{name}` has no median: it was skipped, or failed")));
    }
    let values = if samples.is_empty() { vec![median] } else { samples };
    for milliseconds in values {
        let value = milliseconds.unwrap_or(f64::NAN) * 1e6;
        results.push_value(run, Series::time(name.as_str()), value);
    }
    Ok(())
}
