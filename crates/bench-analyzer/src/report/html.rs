//! The report as one page that needs nothing but a browser: no network, no other file, no script.
//!
//! With a script it can search and sort as well. The page forbids itself everything else by a
//! content security policy that names this one script by its hash, so that nothing in a
//! benchmark's name could ever run, even if it were not escaped.

mod detail;
mod families;
mod filters;
mod page;
mod row;

use std::collections::HashSet;
use std::io;

use super::series_summary::SeriesSummary;
use super::{Reporter, plot::palette};
use crate::analysis::Evidence;
use bench_stats::analysis::AnalysisReport;
use bench_stats::model::Series;

/// Writes a page for browsers, phones and paper.
#[derive(Debug, Clone, Copy)]
pub struct HtmlReporter<'e> {
    /// Evidence that the report was made from.
    pub evidence: &'e Evidence,
    /// For how many benchmarks at most plots of samples and history are drawn: the worst, then those
    /// with a change in their past, then the rest. All others still have their history as a
    /// small line, and all their numbers. Each takes about 15 KB.
    pub plots: usize,
}

impl HtmlReporter<'_> {
    /// As many plots as keep a page of thousands of benchmarks quick to open.
    pub const PLOTS: usize = 100;
}

impl Reporter for HtmlReporter<'_> {
    fn write(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        let summaries = SeriesSummary::collect(report, self.evidence);
        let plotted = worth_plotting(&summaries, self.plots);
        let page = page::render(report, &summaries, &self.evidence.links, &plotted)?;
        output.write_all(page.into_string().as_bytes())
    }
}

/// The benchmarks that get plots.
fn worth_plotting<'r>(summaries: &[SeriesSummary<'r>], most: usize) -> HashSet<&'r Series> {
    let eventful = summaries.iter().filter(|one| one.is_eventful());
    let others = summaries.iter().filter(|one| !one.is_eventful());
    eventful.chain(others).take(most).map(|one| one.series).collect()
}

/// The page's style, with dark colours for its plots.
fn style() -> String {
    let dark = palette::dark_rules("svg ");
    format!(
        "{}@media screen and (prefers-color-scheme:dark){{{dark}}}",
        include_str!("html/style.css")
    )
}

/// The page's script.
const SCRIPT: &str = include_str!("html/script.js");
