//! `hyperfine --export-json`: seconds for every run of a command.

use std::collections::BTreeMap;
use std::io::BufRead;

use serde::Deserialize;
use serde_json::Value;

use super::elements::{each_in_field, numbers};
use super::{Complaint, Format, Names, is_json_with};
use crate::ingest::collector::{Collector, RunKey};
use crate::ingest::machine::NamedMachine;
use bench_stats::model::{Metric, Series, Unit};

pub(super) struct Hyperfine;

#[derive(Deserialize)]
struct Command {
    command: String,
    #[serde(default, deserialize_with = "numbers")]
    times: Vec<Option<f64>>,
    median: Option<f64>,
    user: Option<f64>,
    system: Option<f64>,
    /// The most memory that each run had.
    #[serde(default, deserialize_with = "numbers")]
    memory_usage_byte: Vec<Option<f64>>,
    #[serde(default)]
    parameters: BTreeMap<String, Value>,
}

impl Format for Hyperfine {
    fn marks(&self) -> &'static [&'static str] {
        &["\"results\"", "\"command\"", "\"times\"", "\"exit_codes\""]
    }

    fn recognises(&self, head: &str) -> bool {
        is_json_with(head, '{', &["results", "command"])
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        let mut names = Names::default();
        let others = &["host", "hostname", "machine"];
        let others = each_in_field(input, "results", others, results, |one: Command, results| {
            one.collect(run, &mut names, results)
        })?;
        let cpu = others.text(&["host"]).or_else(|| others.text(&["hostname"]));
        let machine =
            NamedMachine { cpu: cpu.or_else(|| others.text(&["machine"])), ..Default::default() };
        results.rename_run(run, RunKey { machine, ..RunKey::default() });
        Ok(())
    }
}

impl Command {
    fn collect(
        self,
        run: u32,
        names: &mut Names,
        results: &mut Collector,
    ) -> Result<(), Complaint> {
        let name = names.unique(self.name(), results);
        let Self { times, median, user, system, memory_usage_byte, .. } = self;
        let time = Series::time(name.as_str());
        if times.is_empty() && median.is_none() {
            return Err(Complaint(format!("`{name}`: it has no times")));
        }
        // Exports of summaries leave the times away.
        let values = if times.is_empty() { vec![median] } else { times };
        for seconds in values {
            results.push_value(run, time.clone(), seconds.unwrap_or(f64::NAN) * 1e9);
        }
        for (metric, seconds) in [("cpu_user", user), ("cpu_system", system)] {
            let series = Series { metric: Metric::new(metric), ..time.clone() };
            if let Some(seconds) = seconds {
                results.push_value(run, series, seconds * 1e9);
            }
        }
        let memory = Series { metric: Metric::new("peak_resident"), unit: Unit::bytes(), ..time };
        // Where it could not be found out, it is 0.
        for bytes in memory_usage_byte.into_iter().flatten().filter(|one| *one > 0.0) {
            results.push_value(run, memory.clone(), bytes);
        }
        Ok(())
    }

    /// The command, with those parameters that do not show in it, as where it was given a name.
    fn name(&self) -> String {
        let parameters = self.parameters.iter().map(|(name, value)| {
            (name, value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        });
        let hidden: Vec<String> = parameters
            .filter(|(_, value)| !self.command.contains(value.as_str()))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if hidden.is_empty() {
            return self.command.clone();
        }
        format!("{} ({})", self.command, hidden.join(", "))
    }
}
