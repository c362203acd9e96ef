//! `report` and `compare`: what to compare, how to judge and how to show it.

use bench_analyzer::report::html::HtmlReporter;
use bench_stats::model::Selector;
use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

use super::{FailOn, probability, ratio};

const REPORT_EXAMPLES: &str = "\
Examples:
  bench-analyzer report --baseline main                        what changed since `main`?
  bench-analyzer report --baseline main --fail-on regression   the same as a gate
  bench-analyzer report --baseline main --filter 'parse/*' --threshold 0.03
  bench-analyzer report --baseline main --format json | jq '.regressions[].test_name'

Exit codes:
  0  fine, or nothing was asked to fail
  1  the gate failed: what --fail-on names was found, or nothing was compared
  2  wrong usage
  3  failure: nothing could be said
  4  the gate could not judge: most benchmarks moved together, and it may be the machine or the
     code. Measure both sides in turns, or name a --control";

const COMPARE_EXAMPLES: &str = "\
Examples:
  bench-analyzer compare main            `main` with the latest runs
  bench-analyzer compare v1.0 v1.1       two baselines
  bench-analyzer compare run:12 run:15   two single runs

Exit codes: 0 fine; 1 the gate failed (--fail-on, or nothing was compared); 2 wrong usage; 3 failure;
4 the gate could not judge (machine or code).";

/// Say what changed
///
/// Imports what is new in the Criterion folder first, so that it needs no other command before it.
///
/// A regression or improvement is listed when it is statistically significant and its whole
/// interval lies beyond the practical threshold. `unchanged` means that whatever changed is below
/// the threshold, `no change seen` that a change of the size it names would have been seen, and
/// `inconclusive` that more runs are needed, and how many. Comparisons with fewer than three runs a
/// side and no history are `unreplicated`: hints that never fail a build. Metrics that are counted
/// (instructions, allocations) are `exact`: one run a side is enough.
#[derive(Debug, Args)]
#[command(after_long_help = REPORT_EXAMPLES)]
pub(crate) struct Report {
    /// Criterion folders to import first [default: as `import`; none is no error]
    #[arg(value_name = "DIR")]
    pub(crate) paths: Vec<Utf8PathBuf>,

    /// Compare with this baseline, or with a single run as run:12
    #[arg(long, value_name = "NAME")]
    pub(crate) baseline: Option<Selector>,

    /// What to compare: a baseline, run:12, or latest
    #[arg(long, value_name = "NAME", default_value = "latest")]
    pub(crate) current: Selector,

    /// Look at what is stored only
    #[arg(long, conflicts_with = "paths")]
    pub(crate) no_import: bool,

    #[command(flatten)]
    pub(crate) options: ReportOptions,
}

/// Compare two sides that are stored already
///
/// Like `report`, but nothing is imported, and both sides are named: baselines, single runs as
/// run:12, or latest.
#[derive(Debug, Args)]
#[command(after_long_help = COMPARE_EXAMPLES)]
pub(crate) struct Compare {
    /// The old side
    pub(crate) baseline: Selector,

    /// The new side
    #[arg(default_value = "latest")]
    pub(crate) current: Selector,

    #[command(flatten)]
    pub(crate) options: ReportOptions,
}

/// How to judge, and how to show it.
#[derive(Debug, Args)]
pub(crate) struct ReportOptions {
    /// How to show it
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: ReportFormat,

    /// Write to FILE, in the format of its ending (html, md, json, csv, xml, svg, png), else in that
    /// of --format; may be given several times
    ///
    /// What --format names goes to stdout as well, unless one of the files has that format.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Vec<Utf8PathBuf>,

    /// Append the Markdown report to the file that GITHUB_STEP_SUMMARY names
    #[arg(long)]
    pub(crate) step_summary: bool,

    /// List every benchmark, however many did not change; always so where stdout is no terminal
    #[arg(long)]
    pub(crate) all: bool,

    /// For how many benchmarks an HTML report draws samples and history, worst first
    #[arg(long, value_name = "N", default_value_t = HtmlReporter::PLOTS)]
    pub(crate) plots: usize,

    /// Exit with 1 if this is found, or if nothing was compared; several with commas
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) fail_on: Vec<FailOn>,

    /// Only benchmarks whose name contains this, or matches it as a whole if it has a `*`
    #[arg(long = "filter", value_name = "NAME")]
    pub(crate) filters: Vec<String>,

    /// The practical threshold: relative changes inside it are of no interest [default: 0.01, or
    /// what the configuration says]
    #[arg(long, value_name = "RATIO", value_parser = ratio)]
    pub(crate) threshold: Option<f64>,

    /// Of all changes listed, at most this share may be false in the long run [default: 0.1, or what
    /// the configuration says]
    #[arg(long, value_name = "SHARE", value_parser = probability)]
    pub(crate) fdr: Option<f64>,

    /// How many runs a side were decided on before measuring: such a look finds more
    ///
    /// Without it a report stays valid however often you add runs and look again, and pays for that with
    /// a smaller level at each look.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) planned_runs: Option<u32>,

    /// A control: a benchmark that the change cannot touch, as --filter names them: where most benchmarks moved
    /// together, it tells the machine from the code; may be given several times
    #[arg(long = "control", alias = "reference", value_name = "NAME")]
    pub(crate) controls: Vec<String>,

    /// The largest p-value of a change [default: 0.01, or what the configuration says]
    #[arg(long, value_name = "P", value_parser = probability)]
    pub(crate) alpha: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For a terminal
    Human,
    /// For programs; docs/report.schema.json describes it
    Json,
    /// For pull requests
    Markdown,
    /// One page with plots, for browsers, phones and paper
    Html,
    /// For spreadsheets
    Csv,
    /// Test results in XML, for CI systems
    Junit,
    /// Annotations in the log of a GitHub workflow
    Github,
    /// A picture of all changes; with --filter for one benchmark, of its samples and history
    Svg,
    /// The same as pixels
    Png,
}
