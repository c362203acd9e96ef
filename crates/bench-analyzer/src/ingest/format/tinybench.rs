//! tinybench: `JSON.stringify` of its tasks with their results, or of its table. Times are in milliseconds
//! there, and in nanoseconds in the table.

use std::io::BufRead;

use serde::Deserialize;

use super::elements::{each, numbers};
use super::{Complaint, Format, Names, is_json_with};
use crate::ingest::collector::Collector;
use bench_stats::model::Series;

pub(super) struct Tinybench;

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Task(Task),
    Row(Row),
}

#[derive(Deserialize)]
struct Task {
    name: String,
    result: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    /// Since version 3.
    latency: Option<Statistics>,
    #[serde(flatten)]
    before: Statistics,
}

#[derive(Default, Deserialize)]
struct Statistics {
    #[serde(default, deserialize_with = "numbers")]
    samples: Vec<Option<f64>>,
    p50: Option<f64>,
    mean: Option<f64>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(rename = "Task name", alias = "Task Name")]
    name: String,
    #[serde(
        rename = "Latency med (ns)",
        alias = "Latency median (ns)",
        alias = "Average Time (ns)"
    )]
    median: Option<serde_json::Value>,
}

impl Format for Tinybench {
    fn marks(&self) -> &'static [&'static str] {
        &["\"result\"", "\"latency\"", "\"samplesCount\"", "\"Task name\""]
    }

    fn recognises(&self, head: &str) -> bool {
        is_json_with(head, '[', &["name", "result", "latency"])
            || is_json_with(head, '[', &["name", "result", "p999", "rme"])
            || is_json_with(head, '[', &["Task name"])
            || is_json_with(head, '[', &["Task Name"])
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        let mut names = Names::default();
        each(input, results, |entry: Entry, results| {
            let (name, values) = match entry {
                Entry::Task(Task { name, result }) => (name, result.nanoseconds()),
                Entry::Row(Row { name, median }) => (name, nanoseconds(median.as_ref())),
            };
            let name = names.unique(name, results);
            if values.is_empty() {
                return Err(Complaint(format!("`{name}` has no times: it failed")));
            }
            for value in values {
                results.push_value(run, Series::time(name.as_str()), value);
            }
            Ok(())
        })
    }
}

impl Outcome {
    /// The times in nanoseconds: all of them, if they were kept.
    fn nanoseconds(self) -> Vec<f64> {
        let Statistics { samples, p50, mean } = match self.latency {
            // Where there is a median, the mean is something else.
            Some(latency) => Statistics { mean: None, ..latency },
            None => self.before,
        };
        let values =
            if samples.is_empty() { p50.or(mean).map(Some).into_iter().collect() } else { samples };
        values.into_iter().map(|value| value.unwrap_or(f64::NAN) * 1e6).collect()
    }
}

/// A cell such as `1117.0 ± 60.00`.
fn nanoseconds(cell: Option<&serde_json::Value>) -> Vec<f64> {
    let Some(cell) = cell else { return Vec::new() };
    let text = cell.as_str().and_then(|text| text.split_whitespace().next());
    let value = text.and_then(|text| text.replace(',', "").parse().ok()).or_else(|| cell.as_f64());
    value.into_iter().collect()
}
