//! `perf stat -o`: counters of one command, each a series. Counters of the hardware vary a little from
//! run to run, so none is taken for exact.

use std::io::BufRead;

use super::lines::each_line;
use super::{Complaint, Format, Names, nanoseconds_in, series};
use crate::ingest::collector::Collector;
use crate::model::{Direction, Series};

pub(super) struct Perf;

const HEAD: &str = "Performance counter stats for ";

impl Format for Perf {
    fn marks(&self) -> &'static [&'static str] {
        &[HEAD, "task-clock", "seconds time elapsed"]
    }

    fn recognises(&self, head: &str) -> bool {
        head.lines().any(|line| line.trim_start().starts_with(HEAD))
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        let mut names = Names::default();
        let mut command: Option<String> = None;
        each_line(input, results, |line, results| {
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
            if let Some((series, factor)) = measured(command, &words) {
                results.push_value(run, series, value * factor);
            }
            Ok(())
        })
    }
}

/// The series of what follows a value: `msec task-clock`, `page-faults`, `seconds time elapsed`,
/// or `+- 0.1 seconds time elapsed` where it was repeated.
fn measured(command: &str, words: &[&str]) -> Option<(Series, f64)> {
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
