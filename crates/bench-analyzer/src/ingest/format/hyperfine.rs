//! `hyperfine --export-json`: seconds for every run of a command.

use std::io::BufRead;

use serde::Deserialize;

use super::{Complaint, Format, is_json_with, json};
use crate::ingest::collector::Collector;
use crate::model::{Metric, Series};

pub(super) struct Hyperfine;

#[derive(Deserialize)]
struct Export {
    results: Vec<Command>,
}

#[derive(Deserialize)]
struct Command {
    command: String,
    times: Vec<f64>,
    user: Option<f64>,
    system: Option<f64>,
}

impl Format for Hyperfine {
    fn recognises(&self, head: &str) -> bool {
        is_json_with(head, '{', &["results", "command"])
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let export: Export = json(input)?;
        let run = results.only_run();
        for Command { command, times, user, system } in export.results {
            let time = Series::time(command);
            for seconds in times {
                results.push_value(run, time.clone(), seconds * 1e9);
            }
            for (metric, seconds) in [("cpu_user", user), ("cpu_system", system)] {
                let series = Series { metric: Metric::new(metric), ..time.clone() };
                if let Some(seconds) = seconds {
                    results.push_value(run, series, seconds * 1e9);
                }
            }
        }
        Ok(())
    }
}
