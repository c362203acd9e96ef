//! `doctor`, which asks for nothing.

use clap::Args;

/// Check that everything is in order
#[derive(Debug, Args)]
pub(crate) struct Doctor {}
