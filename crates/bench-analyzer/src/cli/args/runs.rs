//! `runs`: how many of them.

use clap::Args;

use super::ListFormat;

/// List stored runs, newest first
#[derive(Debug, Args)]
pub(crate) struct Runs {
    /// How many
    #[arg(long, value_name = "N", default_value = "20")]
    pub(crate) limit: u32,

    /// How to show them
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: ListFormat,
}
