//! `aa`: what to measure false alarms with.

use bench_stats::model::Selector;
use clap::Args;

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
pub(crate) struct Aa {
    /// The runs to take
    #[arg(long, value_name = "NAME", default_value = "latest", conflicts_with = "command")]
    pub(crate) baseline: Selector,

    /// How often to measure
    #[arg(long, value_name = "N", default_value = "10", requires = "command",
          value_parser = clap::value_parser!(u32).range(4..=100))]
    pub(crate) runs: u32,

    /// Put what is found into the configuration: bench-analyzer.toml here, or the one that applies
    #[arg(long)]
    pub(crate) save: bool,

    /// What measures, with CRITERION_HOME set to a folder of its own every time
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}
