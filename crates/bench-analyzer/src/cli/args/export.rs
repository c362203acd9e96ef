//! `export`: in which format.

use clap::{Args, ValueEnum};

const EXPORT_EXAMPLES: &str = "\
Examples:
  bench-analyzer export > everything.json && bench-analyzer --db copy.db import everything.json
  bench-analyzer export --format csv > samples.csv

Exit codes: 0 fine; 2 wrong usage; 3 failure.";

/// Write everything that is stored
///
/// `import` reads both formats back. JSON loses nothing; csv keeps one row a sample, for
/// spreadsheets.
#[derive(Debug, Args)]
#[command(after_long_help = EXPORT_EXAMPLES)]
pub(crate) struct Export {
    /// How to write it
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    pub(crate) format: ExportFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One document, for another store
    Json,
    /// One row a sample
    Csv,
}
