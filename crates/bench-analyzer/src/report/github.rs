//! The report for the log of a GitHub workflow: commands that the runner turns into annotations.

use std::io;

use super::Reporter;
use super::text::{self, visible};
use super::words::{self, line, summary, worst_first};
use bench_stats::analysis::AnalysisReport;
use bench_stats::detect::verdict::{Comparison, Verdict};

/// Writes workflow commands: an error for each regression that may fail a build, a warning for
/// every other regression, a notice for each improvement and for the report as a whole.
///
/// The runner shows ten errors, ten warnings and ten notices of a step and drops the rest, so
/// only the worst are written, and the last one says how many there are.
#[derive(Debug, Clone, Copy, Default)]
pub struct GithubReporter;

/// How many annotations of one kind a step may have.
const SHOWN: usize = 10;

impl Reporter for GithubReporter {
    fn write(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        let rate = report.settings.gate_error_rate;
        let regressions = worst_first(report, Verdict::Regression);
        let (failing, other): (Vec<&Comparison>, Vec<&Comparison>) =
            regressions.iter().partition(|one| one.fails_gate(rate));
        let improvements = worst_first(report, Verdict::Improvement);
        annotate("error", "Regression", &failing, SHOWN, report, output)?;
        annotate("warning", "Possible regression", &other, SHOWN, report, output)?;
        // One notice is kept for the summary.
        annotate("notice", "Improvement", &improvements, SHOWN - 1, report, output)?;
        let mut whole = summary(report);
        for mean in report.geometric_means.iter().filter(|one| one.group.is_none()) {
            whole.push_str(&format!(". {}", words::geometric_mean(mean, &report.settings)));
        }
        for note in &report.notes {
            whole.push_str(&format!(". {}", visible(note)));
        }
        writeln!(output, "::notice title=Benchmarks::{}", message(&whole))
    }
}

fn annotate(
    command: &str,
    title: &str,
    comparisons: &[&Comparison],
    most: usize,
    report: &AnalysisReport,
    output: &mut dyn io::Write,
) -> io::Result<()> {
    for one in comparisons.iter().take(most) {
        let name = text::name(&one.series);
        let said = format!("{name}: {}", line(one, report));
        let title = property(&format!("{title}: {name}"));
        writeln!(output, "::{command} title={title}::{}", message(&said))?;
    }
    Ok(())
}

/// What the runner would take for the end of a command, as it wants it escaped.
fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The same for the value of a property, which a comma or colon ends too.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_command_early() {
        assert_eq!(message("50%\n::error::x"), "50%25%0A::error::x");
        assert_eq!(property("a::b,c"), "a%3A%3Ab%2Cc");
    }
}
