//! The report for a terminal.

use std::io;

use anstyle::{AnsiColor, Style};

use super::table::{Cell, Table};
use super::{Reporter, format_change, format_quantity, quantity::format_rate};
use crate::analyzer::{AnalysisReport, SideInfo};
use crate::detect::verdict::{Comparison, Replication, Severity, Verdict};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const OPEN: Style = AnsiColor::Yellow.on_default();

/// Writes text with ANSI styles; a terminal that cannot show them has them stripped.
#[derive(Debug, Clone, Copy, Default)]
pub struct HumanReporter;

impl Reporter for HumanReporter {
    fn write(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        headline(report, output)?;
        if report.baseline.is_some() {
            comparisons(report, output)?;
        } else {
            measured(report, output)?;
        }
        shapes(report, output)?;
        outliers(report, output)?;
        advice(report, output)?;
        notes(report, output)?;
        writeln!(output)?;
        writeln!(output, "{BOLD}{}{BOLD:#}", summary(report))
    }
}

/// One sentence that says what the report comes to.
pub(super) fn summary(report: &AnalysisReport) -> String {
    if report.baseline.is_none() {
        let count = report.measured.len();
        let runs = report.current.runs.len();
        return format!("{} in {}", plural(count, "series", "series"), plural(runs, "run", "runs"));
    }
    if report.comparisons.is_empty() {
        return "nothing to compare: the two sides have no benchmark in common".to_owned();
    }
    format!(
        "{}, {}, {} unchanged, {} inconclusive, of {}",
        plural(report.count(Verdict::Regression), "regression", "regressions"),
        plural(report.count(Verdict::Improvement), "improvement", "improvements"),
        report.count(Verdict::Unchanged),
        report.count(Verdict::Inconclusive),
        plural(report.comparisons.len(), "benchmark", "benchmarks"),
    )
}

pub(super) fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A side in a few words: its name, its runs and when and of what they were.
pub(super) fn describe_side(side: &SideInfo) -> String {
    let mut parts = vec![plural(side.runs.len(), "run", "runs")];
    if let Some(newest) = side.runs.last() {
        parts.push(newest.measured_at.strftime("%Y-%m-%d %H:%M UTC").to_string());
        parts.extend(newest.revision.short());
        parts.extend(newest.revision.branch.clone());
    }
    format!("{} ({})", side.name, parts.join(", "))
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

fn comparisons(report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
    let sections = [
        (Verdict::Regression, "Regressions", BAD),
        (Verdict::Improvement, "Improvements", GOOD),
        (Verdict::Inconclusive, "Inconclusive", OPEN),
        (Verdict::Unchanged, "Unchanged", DIM),
    ];
    for (verdict, title, style) in sections {
        let mut members: Vec<&Comparison> =
            report.comparisons.iter().filter(|one| one.verdict == verdict).collect();
        if verdict != Verdict::Unchanged {
            members.sort_by(|a, b| b.factor_worse().total_cmp(&a.factor_worse()));
        }
        if verdict == Verdict::Improvement {
            members.reverse();
        }
        if members.is_empty() {
            continue;
        }
        writeln!(output, "\n{style}{title}{style:#}")?;
        let mut table = Table::default();
        members.iter().for_each(|one| table.push(comparison_row(one, style)));
        table.write(output)?;
    }
    let resources = report
        .resource_analysis
        .comparisons
        .iter()
        .filter(|one| matches!(one.verdict, Verdict::Regression | Verdict::Improvement));
    let mut table = Table::default();
    for one in resources {
        let style = if one.verdict == Verdict::Regression { BAD } else { GOOD };
        table.push(comparison_row(one, style));
    }
    if !table.is_empty() {
        writeln!(output, "\n{BOLD}Resources{BOLD:#}")?;
        table.write(output)?;
    }
    absent(report, output)
}

fn comparison_row(comparison: &Comparison, style: Style) -> Vec<Cell> {
    let unit = &comparison.series.unit;
    let interval = comparison.interval;
    vec![
        Cell::left(comparison.series.to_string()),
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
        Cell::left(remark(comparison)),
    ]
}

/// What has to be said about a comparison beside its numbers.
pub(super) fn remark(comparison: &Comparison) -> String {
    let mut parts = Vec::new();
    if comparison.verdict == Verdict::Regression {
        parts.push(format!("{} severity", Severity::of(comparison.factor_worse())));
    }
    if let Some(blessing) = &comparison.acknowledged {
        parts.push(format!("accepted by {}: {}", blessing.author, blessing.reason));
    }
    if comparison.replication != Replication::Replicated {
        parts.push(comparison.replication.to_string());
    }
    if let Some(reservation) = comparison.reservation {
        parts.push(reservation.to_string());
    } else if comparison.verdict == Verdict::Inconclusive {
        parts.push(match comparison.runs_to_decide {
            Some(runs) => format!("about {runs} more {} a side would decide", noun(runs)),
            None => "too close to the threshold to decide".to_owned(),
        });
    }
    if matches!(comparison.verdict, Verdict::Inconclusive | Verdict::Unchanged)
        && comparison.detectable_change.is_finite()
    {
        parts.push(format!("could have seen {}", format_change(comparison.detectable_change)));
    }
    parts.join(", ")
}

fn noun(runs: u32) -> &'static str {
    if runs == 1 { "run" } else { "runs" }
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
                writeln!(output, "  {one}")?;
            }
        }
    }
    Ok(())
}

fn measured(report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
    writeln!(output)?;
    let mut table = Table::default();
    for one in report.measured.iter().filter(|one| !one.series.metric.is_resource()) {
        let rates = one.throughput.iter().map(|&throughput| format_rate(throughput, one.value));
        table.push(vec![
            Cell::left(one.series.to_string()),
            Cell::right(format_quantity(one.value, &one.series.unit)),
            Cell::right(format!("+-{:.1}%", one.relative_spread * 100.0)).styled(DIM),
            Cell::left(rates.collect::<Vec<_>>().join(", ")),
        ]);
    }
    table.write(output)
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
            one.series, one.tail_before, one.tail_now
        )?;
    }
    Ok(())
}

fn outliers(report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
    /// Below this share, outlying samples are what any system shows.
    const WORTH_NAMING: f64 = 0.1;
    let mut table = Table::default();
    for one in &report.outliers {
        let mut parts = Vec::new();
        if one.share() > WORTH_NAMING {
            let count = one.samples.total();
            parts.push(format!("{count} of {} samples", one.sample_count));
        }
        for run in &one.runs {
            let value = format_quantity(run.value, &one.series.unit);
            parts.push(format!("{} at {value} (z {:+.1})", run.run, run.score));
        }
        if !parts.is_empty() {
            table.push(vec![Cell::left(one.series.to_string()), Cell::left(parts.join(", "))]);
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
        let name = one.test_name.as_deref().map(|name| format!("{name}: ")).unwrap_or_default();
        writeln!(output, "  {name}{} {DIM}({}){DIM:#}", one.advice, one.evidence)?;
    }
    Ok(())
}

fn notes(report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
    if !report.notes.is_empty() {
        writeln!(output)?;
    }
    for note in &report.notes {
        writeln!(output, "{OPEN}note:{OPEN:#} {note}")?;
    }
    Ok(())
}
