//! Series through time, for terminals and programs.

use std::io;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::json::SCHEMA;
use super::text::{self, plural, sparkline, visible};
use super::{format_change, format_quantity, words};
use bench_stats::detect::changes::{ChangePoint, SeriesChanges};
use bench_stats::detect::verdict::Verdict;

/// How many bars show a series.
const WIDTH: usize = 60;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();

/// Writes every series with its changes for a terminal.
///
/// # Errors
/// If `output` cannot be written.
pub fn write_human(changes: &[SeriesChanges], output: &mut dyn io::Write) -> io::Result<()> {
    for one in changes {
        let points = &one.timeline.points;
        let values: Vec<f64> = points.iter().map(|point| point.value).collect();
        writeln!(output, "{BOLD}{}{BOLD:#}", text::name(&one.timeline.series))?;
        let latest = values.last().map(|value| format_quantity(*value, &one.timeline.series.unit));
        writeln!(
            output,
            "  {} {DIM}{} points, latest {}{DIM:#}",
            sparkline(&values, WIDTH),
            values.len(),
            latest.unwrap_or_default()
        )?;
        for step in &one.work_steps {
            writeln!(output, "  {BOLD}{}{BOLD:#}", words::work_step(step, points))?;
        }
        for change in &one.change_points {
            write_change(one, change, output)?;
        }
        if let Some(trend) = &one.trend {
            let style = style(trend.verdict);
            writeln!(output, "  {style}{}{style:#}", words::trend(trend))?;
        }
        if let Some(since) = one.since.as_ref().filter(|_| one.has_moved()) {
            let style = style(since.beside_steps_verdict);
            writeln!(output, "  {style}{}{style:#}", words::since_reference(since))?;
        }
        for spike in &one.spikes {
            writeln!(
                output,
                "  {DIM}spike at point {} ({}): {} (z {:+.1}){DIM:#}",
                spike.index,
                spike.run,
                format_quantity(spike.value, &one.timeline.series.unit),
                spike.score
            )?;
        }
    }
    let alarms = changes.iter().flat_map(|one| &one.change_points).filter(|one| one.alarms());
    let total: usize = changes.iter().map(|one| one.change_points.len()).sum();
    if total > 0 {
        writeln!(output, "\n{DIM}p: how likely such a step is by chance{DIM:#}")?;
    }
    writeln!(
        output,
        "\n{BOLD}{} series, {}, {} for the worse that nobody accepted{BOLD:#}",
        changes.len(),
        plural(total, "change", "changes"),
        alarms.count()
    )
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Regression => BAD,
        Verdict::Improvement => GOOD,
        _ => BOLD,
    }
}

fn write_change(
    one: &SeriesChanges,
    change: &ChangePoint,
    output: &mut dyn io::Write,
) -> io::Result<()> {
    let style = if change.withdrawn.is_some() { DIM } else { style(change.verdict) };
    let word = match change.verdict {
        Verdict::Regression => "worse",
        Verdict::Improvement => "better",
        _ => "changed",
    };
    let unit = &one.timeline.series.unit;
    let remarks = words::change_remarks(change);
    writeln!(
        output,
        "  {style}{word} {}{style:#} at point {} ({}, {}): {} -> {}, p {:.1e}, {} {DIM}{remarks}{DIM:#}",
        format_change(change.change),
        change.index,
        change.run,
        change.measured_at.strftime("%Y-%m-%d %H:%M UTC"),
        format_quantity(change.before, unit),
        format_quantity(change.after, unit),
        change.p_value,
        commit_range(change)
    )
}

fn commit_range(change: &ChangePoint) -> String {
    let short = |commit: &Option<String>| {
        commit.as_deref().map(|sha| visible(sha.get(..10).unwrap_or(sha)))
    };
    match (short(&change.after_commit), short(&change.up_to_commit)) {
        (Some(after), Some(up_to)) => format!("commits {after}..{up_to}"),
        (None, Some(up_to)) => format!("up to commit {up_to}"),
        _ => "commits unknown".to_owned(),
    }
}

#[derive(Serialize)]
struct Document<'c> {
    schema: u32,
    series: &'c [SeriesChanges],
}

/// Writes one JSON object with every series, its points and its changes.
///
/// # Errors
/// If `output` cannot be written.
pub fn write_json(changes: &[SeriesChanges], output: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *output, &Document { schema: SCHEMA, series: changes })?;
    writeln!(output)
}
