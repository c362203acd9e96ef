//! The text of `go test -bench`: a line a sample, several lines a benchmark with `-count`.
//!
//! The format is specified in the Go proposal 14313: a name, iterations, then pairs of value and
//! unit. `Unit` lines say which way of a unit is better; `cpu:` names the machine.

use std::collections::HashMap;
use std::io::BufRead;

use super::lines::each_line;
use super::{Complaint, Format, nanoseconds_in};
use crate::ingest::collector::{Collector, RunKey};
use crate::ingest::machine::NamedMachine;
use bench_stats::model::{BenchmarkId, Direction, Metric, Series, Unit};

pub(super) struct Go;

impl Format for Go {
    fn marks(&self) -> &'static [&'static str] {
        &["goos:", "Benchmark", "ns/op"]
    }

    fn recognises(&self, head: &str) -> bool {
        head.lines().any(|line| line.starts_with("Benchmark") && line.contains("ns/op"))
            || (head.lines().any(|line| line.starts_with("goos:")))
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let mut reader = Reader::default();
        each_line(input, results, |line, results| {
            // Every line of results is followed by `PASS` or more, so one without end was cut off.
            match line.whole() {
                Ok(text) => reader.line(text, results),
                Err(complaint) if line.text.starts_with("Benchmark") => Err(complaint),
                Err(_) => Ok(()),
            }
        })?;
        let Reader { suffix, better, .. } = reader;
        results.restate(|series| {
            if let Suffix::All(processors) = &suffix {
                let name = series.benchmark.as_str();
                let name = name.strip_suffix(processors.as_str()).unwrap_or(name).to_owned();
                series.benchmark = BenchmarkId::new(name);
            }
            if let Some(&direction) = better.get(series.metric.as_str()) {
                series.direction = direction;
            }
        });
        Ok(())
    }
}

/// What the names of benchmarks end with. Go adds the number of processors to every name, unless it
/// is one; names of the user's own may end in the same way. So it is taken for that only where all
/// names of a file end alike: `size-10` and `size-1000` are different benchmarks.
#[derive(Debug, Default)]
enum Suffix {
    #[default]
    Unknown,
    All(String),
    Different,
}

impl Suffix {
    fn see(&mut self, name: &str) {
        let found = name.rsplit_once('-').filter(|(_, digits)| {
            digits.parse::<u32>().is_ok_and(|count| count > 1) && !digits.starts_with('+')
        });
        *self = match (std::mem::take(self), found) {
            (Self::Unknown, Some((_, digits))) => Self::All(format!("-{digits}")),
            (Self::All(known), Some((_, digits))) if known.get(1..) == Some(digits) => {
                Self::All(known)
            }
            _ => Self::Different,
        };
    }
}

#[derive(Debug, Default)]
struct Reader {
    package: String,
    machine: NamedMachine,
    os: Option<String>,
    run: Option<u32>,
    suffix: Suffix,
    better: HashMap<String, Direction>,
    /// A benchmark whose name is written, and whose results are not.
    waiting: Option<String>,
}

impl Reader {
    fn line(&mut self, line: &str, results: &mut Collector) -> Result<(), Complaint> {
        if let Some((key, value)) = line.split_once(':') {
            let value = value.trim();
            match key {
                "pkg" => self.package = format!("{value}/"),
                "goos" => self.os = Some(value.to_owned()),
                "goarch" => {
                    let arch = if value == "amd64" { "x86_64" } else { value };
                    let os = self.os.as_deref().unwrap_or("unknown");
                    self.machine.os = Some(format!("{os} {arch}"));
                }
                "cpu" if !value.is_empty() => {
                    self.machine.cpu = Some(value.to_owned());
                    self.run = None;
                }
                _ => {}
            }
        }
        if let Some(rest) = line.strip_prefix("Unit ") {
            self.unit(rest);
            return Ok(());
        }
        let mut words = line.split_whitespace().peekable();
        let name = match words.next_if(|word| word.starts_with("Benchmark")) {
            Some(name) => name.to_owned(),
            // The name stands on a line of its own if the benchmark writes something.
            None => match self.waiting.take() {
                Some(name) => name,
                None => return Ok(()),
            },
        };
        let is_result = words.next_if(|word| word.parse::<u64>().is_ok()).is_some();
        let mut pairs = words.clone();
        pairs.next();
        if !is_result
            || pairs
                .next()
                .is_none_or(|unit| !unit.contains(['/', '%']) && !self.better.contains_key(unit))
        {
            self.waiting = Some(name);
            return Ok(());
        }
        let benchmark = format!("{}{name}", self.package);
        let run = *self.run.get_or_insert_with(|| {
            let machine = match &self.machine.cpu {
                Some(_) => self.machine.clone(),
                None => NamedMachine::default(),
            };
            results.run(RunKey { machine, ..RunKey::default() })
        });
        let pairs: Vec<&str> = words.collect();
        let mut complaint = None;
        for pair in pairs.chunks(2) {
            let [value, unit] = *pair else {
                complaint = Some(format!("`{name}`: a value without its unit"));
                continue;
            };
            let Ok(value) = value.parse::<f64>() else {
                complaint = Some(format!("`{name}`: `{value}` is not a number"));
                continue;
            };
            let (series, factor) = series(&benchmark, unit);
            // Repetitions count alike, however many iterations each one chose.
            results.push_value(run, series, value * factor);
        }
        self.suffix.see(&name);
        complaint.map_or(Ok(()), |reason| Err(Complaint(reason)))
    }

    fn unit(&mut self, text: &str) {
        let mut words = text.split_whitespace();
        let Some(unit) = words.next() else { return };
        for word in words {
            let direction = match word {
                "better=higher" => Direction::Higher,
                "better=lower" => Direction::Lower,
                _ => continue,
            };
            let metric = series("", unit).0.metric;
            self.better.insert(metric.as_str().to_owned(), direction);
        }
    }
}

/// The series of a unit, and what its values have to be multiplied with.
fn series(benchmark: &str, unit: &str) -> (Series, f64) {
    let of = |metric: &str, unit: Unit, direction: Direction| Series {
        benchmark: BenchmarkId::new(benchmark),
        metric: Metric::new(metric),
        unit,
        direction,
    };
    match unit {
        "B/op" => (of("allocated_bytes", Unit::bytes(), Direction::Lower), 1.0),
        "allocs/op" => (of("allocations", Unit::count(), Direction::Lower), 1.0),
        other => match other.strip_suffix("/op").and_then(nanoseconds_in) {
            Some(factor) => (Series::time(benchmark), factor),
            None => (of(other, Unit::new(other), direction(other)), 1.0),
        },
    }
}

/// Which way of a unit is better, if nobody says: rates are better high, costs low, and what else
/// a benchmark reports is not for others to judge.
fn direction(unit: &str) -> Direction {
    let costs = ["/op", "-ns", "-us", "-ms", "-s", "-bytes", "-B"];
    if unit.ends_with("/s") || unit.ends_with("/sec") {
        Direction::Higher
    } else if costs.iter().any(|ending| unit.ends_with(ending)) || nanoseconds_in(unit).is_some() {
        Direction::Lower
    } else {
        Direction::Neutral
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suffix(names: &[&str]) -> Option<String> {
        let mut suffix = Suffix::default();
        names.iter().for_each(|name| suffix.see(name));
        match suffix {
            Suffix::All(text) => Some(text),
            _ => None,
        }
    }

    #[test]
    fn only_what_all_names_end_with_is_the_number_of_processors() {
        assert_eq!(suffix(&["BenchmarkA-8", "BenchmarkB/x-8"]).as_deref(), Some("-8"));
        assert_eq!(suffix(&["BenchmarkA/size-10", "BenchmarkA/size-1000"]), None);
        assert_eq!(suffix(&["BenchmarkA", "BenchmarkA-2", "BenchmarkA-4"]), None);
        assert_eq!(suffix(&["BenchmarkA-1"]), None);
    }

    #[test]
    fn rates_are_better_high() {
        assert_eq!(direction("req/s"), Direction::Higher);
        assert_eq!(direction("MB/s"), Direction::Higher);
        assert_eq!(direction("misses/op"), Direction::Lower);
        assert_eq!(direction("p99-ns"), Direction::Lower);
        assert_eq!(direction("ratio"), Direction::Neutral);
    }
}
