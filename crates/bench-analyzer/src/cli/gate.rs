//! Gates: what fails a build.

use bench_analyzer::AnalysisReport;
use bench_analyzer::report::Standing;
use bench_analyzer::report::text::plural;
use bench_stats::model::Series;

use super::Outcome;
use super::output::Output;
use crate::cli::values::FailOn;

/// Judges a report by what the gate was told to fail on; none if it was told nothing.
pub(super) fn judge(report: &AnalysisReport, fail_on: &[FailOn]) -> Option<Standing> {
    if fail_on.is_empty() {
        return None;
    }
    let failures = failures(report, fail_on);
    if !failures.is_empty() {
        return Some(Standing::Fails(failures));
    }
    let asked = fail_on.contains(&FailOn::Regression) || fail_on.contains(&FailOn::Change);
    let together = report.unexplained_move().map_or(0, |common| common.moved);
    let open = report.not_judged().count().max(together);
    Some(if asked && open > 0 { Standing::NotJudged(open) } else { Standing::Passes })
}

/// Says on stderr what the gate says, and what follows from it.
pub(super) fn say(standing: Option<&Standing>, output: &Output) -> Outcome {
    match standing {
        None | Some(Standing::Passes) => Outcome::Fine,
        Some(Standing::Fails(failures)) => {
            failures.iter().for_each(|why| output.message(&format!("the gate fails: {why}")));
            Outcome::GateFailed
        }
        Some(Standing::NotJudged(open)) => {
            output.message(&format!(
                "{} could not be judged, it may be the machine or the code: the build does not pass \
                 (exit code 4). Measure both sides in turns on one machine, or name a benchmark that the \
                 change cannot touch with --control",
                plural(*open, "benchmark", "benchmarks")
            ));
            Outcome::NotJudged
        }
    }
}

/// Why a report fails a gate that was told to fail on some things; nothing if it passes.
///
/// A gate that compared nothing fails whatever it was told: a filter with a typo or a baseline of other
/// names must not look like success.
fn failures(report: &AnalysisReport, fail_on: &[FailOn]) -> Vec<String> {
    let mut failures = Vec::new();
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
