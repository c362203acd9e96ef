//! `baseline`: listing, setting and removing them.

use bench_stats::model::{BaselineName, RunId};
use clap::Subcommand;

use super::{ListFormat, run_id};

/// List, set and remove baselines
#[derive(Debug, Subcommand)]
pub(crate) enum Baseline {
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
