//! Benchmark.js: `JSON.stringify` of the benchmarks of a suite, with seconds a call, or the text that its
//! examples print, `sum x 423,274 ops/sec ±9.27% (7 runs sampled)`.

use std::io::BufRead;

use serde::Deserialize;

use super::elements::{each, numbers};
use super::lines::each_line;
use super::{Complaint, Format, Names, is_json_with, series};
use crate::ingest::collector::Collector;
use bench_stats::model::{Direction, Series};

pub(super) struct BenchmarkJs;

#[derive(Deserialize)]
struct Benchmark {
    name: String,
    stats: Statistics,
}

#[derive(Deserialize)]
struct Statistics {
    #[serde(default, deserialize_with = "numbers")]
    sample: Vec<Option<f64>>,
}

const TEXT: &str = " ops/sec \u{b1}";

impl Format for BenchmarkJs {
    fn marks(&self) -> &'static [&'static str] {
        &["\"hz\"", "\"sample\"", "ops/sec", "runs sampled)"]
    }

    fn recognises(&self, head: &str) -> bool {
        is_json_with(head, '[', &["stats", "sample", "hz"])
            || head.lines().any(|line| line.contains(TEXT) && line.contains(" sampled)"))
    }

    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint> {
        let run = results.only_run();
        let mut names = Names::default();
        let head = input.fill_buf()?;
        if head.trim_ascii_start().starts_with(b"[") {
            return each(input, results, |one: Benchmark, results| {
                let name = names.unique(one.name, results);
                if one.stats.sample.is_empty() {
                    return Err(Complaint(format!("`{name}` has no samples: it failed")));
                }
                for seconds in one.stats.sample {
                    let value = seconds.unwrap_or(f64::NAN) * 1e9;
                    results.push_value(run, Series::time(name.as_str()), value);
                }
                Ok(())
            });
        }
        each_line(input, results, |line, results| {
            let Some((start, _)) = line.text.split_once(TEXT) else { return Ok(()) };
            let Some((name, rate)) = start.rsplit_once(" x ") else { return Ok(()) };
            let name = names.unique(name.trim().to_owned(), results);
            let rate: f64 = rate
                .replace(',', "")
                .parse()
                .map_err(|_| Complaint(format!("`{name}`: `{rate}` is no rate")))?;
            results.push_value(run, series(&name, "rate", "ops/s", Direction::Higher), rate);
            Ok(())
        })
    }
}
