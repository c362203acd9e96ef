//! The report for a terminal.

use std::io;

use anstyle::{AnsiColor, Style};

use super::rows::{self, FamilyRow, Row, Section};
use super::table::{Cell, Table};
use super::text::{self, sparkline};
use super::words::{self, describe_side, row_remark, sign, summary, title};
use super::{Reporter, format_change, format_quantity, quantity::format_rate};
use bench_stats::analysis::AnalysisReport;
use bench_stats::detect::verdict::{Comparison, Verdict};

mod bar;
mod notes;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const OPEN: Style = AnsiColor::Yellow.on_default();
/// The order in which columns are left out where the terminal is narrow.
const BAR: u8 = 1;
const INTERVAL: u8 = 2;
/// How many bars a history takes.
const RECENT: usize = 40;
/// How many lines are read without scrolling.
const SCREEN: usize = 24;
/// How far what belongs to a line is indented below it.
const ASIDE: usize = 6;

/// Writes text with ANSI styles, fitted to the terminal of somebody who reads it. By default every benchmark is on a
/// line as long as it takes. Whoever writes to something that cannot show styles has to strip them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TerminalReporter {
    /// How many columns there are; none if lines may be of any length.
    pub columns: Option<usize>,
    /// How many benchmarks to list of those that did not change or could not be decided, and of those
    /// that have outliers or stand on one side only; none for all. What changed is always listed.
    pub most: Option<usize>,
}

impl Reporter for TerminalReporter {
    fn write(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        let mut body = Vec::new();
        self.body(report, &mut body)?;
        self.headline(report, output)?;
        self.wrapped(&summary(report), "", BOLD, output)?;
        output.write_all(&body)?;
        // Who reads a long report in a terminal sees its end first.
        if self.columns.is_some() && body.iter().filter(|byte| **byte == b'\n').count() > SCREEN {
            writeln!(output)?;
            self.wrapped(&summary(report), "", BOLD, output)?;
        }
        Ok(())
    }
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Regression => BAD,
        Verdict::Improvement => GOOD,
        Verdict::Inconclusive => OPEN,
        Verdict::NoChangeSeen | Verdict::Unchanged => DIM,
    }
}

impl TerminalReporter {
    /// All behind the first lines.
    fn body(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        if report.baseline.is_some() {
            self.comparisons(report, output)?;
            self.geometric_means(report, output)?;
        } else {
            self.measured(report, output)?;
        }
        self.slow_moves(report, output)?;
        self.shapes(report, output)?;
        self.modes(report, output)?;
        if report.baseline.is_some() {
            self.outliers(report, output)?;
        }
        self.advice(report, output)?;
        self.notes(report, output)
    }

    fn headline(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        let current = describe_side(&report.current);
        let line = match &report.baseline {
            Some(baseline) => format!("{}  ->  {current}", describe_side(baseline)),
            None => current,
        };
        self.wrapped(&line, "", BOLD, output)
    }

    fn comparisons(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        let scale = bar::Scale::of(&report.comparisons);
        let mut table = Table::fitting(self.columns);
        let shared = words::shared_onset(report);
        for Section { verdict, benchmarks, rows } in rows::sections(report) {
            let style = style(verdict);
            // Whoever reads along is told once what holds of all; a line that is searched for says it itself.
            let of_all = self.columns.and_then(|_| shared_remark(&rows, report));
            let said = of_all.as_ref().map(|remark| format!(": {remark}")).unwrap_or_default();
            let heading = format!("{} {} ({benchmarks}){said}", sign(verdict), title(verdict));
            table.heading(heading, style);
            let changed = matches!(verdict, Verdict::Regression | Verdict::Improvement);
            let most = if changed { usize::MAX } else { self.most.unwrap_or(usize::MAX) };
            for row in rows.iter().take(most) {
                let one = match row {
                    Row::One(one) => one,
                    Row::Family(family) => {
                        table.push(family_row(family, style));
                        continue;
                    }
                };
                let mut cells = comparison_row(one, report, scale, style);
                let own = if of_all.is_some() { String::new() } else { row_remark(one, report) };
                cells.push(Cell::left(own));
                table.push(cells);
                if let Some(onset) = report.onset(&one.series).filter(|_| shared.is_none()) {
                    let since = words::since(onset);
                    let used = ASIDE + text::width(&since) + 1;
                    let room = self.columns.map_or(RECENT, |columns| columns.saturating_sub(used));
                    let recent = sparkline(&onset.recent, room.min(RECENT));
                    table.aside(format!("{since} {recent}"), DIM);
                }
            }
            if rows.len() > most {
                let more = rows.len() - most;
                table.aside(format!("and {more} more: --all lists them"), DIM);
            }
        }
        let resources = report
            .resource_analysis
            .comparisons
            .iter()
            .filter(|one| matches!(one.verdict, Verdict::Regression | Verdict::Improvement));
        for (index, one) in resources.enumerate() {
            if index == 0 {
                table.heading("Resources".to_owned(), BOLD);
            }
            let mut cells = comparison_row(one, report, scale, style(one.verdict));
            cells.push(Cell::left(row_remark(one, report)));
            table.push(cells);
        }
        if !table.is_empty() {
            let level = report.settings.level * 100.0;
            let (low, high) = scale.ends();
            let (low, high) = (format_change(low), format_change(high));
            let legend = if table.leaves_out(INTERVAL) {
                "before -> now, and the change".to_owned()
            } else if table.leaves_out(BAR) {
                format!("in brackets: the {level:.0}% interval of the change")
            } else {
                format!(
                    "bars: from {low} to {high}, ● the change, ├─┤ and [ ] its {level:.0}% \
                     interval, · too small to matter"
                )
            };
            self.wrapped(&legend, "", DIM, output)?;
            if let Some(onset) = shared {
                let said = format!("what changed: {}", words::since(onset));
                self.wrapped(&said, "", DIM, output)?;
            }
        }
        table.write(output)?;
        self.absent(report, output)
    }

    /// Those of everything first, then those of groups.
    fn geometric_means(
        &self,
        report: &AnalysisReport,
        output: &mut dyn io::Write,
    ) -> io::Result<()> {
        let (groups, all): (Vec<_>, Vec<_>) =
            report.geometric_means.iter().partition(|one| one.group.is_some());
        if all.is_empty() {
            return Ok(());
        }
        writeln!(output, "\n{BOLD}Together{BOLD:#}")?;
        let most = self.most.unwrap_or(usize::MAX);
        for one in all.iter().chain(groups.iter().take(most)) {
            let line = words::geometric_mean(one, &report.settings);
            self.wrapped(&line, "  ", Style::new(), output)?;
        }
        if groups.len() > most {
            let more = format!("and {} more groups: --all lists them", groups.len() - most);
            self.wrapped(&more, "  ", DIM, output)?;
        }
        Ok(())
    }

    fn slow_moves(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        if report.slow_moves.is_empty() {
            return Ok(());
        }
        writeln!(output, "\n{BOLD}Slow moves in the history{BOLD:#}")?;
        for one in &report.slow_moves {
            let line = format!("{}: {}", text::name(&one.series), words::slow_move(one));
            self.wrapped(&line, "  ", DIM, output)?;
        }
        Ok(())
    }

    fn measured(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        writeln!(output)?;
        let mut table = Table::fitting(self.columns);
        for one in report.measured.iter().filter(|one| !one.series.metric.is_resource()) {
            let rates = one.throughput.iter().map(|&work| format_rate(work, one.value));
            table.push(vec![
                Cell::left(text::name(&one.series)),
                Cell::right(format_quantity(one.value, &one.series.unit)),
                Cell::right(format!("+-{:.1}%", one.relative_spread * 100.0)).styled(DIM),
                Cell::left(rates.collect::<Vec<_>>().join(", ")),
            ]);
        }
        table.write(output)
    }
}

/// A family on one row: the mean of its changes, and each of them.
fn family_row(row: &FamilyRow<'_>, style: Style) -> Vec<Cell> {
    let interval = row.family.interval.map(|interval| {
        let (low, high) = (interval.low - 1.0, interval.high - 1.0);
        format!("[{}, {}]", format_change(low), format_change(high))
    });
    vec![
        Cell::left(row.name()).clipped(),
        Cell::right(""),
        Cell::left(""),
        Cell::right("mean").styled(DIM),
        Cell::right(format_change(row.family.ratio - 1.0)).styled(style),
        Cell::left(interval.unwrap_or_default()).styled(DIM).dispensable(INTERVAL),
        Cell::left("").dispensable(BAR),
        Cell::left(row.line()),
    ]
}

fn comparison_row(
    comparison: &Comparison,
    report: &AnalysisReport,
    scale: bar::Scale,
    style: Style,
) -> Vec<Cell> {
    let unit = &comparison.series.unit;
    let interval = comparison.interval;
    let value = comparison.baseline.value.min(comparison.current.value);
    let threshold = report.settings.threshold(&comparison.series, value);
    vec![
        Cell::left(text::name(&comparison.series)).clipped(),
        Cell::right(format_quantity(comparison.baseline.value, unit)),
        Cell::left("->"),
        Cell::right(format_quantity(comparison.current.value, unit)),
        Cell::right(format_change(comparison.change())).styled(style),
        Cell::left(if interval.low == interval.high {
            "[exact]".to_owned()
        } else {
            let (low, high) = (interval.low - 1.0, interval.high - 1.0);
            format!("[{}, {}]", format_change(low), format_change(high))
        })
        .styled(DIM)
        .dispensable(INTERVAL),
        Cell::left(scale.bar(comparison, threshold)).styled(style).dispensable(BAR),
    ]
}

/// Remark that all benchmarks of a section have.
fn shared_remark(rows: &[Row<'_>], report: &AnalysisReport) -> Option<String> {
    let mut remarks = rows.iter().map(|row| match row {
        Row::One(one) => Some(row_remark(one, report)),
        Row::Family(_) => None,
    });
    let first = remarks.next()??;
    let others: Vec<_> = remarks.collect();
    let same = others.iter().all(|other| other.as_ref() == Some(&first));
    (same && !others.is_empty() && !first.is_empty()).then_some(first)
}
