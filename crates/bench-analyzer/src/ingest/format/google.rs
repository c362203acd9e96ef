//! Google Benchmark's `--benchmark_format=json`: every repetition is a sample. Aggregates are left to
//! us, except where a file holds nothing else.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::BufRead;

use serde::Deserialize;
use serde_json::Value;

use super::elements::each_in_field;
use super::{Complaint, Format, is_json_with, nanoseconds_in, series};
use crate::ingest::collector::{Collector, RunKey};
use crate::ingest::machine::NamedMachine;
use bench_stats::model::{Direction, Metric, Series};

pub(super) struct Google;

#[derive(Deserialize)]
struct Repetition {
    name: String,
    run_name: Option<String>,
    run_type: Option<String>,
    family_index: Option<u64>,
    per_family_instance_index: Option<u64>,
    aggregate_name: Option<String>,
    error_occurred: Option<bool>,
    error_message: Option<String>,
    skipped: Option<bool>,
    skip_message: Option<String>,
    real_time: Option<f64>,
    cpu_time: Option<f64>,
    time_unit: Option<String>,
    /// Counters of the user's own, among fields that describe the measurement.
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// Numbers that are no counters.
const DESCRIPTIONS: [&str; 10] = [
    "repetitions",
    "repetition_index",
    "threads",
    "iterations",
    "cpu_coefficient",
    "real_coefficient",
    "rms",
    "big_o",
    "allocs_per_iter",
    "max_bytes_used",
];

/// A benchmark's place in the program: different ones may have one name.
type Place = (Option<u64>, Option<u64>);

#[derive(Default)]
struct Reader {
    run: u32,
    /// By name, the places that have it.
    places: HashMap<String, Vec<Place>>,
    measured: HashSet<String>,
    /// What to use of benchmarks that have no repetitions.
    aggregates: Vec<(String, Vec<(Series, f64)>)>,
}

impl Format for Google {
    fn marks(&self) -> &'static [&'static str] {
        &["\"context\"", "\"num_cpus\"", "\"benchmarks\"", "\"real_time\""]
    }

    fn recognises(&self, head: &str) -> bool {
        is_json_with(head, '{', &["context", "num_cpus"])
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let mut reader = Reader { run: results.only_run(), ..Reader::default() };
        let others = each_in_field(
            input,
            "benchmarks",
            &["context"],
            results,
            |one: Repetition, results| reader.take(one, results),
        )?;
        for (name, values) in reader.aggregates {
            if !reader.measured.contains(&name) {
                for (series, value) in values {
                    results.push_value(reader.run, series, value);
                }
            }
        }
        let time = others.text(&["context", "date"]).and_then(|date| date.parse().ok());
        let cores = others.count(&["context", "num_cpus"]);
        let frequency = others.count(&["context", "mhz_per_cpu"]);
        // The name of a container is made up anew each time.
        let is_made_up =
            |name: &String| name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let host = others.text(&["context", "host_name"]);
        let cpu = match host {
            Some(host) if is_made_up(&host) => {
                cores.zip(frequency).map(|(cores, mhz)| format!("{cores} x {mhz} MHz"))
            }
            other => other,
        };
        let machine = NamedMachine { cpu, cores, ..NamedMachine::default() };
        results.rename_run(reader.run, RunKey { time, machine, ..RunKey::default() });
        Ok(())
    }
}

impl Reader {
    fn take(&mut self, one: Repetition, results: &mut Collector) -> Result<(), Complaint> {
        let name = one.run_name.clone().unwrap_or_else(|| one.name.clone());
        if one.error_occurred == Some(true) || one.skipped == Some(true) {
            let said = one.error_message.as_deref().or(one.skip_message.as_deref());
            let word = if one.skipped == Some(true) { "was skipped" } else { "failed" };
            let said = said.filter(|said| !said.is_empty());
            let said = said.map(|said| format!(": {said}")).unwrap_or_default();
            results.remarks.leave_out(format!("`{name}`, which {word}{said}"));
            return Ok(());
        }
        let name = self.told_apart(name, &one, results);
        // Versions before 1.5 do not say what kind a row is.
        let kind = match (one.run_type.as_deref(), &one.aggregate_name) {
            (None, Some(_)) => Some("aggregate"),
            (kind, _) => kind,
        };
        match kind {
            None | Some("iteration") => {
                self.measured.insert(name.clone());
                for (series, value) in one.values(&name)? {
                    // Repetitions count alike, however many iterations each one chose.
                    results.push_value(self.run, series, value);
                }
            }
            Some("aggregate") if one.aggregate_name.as_deref() == Some("median") => {
                let values = one.values(&name)?;
                self.aggregates.push((name, values));
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// The name, with a number where an earlier benchmark has the same.
    fn told_apart(&mut self, name: String, one: &Repetition, results: &mut Collector) -> String {
        let place = (one.family_index, one.per_family_instance_index);
        let places = self.places.entry(name.clone()).or_default();
        let number = places.iter().position(|known| *known == place).unwrap_or_else(|| {
            places.push(place);
            places.len() - 1
        });
        if number == 0 {
            return name;
        }
        let numbered = format!("{name} #{}", number + 1);
        results.remarks.note(format!("several benchmarks are called `{name}`: {numbered} is one"));
        numbered
    }
}

impl Repetition {
    /// Everything that was measured: times in nanoseconds, and counters.
    fn values(self, name: &str) -> Result<Vec<(Series, f64)>, Complaint> {
        let complain = |reason: &str| Complaint(format!("`{name}`: {reason}"));
        let unit = self.time_unit.as_deref().ok_or_else(|| complain("its time has no unit"))?;
        let factor = nanoseconds_in(unit)
            .ok_or_else(|| complain(&format!("`{unit}` is no unit of time")))?;
        let time = Series::time(name);
        let cpu = Series { metric: Metric::new("cpu"), ..time.clone() };
        let real = self.real_time.ok_or_else(|| complain("it has no real_time"))?;
        let mut values = vec![(time, real * factor)];
        values.extend(self.cpu_time.map(|value| (cpu, value * factor)));
        for (counter, value) in self.rest {
            let Some(value) = value.as_f64() else { continue };
            if !DESCRIPTIONS.contains(&counter.as_str()) {
                values.push((counter_series(name, &counter), value));
            }
        }
        Ok(values)
    }
}

/// The series of a counter. Which way of the user's own is better, nobody knows.
fn counter_series(name: &str, counter: &str) -> Series {
    let (unit, direction) = match counter {
        "bytes_per_second" => ("bytes/s", Direction::Higher),
        "items_per_second" => ("items/s", Direction::Higher),
        _ => ("", Direction::Neutral),
    };
    series(name, counter, unit, direction)
}
