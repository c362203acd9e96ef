//! Files of benchmark tools: one module a format, told apart by their first kilobytes.

mod asv;
mod bencher;
mod bencher_metric;
mod benchmark_dotnet;
mod benchmarkjs;
mod cargo_criterion;
mod catch2;
mod csv;
mod divan;
mod elements;
mod github;
mod go;
mod google;
mod gungraun;
mod gungraun_summary;
mod hyperfine;
mod jmh;
mod lines;
mod mitata;
mod perf;
mod pyperf;
mod pytest;
mod tinybench;
mod vitest;

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead};
use std::str::FromStr;

use camino::Utf8Path;

pub(super) use self::elements::{numbers, parse};
use super::collector::Collector;
use super::decode;
use super::draft::{FileRuns, ImportBatch};
use super::export;
use crate::environment::Environment;
use crate::error::{Error, FormatGuess, Remedy, Result};
use bench_stats::model::{BenchmarkId, Direction, Metric, Series, Unit};

/// A kind of result file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// The generic format: a header naming at least `benchmark` and `value`.
    Csv,
    /// cargo-criterion's.
    CargoCriterion,
    /// hyperfine's.
    Hyperfine,
    /// Google Benchmark's.
    Google,
    /// Go's.
    Go,
    /// pytest-benchmark's.
    Pytest,
    /// JMH's.
    Jmh,
    /// libtest's.
    Bencher,
    /// pyperf's.
    Pyperf,
    /// asv's.
    Asv,
    /// Vitest's.
    Vitest,
    /// tinybench's.
    Tinybench,
    /// mitata's.
    Mitata,
    /// Benchmark.js's.
    BenchmarkJs,
    /// BenchmarkDotNet's.
    BenchmarkDotNet,
    /// Catch2's.
    Catch2,
    /// divan's.
    Divan,
    /// gungraun's and iai-callgrind's.
    Gungraun,
    /// gungraun's, of one benchmark.
    GungraunSummary,
    /// perf's.
    Perf,
    /// Bencher's.
    BencherMetric,
    /// github-action-benchmark's.
    Github,
}

/// Reader of one format.
///
/// Readers never stop at something bad: they remark what cannot be used and go on. They complain about
/// the file as a whole only where nothing of it can be used.
trait Format: Sync {
    /// Texts that its files hold. Where a file is of no known format, those of which it has most are
    /// the nearest guess.
    fn marks(&self) -> &'static [&'static str];

    /// Whether a file that starts like this is one.
    fn recognises(&self, head: &str) -> bool;

    /// Reads the whole file.
    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint>;
}

/// Why a file, or a part of it, was not understood.
#[derive(Debug)]
struct Complaint(String);

impl<T: fmt::Display> From<T> for Complaint {
    fn from(reason: T) -> Self {
        Self(reason.to_string())
    }
}

impl FileFormat {
    /// All formats, those with the clearest marks first.
    pub const ALL: [Self; 22] = [
        Self::Jmh,
        Self::Hyperfine,
        Self::Google,
        Self::Pytest,
        Self::BenchmarkDotNet,
        Self::Asv,
        Self::Vitest,
        Self::Mitata,
        Self::Pyperf,
        Self::Tinybench,
        Self::BenchmarkJs,
        Self::Catch2,
        Self::CargoCriterion,
        Self::GungraunSummary,
        Self::Gungraun,
        Self::Divan,
        Self::Perf,
        Self::Go,
        Self::Bencher,
        Self::Csv,
        Self::Github,
        Self::BencherMetric,
    ];

    /// The word for it on the command line.
    pub fn as_str(self) -> &'static str {
        self.facts().0
    }

    /// Tool that writes it, with the command that does.
    pub fn made_by(self) -> &'static str {
        self.facts().1
    }

    fn reader(self) -> &'static dyn Format {
        self.facts().2
    }

    fn facts(self) -> (&'static str, &'static str, &'static dyn Format) {
        match self {
            Self::Csv => (
                "csv",
                "The generic format: a header with `benchmark,value` and any of \
                 `metric,unit,direction,exactness,run,time,commit,machine`",
                &csv::Csv,
            ),
            Self::CargoCriterion => (
                "cargo-criterion",
                "`cargo criterion --message-format json > FILE`",
                &cargo_criterion::CargoCriterion,
            ),
            Self::Hyperfine => {
                ("hyperfine", "`hyperfine --export-json FILE COMMAND`", &hyperfine::Hyperfine)
            }
            Self::Google => (
                "google",
                "Google Benchmark: `./bench --benchmark_out_format=json --benchmark_out=FILE`",
                &google::Google,
            ),
            Self::Go => ("go", "`go test -bench . -count 10 > FILE`", &go::Go),
            Self::Pytest => {
                ("pytest", "pytest-benchmark: `pytest --benchmark-json FILE`", &pytest::Pytest)
            }
            Self::Jmh => ("jmh", "JMH: `java -jar benchmarks.jar -rf json -rff FILE`", &jmh::Jmh),
            Self::Bencher => (
                "bencher",
                "libtest: `cargo +nightly bench > FILE`, or Criterion: `cargo bench -- \
                 --output-format bencher > FILE`",
                &bencher::Bencher,
            ),
            Self::Pyperf => ("pyperf", "`python bench.py -o FILE`", &pyperf::Pyperf),
            Self::Asv => ("asv", "`asv run`: the files `results/MACHINE/COMMIT-*.json`", &asv::Asv),
            Self::Vitest => ("vitest", "`vitest bench --run --outputJson FILE`", &vitest::Vitest),
            Self::Tinybench => (
                "tinybench",
                "`JSON.stringify(bench.tasks.map(({ name, result }) => ({ name, result })))`, or of \
                 `bench.table()`",
                &tinybench::Tinybench,
            ),
            Self::Mitata => ("mitata", "`await run({ format: 'json' })`", &mitata::Mitata),
            Self::BenchmarkJs => (
                "benchmark.js",
                "`JSON.stringify(suite.map(one => one))`, or the text that `cycle` prints",
                &benchmarkjs::BenchmarkJs,
            ),
            Self::BenchmarkDotNet => (
                "benchmark-dotnet",
                "BenchmarkDotNet: `dotnet run -c Release -- --exporters json`",
                &benchmark_dotnet::BenchmarkDotNet,
            ),
            Self::Catch2 => ("catch2", "`./tests -r xml > FILE`", &catch2::Catch2),
            Self::Divan => ("divan", "divan: `cargo bench > FILE`", &divan::Divan),
            Self::Gungraun => {
                ("gungraun", "gungraun or iai-callgrind: `cargo bench > FILE`", &gungraun::Gungraun)
            }
            Self::GungraunSummary => (
                "gungraun-summary",
                "gungraun: `cargo bench -- --save-summary=json`: the files \
                 `target/gungraun/**/summary.json`",
                &gungraun_summary::GungraunSummary,
            ),
            Self::Perf => {
                ("perf", "`perf stat -o FILE COMMAND`, also with `-x,` or `-j`", &perf::Perf)
            }
            Self::BencherMetric => (
                "bencher-metric",
                "Bencher's metric format: `bencher run --format json > FILE`",
                &bencher_metric::BencherMetric,
            ),
            Self::Github => (
                "github-benchmark",
                "The custom JSON of github-action-benchmark: a list of `name`, `unit`, `value`",
                &github::Github,
            ),
        }
    }
}

impl FromStr for FileFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no format that is known"))
    }
}

/// Reads a history that [`Export`](crate::ingest::export::Export) wrote; `None` if the file is none.
///
/// # Errors
/// If it is one but cannot be read or understood.
pub fn read_export(path: &Utf8Path) -> Result<Option<ImportBatch>> {
    let (mut input, head) = open(path)?;
    if !is_json_with(&head, '{', &["format", export::FORMAT]) {
        return Ok(None);
    }
    let batch = serde_json::from_reader::<_, export::Export>(&mut input)
        .map_err(cut_off_or_wrong)
        .and_then(|export| export.into_batch().map_err(Complaint));
    batch.map(Some).map_err(|Complaint(reason)| malformed(path, reason))
}

/// Reads a result file, in `format` or in the one that it looks like.
///
/// # Errors
/// If it cannot be read, looks like no format, or holds nothing that can be used.
pub fn read(
    path: &Utf8Path,
    format: Option<FileFormat>,
    environment: &Environment,
) -> Result<FileRuns> {
    let unreadable = |source| Error::Read { path: path.to_owned(), source };
    let modified = path.metadata().and_then(|metadata| metadata.modified()).map_err(unreadable)?;
    let written_at = jiff::Timestamp::try_from(modified).unwrap_or(environment.now);
    let (mut input, head) = open(path)?;
    if head.trim().is_empty() {
        return Err(malformed(path, "it is empty".to_owned()));
    }
    let format = format
        .or_else(|| FileFormat::ALL.into_iter().find(|one| one.reader().recognises(&head)))
        .ok_or_else(|| Error::UnknownFormat { path: path.to_owned(), guess: guess(&head) })?;
    let mut results = Collector::default();
    format.reader().read(&mut input, &mut results).map_err(|Complaint(reason)| {
        malformed(path, format!("as {}: {reason}", format.as_str()))
    })?;
    // What is packed has its checksum at the end, and is not to be trusted before that is right.
    match io::copy(&mut input, &mut io::sink()) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            return Err(malformed(path, format!("it cannot be read to its end ({error})")));
        }
        _ => {}
    }
    results.finish(path, format.as_str(), written_at, environment)
}

fn malformed(path: &Utf8Path, reason: String) -> Error {
    Error::Malformed { path: path.to_owned(), reason, remedy: Remedy::FixFile }
}

/// A file as text, and how it begins.
fn open(path: &Utf8Path) -> Result<(Box<dyn BufRead>, String)> {
    let opened = std::fs::File::open(path).and_then(|file| {
        let mut input = decode::open(file)?;
        let head = String::from_utf8_lossy(input.fill_buf()?).into_owned();
        Ok((input, head))
    });
    opened.map_err(|source| match source.kind() {
        io::ErrorKind::Unsupported => malformed(path, source.to_string()),
        // Of what is packed, not even the beginning can be unpacked.
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            malformed(path, format!("it cannot be unpacked ({source})"))
        }
        _ => Error::Read { path: path.to_owned(), source },
    })
}

/// The format that a file resembles most, with what speaks for it and against it.
fn guess(head: &str) -> Option<FormatGuess> {
    let likeness = |format: FileFormat| {
        let marks = format.reader().marks();
        let (there, missing): (Vec<&str>, Vec<&str>) =
            marks.iter().partition(|mark| head.contains(**mark));
        (there.len(), missing.len(), there, missing)
    };
    let best = FileFormat::ALL
        .into_iter()
        .map(|format| (format, likeness(format)))
        .max_by_key(|(_, (there, missing, ..))| there * 100 / (there + missing).max(1))?;
    let (format, (_, _, there, missing)) = best;
    let list = |marks: &[&str]| marks.join(", ").trim().to_owned();
    (!there.is_empty()).then(|| {
        let lacks = if missing.is_empty() {
            String::new()
        } else {
            format!(", but not {}", list(&missing))
        };
        FormatGuess {
            format: format.as_str(),
            made_by: format.made_by(),
            why: format!("it has {}{lacks}", list(&there)),
        }
    })
}

/// Whether the head of a file starts as a JSON object or array and names all these keys.
fn is_json_with(head: &str, start: char, keys: &[&str]) -> bool {
    let text = head.trim_start();
    text.starts_with(start) && keys.iter().all(|key| text.contains(&format!("\"{key}\"")))
}

fn cut_off_or_wrong(error: serde_json::Error) -> Complaint {
    if error.is_eof() {
        Complaint(format!("it ends too early ({error})"))
    } else {
        Complaint::from(error)
    }
}

/// What a failure to read on means: that a file was cut off is no reason against what came before.
fn stream_ended(error: io::Error) -> Result<(), Complaint> {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Ok(()),
        _ => Err(Complaint(format!("it cannot be read to its end ({error})"))),
    }
}

/// Nanoseconds in a unit of time; `None` if it is none.
fn nanoseconds_in(unit: &str) -> Option<f64> {
    Some(match unit {
        "ps" => 1e-3,
        "ns" => 1.0,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1e3,
        "ms" => 1e6,
        "s" | "sec" => 1e9,
        "min" => 60e9,
        _ => return None,
    })
}

/// One metric of a benchmark.
fn series(benchmark: &str, metric: &str, unit: &str, direction: Direction) -> Series {
    Series {
        benchmark: BenchmarkId::new(benchmark),
        metric: Metric::new(metric),
        unit: Unit::new(unit),
        direction,
    }
}

/// The series of what somebody measured with Criterion instead of time. Criterion takes less of it to
/// be better, whatever it is.
pub(super) fn custom_series(benchmark: &str, unit: &str) -> Series {
    series(benchmark, "measurement", unit, Direction::Lower)
}

/// Tells benchmarks of one name apart, where a tool lets them have it.
#[derive(Debug, Default)]
struct Names(HashMap<String, usize>);

impl Names {
    /// The name, with a number if it was there before.
    fn unique(&mut self, name: String, results: &mut Collector) -> String {
        let count = self.0.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 {
            return name;
        }
        let numbered = format!("{name} #{count}");
        results.remarks.note(format!("several benchmarks are called `{name}`: {numbered} is one"));
        numbered
    }
}
