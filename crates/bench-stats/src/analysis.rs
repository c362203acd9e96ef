//! The analysis as a whole: one side, another side, a report.

use std::time::Duration;

use serde::Serialize;

use crate::detect::changes::{SeriesChanges, SlowMove};
use crate::detect::compare::{Cause, CommonMove, Compared, Priors, compare, detectable_change};
use crate::detect::geometric_mean::{GeometricMean, geometric_means};
use crate::detect::onset::{Onset, onsets};
use crate::detect::outliers::{OutlierDetection, detect_outliers};
use crate::detect::recommend::{Facts, recommend};
use crate::detect::scaling::{Family, families};
use crate::detect::settings::Settings;
use crate::detect::shape::{RunModes, ShapeChange, run_modes, shape_changes};

use crate::detect::work::level;

pub use crate::detect::recommend::PerformanceRecommendation;
use crate::detect::verdict::{
    Comparison, RatioInterval, Replication, Reservation, Severity, Verdict,
};
use crate::model::{
    AcceptedChange, BenchmarkResults, Direction, Estimate, History, Run, Series, Throughput, Unit,
};

mod notes;

/// Compares results with a baseline, in the light of earlier runs.
///
/// # Examples
/// ```
/// use bench_stats::model::{BenchmarkResults, Measurement, RunId, Samples, Series};
/// use bench_stats::stats::summary::Summary;
/// use bench_stats::BenchmarkAnalyzer;
///
/// fn side(name: &str, medians: [f64; 3]) -> BenchmarkResults {
///     let mut results = BenchmarkResults::new(name);
///     for (run, median) in (1..).zip(medians) {
///         let samples = Samples::of_values([median]).unwrap();
///         let summary = Summary::of(&samples);
///         results.add(&Series::time("parse"), Measurement { run: RunId(run), summary, samples });
///     }
///     results
/// }
///
/// let analyzer = BenchmarkAnalyzer::new(side("main", [100.0, 101.0, 99.5]));
/// let report = analyzer.analyze_results(&side("branch", [120.0, 121.5, 119.0]));
/// assert_eq!(report.regressions[0].test_name, "parse");
/// ```
#[derive(Debug, Clone, Default)]
pub struct BenchmarkAnalyzer {
    settings: Settings,
    baseline: Option<BenchmarkResults>,
    history: History,
    accepted_changes: Vec<AcceptedChange>,
}

impl BenchmarkAnalyzer {
    /// Compares with `baseline`, by the default settings and without a history.
    pub fn new(baseline: BenchmarkResults) -> Self {
        Self { baseline: Some(baseline), ..Self::default() }
    }

    /// Compares with nothing: reports only describe what was measured.
    pub fn without_baseline() -> Self {
        Self::default()
    }

    /// Takes other settings.
    #[must_use]
    pub fn with_settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// Takes earlier runs, which lend their spread where a side has too few runs.
    #[must_use]
    pub fn with_history(self, history: History) -> Self {
        Self { history, ..self }
    }

    /// Takes changes that people accepted: those between both sides are shown, but fail nothing.
    #[must_use]
    pub fn with_accepted_changes(self, accepted_changes: Vec<AcceptedChange>) -> Self {
        Self { accepted_changes, ..self }
    }

    /// Says what `current` shows.
    pub fn analyze_results(&self, current: &BenchmarkResults) -> AnalysisReport {
        let sides: Vec<&BenchmarkResults> = self.baseline.iter().chain([current]).collect();
        let priors = Priors::of(&sides, &self.history, &self.settings);
        let mut report = AnalysisReport {
            settings: self.settings.clone(),
            current: SideInfo::of(current),
            measured: current
                .results
                .values()
                .map(|one| MeasuredBenchmark::of(one, &self.history, &priors, &self.settings))
                .collect(),
            outliers: detect_outliers(current),
            ..AnalysisReport::default()
        };
        if let Some(baseline) = &self.baseline {
            report.compare(baseline, current, self);
        }
        report.recommendations = recommend(&Facts {
            current,
            comparisons: &report.comparisons,
            resources: &report.resource_analysis.comparisons,
            outliers: &report.outliers,
            limits: self.settings.advice,
        });
        report
    }
}

/// Findings of an analysis.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AnalysisReport {
    /// The old side, if there was one to compare with.
    pub baseline: Option<SideInfo>,
    /// The new side.
    pub current: SideInfo,
    /// Regressions, worst first.
    pub regressions: Vec<RegressionAlert>,
    /// Improvements, best first.
    pub improvements: Vec<ImprovementNote>,
    /// Every comparison of a benchmark's own result, in the order of their names.
    pub comparisons: Vec<Comparison>,
    /// Geometric means of all comparisons, and of each group.
    pub geometric_means: Vec<GeometricMean>,
    /// Benchmarks that differ in a number, compared together.
    pub families: Vec<Family>,
    /// Benchmarks that only the baseline has.
    pub only_in_baseline: Vec<Series>,
    /// Benchmarks that only the current side has.
    pub only_in_current: Vec<Series>,
    /// Everything measured on the current side.
    pub measured: Vec<MeasuredBenchmark>,
    /// Outliers inside runs and among them.
    pub outliers: Vec<OutlierDetection>,
    /// Resources that were used beside time.
    pub resource_analysis: ResourceAnalysis,
    /// Advice on what to do about it.
    pub recommendations: Vec<PerformanceRecommendation>,
    /// Benchmarks of which some iterations became slow while the typical one did not have to.
    pub shape_changes: Vec<ShapeChange>,
    /// Benchmarks whose runs fall into two modes.
    pub run_modes: Vec<RunModes>,
    /// Set if most benchmarks moved together.
    pub common_move: Option<CommonMove>,
    /// Since when regressions and improvements are there, where [`AnalysisReport::trace`] was given
    /// their histories.
    #[serde(rename = "origins")]
    pub onsets: Vec<Onset>,
    /// Slow moves, where [`AnalysisReport::with_slow_moves`] was given the histories.
    pub slow_moves: Vec<SlowMove>,
    /// Notes that a reader has to know to judge the rest.
    pub notes: Vec<String>,
    /// The rules that were applied.
    pub settings: Settings,
}

/// One side of a report.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SideInfo {
    /// Name.
    pub name: String,
    /// The runs it takes measurements from, oldest first.
    pub runs: Vec<Run>,
}

/// A benchmark that got worse.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RegressionAlert {
    /// The benchmark, with its metric where that is not time.
    pub test_name: String,
    /// By how many percent the value changed.
    pub regression_percentage: f64,
    /// The interval of that, in percent.
    pub interval_percentage: (f64, f64),
    /// The present time of one iteration; zero for metrics that are no times.
    pub current_time: Duration,
    /// The baseline's time of one iteration.
    pub historical_avg: Duration,
    /// How bad it is.
    pub severity: Severity,
    /// Ground that the certainty rests on.
    pub replication: Replication,
    /// Why it is fine, if somebody said so.
    pub acknowledged: Option<AcceptedChange>,
    /// Whether it fails a build that must not regress.
    pub fails_gate: bool,
}

/// A benchmark that got better.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImprovementNote {
    /// The benchmark, with its metric where that is not time.
    pub test_name: String,
    /// By how many percent the value changed; negative for times.
    pub improvement_percentage: f64,
    /// The interval of that, in percent.
    pub interval_percentage: (f64, f64),
    /// The present time of one iteration; zero for metrics that are no times.
    pub current_time: Duration,
    /// The baseline's time of one iteration.
    pub historical_avg: Duration,
    /// Ground that the certainty rests on.
    pub replication: Replication,
}

/// A benchmark's present value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MeasuredBenchmark {
    /// Series that was measured.
    #[serde(flatten)]
    pub series: Series,
    /// The typical value.
    pub value: f64,
    /// The robust relative spread of samples inside a run, the widest of all runs.
    pub relative_spread: f64,
    /// How many runs there are.
    pub runs: usize,
    /// How many samples these took together.
    pub samples: usize,
    /// The work of one iteration.
    pub throughput: Vec<Throughput>,
    /// Estimates by the tool that measured, in the newest run.
    pub estimates: Vec<Estimate>,
    /// The smallest relative change that a comparison with as many runs again would find four
    /// times out of five; none where a value is zero.
    pub detectable_change: Option<f64>,
}

/// Resources that were used beside time.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ResourceAnalysis {
    /// CPU time, memory, faults and switches compared, judged like times.
    pub comparisons: Vec<Comparison>,
}

impl AnalysisReport {
    /// The regressions that fail a build which must not regress.
    pub fn failing(&self) -> impl Iterator<Item = &Comparison> {
        let rate = self.settings.gate_error_rate;
        self.comparisons.iter().filter(move |comparison| comparison.fails_gate(rate))
    }

    /// The comparisons that keep a gate from judging: it may be the machine, or the code.
    pub fn not_judged(&self) -> impl Iterator<Item = &Comparison> {
        self.comparisons
            .iter()
            .filter(|one| one.could_not_be_judged() && self.settings.gates(&one.series))
    }

    /// A common move for the worse whose cause nobody can tell, where more than half of the benchmarks got
    /// worse by their whole interval. Each alone may be undecided, as with a single new run; together they
    /// are a lost flag or a slow machine, and a gate must not let that pass.
    pub fn unexplained_move(&self) -> Option<&CommonMove> {
        let threshold = 1.0 + self.settings.relative_threshold;
        let common = self.common_move.as_ref().filter(|common| {
            common.cause == Cause::MachineOrCode && common.median_ratio > threshold
        })?;
        let at_least_worse = |one: &Comparison| match one.series.direction {
            Direction::Higher => one.interval.high.recip(),
            Direction::Lower | Direction::Neutral => one.interval.low,
        };
        let gated = self.comparisons.iter().filter(|one| self.settings.gates(&one.series));
        let clearly = gated
            .filter(|one| one.acknowledged.is_none() && at_least_worse(one) > threshold)
            .count();
        (2 * clearly > common.benchmarks).then_some(common)
    }

    /// The improvements that are as certain as [`AnalysisReport::failing`] regressions are.
    pub fn improving(&self) -> impl Iterator<Item = &Comparison> {
        let rate = self.settings.gate_error_rate;
        self.comparisons.iter().filter(move |comparison| {
            comparison.verdict == Verdict::Improvement
                && comparison.acknowledged.is_none()
                && comparison.gate_p_value.is_some_and(|p_value| p_value <= rate)
        })
    }

    /// Finds since when the changes are there, in the histories of their series.
    #[must_use]
    pub fn trace(
        mut self,
        baseline: &BenchmarkResults,
        current: &BenchmarkResults,
        histories: &[SeriesChanges],
    ) -> Self {
        self.onsets = onsets(&self.comparisons, baseline, current, histories);
        self
    }

    /// Finds what moves slowly in the histories of its series.
    #[must_use]
    pub fn with_slow_moves(self, histories: &[SeriesChanges]) -> Self {
        Self { slow_moves: SlowMove::among(histories), ..self }
    }

    /// Since when the change of a series is there, if it is known.
    pub fn onset(&self, series: &Series) -> Option<&Onset> {
        self.onsets.iter().find(|one| one.series == *series)
    }

    /// How many comparisons came to `verdict`.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.comparisons.iter().filter(|comparison| comparison.verdict == verdict).count()
    }

    fn compare(
        &mut self,
        baseline: &BenchmarkResults,
        current: &BenchmarkResults,
        analyzer: &BenchmarkAnalyzer,
    ) {
        let missing = |from: &BenchmarkResults, to: &BenchmarkResults| -> Vec<Series> {
            let absent = from.results.keys().filter(|series| !to.results.contains_key(series));
            absent.filter(|series| !series.metric.is_resource()).cloned().collect()
        };
        self.only_in_baseline = missing(baseline, current);
        self.only_in_current = missing(current, baseline);
        let (levelled, work_changes) = level(baseline, current);
        self.notes.extend(work_changes.iter().map(ToString::to_string));
        let Compared { mut comparisons, common_move } =
            compare(&levelled, current, &analyzer.history, &self.settings);
        self.shape_changes = shape_changes(&levelled, current, self.settings.alpha);
        self.run_modes = run_modes(&levelled, current);
        leave_open_what_changed_its_shape(&mut comparisons, &self.shape_changes);
        acknowledge(&mut comparisons, baseline, current, &analyzer.accepted_changes);
        let (resources, own) =
            comparisons.into_iter().partition(|one| one.series.metric.is_resource());
        self.comparisons = own;
        let on_one_side = [&self.only_in_baseline[..], &self.only_in_current].concat();
        let sides = (&*levelled, current);
        self.geometric_means =
            geometric_means(&self.comparisons, sides, &on_one_side, self.settings.level);
        self.families = families(&self.comparisons, sides, &analyzer.settings);
        self.resource_analysis = ResourceAnalysis { comparisons: resources };
        self.common_move = common_move;
        self.baseline = Some(SideInfo::of(baseline));
        self.note_circumstances(baseline, current);
        self.collect_changes();
    }

    fn collect_changes(&mut self) {
        let rate = self.settings.gate_error_rate;
        let mut changed: Vec<&Comparison> = self.comparisons.iter().collect();
        changed.sort_by(|a, b| b.factor_worse().total_cmp(&a.factor_worse()));
        let of = |verdict| changed.iter().filter(move |one| one.verdict == verdict);
        self.regressions =
            of(Verdict::Regression).map(|one| RegressionAlert::of(one, rate)).collect();
        self.improvements = of(Verdict::Improvement).rev().map(|one| one.improvement()).collect();
    }
}

/// Takes back that nothing changed where the median stayed and the slow samples did not.
fn leave_open_what_changed_its_shape(comparisons: &mut [Comparison], shapes: &[ShapeChange]) {
    for comparison in comparisons.iter_mut() {
        let calm = matches!(comparison.verdict, Verdict::Unchanged | Verdict::NoChangeSeen);
        if calm && shapes.iter().any(|shape| shape.series == comparison.series) {
            comparison.verdict = Verdict::Inconclusive;
            comparison.reservation = Some(Reservation::SlowSamples);
            comparison.open = false;
        }
    }
}

impl SideInfo {
    fn of(results: &BenchmarkResults) -> Self {
        Self { name: results.name.clone(), runs: results.runs.clone() }
    }
}

impl MeasuredBenchmark {
    fn of(
        result: &crate::model::BenchmarkResult,
        history: &History,
        priors: &Priors,
        settings: &Settings,
    ) -> Self {
        let summaries = || result.measurements.iter().map(|measurement| measurement.summary);
        Self {
            series: result.series.clone(),
            value: result.typical(),
            relative_spread: summaries().map(|one| one.relative_spread).fold(0.0, f64::max),
            runs: result.measurements.len(),
            samples: summaries().map(|one| one.sample_count).sum(),
            throughput: result.throughput.clone(),
            estimates: result.estimates.clone(),
            detectable_change: detectable_change(result, history, priors, settings),
        }
    }
}

impl RegressionAlert {
    fn of(comparison: &Comparison, gate_error_rate: f64) -> Self {
        Self {
            test_name: comparison.series.to_string(),
            regression_percentage: comparison.change() * 100.0,
            interval_percentage: percentages(comparison.interval),
            current_time: duration(&comparison.series, comparison.current.value),
            historical_avg: duration(&comparison.series, comparison.baseline.value),
            severity: Severity::of(comparison.factor_worse()),
            replication: comparison.replication,
            acknowledged: comparison.acknowledged.clone(),
            fails_gate: comparison.fails_gate(gate_error_rate),
        }
    }
}

impl Comparison {
    fn improvement(&self) -> ImprovementNote {
        ImprovementNote {
            test_name: self.series.to_string(),
            improvement_percentage: self.change() * 100.0,
            interval_percentage: percentages(self.interval),
            current_time: duration(&self.series, self.current.value),
            historical_avg: duration(&self.series, self.baseline.value),
            replication: self.replication,
        }
    }
}

/// Attaches the accepted changes that happened after the baseline, up to the current side.
fn acknowledge(
    comparisons: &mut [Comparison],
    baseline: &BenchmarkResults,
    current: &BenchmarkResults,
    accepted_changes: &[AcceptedChange],
) {
    let newest = |results: &BenchmarkResults| results.runs.last().map(|run| run.measured_at);
    let (Some(old), Some(new)) = (newest(baseline), newest(current)) else { return };
    for accepted in accepted_changes {
        if accepted.measured_at <= old || accepted.measured_at > new {
            continue;
        }
        for comparison in comparisons.iter_mut().filter(|one| one.series == accepted.series) {
            comparison.acknowledged = Some(accepted.clone());
        }
    }
}

fn percentages(interval: RatioInterval) -> (f64, f64) {
    ((interval.low - 1.0) * 100.0, (interval.high - 1.0) * 100.0)
}

fn duration(series: &Series, value: f64) -> Duration {
    if series.unit == Unit::nanoseconds() {
        Duration::try_from_secs_f64(value / 1e9).unwrap_or_default()
    } else {
        Duration::ZERO
    }
}
