//! gungraun and iai-callgrind: instructions and cache accesses that Valgrind counts, from the text that
//! `cargo bench` prints. The first value of a pair is the present one.

use std::io::BufRead;

use super::lines::each_line;
use super::{Complaint, Format, Names, series};
use crate::ingest::collector::Collector;
use bench_stats::model::{Direction, Series};

pub(super) struct Gungraun;

impl Format for Gungraun {
    fn marks(&self) -> &'static [&'static str] {
        &["Instructions:", "L1 Hits:", "RAM Hits:", "Estimated Cycles:"]
    }

    fn recognises(&self, head: &str) -> bool {
        head.lines().any(|line| {
            let line = plain(line);
            line.trim_start().starts_with("Instructions:") && line.contains('|')
        })
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        let mut names = Names::default();
        let mut benchmark: Option<String> = None;
        each_line(input, results, |line, results| {
            let text = plain(line.text);
            if !text.starts_with(' ') {
                // Its arguments follow after a colon, and are too long for a name.
                benchmark = text
                    .split_once("::")
                    .filter(|(module, _)| !module.contains(' '))
                    .map(|_| names.unique(text.trim().to_owned(), results));
                return Ok(());
            }
            let (Some(name), Some((metric, values))) = (&benchmark, text.split_once(':')) else {
                return Ok(());
            };
            let Some((present, _)) = values.split_once('|') else { return Ok(()) };
            let present = present.trim().replace(',', "");
            if present == "N/A" {
                return Ok(());
            }
            line.whole()?;
            let value: f64 = present
                .parse()
                .map_err(|_| Complaint(format!("`{name}`: `{present}` is no number")))?;
            results.push_value(run, counted(name, metric.trim()), value);
            Ok(())
        })
    }
}

/// The text without the codes of colours.
fn plain(line: &str) -> String {
    anstream::adapter::strip_str(line).to_string()
}

pub(super) fn counted(name: &str, metric: &str) -> Series {
    let allocated = match metric {
        "Total bytes" => Some(("allocated_bytes", "bytes")),
        "Total blocks" => Some(("allocations", "count")),
        "At t-gmax bytes" => Some(("most_allocated_bytes", "bytes")),
        "At t-gmax blocks" => Some(("most_allocations", "count")),
        _ => None,
    };
    if let Some((metric, unit)) = allocated {
        return series(name, metric, unit, Direction::Lower);
    }
    let known = match metric {
        "Instructions" | "Ir" => "instructions",
        "L1 Hits" => "l1_hits",
        "L2 Hits" | "LL Hits" => "ll_hits",
        "RAM Hits" => "ram_hits",
        "Total read+write" => "total_accesses",
        "Estimated Cycles" => "estimated_cycles",
        other => {
            let own = other.to_lowercase().replace(' ', "_");
            return series(name, &own, "count", Direction::Neutral);
        }
    };
    // More hits of a cache mean fewer accesses beyond it, or more accesses: that is not for one number.
    let direction = match known {
        "l1_hits" | "ll_hits" => Direction::Neutral,
        _ => Direction::Lower,
    };
    series(name, known, "count", direction)
}
