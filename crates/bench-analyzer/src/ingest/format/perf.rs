//! `perf stat`: counters of one command, each a series, as text (`-o`), with a separator (`-x`) or as JSON
//! (`-j`). Counters of the hardware vary a little from run to run, so none is taken for exact.

use std::io::BufRead;

use serde::Deserialize;

use super::lines::{Line, each_line};
use super::{Complaint, Format, Names, nanoseconds_in, series};
use crate::ingest::collector::Collector;
use bench_stats::model::{Direction, Series};

pub(super) struct Perf;

const HEAD: &str = "Performance counter stats for ";

/// The benchmark of a file that names no command.
const UNNAMED: &str = "perf stat";

impl Format for Perf {
    fn marks(&self) -> &'static [&'static str] {
        &[HEAD, "task-clock", "seconds time elapsed"]
    }

    fn recognises(&self, head: &str) -> bool {
        head.lines().any(|line| {
            line.trim_start().starts_with(HEAD) || Counter::of(line).is_some_and(|one| one.is_ok())
        })
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        let mut names = Names::default();
        let mut command: Option<String> = None;
        let mut unnamed = false;
        each_line(input, results, |line, results| {
            if command.is_none()
                && let Some(counter) = Counter::of(line.text)
            {
                if !unnamed {
                    unnamed = true;
                    let text =
                        format!("it names no command: what it counts is stored as `{UNNAMED}`");
                    results.remarks.note(text);
                }
                return counter.and_then(|one| one.push(run, line, results));
            }
            if let Some(rest) = line.text.trim_start().strip_prefix(HEAD) {
                let text = line.whole()?;
                let quoted = rest.split('\'').nth(1);
                let name = quoted.ok_or_else(|| Complaint(format!("`{text}` names no command")))?;
                command = Some(names.unique(name.to_owned(), results));
                return Ok(());
            }
            let Some(command) = &command else { return Ok(()) };
            // What follows is a comment: rates, and the spread of repetitions.
            let text = line.text.split(['#', '(']).next().unwrap_or_default();
            let mut words = text.split_whitespace();
            let Some(value) = words.next().and_then(|word| {
                word.replace(',', "").parse::<f64>().ok().filter(|value| value.is_finite())
            }) else {
                let unsupported = text.trim_start().starts_with('<');
                return if unsupported && text.contains("not counted") {
                    Err(Complaint(format!("`{command}`: {}", text.trim())))
                } else {
                    Ok(())
                };
            };
            line.whole()?;
            let words: Vec<&str> = words.collect();
            if let Some((series, factor)) = measured_as(command, &words) {
                results.push_value(run, series, value * factor);
            }
            Ok(())
        })
    }
}

/// A counter of what `-x` and `-j` write.
#[derive(Debug, Deserialize)]
struct Counter {
    #[serde(rename = "counter-value")]
    value: String,
    unit: String,
    event: String,
}

impl Counter {
    /// The counter of a line; none if it looks like no such line.
    fn of(line: &str) -> Option<Result<Self, Complaint>> {
        let line = line.trim();
        if line.starts_with('{') && line.contains("\"counter-value\"") {
            return Some(serde_json::from_str(line).map_err(Complaint::from));
        }
        let after = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let after = if after.len() < line.len() {
            after
        } else {
            line.strip_prefix("<not supported>").or_else(|| line.strip_prefix("<not counted>"))?
        };
        let separator = after.chars().next().filter(|one| ",;|\t:".contains(*one))?;
        let fields: Vec<&str> = line.split(separator).collect();
        let [value, unit, event, .., runtime, _, _, _] = fields[..] else { return None };
        // A time or a processor in front (-I, -A) would be taken for the value.
        let is_word = |text: &str| !text.is_empty() && text.parse::<f64>().is_err();
        let is_one = is_word(event) && (unit.is_empty() || is_word(unit));
        (is_one && runtime.parse::<u64>().is_ok()).then(|| {
            Ok(Self { value: value.to_owned(), unit: unit.to_owned(), event: event.to_owned() })
        })
    }

    fn push(self, run: u32, line: Line<'_>, results: &mut Collector) -> Result<(), Complaint> {
        line.whole()?;
        let Self { value, unit, event } = self;
        if value == "<not supported>" {
            return Ok(());
        }
        let value: f64 = value.parse().map_err(|_| Complaint(format!("`{event}`: {value}")))?;
        // Times that perf itself takes.
        let known = match event.as_str() {
            "duration_time" => Some(Series::time(UNNAMED)),
            "user_time" => Some(series(UNNAMED, "cpu_user", "ns", Direction::Lower)),
            "system_time" => Some(series(UNNAMED, "cpu_system", "ns", Direction::Lower)),
            _ => None,
        };
        let words: Vec<&str> =
            [unit.as_str(), &event].into_iter().filter(|one| !one.is_empty()).collect();
        let measured = known.filter(|_| unit == "ns").map(|series| (series, 1.0));
        if let Some((series, factor)) = measured.or_else(|| measured_as(UNNAMED, &words)) {
            results.push_value(run, series, value * factor);
        }
        Ok(())
    }
}

/// The series of what follows a value: `msec task-clock`, `page-faults`, `seconds time elapsed`,
/// or `+- 0.1 seconds time elapsed` where it was repeated.
fn measured_as(command: &str, words: &[&str]) -> Option<(Series, f64)> {
    let words = match words {
        ["+-", _, rest @ ..] => rest,
        all => all,
    };
    let of = |metric: &str, unit: &str| series(command, metric, unit, Direction::Lower);
    Some(match words {
        ["seconds", "time", "elapsed"] => (Series::time(command), 1e9),
        ["seconds", "user"] => (of("cpu_user", "ns"), 1e9),
        ["seconds", "sys"] => (of("cpu_system", "ns"), 1e9),
        [unit, event] => {
            let factor = nanoseconds_in(if *unit == "msec" { "ms" } else { unit });
            match factor {
                Some(factor) => (of(event, "ns"), factor),
                None => (series(command, event, unit, Direction::Neutral), 1.0),
            }
        }
        [event] => (of(counter(event), "count"), 1.0),
        _ => return None,
    })
}

/// The name of a counter. `instructions` is the word for what a simulator counts exactly.
fn counter(event: &str) -> &str {
    match event.strip_suffix(":u").unwrap_or(event) {
        "instructions" => "retired_instructions",
        other => other,
    }
}
