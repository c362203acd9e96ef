//! Comparisons, kept as long as what they compare stays the same.

use std::sync::Arc;

use super::background::{Background, Got};
use super::refusal::{Refusal, off_thread};
use super::snapshot::Snapshot;
use crate::report::words::{WORST_FIRST, worst_first};
use crate::store::{Location, Store, StoreVersion};
use bench_stats::analysis::{AnalysisReport, BenchmarkAnalyzer};
use bench_stats::detect::settings::Settings;
use bench_stats::detect::verdict::Comparison;
use bench_stats::model::{BenchmarkResults, RunId, Selector, Series};

/// Two sides, and what comparing them came to.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) baseline: BenchmarkResults,
    pub(super) current: BenchmarkResults,
    pub(super) report: AnalysisReport,
}

impl Compared {
    /// All comparisons, worst first.
    pub(super) fn worst_first(&self) -> impl Iterator<Item = &Comparison> {
        WORST_FIRST.into_iter().flat_map(|verdict| worst_first(&self.report, verdict))
    }

    /// The comparison of one series.
    pub(super) fn find(&self, benchmark: &str, metric: &str) -> Option<&Comparison> {
        let is = |series: &Series| {
            series.benchmark.as_str() == benchmark && series.metric.as_str() == metric
        };
        let resources = &self.report.resource_analysis.comparisons;
        self.report.comparisons.iter().chain(resources).find(|one| is(&one.series))
    }
}

/// What is compared, in which state of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sides {
    pub(super) version: StoreVersion,
    pub(super) baseline: Selector,
    pub(super) current: Selector,
}

/// Makes comparisons when they are needed, in the background.
#[derive(Debug)]
pub(super) struct Comparisons {
    database: Location,
    settings: Settings,
    kept: Background<Sides, Compared>,
}

/// How many comparisons are kept; each holds the samples of both its sides.
const KEPT: usize = 4;

impl Comparisons {
    pub(super) fn new(database: &Location, settings: &Settings) -> Self {
        Self { database: database.clone(), settings: settings.clone(), kept: Background::new(KEPT) }
    }

    /// The comparison of two sides, traced in their histories; nothing while it is being made.
    pub(super) async fn of(
        &self,
        sides: Sides,
        histories: Arc<Snapshot>,
    ) -> Result<Option<Arc<Compared>>, Refusal> {
        let (database, settings) = (self.database.clone(), self.settings.clone());
        let (old, new) = (sides.baseline.clone(), sides.current.clone());
        let make = move || {
            let (baseline, current, history, blessings) = off_thread(async {
                let mut store = Store::open(&database).await?;
                let (baseline, current) = (store.results(&old).await?, store.results(&new).await?);
                let runs: Vec<RunId> = current.runs.iter().map(|run| run.id).collect();
                let history = match current.runs.last() {
                    Some(newest) => store.history(&newest.fingerprint, &runs).await?,
                    None => Default::default(),
                };
                Ok((baseline, current, history, store.blessings().await?))
            })?;
            let report = BenchmarkAnalyzer::new(baseline.clone())
                .with_settings(settings)
                .with_history(history)
                .with_blessings(blessings)
                .analyze_results(&current)
                .trace(&baseline, &current, &histories.series);
            Ok(Compared { baseline, current, report })
        };
        Ok(match self.kept.get(sides, make).await? {
            Got::Made(compared) => Some(compared),
            // Another comparison is no answer to this question.
            Got::Earlier(_) | Got::NotYet => None,
        })
    }
}
