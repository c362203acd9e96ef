//! `push` and `pull`: which other history, and what becomes of baselines.

use clap::{Args, ValueEnum};

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

/// Add this history to another one, such as a team's
///
/// Adds the runs that the other history does not have, each whole or not at all. Measurements are
/// known by their content, so pushing twice adds nothing, and pushing again goes on where it was
/// cut off. Baselines that the other history has stay as they are, unless --baselines says
/// otherwise; of a change that was blessed in both, the later word holds. Schedules, jobs and
/// alerts stay here.
#[derive(Debug, Args)]
#[command(after_long_help = PUSH_EXAMPLES)]
pub(crate) struct Push {
    /// The other history: postgres://USER@HOST/DATABASE, or a file
    #[arg(long, value_name = "ADDRESS|FILE")]
    pub(crate) to: String,

    /// What becomes of baselines that both have [default: keep]
    #[arg(long, value_name = "HOW")]
    pub(crate) baselines: Option<BaselineChoice>,
}

/// Take over another history, such as a team's, into this one
///
/// The reverse of `push`: adds the runs that are not here. Of a baseline that both have, each
/// benchmark takes the results that were measured later, unless --baselines says otherwise.
#[derive(Debug, Args)]
#[command(after_long_help = PULL_EXAMPLES)]
pub(crate) struct Pull {
    /// The other history: postgres://USER@HOST/DATABASE, or a file
    #[arg(long, value_name = "ADDRESS|FILE")]
    pub(crate) from: String,

    /// What becomes of baselines that both have [default: newer]
    #[arg(long, value_name = "HOW")]
    pub(crate) baselines: Option<BaselineChoice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BaselineChoice {
    /// They stay as they are in the history that is added to
    Keep,
    /// Benchmark by benchmark, whichever results were measured later
    Newer,
    /// No baseline is taken over at all
    Skip,
}
