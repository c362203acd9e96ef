//! Files of benchmark tools: one module a format, told apart by their first kilobytes.

mod bencher;
mod cargo_criterion;
mod csv;
mod elements;
mod go;
mod google;
mod hyperfine;
mod jmh;
mod lines;
mod pytest;

use std::fmt;
use std::io::{BufRead, BufReader};
use std::str::FromStr;

use camino::Utf8Path;
use serde::de::DeserializeOwned;

use super::collector::Collector;
use super::{ImportBatch, RunDraft};
use crate::environment::Environment;
use crate::error::{Error, Remedy, Result};
use crate::exchange;

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
}

/// What reading one format takes.
trait Format: Sync {
    /// Whether a file that starts like this is one.
    fn recognises(&self, head: &str) -> bool;

    /// Reads the whole file.
    fn read(&self, input: &mut dyn BufRead, results: &mut Collector) -> Result<(), Complaint>;
}

/// Why a file was not understood.
#[derive(Debug)]
struct Complaint(String);

impl<T: fmt::Display> From<T> for Complaint {
    fn from(reason: T) -> Self {
        Self(reason.to_string())
    }
}

impl FileFormat {
    /// All formats, those with the clearest marks first.
    pub const ALL: [Self; 8] = [
        Self::Jmh,
        Self::Hyperfine,
        Self::Google,
        Self::Pytest,
        Self::CargoCriterion,
        Self::Go,
        Self::Bencher,
        Self::Csv,
    ];

    /// The word for it on the command line.
    pub fn as_str(self) -> &'static str {
        self.facts().0
    }

    /// What writes it.
    pub fn origin(self) -> &'static str {
        self.facts().1
    }

    fn reader(self) -> &'static dyn Format {
        self.facts().2
    }

    fn facts(self) -> (&'static str, &'static str, &'static dyn Format) {
        match self {
            Self::Csv => ("csv", "The generic format", &csv::Csv),
            Self::CargoCriterion => (
                "cargo-criterion",
                "The messages of `cargo criterion --message-format json`",
                &cargo_criterion::CargoCriterion,
            ),
            Self::Hyperfine => ("hyperfine", "`hyperfine --export-json`", &hyperfine::Hyperfine),
            Self::Google => {
                ("google", "Google Benchmark's `--benchmark_format=json`", &google::Google)
            }
            Self::Go => ("go", "The text of `go test -bench`", &go::Go),
            Self::Pytest => ("pytest", "pytest-benchmark's `--benchmark-json`", &pytest::Pytest),
            Self::Jmh => ("jmh", "JMH's `-rf json`", &jmh::Jmh),
            Self::Bencher => (
                "bencher",
                "libtest's text, also of Criterion's `--output-format bencher`",
                &bencher::Bencher,
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

/// The runs of one file, and what the user should know about it.
#[derive(Debug, Default)]
pub struct FileRuns {
    /// Its runs, in its order.
    pub runs: Vec<RunDraft>,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

/// Reads a history that [`Export`](crate::exchange::Export) wrote; `None` if the file is none.
///
/// # Errors
/// If it is one but cannot be read or understood.
pub fn read_export(path: &Utf8Path) -> Result<Option<ImportBatch>> {
    let unreadable = |source| Error::Read { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut input = BufReader::with_capacity(HEAD, file);
    let head = String::from_utf8_lossy(input.fill_buf().map_err(unreadable)?).into_owned();
    if !is_json_with(&head, '{', &["format", exchange::FORMAT]) {
        return Ok(None);
    }
    let batch = json::<exchange::Export>(&mut input)
        .and_then(|export| export.into_batch().map_err(Complaint));
    batch.map(Some).map_err(|Complaint(reason)| Error::Malformed {
        path: path.to_owned(),
        reason,
        remedy: Remedy::FixFile,
    })
}

/// Reads a result file, in `format` or in the one that it looks like.
///
/// # Errors
/// If it cannot be read, looks like no format, or breaks the rules of its own.
pub fn read(
    path: &Utf8Path,
    format: Option<FileFormat>,
    environment: &Environment,
) -> Result<FileRuns> {
    let unreadable = |source| Error::Read { path: path.to_owned(), source };
    let malformed =
        |reason| Error::Malformed { path: path.to_owned(), reason, remedy: Remedy::FixFile };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let modified = file.metadata().and_then(|metadata| metadata.modified()).map_err(unreadable)?;
    let mut input = BufReader::with_capacity(HEAD, file);
    let head = String::from_utf8_lossy(input.fill_buf().map_err(unreadable)?).into_owned();
    if head.trim().is_empty() {
        return Err(malformed("it is empty".to_owned()));
    }
    let format = format
        .or_else(|| FileFormat::ALL.into_iter().find(|one| one.reader().recognises(&head)))
        .ok_or_else(|| {
            let known: Vec<&str> = FileFormat::ALL.iter().map(|one| one.as_str()).collect();
            malformed(format!("it looks like none of the known formats ({})", known.join(", ")))
        })?;
    let mut results = Collector::default();
    format
        .reader()
        .read(&mut input, &mut results)
        .map_err(|Complaint(reason)| malformed(format!("as {}: {reason}", format.as_str())))?;
    let written_at = jiff::Timestamp::try_from(modified).unwrap_or(environment.now);
    results.finish(path, format.as_str(), written_at, environment)
}

/// How much of a file is looked at to tell its format.
const HEAD: usize = 64 * 1024;

/// Whether the head of a file starts as a JSON object or array and names all these keys.
fn is_json_with(head: &str, start: char, keys: &[&str]) -> bool {
    let text = head.trim_start_matches('\u{feff}').trim_start();
    text.starts_with(start) && keys.iter().all(|key| text.contains(&format!("\"{key}\"")))
}

fn json<T: DeserializeOwned>(input: &mut dyn BufRead) -> Result<T, Complaint> {
    serde_json::from_reader(input).map_err(cut_off_or_wrong)
}

fn cut_off_or_wrong(error: serde_json::Error) -> Complaint {
    if error.is_eof() {
        Complaint(format!("it ends too early ({error})"))
    } else {
        Complaint::from(error)
    }
}

/// Nanoseconds in a unit of time; `None` if it is none.
fn nanoseconds_in(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1.0,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1e3,
        "ms" => 1e6,
        "s" | "sec" => 1e9,
        "min" => 60e9,
        _ => return None,
    })
}
