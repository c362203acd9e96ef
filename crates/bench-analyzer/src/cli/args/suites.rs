//! `run` and `watch`: which suites.

use camino::Utf8PathBuf;
use clap::Args;

use super::FailOn;

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
/// Exit codes: 0 fine; 1 the gate failed (--fail-on, or nothing was compared); 2 wrong usage; 3 a suite
/// failed; 4 the gate could not judge (machine or code).
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Run {
    /// Suites by name, or by tag as tag:nightly [default: all]
    #[arg(value_name = "SUITE")]
    pub(crate) suites: Vec<String>,

    #[command(flatten)]
    pub(crate) file: SuitesFile,

    /// How many runs a job takes [default: what the suite says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) runs: Option<u32>,

    /// Measure another commit in turns with what is checked out, and stop when nothing is open any more
    ///
    /// Looks at the results after every run from the third on, and measures only what is open, where the
    /// suite says with `narrow = ["--", "{}"]` how its command measures some benchmarks only. At most
    /// --runs runs a side are made, or ten. What is reported holds whenever it stops, and how many
    /// measurements that saved is said. A call that was stopped or killed goes on behind its last run when it
    /// is made again, if no file differs from its commit.
    #[arg(long, requires = "against")]
    pub(crate) until_decided: bool,

    /// The commit to compare with, for --until-decided
    #[arg(long, value_name = "REV", requires = "until_decided")]
    pub(crate) against: Option<String>,

    /// Exit with 1 if this is found, or if nothing was compared; several with commas
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) fail_on: Vec<FailOn>,
}

/// Run suites whenever their schedules say, until it is stopped
///
/// What is due but not done survives a restart, and so do alerts that were not delivered. Moments
/// that passed while nothing ran are made up for by one job. SIGTERM and Ctrl-C end the running
/// command and then this program; the next start goes on behind the last run that succeeded.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) file: SuitesFile,

    /// Run what is due now, then exit: for a timer of the system
    #[arg(long)]
    pub(crate) once: bool,
}

/// Where the suites are described.
#[derive(Debug, Args)]
pub(crate) struct SuitesFile {
    /// The file of suites [default: suites.toml here or above]
    #[arg(long = "suites", value_name = "FILE")]
    pub(crate) suites_file: Option<Utf8PathBuf>,

    /// What this machine is, for suites that say what they run on: --labels x86,quiet
    #[arg(long, value_name = "LABELS", value_delimiter = ',', env = "BENCH_ANALYZER_LABELS")]
    pub(crate) labels: Vec<String>,
}
