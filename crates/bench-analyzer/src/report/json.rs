//! The report for programs.

use std::io;

use serde::Serialize;

use super::Reporter;
use super::words::summary;
use bench_stats::analysis::AnalysisReport;

/// Writes one JSON object: the [`AnalysisReport`] the version of its layout, and what it comes to.
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonReporter;

/// The version of the layout; it changes when a field changes its meaning or goes away.
pub const SCHEMA: u32 = 2;

#[derive(Serialize)]
struct Document<'r> {
    schema: u32,
    summary: String,
    #[serde(flatten)]
    report: &'r AnalysisReport,
}

impl Reporter for JsonReporter {
    fn write(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        let document = Document { schema: SCHEMA, summary: summary(report), report };
        serde_json::to_writer_pretty(&mut *output, &document)?;
        writeln!(output)
    }
}
