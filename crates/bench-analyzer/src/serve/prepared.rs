//! Answers that take longer to find than a page may: the histories with their changes, and comparisons. Both are made in the
//! background and kept while what they were made of stays the same.

use std::sync::Arc;

use super::answer::{Refusal, off_thread};
use super::background::{Background, Got};
use crate::analysis::{LookBack, Sides};
use crate::report::words::{WORST_FIRST, worst_first};
use crate::store::{Location, MeasuredVersion, Store, StoreVersion};
use bench_stats::analysis::AnalysisReport;
use bench_stats::detect::changes::SeriesChanges;
use bench_stats::detect::settings::Settings;
use bench_stats::detect::verdict::Comparison;
use bench_stats::model::{Selector, Series};

/// How many comparisons are kept; each holds the samples of both its sides.
const COMPARISONS: usize = 4;

/// Histories with their changes, as of one state of the store.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) series: Vec<SeriesChanges>,
    pub(super) version: MeasuredVersion,
}

impl Snapshot {
    pub(super) fn find(&self, benchmark: &str, metric: &str) -> Option<&SeriesChanges> {
        let is = |series: &Series| {
            series.benchmark.as_str() == benchmark && series.metric.as_str() == metric
        };
        self.series.iter().rev().find(|one| is(&one.timeline.series))
    }
}

/// Makes snapshots when they are needed.
#[derive(Debug)]
pub(super) struct Snapshots {
    database: Location,
    settings: Settings,
    kept: Background<MeasuredVersion, Snapshot>,
}

impl Snapshots {
    pub(super) fn new(database: &Location, settings: &Settings) -> Self {
        Self { database: database.clone(), settings: settings.clone(), kept: Background::new(1) }
    }

    /// The one of a state of the store.
    pub(super) async fn of(&self, version: MeasuredVersion) -> Result<Got<Snapshot>, Refusal> {
        let (database, settings) = (self.database.clone(), self.settings.clone());
        let make = move || {
            let rules = |series: &Series| settings.steps(series);
            let series = off_thread(async {
                let mut store = Store::open(&database).await?;
                LookBack::default().at(&mut store, |_| true, rules, &mut |_| {}).await
            })?;
            Ok(Snapshot { series, version })
        };
        self.kept.get(version, make).await
    }
}

/// Two sides, and what comparing them came to.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) sides: Sides,
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

/// Question: what is compared, in which state of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) version: StoreVersion,
    pub(super) baseline: Selector,
    pub(super) current: Selector,
}

/// Makes comparisons when they are needed.
#[derive(Debug)]
pub(super) struct Comparisons {
    database: Location,
    settings: Settings,
    kept: Background<Question, Compared>,
}

impl Comparisons {
    pub(super) fn new(database: &Location, settings: &Settings) -> Self {
        Self {
            database: database.clone(),
            settings: settings.clone(),
            kept: Background::new(COMPARISONS),
        }
    }

    /// The comparison of two sides, traced in their histories; nothing while it is being made.
    pub(super) async fn of(
        &self,
        question: Question,
        histories: Arc<Snapshot>,
    ) -> Result<Option<Arc<Compared>>, Refusal> {
        let (database, settings) = (self.database.clone(), self.settings.clone());
        let Question { baseline, current, .. } = question.clone();
        let make = move || {
            let sides = off_thread(async {
                Sides::load(&mut Store::open(&database).await?, Some(&baseline), &current).await
            })?;
            let report = sides.report(settings, &histories.series);
            Ok(Compared { sides, report })
        };
        Ok(match self.kept.get(question, make).await? {
            Got::Made(compared) => Some(compared),
            // Another comparison is no answer to this question.
            Got::Earlier(_) | Got::NotYet => None,
        })
    }
}
