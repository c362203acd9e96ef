//! Gates: what fails a build.

use bench_analyzer::AnalysisReport;
use bench_analyzer::report::text::plural;
use bench_stats::model::Series;

use super::Outcome;
use super::output::Output;
use crate::cli::values::FailOn;

/// Judges a report by what the gate was told to fail on, and says so on stderr.
pub(super) fn judge(report: &AnalysisReport, fail_on: &[FailOn], output: &Output) -> Outcome {
    let failures = failures(report, fail_on);
    if !failures.is_empty() {
        failures.iter().for_each(|why| output.message(&format!("the gate fails: {why}")));
        return Outcome::GateFailed;
    }
    let asked = fail_on.contains(&FailOn::Regression) || fail_on.contains(&FailOn::Change);
    let together = report.unexplained_move().map_or(0, |common| common.moved);
    let open = report.not_judged().count().max(together);
    if asked && open > 0 {
        output.message(&format!(
            "{} could not be judged, it may be the machine or the code: the build does not pass \
             (exit code 4). Measure both sides in turns on one machine, or name a benchmark that the \
             change cannot touch with --control",
            plural(open, "benchmark", "benchmarks")
        ));
        return Outcome::NotJudged;
    }
    Outcome::Fine
}

/// Why a report fails a gate that was told to fail on some things; nothing if it passes, or if nobody
/// asked.
///
/// A gate that compared nothing fails whatever it was told: a filter with a typo or a baseline of other
/// names must not look like success.
fn failures(report: &AnalysisReport, fail_on: &[FailOn]) -> Vec<String> {
    let mut failures = Vec::new();
    if fail_on.is_empty() {
        return failures;
    }
    if report.comparisons.is_empty() {
        failures.push(nothing_compared(report));
    }
    let changes = fail_on.contains(&FailOn::Change);
    if changes || fail_on.contains(&FailOn::Regression) {
        let count = report.failing().count();
        if count > 0 {
            failures.push(plural(count, "regression", "regressions"));
        }
    }
    if changes {
        let count = report.improving().count();
        if count > 0 {
            failures.push(format!("{} (any change)", plural(count, "improvement", "improvements")));
        }
    }
    if fail_on.contains(&FailOn::Missing) {
        let missing: Vec<&Series> =
            report.only_in_baseline.iter().filter(|one| report.settings.gates(one)).collect();
        if !missing.is_empty() {
            failures.push(format!("missing: {}", some(&missing)));
        }
    }
    failures
}

fn nothing_compared(report: &AnalysisReport) -> String {
    match &report.baseline {
        None => "nothing was compared: no baseline was named (--baseline NAME)".to_owned(),
        Some(baseline) => format!(
            "nothing was compared: of {} in {} and {} in {}, none is on both sides",
            plural(report.only_in_baseline.len(), "benchmark", "benchmarks"),
            baseline.name,
            plural(report.only_in_current.len(), "benchmark", "benchmarks"),
            report.current.name
        ),
    }
}

/// The names of a few.
fn some(all: &[&Series]) -> String {
    const FEW: usize = 5;
    let names: Vec<String> = all.iter().take(FEW).map(ToString::to_string).collect();
    let more = all.len().saturating_sub(FEW);
    if more > 0 { format!("{} and {more} more", names.join(", ")) } else { names.join(", ") }
}
