//! All that is known of one series, gathered for formats that show benchmarks one by one.

use std::collections::HashMap;

use super::words::{WORST_FIRST, worst_first};
use crate::analysis::Evidence;
use bench_stats::analysis::{AnalysisReport, MeasuredBenchmark, PerformanceRecommendation};
use bench_stats::detect::changes::SeriesChanges;
use bench_stats::detect::onset::Onset;
use bench_stats::detect::outliers::OutlierDetection;
use bench_stats::detect::shape::{RunModes, ShapeChange};
use bench_stats::detect::verdict::{Comparison, Verdict};
use bench_stats::model::{BenchmarkResult, Series};

/// One series of a report and everything that the report and its evidence say about it.
#[derive(Debug, Clone)]
pub struct SeriesSummary<'r> {
    /// Which series.
    pub series: &'r Series,
    /// Its comparison, if it stands on both sides.
    pub comparison: Option<&'r Comparison>,
    /// Its present value.
    pub measured: &'r MeasuredBenchmark,
    /// Since when its change is there.
    pub onset: Option<&'r Onset>,
    /// Its past.
    pub history: Option<&'r SeriesChanges>,
    /// Its measurements on the old side.
    pub baseline: Option<&'r BenchmarkResult>,
    /// Its measurements on the new side.
    pub current: Option<&'r BenchmarkResult>,
    /// Outliers among them.
    pub outliers: Option<&'r OutlierDetection>,
    /// How its slow samples changed.
    pub shape: Option<&'r ShapeChange>,
    /// The two modes that its runs fall into.
    pub modes: Option<&'r RunModes>,
    /// Resources of the benchmark beside time, compared.
    pub resources: Vec<&'r Comparison>,
    /// Resources that were measured but not compared.
    pub measured_resources: Vec<&'r MeasuredBenchmark>,
    /// Advice on what to do about it.
    pub advice: Vec<&'r PerformanceRecommendation>,
}

impl<'r> SeriesSummary<'r> {
    /// One for every series of the current side that is no resource: worst first, and what was not
    /// compared last.
    pub fn collect(report: &'r AnalysisReport, evidence: &'r Evidence) -> Vec<Self> {
        let index = Index::of(report, evidence);
        let own = report.measured.iter().filter(|one| !one.series.metric.is_resource());
        let measured: HashMap<&Series, &MeasuredBenchmark> =
            own.clone().map(|one| (&one.series, one)).collect();
        let compared: Vec<&Comparison> =
            WORST_FIRST.iter().flat_map(|&verdict| worst_first(report, verdict)).collect();
        let mut summaries: Vec<Self> = compared
            .iter()
            .filter_map(|one| Some(index.series_summary(measured.get(&one.series)?, Some(one))))
            .collect();
        let known: HashMap<&Series, ()> = compared.iter().map(|one| (&one.series, ())).collect();
        let rest = own.filter(|one| !known.contains_key(&one.series));
        summaries.extend(rest.map(|one| index.series_summary(one, None)));
        summaries
    }

    /// The verdict, if it was compared.
    pub fn verdict(&self) -> Option<Verdict> {
        self.comparison.map(|one| one.verdict)
    }

    /// Whether there is something to see: a change now or in the past, a shape, an advice.
    pub fn is_eventful(&self) -> bool {
        matches!(self.verdict(), Some(Verdict::Regression | Verdict::Improvement))
            || self.shape.is_some()
            || self.modes.is_some()
            || self.history.is_some_and(|one| !one.change_points.is_empty())
            || !self.advice.is_empty()
    }
}

/// Everything by series, so that gathering stays linear.
struct Index<'r> {
    onsets: HashMap<&'r Series, &'r Onset>,
    histories: HashMap<&'r Series, &'r SeriesChanges>,
    outliers: HashMap<&'r Series, &'r OutlierDetection>,
    shapes: HashMap<&'r Series, &'r ShapeChange>,
    modes: HashMap<&'r Series, &'r RunModes>,
    resources: HashMap<&'r str, Vec<&'r Comparison>>,
    measured_resources: HashMap<&'r str, Vec<&'r MeasuredBenchmark>>,
    advice: HashMap<&'r str, Vec<&'r PerformanceRecommendation>>,
    evidence: &'r Evidence,
}

impl<'r> Index<'r> {
    fn of(report: &'r AnalysisReport, evidence: &'r Evidence) -> Self {
        let mut resources: HashMap<&str, Vec<&Comparison>> = HashMap::new();
        for one in &report.resource_analysis.comparisons {
            resources.entry(one.series.benchmark.as_str()).or_default().push(one);
        }
        let mut measured_resources: HashMap<&str, Vec<&MeasuredBenchmark>> = HashMap::new();
        for one in report.measured.iter().filter(|one| one.series.metric.is_resource()) {
            measured_resources.entry(one.series.benchmark.as_str()).or_default().push(one);
        }
        let mut advice: HashMap<&str, Vec<&PerformanceRecommendation>> = HashMap::new();
        for one in &report.recommendations {
            if let Some(name) = &one.test_name {
                advice.entry(name).or_default().push(one);
            }
        }
        Self {
            onsets: report.onsets.iter().map(|one| (&one.series, one)).collect(),
            histories: evidence.histories.iter().map(|one| (&one.timeline.series, one)).collect(),
            outliers: report.outliers.iter().map(|one| (&one.series, one)).collect(),
            shapes: report.shape_changes.iter().map(|one| (&one.series, one)).collect(),
            modes: report.run_modes.iter().map(|one| (&one.series, one)).collect(),
            resources,
            measured_resources,
            advice,
            evidence,
        }
    }

    fn series_summary(
        &self,
        measured: &'r MeasuredBenchmark,
        comparison: Option<&'r Comparison>,
    ) -> SeriesSummary<'r> {
        let series = &measured.series;
        let name = series.benchmark.as_str();
        let baseline = self.evidence.baseline.as_ref();
        SeriesSummary {
            series,
            comparison,
            measured,
            onset: self.onsets.get(series).copied(),
            history: self.histories.get(series).copied(),
            baseline: baseline.and_then(|side| side.results.get(series)),
            current: self.evidence.current.results.get(series),
            outliers: self.outliers.get(series).copied(),
            shape: self.shapes.get(series).copied(),
            modes: self.modes.get(series).copied(),
            resources: self.resources.get(name).cloned().unwrap_or_default(),
            measured_resources: self.measured_resources.get(name).cloned().unwrap_or_default(),
            advice: self.advice.get(series.to_string().as_str()).cloned().unwrap_or_default(),
        }
    }
}
