//! `hyperfine --export-json`: seconds for every run of a command.

use std::io::BufRead;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::elements::each_in_field;
use super::{Complaint, Format, is_json_with};
use crate::ingest::collector::Collector;
use crate::model::{Metric, Series};

pub(super) struct Hyperfine;

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
        let run = results.only_run();
        let take = |Command { command, times, user, system }: Command| {
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
            Ok(())
        };
        let _: IgnoredAny = each_in_field(input, "results", &[], take)?;
        Ok(())
    }
}
