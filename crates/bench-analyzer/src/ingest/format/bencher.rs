//! libtest's text, `test NAME ... bench: 1,234 ns/iter (+/- 56)`, also of Criterion's
//! `--output-format bencher`.
//!
//! The name is written when a benchmark begins and the time when it ends, so that other output may
//! come in between. Criterion's own does where a folder of earlier results is hollow.

use std::io::BufRead;

use super::lines::each_line;
use super::{Complaint, Format, nanoseconds_in, series};
use crate::ingest::collector::Collector;
use bench_stats::model::{Direction, Series};

pub(super) struct Bencher;

impl Format for Bencher {
    fn marks(&self) -> &'static [&'static str] {
        &["test ", "bench:", "ns/iter"]
    }

    fn recognises(&self, head: &str) -> bool {
        head.lines().any(|line| line.starts_with("test ") && line.contains(" ... "))
            && head.contains("bench:")
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        let mut waiting = None;
        each_line(input, results, |line, results| {
            let (name, rest) = match begins(line.text) {
                Some((name, rest)) => {
                    no_time(waiting.take(), results);
                    (name.to_owned(), rest)
                }
                None => match waiting.take() {
                    Some(name) => (name, line.text),
                    // Other output, or the time of a benchmark whose name is lost.
                    None if line.text.trim_start().starts_with("bench:") => {
                        return Err(Complaint("a time without the name of its benchmark".into()));
                    }
                    None => return Ok(()),
                },
            };
            if begins_within(rest) {
                let reason = "another benchmark's line was written into it";
                return Err(Complaint(format!(
                    "`{name}`: {reason}, so whose time it is is unknown"
                )));
            }
            match rest.rsplit_once("bench:") {
                Some((_, time)) => {
                    let (series, value) = measured(&name, time).ok_or_else(|| {
                        Complaint(format!("`{name}`: no time in ns/iter follows"))
                    })?;
                    if value == 0.0 && series.metric.is_time() {
                        // Criterion rounds to whole nanoseconds.
                        results.remarks.leave_out(format!("`{name}`: it took less than 1 ns"));
                    } else {
                        results.push_value(run, series, value);
                    }
                }
                None if is_test(rest) => {}
                None => waiting = Some(name),
            }
            Ok(())
        })?;
        no_time(waiting, results);
        Ok(())
    }
}

fn no_time(waiting: Option<String>, results: &mut Collector) {
    if let Some(name) = waiting {
        results.remarks.leave_out(format!("`{name}`: no time follows its name"));
    }
}

/// The name of a benchmark whose line this is, and what follows it. libtest pads names to one width.
fn begins(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix("test ")?;
    let (name, rest) =
        line.split_once(" ... ").or_else(|| Some((line.strip_suffix(" ...")?, "")))?;
    Some((name.trim_end(), rest))
}

/// Whether the line of another benchmark begins in the middle of this one.
fn begins_within(rest: &str) -> bool {
    rest.match_indices("test ").any(|(place, _)| begins(&rest[place..]).is_some())
}

/// Whether this is the outcome of a test, which takes no time.
fn is_test(rest: &str) -> bool {
    let word = rest.trim().split([',', ' ']).next().unwrap_or_default();
    matches!(word, "ok" | "ignored" | "FAILED" | "failed")
}

/// Reads the beginning of a text: a time in ns/iter, or what others who write such lines measure, a cost of an
/// iteration or a rate. Digits may be grouped by commas.
fn measured(name: &str, text: &str) -> Option<(Series, f64)> {
    let (number, rest) = text.trim_start().split_once(' ')?;
    let unit = rest.split_whitespace().next()?;
    let (series, factor) = match unit.strip_suffix("/iter") {
        Some(cost) => match nanoseconds_in(cost) {
            Some(factor) => (Series::time(name), factor),
            None => (series(name, "value", cost, Direction::Lower), 1.0),
        },
        None if unit.ends_with("/s") => (series(name, "rate", unit, Direction::Higher), 1.0),
        None => return None,
    };
    Some((series, value(number)? * factor))
}

fn value(number: &str) -> Option<f64> {
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit() || b",.".contains(&byte));
    if !is_number {
        return None;
    }
    number.replace(',', "").parse().ok()
}
