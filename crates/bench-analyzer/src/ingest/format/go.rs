//! The text of `go test -bench`: a line a sample, several lines a benchmark with `-count`.
//!
//! The format is specified in the Go proposal 14313: a name, iterations, then pairs of value and
//! unit.

use std::io::BufRead;

use super::lines::each_line;
use super::{Complaint, Format, nanoseconds_in};
use crate::ingest::collector::Collector;
use crate::model::{BenchmarkId, Direction, Metric, Series, Unit};

pub(super) struct Go;

impl Format for Go {
    fn recognises(&self, head: &str) -> bool {
        head.lines().any(|line| line.starts_with("Benchmark") && line.contains("ns/op"))
            || (head.lines().any(|line| line.starts_with("goos:")))
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        let mut package = String::new();
        each_line(input, |line| {
            if let Some(name) = line.strip_prefix("pkg:") {
                package = format!("{}/", name.trim());
            }
            let mut words = line.split_whitespace();
            let Some(name) = words.next().filter(|name| name.starts_with("Benchmark")) else {
                return Ok(());
            };
            // A benchmark that logs something has its name on a line of its own.
            if words.next().is_none_or(|word| word.parse::<u64>().is_err()) {
                return Ok(());
            }
            let benchmark = format!("{package}{}", without_processors(name));
            let pairs: Vec<&str> = words.collect();
            for pair in pairs.chunks_exact(2) {
                let value: f64 = pair[0]
                    .parse()
                    .map_err(|_| Complaint(format!("`{}` is not a number", pair[0])))?;
                if let Some((series, factor)) = series(&benchmark, pair[1]) {
                    // Repetitions count alike, however many iterations each one chose.
                    results.push_value(run, series, value * factor);
                }
            }
            Ok(())
        })
    }
}

/// Go adds the number of processors to every name, unless it is one.
fn without_processors(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((name, digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => name,
    }
}

/// The series of a unit, and what its values have to be multiplied with.
fn series(benchmark: &str, unit: &str) -> Option<(Series, f64)> {
    let lower = |metric: &str, unit: Unit| Series {
        benchmark: BenchmarkId::new(benchmark),
        metric: Metric::new(metric),
        unit,
        direction: Direction::Lower,
    };
    Some(match unit {
        "B/op" => (lower("allocated_bytes", Unit::bytes()), 1.0),
        "allocs/op" => (lower("allocations", Unit::count()), 1.0),
        // A rate follows from the time and says nothing new.
        "MB/s" => return None,
        other => match other.strip_suffix("/op").and_then(nanoseconds_in) {
            Some(factor) => (Series::time(benchmark), factor),
            None => (lower(other, Unit::new(other)), 1.0),
        },
    })
}
