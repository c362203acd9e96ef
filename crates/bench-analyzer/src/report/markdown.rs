//! The report for a pull request: the verdict, what changed, and the rest folded away.

mod cut;

use std::io;

use super::rows::{self, FamilyRow, Row, Section};
use super::text::{plural, visible};
use super::words::{self, describe_side, sign, summary, title};
use super::{Reporter, Standing, format_change, format_quantity, quantity::format_rate};
use crate::links::Links;
use bench_stats::analysis::AnalysisReport;
use bench_stats::detect::geometric_mean::GeometricMean;
use bench_stats::detect::onset::Onset;
use bench_stats::detect::verdict::{Comparison, Verdict};
use bench_stats::model::Unit;

/// Writes GitHub-flavoured Markdown, short enough for a comment.
#[derive(Debug, Clone, Copy, Default)]
pub struct MarkdownReporter<'r> {
    /// Outcome of the gate, if there is one.
    pub standing: Option<&'r Standing>,
    /// Where commits can be looked at.
    pub links: Option<&'r Links>,
    /// Where the whole report can be read.
    pub whole: Option<&'r str>,
}

/// How many rows a table has at most: nobody reads more in a comment.
const ROWS: usize = 50;

/// How many rows of changes are shown before the rest is folded: about what a phone shows.
const OPEN_ROWS: usize = 10;

/// How many quantities have their geometric mean shown.
const MEANS: usize = 10;

/// How many characters of a name are shown.
const NAME: usize = 200;

/// How many characters of a value with its unit are shown.
const QUANTITY: usize = 40;

impl Reporter for MarkdownReporter<'_> {
    fn write(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        let mut whole = Vec::new();
        self.write_whole(report, &mut whole)?;
        output.write_all(cut::fit(String::from_utf8_lossy(&whole).into_owned()).as_bytes())
    }
}

impl MarkdownReporter<'_> {
    fn write_whole(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        writeln!(output, "### {}\n", escape(&self.heading(report)))?;
        if report.baseline.is_none() {
            writeln!(output, "{}\n", escape(&describe_side(&report.current)))?;
            measured(report, output)?;
        } else {
            writeln!(output, "{}\n", escape(&summary(report)))?;
            self.since(report, output)?;
            let sections = rows::sections(report);
            let changed = |one: &&Section<'_>| {
                matches!(one.verdict, Verdict::Regression | Verdict::Improvement)
            };
            for one in sections.iter().filter(changed) {
                changes(one, output)?;
            }
            // Where there is no room for all, the rows at the end go first.
            together(report, output)?;
            for one in sections.iter().filter(|one| !changed(one)) {
                folded(one, report, output)?;
            }
            self.evidence(report, &sections, output)?;
        }
        absent(report, output)?;
        slow_moves(report, output)?;
        if report.baseline.is_some() {
            remarks(report, output)?;
        }
        self.end(report, output)
    }

    /// The verdict in words.
    fn heading(&self, report: &AnalysisReport) -> String {
        let said = words::headline(report);
        let gate = match self.standing {
            None if report.baseline.is_none() => return format!("Benchmarks: {said}"),
            None => return begun_large(&said),
            Some(Standing::Passes) => "the gate passes".to_owned(),
            Some(Standing::Fails(why)) if report.failing().next().is_none() => {
                format!("the gate fails ({})", why.join("; "))
            }
            Some(Standing::Fails(_)) => "the gate fails".to_owned(),
            Some(Standing::NotJudged(open)) => {
                format!("the gate cannot judge {}", plural(*open, "benchmark", "benchmarks"))
            }
        };
        let sign = match self.standing {
            // Hints fail no gate, which is no good news by itself.
            Some(Standing::Passes) if words::caveat(report).is_some() => "⚠️",
            Some(Standing::Passes) | None => "✅",
            Some(Standing::Fails(_)) => "❌",
            Some(Standing::NotJudged(_)) => "⚠️",
        };
        format!("{sign} {}; {gate}", begun_large(&said))
    }

    /// The range of commits that the changes lie in, once for all where it is the same.
    fn since(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        if let Some(onset) = words::shared_onset(report) {
            let said = words::since(onset);
            writeln!(output, "{}\n", begun_large(&self.linked(&said, onset)))?;
        }
        Ok(())
    }

    /// Writes the sentence about an onset as a link to what lies between its commits.
    fn linked(&self, said: &str, onset: &Onset) -> String {
        let (after, up_to) = (onset.after_commit.as_deref(), onset.up_to_commit.as_deref());
        match self.links.and_then(|links| links.range(after, up_to)) {
            Some(address) => format!("[{}]({address})", escape(said)),
            None => escape(said),
        }
    }

    /// The numbers of what changed: how sure it is, and since when, where that is not the same for all.
    fn evidence(
        &self,
        report: &AnalysisReport,
        sections: &[Section<'_>],
        output: &mut dyn io::Write,
    ) -> io::Result<()> {
        let changed: Vec<&Comparison> = sections
            .iter()
            .filter(|one| matches!(one.verdict, Verdict::Regression | Verdict::Improvement))
            .flat_map(|one| words::worst_first(report, one.verdict))
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        let level = report.settings.level * 100.0;
        writeln!(output, "<details><summary>How sure that is, and since when</summary>\n")?;
        writeln!(output, "| benchmark | {level:.0}% interval | remarks |\n|---|:-:|---|")?;
        let shared = words::shared_onset(report).is_some();
        for one in changed.iter().take(ROWS) {
            let mut said: Vec<String> = vec![escape(&words::row_remark(one, report))];
            if let Some(onset) = report.onset(&one.series).filter(|_| !shared) {
                said.push(self.linked(&words::since(onset), onset));
            }
            said.retain(|part| !part.is_empty());
            let (name, interval) = (code(&one.series.to_string()), words::interval(one.interval));
            writeln!(output, "| {name} | {interval} | {} |", said.join(", "))?;
        }
        if changed.len() > ROWS {
            writeln!(output, "\nand {} more: see the full report", changed.len() - ROWS)?;
        }
        writeln!(output, "\n</details>\n")
    }

    /// Writes which sides were compared, how to read it, and where the rest is.
    fn end(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        for note in &report.notes {
            writeln!(output, "> {}\n", escape(&visible(note)))?;
        }
        if let Some(baseline) = &report.baseline {
            let sides = [baseline, &report.current].map(|side| escape(&describe_side(side)));
            writeln!(output, "<sub>{} → {}. ", sides[0], sides[1])?;
            let within = "“within ±3%” says that no change is larger than that";
            writeln!(output, "Change: now against before; {within}.</sub>\n")?;
        }
        if let Some(address) = self.whole.filter(|address| is_address(address)) {
            writeln!(output, "[The whole report]({address})")?;
        }
        Ok(())
    }
}

fn is_address(text: &str) -> bool {
    let is_web = ["https://", "http://"].iter().any(|scheme| text.starts_with(scheme));
    is_web
        && text.chars().all(|one| one.is_ascii_graphic() && !matches!(one, '(' | ')' | '<' | '>'))
}

/// The sentence with a large letter at its beginning.
fn begun_large(said: &str) -> String {
    let mut characters = said.chars();
    let first = characters.next().map(|one| one.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

/// The geometric means, folded.
fn together(report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
    let (groups, all): (Vec<_>, Vec<_>) =
        report.geometric_means.iter().partition(|one| one.group.is_some());
    if all.is_empty() {
        return Ok(());
    }
    let said = |one: &GeometricMean| escape(&words::geometric_mean(one, &report.settings));
    writeln!(output, "<details><summary>Geometric means</summary>\n")?;
    for one in all.iter().take(MEANS).chain(groups.iter().take(ROWS)) {
        writeln!(output, "- {}", said(one))?;
    }
    if groups.len() > ROWS {
        writeln!(output, "- and {} more: see the full report", groups.len() - ROWS)?;
    }
    writeln!(output, "\n</details>\n")
}

/// Writes the changes: four columns that fit a phone, the worst in the open.
fn changes(section: &Section<'_>, output: &mut dyn io::Write) -> io::Result<()> {
    let head = "| benchmark | before | now | change |\n|---|--:|--:|--:|";
    let (sign, title) = (sign(section.verdict), title(section.verdict));
    writeln!(output, "#### {sign} {title} ({})\n\n{head}", section.benchmarks)?;
    let (open, rest) = section.rows.split_at(section.rows.len().min(OPEN_ROWS));
    open.iter().try_for_each(|one| row(one, output))?;
    writeln!(output)?;
    if rest.is_empty() {
        return Ok(());
    }
    writeln!(output, "<details><summary>and {} more</summary>\n\n{head}", rest.len())?;
    rest.iter().take(ROWS).try_for_each(|one| row(one, output))?;
    if rest.len() > ROWS {
        writeln!(output, "\nand {} more: see the full report", rest.len() - ROWS)?;
    }
    writeln!(output, "\n</details>\n")
}

fn row(row: &Row<'_>, output: &mut dyn io::Write) -> io::Result<()> {
    match row {
        Row::One(one) => {
            let value = |value| quantity(value, &one.series.unit);
            writeln!(
                output,
                "| {} | {} | {} | {} |",
                code(&one.series.to_string()),
                value(one.baseline.value),
                value(one.current.value),
                strong(one),
            )
        }
        Row::Family(family) => {
            writeln!(output, "| {} | | | {} |", code(&family.name()), family_changes(family))
        }
    }
}

/// The changes of a family's members, and what they come to.
fn family_changes(row: &FamilyRow<'_>) -> String {
    let changes = row.changes();
    let changes = changes.iter().map(|(label, one)| format!("{label} {}", strong(one)));
    let mut parts: Vec<String> = changes.collect();
    parts.extend(row.remark().map(|said| escape(&said)));
    parts.join("<br>")
}

/// Writes benchmarks that did not change or are open, folded.
fn folded(
    section: &Section<'_>,
    report: &AnalysisReport,
    output: &mut dyn io::Write,
) -> io::Result<()> {
    let (sign, title, count) = (sign(section.verdict), title(section.verdict), section.benchmarks);
    writeln!(output, "<details><summary>{sign} {title} ({count})</summary>\n")?;
    writeln!(output, "| benchmark | now | change | remarks |\n|---|--:|--:|---|")?;
    for row in section.rows.iter().take(ROWS) {
        match row {
            Row::One(one) => writeln!(
                output,
                "| {} | {} | {} | {} |",
                code(&one.series.to_string()),
                quantity(one.current.value, &one.series.unit),
                strong(one),
                escape(&words::row_remark(one, report)),
            )?,
            Row::Family(family) => {
                let mean = format_change(family.family.ratio - 1.0);
                writeln!(
                    output,
                    "| {} | | {mean} | {} |",
                    code(&family.name()),
                    escape(&family.line())
                )?;
            }
        }
    }
    if section.rows.len() > ROWS {
        writeln!(output, "\nand {} more: see the full report", section.rows.len() - ROWS)?;
    }
    writeln!(output, "\n</details>\n")
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
            quantity(one.value, &one.series.unit),
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
    let advice = words::advice(report);
    for one in &advice {
        let name = one.name.as_deref().map(|name| format!("{}{}: ", code(name), one.more()));
        let why = escape(&one.why);
        writeln!(output, "- {}{} ({why})", name.unwrap_or_default(), escape(&one.what))?;
    }
    let said = [report.shape_changes.len(), report.run_modes.len(), advice.len()];
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

/// A value with its unit, which may be of any length where somebody made it up.
fn quantity(value: f64, unit: &Unit) -> String {
    let mut said = format_quantity(value, unit);
    if said.chars().count() > QUANTITY {
        said = said.chars().take(QUANTITY).chain(['…']).collect();
    }
    escape(&said)
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
