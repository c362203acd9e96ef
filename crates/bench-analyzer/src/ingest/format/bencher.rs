//! libtest's text, `test NAME ... bench: 1,234 ns/iter (+/- 56)`, also of Criterion's
//! `--output-format bencher`.

use std::io::BufRead;

use super::lines::each_line;
use super::{Complaint, Format};
use crate::ingest::collector::Collector;
use crate::model::Series;

pub(super) struct Bencher;

impl Format for Bencher {
    fn recognises(&self, head: &str) -> bool {
        head.lines().any(|line| line.starts_with("test ") && line.contains("... bench:"))
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        each_line(input, |line| {
            let Some((name, rest)) =
                line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... bench:"))
            else {
                return Ok(());
            };
            // libtest pads names to one width.
            let name = name.trim_end();
            let text = rest.split_once("ns/iter").map(|(text, _)| text.trim().replace(',', ""));
            let value = text.and_then(|text| text.parse::<f64>().ok());
            let value = value.ok_or("no time in ns/iter follows")?;
            if value == 0.0 {
                // Criterion rounds to whole nanoseconds.
                results.notes.push(format!("`{name}` took less than 1 ns and was left out"));
            } else {
                results.push_value(run, Series::time(name), value);
            }
            Ok(())
        })
    }
}
