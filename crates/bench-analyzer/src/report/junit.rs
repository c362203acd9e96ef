//! The report for CI systems that show test results: JUnit's XML.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::Reporter;
use super::text::{self, visible};
use super::words::line;
use bench_stats::analysis::AnalysisReport;
use bench_stats::detect::verdict::{Comparison, Verdict};
use bench_stats::model::{Series, Unit};

/// Writes one test suite for each group of benchmarks and one test case for each benchmark: failed
/// where a regression may fail a build, skipped where nothing could be decided or a regression
/// may fail nothing, passed otherwise. The time of a case is that of one iteration.
#[derive(Debug, Clone, Copy, Default)]
pub struct JunitReporter;

impl Reporter for JunitReporter {
    fn write(&self, report: &AnalysisReport, output: &mut dyn io::Write) -> io::Result<()> {
        let mut suites: BTreeMap<String, TestSuite> = BTreeMap::new();
        let mut add = |series: &Series, case: TestCase| {
            let suite = group(series);
            suites
                .entry(suite.clone())
                .or_insert_with(|| TestSuite::new(suite))
                .add_test_case(case);
        };
        if report.baseline.is_some() {
            report.comparisons.iter().for_each(|one| add(&one.series, compared(one, report)));
            for series in &report.only_in_baseline {
                let mut status = TestCaseStatus::skipped();
                status.set_message("measured in the baseline only");
                add(series, TestCase::new(text::name(series), status));
            }
        } else {
            for one in report.measured.iter().filter(|one| !one.series.metric.is_resource()) {
                add(&one.series, case(&one.series, one.value, TestCaseStatus::success()));
            }
        }
        let mut junit = Report::new("benchmarks");
        junit.add_test_suites(suites.into_values());
        // In memory first, so that a failing output is told as it is and not as the writer's failure.
        let mut written = Vec::new();
        junit.serialize(&mut written).map_err(io::Error::other)?;
        output.write_all(&written)
    }
}

fn compared(one: &Comparison, report: &AnalysisReport) -> TestCase {
    let said = line(one, report);
    let fails = one.fails_gate(report.settings.gate_error_rate);
    let status = match one.verdict {
        Verdict::Regression if fails => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type("regression");
            status.set_message(&said);
            status
        }
        Verdict::Regression | Verdict::Inconclusive => {
            let mut status = TestCaseStatus::skipped();
            status.set_type(one.verdict.to_string());
            status.set_message(format!("{}: {said}", one.verdict));
            status
        }
        Verdict::Improvement | Verdict::NoChangeSeen | Verdict::Unchanged => {
            TestCaseStatus::success()
        }
    };
    let mut case = case(&one.series, one.current.value, status);
    case.set_system_out(format!("{}: {said}", one.verdict));
    case
}

fn case(series: &Series, value: f64, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(text::name(series), status);
    case.set_classname(group(series));
    if series.unit == Unit::nanoseconds() {
        case.set_time(Duration::try_from_secs_f64(value / 1e9).unwrap_or_default());
    }
    case
}

/// Group of a name: all before its first slash.
fn group(series: &Series) -> String {
    let name = series.benchmark.as_str();
    visible(name.split_once('/').map_or(name, |(group, _)| group))
}
