//! The arguments, and the help that explains them.

use bench_analyzer::ingest::format::FileFormat;
use bench_analyzer::model::{BaselineName, RunId, Selector};
use bench_analyzer::report::html::HtmlReporter;
use camino::Utf8PathBuf;
use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;

const REPORT_EXAMPLES: &str = "\
Examples:
  bench-analyzer report --baseline main                        what changed since `main`?
  bench-analyzer report --baseline main --fail-on regression   the same as a gate
  bench-analyzer report --baseline main --filter 'parse/*' --threshold 0.03
  bench-analyzer report --baseline main --format json | jq '.regressions[].test_name'

Exit codes:
  0  fine, or nothing was asked to fail
  1  a regression, with --fail-on regression
  2  wrong usage
  3  failure: nothing could be said";

const COMPARE_EXAMPLES: &str = "\
Examples:
  bench-analyzer compare main            `main` with the latest runs
  bench-analyzer compare v1.0 v1.1       two baselines
  bench-analyzer compare run:12 run:15   two single runs

Exit codes: 0 fine; 1 a regression, with --fail-on regression; 2 wrong usage; 3 failure.";

const HISTORY_EXAMPLES: &str = "\
Examples:
  bench-analyzer history --changed               every benchmark whose level changed
  bench-analyzer history parse/large             one benchmark
  bench-analyzer history --filter 'parse/*' --format json
  bench-analyzer history --fail-on regression    fails until somebody fixes or blesses it

Exit codes: 0 fine; 1 a lasting regression, with --fail-on regression; 2 wrong usage; 3 failure.";

const IMPORT_EXAMPLES: &str = "\
Examples:
  bench-analyzer import                              what `cargo bench` left here
  bench-analyzer import --baseline main runs/*       replicate runs that become `main`
  bench-analyzer import --commit 1a2b3c results.json the file of another tool

Exit codes: 0 stored, or stored already; 2 wrong usage; 3 failure, and nothing was stored.";

const BLESS_EXAMPLES: &str = "\
Examples:
  bench-analyzer bless parse/large --reason 'it checks its input now'
  bench-analyzer bless parse/large --commit 1a2b3c --reason 'see the pull request' --by Ada

Exit codes: 0 accepted; 2 wrong usage; 3 failure, such as no change to accept.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  bench-analyzer export > everything.json && bench-analyzer --db copy.db import everything.json
  bench-analyzer export --format csv > samples.csv

Exit codes: 0 fine; 2 wrong usage; 3 failure.";

const PUSH_EXAMPLES: &str = "\
Examples:
  bench-analyzer push --to postgres://ada@db.example/bench
  bench-analyzer push --to postgres://ada@db.example/bench --baselines newer

The password is best left to PGPASSWORD or ~/.pgpass: arguments can be seen by others.

Exit codes: 0 fine; 2 wrong usage; 3 failure: the runs before it are stored, and the same command
goes on behind them.";

const PULL_EXAMPLES: &str = "\
Examples:
  bench-analyzer pull --from postgres://ada@db.example/bench
  bench-analyzer pull --from postgres://ada@db.example/bench && bench-analyzer report --baseline main

Exit codes: 0 fine; 2 wrong usage; 3 failure: the runs before it are stored, and the same command
goes on behind them.";

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
/// Exit codes: 0 fine; 1 a regression, with --fail-on regression; 2 wrong usage; 3 failure.
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
    Export(Export),
    Push(Push),
    Pull(Pull),
    Runs(Runs),
    #[command(subcommand)]
    Baseline(Baseline),
    Aa(Aa),
    Run(Run),
    Watch(Watch),
    Serve(Serve),
    Doctor(Doctor),
    Completions(Completions),
}

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
pub(super) struct Import {
    /// Criterion folders or result files of other tools [default: $CRITERION_HOME,
    /// $CARGO_TARGET_DIR/criterion or target/criterion]
    #[arg(value_name = "DIR|FILE")]
    pub(super) paths: Vec<Utf8PathBuf>,

    /// Call the results NAME; replaces what NAME held of the same benchmarks
    #[arg(long, value_name = "NAME")]
    pub(super) baseline: Option<BaselineName>,

    /// Add to what --baseline held, as further runs of the same code
    #[arg(long, requires = "baseline")]
    pub(super) append: bool,

    /// Add to the latest results, as further runs of the same code
    #[arg(long, conflicts_with = "baseline")]
    pub(super) replicate: bool,

    /// What kind of FILE it is; auto looks at its beginning
    ///
    /// csv is the generic format: a header naming at least `benchmark,value`, and any of
    /// `metric,unit,direction,run,time,commit`; one row a sample.
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub(super) format: ImportFormat,

    #[command(flatten)]
    pub(super) circumstances: Circumstances,
}

/// Add this history to another one, such as a team's
///
/// Adds the runs that the other history does not have, each whole or not at all. Measurements are
/// known by their content, so pushing twice adds nothing, and pushing again goes on where it was
/// cut off. Baselines that the other history has stay as they are, unless --baselines says
/// otherwise; of a change that was blessed in both, the later word holds. Schedules, jobs and
/// alerts stay here.
#[derive(Debug, Args)]
#[command(after_long_help = PUSH_EXAMPLES)]
pub(super) struct Push {
    /// The other history: postgres://USER@HOST/DATABASE, or a file
    #[arg(long, value_name = "ADDRESS|FILE")]
    pub(super) to: String,

    /// What becomes of baselines that both have [default: keep]
    #[arg(long, value_name = "HOW")]
    pub(super) baselines: Option<BaselineChoice>,
}

/// Take over another history, such as a team's, into this one
///
/// The reverse of `push`: adds the runs that are not here. Of a baseline that both have, each
/// benchmark takes the results that were measured later, unless --baselines says otherwise.
#[derive(Debug, Args)]
#[command(after_long_help = PULL_EXAMPLES)]
pub(super) struct Pull {
    /// The other history: postgres://USER@HOST/DATABASE, or a file
    #[arg(long, value_name = "ADDRESS|FILE")]
    pub(super) from: String,

    /// What becomes of baselines that both have [default: newer]
    #[arg(long, value_name = "HOW")]
    pub(super) baselines: Option<BaselineChoice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum BaselineChoice {
    /// They stay as they are in the history that is added to
    Keep,
    /// Benchmark by benchmark, whichever results were measured later
    Newer,
    /// No baseline is taken over at all
    Skip,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ImportFormat {
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
    pub(super) fn file_format(self) -> Option<FileFormat> {
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
pub(super) struct Circumstances {
    /// The commit that was measured [default: the one checked out, if it is older]
    #[arg(long, value_name = "SHA")]
    pub(super) commit: Option<String>,

    /// The branch that was measured [default: the one checked out]
    #[arg(long, value_name = "NAME")]
    pub(super) branch: Option<String>,

    /// When it was measured, such as 2026-01-31T12:00:00Z [default: when the files were written]
    #[arg(long, value_name = "TIME")]
    pub(super) at: Option<Timestamp>,
}

/// Say what changed
///
/// Imports what is new in the Criterion folder first, so that it needs no other command before it.
///
/// A regression or improvement is listed when it is statistically significant and its whole
/// interval lies beyond the practical threshold. `inconclusive` means that more runs are needed,
/// and says how many; `unchanged` that whatever changed is below the threshold. Comparisons with
/// fewer than three runs a side and no history are `unreplicated`: hints that never fail a build.
#[derive(Debug, Args)]
#[command(after_long_help = REPORT_EXAMPLES)]
pub(super) struct Report {
    /// Criterion folders to import first [default: as `import`; none is no error]
    #[arg(value_name = "DIR")]
    pub(super) paths: Vec<Utf8PathBuf>,

    /// Compare with this baseline, or with a single run as run:12
    #[arg(long, value_name = "NAME")]
    pub(super) baseline: Option<Selector>,

    /// What to compare: a baseline, run:12, or latest
    #[arg(long, value_name = "NAME", default_value = "latest")]
    pub(super) current: Selector,

    /// Look at what is stored only
    #[arg(long, conflicts_with = "paths")]
    pub(super) no_import: bool,

    #[command(flatten)]
    pub(super) options: ReportOptions,
}

/// How to judge, and how to show it.
#[derive(Debug, Args)]
pub(super) struct ReportOptions {
    /// How to show it
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(super) format: ReportFormat,

    /// Write to FILE, in the format of its ending (html, md, json, csv, xml, svg, png), else in that
    /// of --format; may be given several times
    ///
    /// What --format names goes to stdout as well, unless one of the files has that format.
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Vec<Utf8PathBuf>,

    /// Append the Markdown report to the file that GITHUB_STEP_SUMMARY names
    #[arg(long)]
    pub(super) step_summary: bool,

    /// List every benchmark, however many did not change; always so where stdout is no terminal
    #[arg(long)]
    pub(super) all: bool,

    /// For how many benchmarks an HTML report draws samples and history, worst first
    #[arg(long, value_name = "N", default_value_t = HtmlReporter::PLOTS)]
    pub(super) plots: usize,

    /// Exit with 1 if something is found; only replicated findings count
    #[arg(long, value_name = "WHAT")]
    pub(super) fail_on: Option<FailOn>,

    /// Only benchmarks whose name contains this, or matches it as a whole if it has a `*`
    #[arg(long = "filter", value_name = "NAME")]
    pub(super) filters: Vec<String>,

    /// The practical threshold: relative changes inside it are of no interest [default: 0.01, or
    /// what the configuration says]
    #[arg(long, value_name = "RATIO", value_parser = ratio)]
    pub(super) threshold: Option<f64>,

    /// The largest p-value of a change [default: 0.01, or what the configuration says]
    #[arg(long, value_name = "P", value_parser = probability)]
    pub(super) alpha: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    /// A replicated regression that stays significant among all benchmarks (Holm, 5%)
    Regression,
}

/// Compare two sides that are stored already
///
/// Like `report`, but nothing is imported, and both sides are named: baselines, single runs as
/// run:12, or latest.
#[derive(Debug, Args)]
#[command(after_long_help = COMPARE_EXAMPLES)]
pub(super) struct Compare {
    /// The old side
    pub(super) baseline: Selector,

    /// The new side
    #[arg(default_value = "latest")]
    pub(super) current: Selector,

    #[command(flatten)]
    pub(super) options: ReportOptions,
}

/// Show series through time, and where their level changed
///
/// A change is a lasting step of the level: significant among all places where one was looked for,
/// larger than the noise and the practical threshold, and no drift. One with fewer than three
/// later points is provisional; one that most benchmarks make together is the machine's.
#[derive(Debug, Args)]
#[command(after_long_help = HISTORY_EXAMPLES)]
pub(super) struct History {
    /// Only benchmarks whose name contains this
    #[arg(value_name = "ID")]
    pub(super) benchmark: Option<String>,

    /// The quantity; `all` for every one that is recorded
    #[arg(long, value_name = "NAME", default_value = "time")]
    pub(super) metric: String,

    /// Show only series with changes
    #[arg(long)]
    pub(super) changed: bool,

    /// The probability of finding a step in a series that has none
    #[arg(long, value_name = "P", default_value = "0.01", value_parser = probability)]
    pub(super) alpha: f64,

    /// The practical threshold: relative steps inside it are of no interest [default: 0.01, or what
    /// the configuration says]
    #[arg(long, value_name = "RATIO", value_parser = ratio)]
    pub(super) threshold: Option<f64>,

    /// Only benchmarks whose name contains this, or matches it as a whole if it has a `*`
    #[arg(long = "filter", value_name = "NAME")]
    pub(super) filters: Vec<String>,

    /// Exit with 1 if there is a lasting change for the worse that nobody accepted
    #[arg(long, value_name = "WHAT")]
    pub(super) fail_on: Option<FailOn>,

    /// How to show it
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(super) format: ListFormat,
}

/// Accept a change, so that it never alarms again
///
/// Without --run or --commit, the newest change of the benchmark that nobody accepted yet.
#[derive(Debug, Args)]
#[command(after_long_help = BLESS_EXAMPLES)]
pub(super) struct Bless {
    /// The benchmark's full name
    pub(super) benchmark: String,

    /// Why the change is fine
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) reason: String,

    /// The first run of the new level
    #[arg(long, value_name = "RUN", value_parser = run_id, conflicts_with = "commit")]
    pub(super) run: Option<RunId>,

    /// The first commit of the new level, or the start of its hash
    #[arg(long, value_name = "SHA", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) commit: Option<String>,

    /// The quantity that changed
    #[arg(long, value_name = "NAME", default_value = "time")]
    pub(super) metric: String,

    /// Who says so [default: the user of git, or of the system]
    #[arg(long, value_name = "WHO", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) by: Option<String>,
}

/// Write everything that is stored
///
/// `import` reads both formats back. JSON loses nothing; csv keeps one row a sample, for
/// spreadsheets.
#[derive(Debug, Args)]
#[command(after_long_help = EXPORT_EXAMPLES)]
pub(super) struct Export {
    /// How to write it
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    pub(super) format: ExportFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ExportFormat {
    /// One document, for another store
    Json,
    /// One row a sample
    Csv,
}

/// List stored runs, newest first
#[derive(Debug, Args)]
pub(super) struct Runs {
    /// How many
    #[arg(long, value_name = "N", default_value = "20")]
    pub(super) limit: u32,

    /// How to show them
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(super) format: ListFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ListFormat {
    /// For a terminal
    Human,
    /// For programs
    Json,
}

/// List, set and remove baselines
#[derive(Debug, Subcommand)]
pub(super) enum Baseline {
    /// List all baselines
    List {
        /// How to show them
        #[arg(long, value_name = "FORMAT", default_value = "human")]
        format: ListFormat,
    },
    /// Make a baseline of stored runs, whatever it held before
    Set {
        /// Its name
        name: BaselineName,
        /// The runs, as `runs` numbers them: 12 or run:12
        #[arg(required = true, value_parser = run_id)]
        runs: Vec<RunId>,
    },
    /// Remove a baseline; its runs stay stored
    ///
    /// A folder of that name that Criterion still keeps brings it back at the next import.
    Rm {
        /// Its name
        name: BaselineName,
    },
}

/// Measure how often identical code raises an alarm here
///
/// Takes runs of the same code, compares halves of them with each other again and again, and
/// counts: everything that is called a change is a false alarm. Says what spread between runs and
/// what threshold to put into the configuration.
///
///   bench-analyzer aa --baseline main            with stored runs
///   bench-analyzer aa --runs 10 -- cargo bench   with runs measured now
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Aa {
    /// The runs to take
    #[arg(long, value_name = "NAME", default_value = "latest", conflicts_with = "command")]
    pub(super) baseline: Selector,

    /// How often to measure
    #[arg(long, value_name = "N", default_value = "10", requires = "command",
          value_parser = clap::value_parser!(u32).range(4..=100))]
    pub(super) runs: u32,

    /// Put what is found into the configuration: bench-analyzer.toml here, or the one that applies
    #[arg(long)]
    pub(super) save: bool,

    /// What measures, with CRITERION_HOME set to a folder of its own every time
    #[arg(last = true, value_name = "COMMAND")]
    pub(super) command: Vec<String>,
}

/// Where the suites are described.
#[derive(Debug, Args)]
pub(super) struct SuitesFile {
    /// The file of suites [default: suites.toml here or above]
    #[arg(long = "suites", value_name = "FILE")]
    pub(super) suites_file: Option<Utf8PathBuf>,
}

/// Run suites now: measure, store, compare, report, alert
///
/// A suite is a command that measures, described in suites.toml:
///
///   [[suite]]
///   name = "core"
///   command = ["cargo", "bench", "--bench", "core"]
///   runs = 5                      # processes a job; three or more a side make verdicts hold
///   timeout = "30m"               # a run; then its whole process group is ended
///   tags = ["nightly"]
///   schedule = [{ every = "6h" }, { cron = "0 3 * * *" }, { branch = "main" }]
///
///   [[alert]]
///   to = "webhook"                # or stdout, file, command
///   shape = "slack"               # or json, discord, teams
///   url_env = "SLACK_WEBHOOK"     # the variable that holds the secret address
///
/// The first results of a suite become its baseline, unless it names another with `baseline`.
/// One suite runs at a time on a machine. Logs and reports lie in .bench/continuous.
///
/// Exit codes: 0 fine; 1 a regression, with --fail-on regression; 3 a suite failed.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Run {
    /// Suites by name, or by tag as tag:nightly [default: all]
    #[arg(value_name = "SUITE")]
    pub(super) suites: Vec<String>,

    #[command(flatten)]
    pub(super) file: SuitesFile,

    /// How many runs a job takes [default: what the suite says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) runs: Option<u32>,

    /// Exit with 1 if something is found; only replicated findings count
    #[arg(long, value_name = "WHAT")]
    pub(super) fail_on: Option<FailOn>,
}

/// Run suites whenever their schedules say, until it is stopped
///
/// What is due but not done survives a restart, and so do alerts that were not delivered. Moments
/// that passed while nothing ran are made up for by one job. SIGTERM and Ctrl-C end the running
/// command and then this program; the next start goes on behind the last run that succeeded.
#[derive(Debug, Args)]
pub(super) struct Watch {
    #[command(flatten)]
    pub(super) file: SuitesFile,

    /// Run what is due now, then exit: for a timer of the system
    #[arg(long)]
    pub(super) once: bool,
}

/// Show a dashboard in the browser
///
/// Benchmarks with their histories and changes, comparisons, runs, and suites as they run.
/// Changes can be accepted with a reason, as `bless` does.
///
/// It listens on this machine only. To let others in, name an address with --listen, a secret
/// with --token-file, and every name that they use with --host; they open
/// http://NAME:PORT/?token=SECRET once. There is no TLS: put a proxy before it.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7474")]
    pub(super) listen: std::net::SocketAddr,

    /// A file that holds the secret of whoever is let in
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<Utf8PathBuf>,

    /// A further name that the dashboard is reached by
    #[arg(long = "host", value_name = "NAME")]
    pub(super) hosts: Vec<String>,

    /// Accept no changes
    #[arg(long)]
    pub(super) read_only: bool,
}

/// Check that everything is in order
#[derive(Debug, Args)]
pub(super) struct Doctor {}

/// Write a completion script for a shell
///
/// Bash: bench-analyzer completions bash > ~/.local/share/bash-completion/completions/bench-analyzer
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// Which shell
    pub(super) shell: clap_complete::Shell,
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
