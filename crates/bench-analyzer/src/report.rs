//! Shows an [`AnalysisReport`], one file a format.

pub mod csv;
pub(crate) mod figure;
pub mod github;
pub mod history;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod picture;
mod plot;
mod quantity;
pub(crate) mod rows;
pub mod series_summary;
pub mod side_by_side;
pub mod table;
pub mod terminal;
pub mod text;
pub mod words;

pub use quantity::{format_change, format_quantity};

use std::io;

use bench_stats::analysis::AnalysisReport;

/// Outcome of a gate over a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// None of the kinds of changes was found that it fails on.
    Passes,
    /// It fails, for these reasons.
    Fails(Vec<String>),
    /// So many benchmarks could not be judged, which may be the machine or the code.
    NotJudged(usize),
}

/// Turns a report into text.
pub trait Reporter {
    /// Writes the whole report.
    ///
    /// # Errors
    /// If `output` cannot be written.
    fn write(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()>;
}
