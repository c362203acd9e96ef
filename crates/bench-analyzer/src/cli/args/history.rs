//! `history`: which series to show, and what counts as a change.

use bench_analyzer::analysis::ReferenceName;
use clap::Args;

use super::{FailOnStep, ListFormat, probability, ratio};

const HISTORY_EXAMPLES: &str = "\
Examples:
  bench-analyzer history --changed               every benchmark whose level changed
  bench-analyzer history parse/large             one benchmark
  bench-analyzer history --filter 'parse/*' --format json
  bench-analyzer history --fail-on regression    fails until somebody fixes or blesses it
  bench-analyzer history --since release         what small parts add up to since the last tag

Exit codes: 0 fine; 1 what --fail-on names, or nothing to look at; 2 wrong usage; 3 failure.";

/// Show series through time, and where their level changed
///
/// A change is a lasting step of the level: significant among all places where one was looked for,
/// larger than the noise and the practical threshold, and no drift. One with fewer than three
/// later points is provisional; one that most benchmarks make together is the machine's. What was
/// found stays listed as the history grows; `bless` accepts it, `withdraw` takes it back.
///
/// A level that moves slowly is said to have a trend. What no step shows, because it came in small
/// parts, the comparison with a reference does: a place that stays where it is.
#[derive(Debug, Args)]
#[command(after_long_help = HISTORY_EXAMPLES)]
pub(crate) struct History {
    /// Only benchmarks whose name contains this; `parse [instructions]` means that metric of it
    #[arg(value_name = "ID")]
    pub(crate) benchmark: Option<String>,

    /// The quantity; `all` for every one that is recorded [default: time, or what there is where that
    /// was not measured]
    #[arg(long, value_name = "NAME")]
    pub(crate) metric: Option<String>,

    /// Show only series with changes
    #[arg(long)]
    pub(crate) changed: bool,

    /// The probability of finding a step in a series that has none [default: 0.01]
    #[arg(long, value_name = "P", value_parser = probability)]
    pub(crate) alpha: Option<f64>,

    /// The practical threshold: relative steps inside it are of no interest [default: 0.01, or what
    /// the configuration says]
    #[arg(long, value_name = "RATIO", value_parser = ratio)]
    pub(crate) threshold: Option<f64>,

    /// Only benchmarks whose name contains this, or matches it as a whole if it has a `*`
    #[arg(long = "filter", value_name = "NAME")]
    pub(crate) filters: Vec<String>,

    /// Hold the latest level against this place: `start` (the first points on this machine), `release`
    /// (the newest tag of the repository), or a baseline [default: start, or what the configuration
    /// says]
    #[arg(long, value_name = "PLACE")]
    pub(crate) since: Option<ReferenceName>,

    /// Exit with 1 if there is such a lasting change that nobody accepted; several with commas
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) fail_on: Vec<FailOnStep>,

    /// How to show it
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: ListFormat,
}
