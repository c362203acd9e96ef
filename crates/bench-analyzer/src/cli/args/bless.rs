//! `bless`: which change to accept, and why.

use bench_stats::model::RunId;
use clap::Args;

use super::run_id;

const BLESS_EXAMPLES: &str = "\
Examples:
  bench-analyzer bless parse/large --reason 'it checks its input now'
  bench-analyzer bless parse/large --commit 1a2b3c --reason 'see the pull request' --by Ada

Exit codes: 0 accepted; 2 wrong usage; 3 failure, such as no change to accept.";

/// Accept a change, so that it never alarms again
///
/// Without --run or --commit, the newest change of the benchmark that nobody accepted yet.
#[derive(Debug, Args)]
#[command(after_long_help = BLESS_EXAMPLES)]
pub(crate) struct Bless {
    /// The benchmark's full name
    pub(crate) benchmark: String,

    /// Why the change is fine
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) reason: String,

    /// The first run of the new level
    #[arg(long, value_name = "RUN", value_parser = run_id, conflicts_with = "commit")]
    pub(crate) run: Option<RunId>,

    /// The first commit of the new level, or the start of its hash
    #[arg(long, value_name = "SHA", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) commit: Option<String>,

    /// The quantity that changed
    #[arg(long, value_name = "NAME", default_value = "time")]
    pub(crate) metric: String,

    /// Who says so [default: the user of git, or of the system]
    #[arg(long, value_name = "WHO", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) by: Option<String>,
}
