//! `withdraw`: which step was none, and why.

use bench_stats::model::RunId;
use clap::Args;

use super::run_id;

const WITHDRAW_EXAMPLES: &str = "\
Examples:
  bench-analyzer withdraw parse/large --reason 'the disk was full that week'
  bench-analyzer withdraw parse/large --run 71 --reason 'two machines shared a name' --by Ada

Exit codes: 0 withdrawn; 2 wrong usage; 3 failure, such as no step to withdraw.";

/// Say that a step which a history shows was none
///
/// What was found in a history stays, so that it does not come and go as values are added. A step
/// that was real and is fine is accepted with `bless`; one that was no change of the code at all is
/// withdrawn. It stays listed, with the reason, and never alarms again.
#[derive(Debug, Args)]
#[command(after_long_help = WITHDRAW_EXAMPLES)]
pub(crate) struct Withdraw {
    /// The benchmark's full name
    pub(crate) benchmark: String,

    /// Why it was no change
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) reason: String,

    /// The first run of the new level; needed where several steps were found
    #[arg(long, value_name = "RUN", value_parser = run_id)]
    pub(crate) run: Option<RunId>,

    /// The quantity
    #[arg(long, value_name = "NAME", default_value = "time")]
    pub(crate) metric: String,

    /// Who says so [default: the user of git, or of the system]
    #[arg(long, value_name = "WHO", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) by: Option<String>,
}
