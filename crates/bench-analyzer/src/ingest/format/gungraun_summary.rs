//! gungraun's `summary.json`: what Valgrind's tools counted of one benchmark, as its version 0.17 writes it.

use std::collections::BTreeMap;
use std::io::BufRead;

use serde::Deserialize;
use serde_json::Value;

use super::elements::each_field;
use super::gungraun::counted;
use super::{Complaint, Format, is_json_with, series};
use crate::ingest::collector::Collector;
use bench_stats::model::{Direction, Series};

pub(super) struct GungraunSummary;

/// Counts of one tool.
#[derive(Deserialize)]
struct Profile {
    tool: String,
    summaries: Data,
}

#[derive(Deserialize)]
struct Data {
    total: Total,
}

#[derive(Deserialize)]
struct Total {
    /// By the kind of tool; a word where a tool counts nothing.
    summary: Value,
}

impl Format for GungraunSummary {
    fn marks(&self) -> &'static [&'static str] {
        &["\"module_path\"", "\"function_name\"", "\"profiles\"", "\"benchmark_exe\""]
    }

    fn recognises(&self, head: &str) -> bool {
        is_json_with(head, '{', &["module_path", "function_name", "benchmark_exe"])
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let mut fields: BTreeMap<String, Value> = BTreeMap::new();
        each_field(input, results, |key, value: Value, _| {
            fields.insert(key.to_owned(), value);
            Ok(())
        })?;
        let text =
            |key: &str| fields.get(key).and_then(Value::as_str).filter(|one| !one.is_empty());
        let path = text("module_path").ok_or("it has no `module_path`")?;
        let mut name = path.to_owned();
        // As the text of the same run has it.
        if let Some(id) = text("id") {
            name.push_str(&format!(" {id}"));
        }
        if let Some(details) = text("details") {
            name.push_str(&format!(":{}", details.lines().next().unwrap_or_default()));
        }
        let Some(Value::Array(profiles)) = fields.remove("profiles") else {
            return Err(Complaint(format!("`{name}` has no `profiles`")));
        };
        let run = results.only_run();
        for (number, profile) in (1..).zip(profiles) {
            let taken = serde_json::from_value(profile)
                .map_err(Complaint::from)
                .and_then(|profile| take(&name, profile, run, results));
            if let Err(Complaint(reason)) = taken {
                results
                    .remarks
                    .leave_out(format!("`{name}`: `profiles` number {number}: {reason}"));
            }
        }
        Ok(())
    }
}

fn take(name: &str, profile: Profile, run: u32, results: &mut Collector) -> Result<(), Complaint> {
    let Profile { tool, summaries } = profile;
    let Value::Object(kinds) = summaries.total.summary else {
        // Tools that only write files of their own.
        return Ok(());
    };
    for (kind, events) in kinds {
        let Value::Object(events) = events else {
            return Err(Complaint(format!("what {tool} counted is no object")));
        };
        for (event, counts) in events {
            let metrics = counts.get("metrics").unwrap_or(&counts);
            match present(metrics) {
                Present::Value(value) => {
                    results.push_value(run, measured(name, &kind, &event), value)
                }
                Present::Gone => {}
                Present::Unclear => {
                    results.remarks.leave_out(format!("`{name}`: {tool}'s `{event}` is no number"));
                }
            }
        }
    }
    Ok(())
}

/// The present one of two values.
enum Present {
    Value(f64),
    /// Only the old one is there.
    Gone,
    Unclear,
}

fn present(metrics: &Value) -> Present {
    if metrics.get("Right").is_some() {
        return Present::Gone;
    }
    let new = metrics.get("Left").or_else(|| metrics.get("Both")?.get(0));
    // A number says whether it is whole.
    let number =
        new.and_then(|one| one.get("Int").or_else(|| one.get("Float")).unwrap_or(one).as_f64());
    number.map_or(Present::Unclear, Present::Value)
}

/// The series of an event, the same as that of its word in the text.
fn measured(name: &str, kind: &str, event: &str) -> Series {
    let word = match event {
        "Ir" => "Instructions",
        "L1hits" => "L1 Hits",
        "LLhits" => "LL Hits",
        "RamHits" => "RAM Hits",
        "TotalRW" => "Total read+write",
        "EstimatedCycles" => "Estimated Cycles",
        "TotalBytes" => "Total bytes",
        "TotalBlocks" => "Total blocks",
        "AtTGmaxBytes" => "At t-gmax bytes",
        "AtTGmaxBlocks" => "At t-gmax blocks",
        other => other,
    };
    match (kind, event) {
        ("ErrorTool", _) => {
            series(name, &format!("valgrind_{}", event.to_lowercase()), "count", Direction::Lower)
        }
        _ => counted(name, word),
    }
}
