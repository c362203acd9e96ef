//! `history`: which series to show, and what counts as a change.

use clap::Args;

use super::{FailOn, ListFormat, probability, ratio};

const HISTORY_EXAMPLES: &str = "\
Examples:
  bench-analyzer history --changed               every benchmark whose level changed
  bench-analyzer history parse/large             one benchmark
  bench-analyzer history --filter 'parse/*' --format json
  bench-analyzer history --fail-on regression    fails until somebody fixes or blesses it

Exit codes: 0 fine; 1 a lasting regression, with --fail-on regression; 2 wrong usage; 3 failure.";

/// Show series through time, and where their level changed
///
/// A change is a lasting step of the level: significant among all places where one was looked for,
/// larger than the noise and the practical threshold, and no drift. One with fewer than three
/// later points is provisional; one that most benchmarks make together is the machine's.
#[derive(Debug, Args)]
#[command(after_long_help = HISTORY_EXAMPLES)]
pub(crate) struct History {
    /// Only benchmarks whose name contains this
    #[arg(value_name = "ID")]
    pub(crate) benchmark: Option<String>,

    /// The quantity; `all` for every one that is recorded
    #[arg(long, value_name = "NAME", default_value = "time")]
    pub(crate) metric: String,

    /// Show only series with changes
    #[arg(long)]
    pub(crate) changed: bool,

    /// The probability of finding a step in a series that has none
    #[arg(long, value_name = "P", default_value = "0.01", value_parser = probability)]
    pub(crate) alpha: f64,

    /// The practical threshold: relative steps inside it are of no interest [default: 0.01, or what
    /// the configuration says]
    #[arg(long, value_name = "RATIO", value_parser = ratio)]
    pub(crate) threshold: Option<f64>,

    /// Only benchmarks whose name contains this, or matches it as a whole if it has a `*`
    #[arg(long = "filter", value_name = "NAME")]
    pub(crate) filters: Vec<String>,

    /// Exit with 1 if there is a lasting change for the worse that nobody accepted
    #[arg(long, value_name = "WHAT")]
    pub(crate) fail_on: Option<FailOn>,

    /// How to show it
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: ListFormat,
}
