//! The report for a pull request: what changed first, the rest folded away.

use std::io;

use super::human::{describe_side, remark, summary};
use super::{Reporter, format_change, format_quantity, quantity::format_rate};
use crate::analyzer::AnalysisReport;
use crate::detect::verdict::{Comparison, Verdict};

/// Writes GitHub-flavoured Markdown.
#[derive(Debug, Clone, Copy, Default)]
pub struct MarkdownReporter;

impl Reporter for MarkdownReporter {
    fn write(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        writeln!(output, "### Benchmarks: {}\n", escape(&summary(report)))?;
        let current = escape(&describe_side(&report.current));
        match &report.baseline {
            Some(baseline) => {
                writeln!(output, "{} → {current}\n", escape(&describe_side(baseline)))?;
                section(report, Verdict::Regression, "Regressions", Fold::Open, output)?;
                section(report, Verdict::Improvement, "Improvements", Fold::Open, output)?;
                section(report, Verdict::Inconclusive, "Inconclusive", Fold::Folded, output)?;
                section(report, Verdict::Unchanged, "Unchanged", Fold::Folded, output)?;
            }
            None => {
                writeln!(output, "{current}\n")?;
                measured(report, output)?;
            }
        }
        for one in &report.shape_changes {
            writeln!(
                output,
                "- `{}`: the slowest tenth of the samples took {:.2} times the median before, {:.2} \
                 times now",
                cell(&one.series.to_string()),
                one.tail_before,
                one.tail_now
            )?;
        }
        for one in &report.recommendations {
            let name = one.test_name.as_deref().map(|name| format!("`{name}`: "));
            let name = name.unwrap_or_default();
            writeln!(output, "- {name}{} ({})", escape(&one.advice), escape(&one.evidence))?;
        }
        for note in &report.notes {
            writeln!(output, "> {}\n", escape(note))?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fold {
    Open,
    Folded,
}

fn section(
    report: &AnalysisReport,
    verdict: Verdict,
    title: &str,
    fold: Fold,
    output: &mut dyn io::Write,
) -> io::Result<()> {
    let mut members: Vec<&Comparison> =
        report.comparisons.iter().filter(|one| one.verdict == verdict).collect();
    if members.is_empty() {
        return Ok(());
    }
    members.sort_by(|a, b| b.factor_worse().total_cmp(&a.factor_worse()));
    match fold {
        Fold::Open => writeln!(output, "#### {title}\n")?,
        Fold::Folded => {
            writeln!(output, "<details><summary>{title} ({})</summary>\n", members.len())?;
        }
    }
    writeln!(output, "| benchmark | baseline | current | change | 95% interval | remarks |")?;
    writeln!(output, "|---|--:|--:|--:|:-:|---|")?;
    for one in members {
        writeln!(
            output,
            "| `{}` | {} | {} | {} | {} to {} | {} |",
            cell(&one.series.to_string()),
            format_quantity(one.baseline.value, &one.series.unit),
            format_quantity(one.current.value, &one.series.unit),
            format_change(one.change()),
            format_change(one.interval.low - 1.0),
            format_change(one.interval.high - 1.0),
            remark(one),
        )?;
    }
    writeln!(output)?;
    if fold == Fold::Folded {
        writeln!(output, "</details>\n")?;
    }
    Ok(())
}

fn measured(report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
    writeln!(output, "| benchmark | value | spread of samples | rate |")?;
    writeln!(output, "|---|--:|--:|---|")?;
    for one in report.measured.iter().filter(|one| !one.series.metric.is_resource()) {
        let rates = one.throughput.iter().map(|&throughput| format_rate(throughput, one.value));
        writeln!(
            output,
            "| `{}` | {} | {:.1}% | {} |",
            cell(&one.series.to_string()),
            format_quantity(one.value, &one.series.unit),
            one.relative_spread * 100.0,
            rates.collect::<Vec<_>>().join(", ")
        )?;
    }
    writeln!(output)
}

/// Names may hold what Markdown or HTML would take for markup.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '*' | '_' | '`' | '|' | '[' | ']' | '\\' => escaped.extend(['\\', character]),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// Inside code spans only what ends the span or the cell matters.
fn cell(text: &str) -> String {
    text.replace('`', "'").replace('|', "\\|").replace(['\n', '\r'], " ")
}
