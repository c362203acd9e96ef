//! Shows an [`AnalysisReport`], one file a format.

pub mod history;
pub mod human;
pub mod json;
pub mod markdown;
mod quantity;
mod table;

pub use quantity::{format_change, format_quantity};

use std::io;

use crate::analyzer::AnalysisReport;

/// Turns a report into text.
pub trait Reporter {
    /// Writes the whole report.
    ///
    /// # Errors
    /// If `output` cannot be written.
    fn write(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()>;
}
