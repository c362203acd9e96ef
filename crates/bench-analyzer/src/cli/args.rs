//! The arguments that all commands share, and the commands; each one's own arguments, and the help that
//! explains them, have a file of their own.

use bench_stats::model::RunId;
use camino::Utf8PathBuf;
use clap::{ColorChoice, Parser, Subcommand, ValueEnum};

mod aa;
mod baseline;
mod bless;
mod completions;
mod doctor;
mod export;
mod history;
mod import;
mod jobs;
mod merge;
mod rename;
mod report;
mod runs;
mod serve;
mod suites;
mod withdraw;

pub(super) use aa::Aa;
pub(super) use baseline::Baseline;
pub(super) use bless::Bless;
pub(super) use completions::Completions;
pub(super) use doctor::Doctor;
pub(super) use export::{Export, ExportFormat};
pub(super) use history::History;
pub(super) use import::Import;
pub(super) use jobs::{Jobs, Retry};
pub(super) use merge::{BaselineChoice, Pull, Push};
pub(super) use rename::Rename;
pub(super) use report::{Compare, Report, ReportFormat, ReportOptions};
pub(super) use runs::{Care, Chosen, Runs, Told};
pub(super) use serve::Serve;
pub(super) use suites::{Run, SuitesFile, Watch};
pub(super) use withdraw::Withdraw;

/// Stores benchmark results and says what changed, by how much, and how sure that is
///
/// Works on the folder that Criterion leaves behind, without any set-up:
///
///   cargo bench -- --save-baseline main     measure, and call the result `main`
///   (change the code)
///   cargo bench                             measure again
///   bench-analyzer report --baseline main   what changed?
///
/// One run a side can only show large changes. For verdicts that hold, measure each side three
/// times or more, as processes of their own, and import them as one:
///
///   for i in 1 2 3 4 5; do CRITERION_HOME=runs/$i cargo bench; done
///   bench-analyzer import --baseline main runs/*
///
/// Exit codes: 0 fine; 1 the gate failed; 2 wrong usage; 3 failure; 4 the gate could not judge (machine or
/// code).
#[derive(Debug, Parser)]
#[command(version, verbatim_doc_comment, propagate_version = true, max_term_width = 100)]
pub(super) struct Arguments {
    /// The history to use: a file, or postgres://USER@HOST/DATABASE for one that a team shares
    /// [default: .bench/history.db of the project around the working folder]
    // The value may hold a password: it must not show up in --help.
    #[arg(
        long,
        global = true,
        value_name = "FILE|ADDRESS",
        env = "BENCH_ANALYZER_DB",
        hide_env_values = true
    )]
    pub(super) db: Option<String>,

    /// The configuration [default: bench-analyzer.toml here or above]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<Utf8PathBuf>,

    /// Colour the output; NO_COLOR is respected
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(super) color: ColorChoice,

    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Import(Import),
    Report(Report),
    Compare(Compare),
    History(History),
    Bless(Bless),
    Withdraw(Withdraw),
    Export(Export),
    Push(Push),
    Pull(Pull),
    Runs(Runs),
    Rename(Rename),
    #[command(subcommand)]
    Baseline(Baseline),
    Aa(Aa),
    Run(Run),
    Watch(Watch),
    Jobs(Jobs),
    Retry(Retry),
    Serve(Serve),
    Doctor(Doctor),
    Completions(Completions),
}

/// What fails a gate. Nothing to compare always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    /// A replicated regression that stays significant among all benchmarks (Holm, 5%)
    Regression,
    /// A benchmark of the baseline that the current side lacks
    Missing,
    /// Any replicated change, for the better too
    Change,
}

/// What fails a gate on histories. Nothing to look at always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOnStep {
    /// A lasting change for the worse, or what small parts add up to where a reference is named
    Regression,
    /// Any lasting change
    Change,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ListFormat {
    /// For a terminal
    Human,
    /// For programs
    Json,
}

fn run_id(text: &str) -> Result<RunId, String> {
    let number = text.strip_prefix("run:").unwrap_or(text);
    number.parse().map(RunId).map_err(|_| "write 12 or run:12, as `runs` lists them".to_owned())
}

fn ratio(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(ratio) if (0.0..=10.0).contains(&ratio) => Ok(ratio),
        _ => Err("write a ratio from 0 to 10, such as 0.02 for two percent".to_owned()),
    }
}

fn probability(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(probability) if probability > 0.0 && probability < 1.0 => Ok(probability),
        _ => Err("write a probability between 0 and 1, such as 0.01".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
