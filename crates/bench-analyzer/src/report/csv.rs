//! The report for spreadsheets: one row a comparison.

use std::io;

use super::Reporter;
use super::words::WORST_FIRST;
use super::words::worst_first;
use bench_stats::analysis::AnalysisReport;
use bench_stats::detect::verdict::Comparison;
use bench_stats::model::Series;

/// Writes comma-separated values with a header: comparisons, worst first, or without a baseline
/// whatever was measured. Values are in the unit of their row, changes are ratios (0.05 is five
/// percent more), and cells that have no value are empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct CsvReporter;

impl Reporter for CsvReporter {
    fn write(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        // In memory first, so that a failing output is told as it is and not as the writer's failure.
        let mut writer = csv::Writer::from_writer(Vec::new());
        if report.baseline.is_some() {
            writer.write_record(COMPARED)?;
            let own = WORST_FIRST.iter().flat_map(|&verdict| worst_first(report, verdict));
            for one in own.chain(&report.resource_analysis.comparisons) {
                writer.write_record(compared(one, report))?;
            }
        } else {
            writer.write_record(MEASURED)?;
            for one in &report.measured {
                let [benchmark, metric, unit, direction] = identity(&one.series);
                writer.write_record([
                    benchmark,
                    metric,
                    unit,
                    direction,
                    number(one.value),
                    number(one.relative_spread),
                    one.runs.to_string(),
                    one.samples.to_string(),
                ])?;
            }
        }
        output.write_all(&writer.into_inner().map_err(|error| error.into_error())?)
    }
}

const COMPARED: [&str; 26] = [
    "benchmark",
    "metric",
    "unit",
    "direction",
    "verdict",
    "baseline",
    "current",
    "change",
    "change_low",
    "change_high",
    "p_value",
    "adjusted_p_value",
    "detectable_change",
    "replication",
    "baseline_runs",
    "current_runs",
    "runs_to_decide",
    "fails_gate",
    "after_commit",
    "up_to_commit",
    "since",
    "since_evidence",
    "interval_level",
    "within",
    "open",
    "look_p_value",
];

const MEASURED: [&str; 8] =
    ["benchmark", "metric", "unit", "direction", "value", "relative_spread", "runs", "samples"];

fn compared(one: &Comparison, report: &AnalysisReport) -> [String; 26] {
    let [benchmark, metric, unit, direction] = identity(&one.series);
    let onset = report.onset(&one.series);
    let commit = |commit: Option<&String>| cell(commit.map_or("", String::as_str));
    [
        benchmark,
        metric,
        unit,
        direction,
        one.verdict.to_string(),
        number(one.baseline.value),
        number(one.current.value),
        number(one.change()),
        number(one.interval.low - 1.0),
        number(one.interval.high - 1.0),
        number(one.p_value),
        number(one.adjusted_p_value),
        number(one.detectable_change),
        one.replication.id().to_owned(),
        one.baseline.runs.to_string(),
        one.current.runs.to_string(),
        one.runs_to_decide.map(|runs| runs.to_string()).unwrap_or_default(),
        one.fails_gate(report.settings.gate_error_rate).to_string(),
        commit(onset.and_then(|one| one.after_commit.as_ref())),
        commit(onset.and_then(|one| one.up_to_commit.as_ref())),
        onset.map(|one| one.measured_at.to_string()).unwrap_or_default(),
        onset.map(|one| one.evidence.to_string()).unwrap_or_default(),
        number(report.settings.level),
        one.within.map(number).unwrap_or_default(),
        one.open.to_string(),
        number(one.look_p_value),
    ]
}

fn identity(series: &Series) -> [String; 4] {
    [
        cell(series.benchmark.as_str()),
        cell(series.metric.as_str()),
        cell(series.unit.as_str()),
        series.direction.as_str().to_owned(),
    ]
}

/// A spreadsheet takes a text that begins like this for a formula and runs it; an apostrophe in
/// front keeps it text.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if formula { format!("'{text}") } else { text.to_owned() }
}

/// Infinity and "no bound known" have no number.
fn number(value: f64) -> String {
    if value.is_finite() && value < f64::MAX { value.to_string() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        assert_eq!(cell("=cmd()"), "'=cmd()");
        assert_eq!(cell("@x"), "'@x");
        assert_eq!(cell("group/a"), "group/a");
    }

    #[test]
    fn unknown_bounds_are_empty() {
        assert_eq!(number(f64::MAX), "");
        assert_eq!(number(f64::INFINITY), "");
        assert_eq!(number(0.125), "0.125");
    }
}
