//! What stands beside the comparisons: outliers, advice, notes.

use std::io;

use anstyle::Style;

use super::{BOLD, DIM, OPEN, TerminalReporter};
use crate::report::table::{Cell, Table};
use crate::report::text::{self, visible};
use crate::report::words;
use bench_stats::analysis::AnalysisReport;

impl TerminalReporter {
    /// A line that is broken between words where the terminal ends, each further one after
    /// `indent`.
    pub(super) fn wrapped(
        &self,
        line: &str,
        indent: &str,
        style: Style,
        output: &mut dyn io::Write,
    ) -> io::Result<()> {
        for (index, part) in text::wrapped(line, self.columns, indent.len()).iter().enumerate() {
            let indent = if index == 0 { "" } else { indent };
            writeln!(output, "{indent}{style}{part}{style:#}")?;
        }
        Ok(())
    }

    pub(super) fn absent(
        &self,
        report: &AnalysisReport,
        output: &mut dyn io::Write,
    ) -> io::Result<()> {
        let sides = [
            ("Only in the baseline", &report.only_in_baseline),
            ("Only in the current results", &report.only_in_current),
        ];
        for (title, series) in sides {
            if series.is_empty() {
                continue;
            }
            writeln!(output, "\n{DIM}{title} ({}){DIM:#}", series.len())?;
            for one in series.iter().take(self.most.unwrap_or(usize::MAX)) {
                writeln!(output, "  {}", text::name(one))?;
            }
            self.rest(series.len(), output)?;
        }
        Ok(())
    }

    pub(super) fn shapes(
        &self,
        report: &AnalysisReport,
        output: &mut dyn io::Write,
    ) -> io::Result<()> {
        if report.shape_changes.is_empty() {
            return Ok(());
        }
        let about = "(apart from the typical one)";
        writeln!(output, "\n{BOLD}Slow iterations{BOLD:#} {DIM}{about}{DIM:#}")?;
        for one in &report.shape_changes {
            let line = format!("  {}: {}", text::name(&one.series), words::shape(one));
            self.wrapped(&line, "      ", Style::new(), output)?;
        }
        Ok(())
    }

    pub(super) fn modes(
        &self,
        report: &AnalysisReport,
        output: &mut dyn io::Write,
    ) -> io::Result<()> {
        if report.run_modes.is_empty() {
            return Ok(());
        }
        let about = "(no typical value is typical of them)";
        writeln!(output, "\n{BOLD}Runs in two modes{BOLD:#} {DIM}{about}{DIM:#}")?;
        for one in &report.run_modes {
            let line = format!("  {}: {}", text::name(&one.series), words::modes(one));
            self.wrapped(&line, "      ", Style::new(), output)?;
        }
        Ok(())
    }

    pub(super) fn outliers(
        &self,
        report: &AnalysisReport,
        output: &mut dyn io::Write,
    ) -> io::Result<()> {
        let named: Vec<(String, String)> = report
            .outliers
            .iter()
            .filter_map(|one| Some((text::name(&one.series), words::outliers(one)?)))
            .collect();
        if named.is_empty() {
            return Ok(());
        }
        let mut table = Table::fitting(self.columns);
        let count = named.len();
        for (name, which) in named.into_iter().take(self.most.unwrap_or(usize::MAX)) {
            table.push(vec![Cell::left(name), Cell::left(which)]);
        }
        let about = format!("({count}, kept in every calculation)");
        writeln!(output, "\n{BOLD}Outliers{BOLD:#} {DIM}{about}{DIM:#}")?;
        table.write(output)?;
        self.rest(count, output)
    }

    pub(super) fn advice(
        &self,
        report: &AnalysisReport,
        output: &mut dyn io::Write,
    ) -> io::Result<()> {
        let advice = words::advice(report);
        if advice.is_empty() {
            return Ok(());
        }
        writeln!(output, "\n{BOLD}Recommendations{BOLD:#}")?;
        for one in &advice {
            let name = one.name.as_deref().map(|name| format!("{}{}: ", visible(name), one.more()));
            let line = format!("  {}{} ({})", name.unwrap_or_default(), one.what, one.why);
            self.wrapped(&line, "      ", Style::new(), output)?;
        }
        Ok(())
    }

    pub(super) fn notes(
        &self,
        report: &AnalysisReport,
        output: &mut dyn io::Write,
    ) -> io::Result<()> {
        if !report.notes.is_empty() {
            writeln!(output)?;
        }
        let columns = self.columns.map(|columns| columns.saturating_sub("note: ".len()));
        let rest = Self { columns, ..*self };
        for note in &report.notes {
            write!(output, "{OPEN}note:{OPEN:#} ")?;
            rest.wrapped(&visible(note), "      ", Style::new(), output)?;
        }
        Ok(())
    }

    /// Says how many of a list are not there.
    fn rest(&self, all: usize, output: &mut dyn io::Write) -> io::Result<()> {
        match all.saturating_sub(self.most.unwrap_or(all)) {
            0 => Ok(()),
            more => writeln!(output, "      {DIM}and {more} more: --all lists them{DIM:#}"),
        }
    }
}
