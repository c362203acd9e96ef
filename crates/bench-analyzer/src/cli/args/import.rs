//! `import`: what to store, and under which circumstances it was measured.

use bench_analyzer::ingest::format::FileFormat;
use bench_analyzer::model::BaselineName;
use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};
use jiff::Timestamp;

const IMPORT_EXAMPLES: &str = "\
Examples:
  bench-analyzer import                              what `cargo bench` left here
  bench-analyzer import --baseline main runs/*       replicate runs that become `main`
  bench-analyzer import --commit 1a2b3c results.json the file of another tool

Exit codes: 0 stored, or stored already; 2 wrong usage; 3 failure, and nothing was stored.";

/// Store results
///
/// Every DIR is one run. Several in one call are replicate runs of the same code. What is
/// stored already is left alone, so importing twice does no harm.
///
/// Without --baseline, the folder's last result becomes the latest one, and baselines that
/// Criterion keeps there (--save-baseline) keep their names: when Criterion saves one again, the
/// newer result replaces the older, benchmark by benchmark. With --baseline NAME, only the last
/// result of every DIR is stored, and together they become NAME.
#[derive(Debug, Args)]
#[command(after_long_help = IMPORT_EXAMPLES)]
pub(crate) struct Import {
    /// Criterion folders or result files of other tools [default: $CRITERION_HOME,
    /// $CARGO_TARGET_DIR/criterion or target/criterion]
    #[arg(value_name = "DIR|FILE")]
    pub(crate) paths: Vec<Utf8PathBuf>,

    /// Call the results NAME; replaces what NAME held of the same benchmarks
    #[arg(long, value_name = "NAME")]
    pub(crate) baseline: Option<BaselineName>,

    /// Add to what --baseline held, as further runs of the same code
    #[arg(long, requires = "baseline")]
    pub(crate) append: bool,

    /// Add to the latest results, as further runs of the same code
    #[arg(long, conflicts_with = "baseline")]
    pub(crate) replicate: bool,

    /// What kind of FILE it is; auto looks at its beginning
    ///
    /// csv is the generic format: a header naming at least `benchmark,value`, and any of
    /// `metric,unit,direction,run,time,commit`; one row a sample.
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub(crate) format: ImportFormat,

    #[command(flatten)]
    pub(crate) circumstances: Circumstances,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportFormat {
    /// Whatever it looks like
    Auto,
    /// A folder that Criterion wrote
    Criterion,
    /// The generic format
    Csv,
    /// The messages of `cargo criterion --message-format json`
    CargoCriterion,
    /// `hyperfine --export-json`
    Hyperfine,
    /// Google Benchmark's `--benchmark_format=json`
    Google,
    /// The text of `go test -bench`
    Go,
    /// pytest-benchmark's `--benchmark-json`
    Pytest,
    /// JMH's `-rf json`
    Jmh,
    /// libtest's text
    Bencher,
}

impl ImportFormat {
    /// The format of a file; none if it is to be found out, or is for folders.
    pub(crate) fn file_format(self) -> Option<FileFormat> {
        Some(match self {
            Self::Auto | Self::Criterion => return None,
            Self::Csv => FileFormat::Csv,
            Self::CargoCriterion => FileFormat::CargoCriterion,
            Self::Hyperfine => FileFormat::Hyperfine,
            Self::Google => FileFormat::Google,
            Self::Go => FileFormat::Go,
            Self::Pytest => FileFormat::Pytest,
            Self::Jmh => FileFormat::Jmh,
            Self::Bencher => FileFormat::Bencher,
        })
    }
}

/// What an import cannot know if it does not follow the measurement at once.
#[derive(Debug, Args)]
pub(crate) struct Circumstances {
    /// The commit that was measured [default: the one checked out, if it is older]
    #[arg(long, value_name = "SHA")]
    pub(crate) commit: Option<String>,

    /// The branch that was measured [default: the one checked out]
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Option<String>,

    /// When it was measured, such as 2026-01-31T12:00:00Z [default: when the files were written]
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Timestamp>,
}
