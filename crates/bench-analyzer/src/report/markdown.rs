//! The report for a pull request: what changed first, the rest folded away.

mod cut;

use std::io;

use super::text::visible;
use super::words::{
    self, WORST_FIRST, describe_side, remark, sign, summary, title, undecided, worst_first,
};
use super::{Reporter, format_change, format_quantity, quantity::format_rate};
use bench_stats::analysis::AnalysisReport;
use bench_stats::detect::geometric_mean::GeometricMean;
use bench_stats::detect::verdict::{Comparison, Verdict};

/// Writes GitHub-flavoured Markdown, short enough for a comment.
#[derive(Debug, Clone, Copy, Default)]
pub struct MarkdownReporter;

/// How many rows a table has at most: nobody reads more in a comment.
const ROWS: usize = 50;

/// How many quantities have their geometric mean shown: what changed comes after them.
const MEANS: usize = 10;

/// How many characters of a name are shown.
const NAME: usize = 200;

impl Reporter for MarkdownReporter {
    fn write(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        let mut whole = Vec::new();
        write_whole(report, &mut whole)?;
        output.write_all(cut::fit(String::from_utf8_lossy(&whole).into_owned()).as_bytes())
    }
}

fn write_whole(report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
    writeln!(output, "### Benchmarks: {}\n", escape(&summary(report)))?;
    let current = escape(&describe_side(&report.current));
    match &report.baseline {
        Some(baseline) => {
            writeln!(output, "{} → {current}\n", escape(&describe_side(baseline)))?;
            together(report, output)?;
            for verdict in WORST_FIRST {
                section(report, verdict, output)?;
            }
        }
        None => {
            writeln!(output, "{current}\n")?;
            measured(report, output)?;
        }
    }
    absent(report, output)?;
    slow_moves(report, output)?;
    remarks(report, output)?;
    for note in report.notes.iter().chain(&undecided(report)) {
        writeln!(output, "> {}\n", escape(&visible(note)))?;
    }
    Ok(())
}

/// The geometric means: those of everything in the open, those of groups folded.
fn together(report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
    let (groups, all): (Vec<_>, Vec<_>) =
        report.geometric_means.iter().partition(|one| one.group.is_some());
    let said = |one: &GeometricMean| escape(&words::geometric_mean(one, &report.settings));
    for one in all.iter().take(MEANS) {
        writeln!(output, "{}\n", said(one))?;
    }
    if groups.is_empty() {
        return Ok(());
    }
    writeln!(output, "<details><summary>Geometric means of groups ({})</summary>\n", groups.len())?;
    for one in groups.iter().take(ROWS) {
        writeln!(output, "- {}", said(one))?;
    }
    if groups.len() > ROWS {
        writeln!(output, "- and {} more: see the full report", groups.len() - ROWS)?;
    }
    writeln!(output, "\n</details>\n")
}

fn section(
    report: &AnalysisReport,
    verdict: Verdict,
    output: &mut dyn io::Write,
) -> io::Result<()> {
    let members = worst_first(report, verdict);
    if members.is_empty() {
        return Ok(());
    }
    let (sign, title, count) = (sign(verdict), title(verdict), members.len());
    let folded = !matches!(verdict, Verdict::Regression | Verdict::Improvement);
    if folded {
        writeln!(output, "<details><summary>{sign} {title} ({count})</summary>\n")?;
    } else {
        writeln!(output, "#### {sign} {title} ({count})\n")?;
    }
    let level = report.settings.level * 100.0;
    writeln!(
        output,
        "| benchmark | baseline | current | change | {level:.0}% interval | remarks |"
    )?;
    writeln!(output, "|---|--:|--:|--:|:-:|---|")?;
    members.iter().take(ROWS).try_for_each(|one| row(one, report, output))?;
    writeln!(output)?;
    if count > ROWS {
        writeln!(output, "and {} more: see the full report\n", count - ROWS)?;
    }
    if folded {
        writeln!(output, "</details>\n")?;
    }
    Ok(())
}

fn row(one: &Comparison, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
    let mut said = remark(one);
    if let Some(onset) = report.onset(&one.series) {
        let comma = if said.is_empty() { "" } else { ", " };
        said.push_str(&format!("{comma}{}", words::since(onset)));
    }
    writeln!(
        output,
        "| {} | {} | {} | {} | {} | {} |",
        code(&one.series.to_string()),
        escape(&format_quantity(one.baseline.value, &one.series.unit)),
        escape(&format_quantity(one.current.value, &one.series.unit)),
        strong(one),
        words::interval(one.interval),
        escape(&said),
    )
}

fn strong(one: &Comparison) -> String {
    let change = format_change(one.change());
    match one.verdict {
        Verdict::Regression | Verdict::Improvement => format!("**{change}**"),
        Verdict::Inconclusive | Verdict::NoChangeSeen | Verdict::Unchanged => change,
    }
}

fn measured(report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
    let own = || report.measured.iter().filter(|one| !one.series.metric.is_resource());
    writeln!(output, "| benchmark | value | spread of samples | rate |")?;
    writeln!(output, "|---|--:|--:|---|")?;
    for one in own().take(4 * ROWS) {
        let rates = one.throughput.iter().map(|&throughput| format_rate(throughput, one.value));
        writeln!(
            output,
            "| {} | {} | {:.1}% | {} |",
            code(&one.series.to_string()),
            escape(&format_quantity(one.value, &one.series.unit)),
            one.relative_spread * 100.0,
            rates.collect::<Vec<_>>().join(", ")
        )?;
    }
    let count = own().count();
    if count > 4 * ROWS {
        writeln!(output, "\nand {} more: see the full report", count - 4 * ROWS)?;
    }
    writeln!(output)
}

fn slow_moves(report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
    if report.slow_moves.is_empty() {
        return Ok(());
    }
    writeln!(output, "#### Slow moves in the history\n")?;
    for one in report.slow_moves.iter().take(ROWS) {
        let said = escape(&words::slow_move(one));
        writeln!(output, "- {}: {said}", code(&one.series.to_string()))?;
    }
    if report.slow_moves.len() > ROWS {
        writeln!(output, "- and {} more: see the full report", report.slow_moves.len() - ROWS)?;
    }
    writeln!(output)
}

fn absent(report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
    let sides = [
        ("Only in the baseline", &report.only_in_baseline),
        ("Only in the current results", &report.only_in_current),
    ];
    for (title, series) in sides {
        if series.is_empty() || report.baseline.is_none() {
            continue;
        }
        writeln!(output, "<details><summary>{title} ({})</summary>\n", series.len())?;
        for one in series.iter().take(ROWS) {
            writeln!(output, "- {}", code(&one.to_string()))?;
        }
        if series.len() > ROWS {
            writeln!(output, "- and {} more", series.len() - ROWS)?;
        }
        writeln!(output, "\n</details>\n")?;
    }
    Ok(())
}

fn remarks(report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
    for one in report.shape_changes.iter().take(ROWS) {
        writeln!(output, "- {}: {}", code(&one.series.to_string()), words::shape(one))?;
    }
    for one in report.run_modes.iter().take(ROWS) {
        writeln!(output, "- {}: {}", code(&one.series.to_string()), words::modes(one))?;
    }
    for one in report.recommendations.iter().take(ROWS) {
        let name = one.test_name.as_deref().map(|name| format!("{}: ", code(name)));
        let (name, evidence) = (name.unwrap_or_default(), escape(&visible(&one.evidence)));
        writeln!(output, "- {name}{} ({evidence})", escape(&one.advice))?;
    }
    let said = [report.shape_changes.len(), report.run_modes.len(), report.recommendations.len()];
    if said.iter().any(|count| *count > 0) {
        writeln!(output)?;
    }
    Ok(())
}

/// Text that Markdown and HTML take for nothing but text.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            // A mention would notify somebody, and a number link to an issue.
            '@' => escaped.push_str("&#64;"),
            '#' => escaped.push_str("&#35;"),
            '*' | '_' | '`' | '|' | '[' | ']' | '\\' | '~' => escaped.extend(['\\', character]),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A name as code. Where it holds nothing that could end the code or the cell of a table, it
/// stays readable in the source as well; anything else is spelled as HTML.
fn code(name: &str) -> String {
    let mut name = visible(name);
    if name.chars().count() > NAME {
        name = name.chars().take(NAME).chain(['…']).collect();
    }
    let plain = |character: char| !matches!(character, '`' | '|' | '\\');
    if name.chars().all(plain) && name.trim() == name && !name.is_empty() {
        return format!("`{name}`");
    }
    let mut escaped = String::from("<code>");
    for character in name.chars() {
        if character.is_ascii_punctuation() {
            escaped.push_str(&format!("&#{};", u32::from(character)));
        } else {
            escaped.push(character);
        }
    }
    escaped + "</code>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_code() {
        assert_eq!(code("group/f [x] <script>"), "`group/f [x] <script>`");
        assert_eq!(code("a`b"), "<code>a&#96;b</code>");
        assert_eq!(code("a|b"), "<code>a&#124;b</code>");
        assert_eq!(code("a\\|b\n"), "<code>a&#92;&#124;b&#92;u&#123;a&#125;</code>");
        assert_eq!(code(""), "<code></code>");
    }

    #[test]
    fn text_is_never_markup() {
        assert_eq!(escape("<b> @me #1 *x*"), "&lt;b&gt; &#64;me &#35;1 \\*x\\*");
    }
}
