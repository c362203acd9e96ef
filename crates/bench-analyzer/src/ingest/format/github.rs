//! The custom JSON of github-action-benchmark: name, unit and value. Which way is better is said to the
//! action, not in the file, so it is known only of times, sizes and rates.

use std::io::BufRead;

use serde::Deserialize;
use serde_json::Value;

use super::elements::each;
use super::{Complaint, Format, Names, is_json_with, nanoseconds_in, series};
use crate::ingest::collector::Collector;
use bench_stats::model::{Direction, Series};

pub(super) struct Github;

#[derive(Deserialize)]
struct Entry {
    name: Value,
    unit: Value,
    value: Option<Value>,
}

/// The words of a text or a number: the action makes either of both.
fn words(value: &Value) -> Result<String, Complaint> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(Complaint("its name and unit have to be texts".to_owned())),
    }
}

impl Format for Github {
    fn marks(&self) -> &'static [&'static str] {
        &["\"name\"", "\"unit\"", "\"value\""]
    }

    fn recognises(&self, head: &str) -> bool {
        is_json_with(head, '[', &["name", "unit", "value"])
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        let mut names = Names::default();
        each(input, results, |Entry { name, unit, value }: Entry, results| {
            let (name, unit) = (names.unique(words(&name)?, results), words(&unit)?);
            let value = match &value {
                Some(Value::String(text)) => text.trim().parse().ok(),
                Some(number) => number.as_f64(),
                None => None,
            };
            let value = value.ok_or_else(|| Complaint(format!("`{name}` has no value")))?;
            let (series, factor) = measured(&name, &unit);
            if series.direction == Direction::Neutral {
                results.remarks.note(format!(
                    "which way of `{unit}` is better is not known, so changes of it are stated and not \
                     judged: CSV has a column for it"
                ));
            }
            results.push_value(run, series, value * factor);
            Ok(())
        })
    }
}

fn measured(name: &str, unit: &str) -> (Series, f64) {
    let plain = unit.trim().to_lowercase();
    let time = plain.split_once('/').map_or(plain.as_str(), |(time, _)| time);
    if let Some(factor) = nanoseconds_in(time) {
        return (Series::time(name), factor);
    }
    let is_rate = ["/s", "/sec", "/second"].iter().any(|ending| plain.ends_with(ending));
    let is_size =
        ["b", "byte", "bytes", "kb", "kib", "mb", "mib", "gb", "gib"].contains(&plain.as_str());
    let direction = match (is_rate, is_size) {
        (true, _) => Direction::Higher,
        (_, true) => Direction::Lower,
        _ => Direction::Neutral,
    };
    (series(name, "value", unit, direction), 1.0)
}
