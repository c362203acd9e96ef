//! The report for a terminal.

use std::io;

use anstyle::{AnsiColor, Style};

use super::table::{Cell, Table};
use super::text::{self, sparkline, visible};
use super::words::{self, WORST_FIRST, describe_side, remark, sign, summary, title, worst_first};
use super::{Reporter, format_change, format_quantity, quantity::format_rate};
use crate::analyzer::AnalysisReport;
use crate::detect::verdict::{Comparison, Verdict};

mod bar;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const OPEN: Style = AnsiColor::Yellow.on_default();

/// Writes text with ANSI styles, every benchmark on a line as long as it takes; whoever writes to
/// something that cannot show styles has to strip them.
#[derive(Debug, Clone, Copy, Default)]
pub struct HumanReporter;

impl Reporter for HumanReporter {
    fn write(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        TerminalReporter::default().write(report, output)
    }
}

/// The same, fitted to the terminal of somebody who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TerminalReporter {
    /// How many columns there are; none if lines may be of any length.
    pub columns: Option<usize>,
    /// How many benchmarks to list of those that did not change or could not be decided; none for
    /// all. What changed is always listed.
    pub most: Option<usize>,
}

impl Reporter for TerminalReporter {
    fn write(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        headline(report, output)?;
        if report.baseline.is_some() {
            self.comparisons(report, output)?;
        } else {
            self.measured(report, output)?;
        }
        shapes(report, output)?;
        outliers(report, output)?;
        advice(report, output)?;
        notes(report, output)?;
        writeln!(output)?;
        writeln!(output, "{BOLD}{}{BOLD:#}", summary(report))
    }
}

fn headline(report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
    let current = describe_side(&report.current);
    match &report.baseline {
        Some(baseline) => {
            writeln!(output, "{BOLD}{}  ->  {current}{BOLD:#}", describe_side(baseline))
        }
        None => writeln!(output, "{BOLD}{current}{BOLD:#}"),
    }
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Regression => BAD,
        Verdict::Improvement => GOOD,
        Verdict::Inconclusive => OPEN,
        Verdict::Unchanged => DIM,
    }
}

impl TerminalReporter {
    fn comparisons(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        let scale = bar::Scale::of(&report.comparisons);
        let mut table = Table::fitting(self.columns);
        for verdict in WORST_FIRST {
            let members = worst_first(report, verdict);
            if members.is_empty() {
                continue;
            }
            let style = style(verdict);
            let heading = format!("{} {} ({})", sign(verdict), title(verdict), members.len());
            table.heading(heading, style);
            let changed = matches!(verdict, Verdict::Regression | Verdict::Improvement);
            let most = if changed { usize::MAX } else { self.most.unwrap_or(usize::MAX) };
            for one in members.iter().take(most) {
                table.push(comparison_row(one, report, scale, style));
                if let Some(origin) = report.origin(&one.series) {
                    let recent = sparkline(&origin.recent, 40);
                    table.aside(format!("{} {recent}", words::since(origin)), DIM);
                }
            }
            if members.len() > most {
                let more = members.len() - most;
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
            table.push(comparison_row(one, report, scale, style(one.verdict)));
        }
        if !table.is_empty() {
            let (low, high) = scale.ends();
            let (low, high) = (format_change(low), format_change(high));
            writeln!(
                output,
                "{DIM}bars: from {low} to {high}, ● the change, ├─┤ its {:.0}% interval, \
                 · too small to matter{DIM:#}",
                report.settings.level * 100.0
            )?;
        }
        table.write(output)?;
        absent(report, output)
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
        Cell::left(text::name(&comparison.series)),
        Cell::right(format_quantity(comparison.baseline.value, unit)),
        Cell::left("->"),
        Cell::right(format_quantity(comparison.current.value, unit)),
        Cell::right(format_change(comparison.change())).styled(style),
        Cell::left(format!(
            "[{}, {}]",
            format_change(interval.low - 1.0),
            format_change(interval.high - 1.0)
        ))
        .styled(DIM),
        Cell::left(scale.bar(comparison, threshold)).styled(style),
        Cell::left(remark(comparison)),
    ]
}

fn absent(report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
    let sides = [
        ("Only in the baseline", &report.only_in_baseline),
        ("Only in the current results", &report.only_in_current),
    ];
    for (title, series) in sides {
        if !series.is_empty() {
            writeln!(output, "\n{DIM}{title}{DIM:#}")?;
            for one in series {
                writeln!(output, "  {}", text::name(one))?;
            }
        }
    }
    Ok(())
}

fn shapes(report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
    if report.shape_changes.is_empty() {
        return Ok(());
    }
    writeln!(output, "\n{BOLD}Slow iterations{BOLD:#} {DIM}(apart from the typical one){DIM:#}")?;
    for one in &report.shape_changes {
        writeln!(
            output,
            "  {}: the slowest tenth took {:.2} times the median before, {:.2} times now",
            text::name(&one.series),
            one.tail_before,
            one.tail_now
        )?;
    }
    Ok(())
}

fn outliers(report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
    let mut table = Table::default();
    for one in &report.outliers {
        if let Some(which) = words::outliers(one) {
            table.push(vec![Cell::left(text::name(&one.series)), Cell::left(which)]);
        }
    }
    if table.is_empty() {
        return Ok(());
    }
    writeln!(output, "\n{BOLD}Outliers{BOLD:#} {DIM}(kept in every calculation){DIM:#}")?;
    table.write(output)
}

fn advice(report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
    if report.recommendations.is_empty() {
        return Ok(());
    }
    writeln!(output, "\n{BOLD}Recommendations{BOLD:#}")?;
    for one in &report.recommendations {
        let name = one.test_name.as_deref().map(|name| format!("{}: ", visible(name)));
        let (name, evidence) = (name.unwrap_or_default(), visible(&one.evidence));
        writeln!(output, "  {name}{} {DIM}({evidence}){DIM:#}", one.advice)?;
    }
    Ok(())
}

fn notes(report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
    let undecided = words::undecided(report);
    if !report.notes.is_empty() || undecided.is_some() {
        writeln!(output)?;
    }
    for note in report.notes.iter().chain(&undecided) {
        writeln!(output, "{OPEN}note:{OPEN:#} {}", visible(note))?;
    }
    Ok(())
}
