//! Comparisons, kept as long as what they compare stays the same.

use std::sync::Arc;

use super::background::{Background, Got};
use super::refusal::{Refusal, off_thread};
use super::snapshot::Snapshot;
use crate::analysis::Sides;
use crate::report::words::{WORST_FIRST, worst_first};
use crate::store::{Location, Store, StoreVersion};
use bench_stats::analysis::AnalysisReport;
use bench_stats::detect::settings::Settings;
use bench_stats::detect::verdict::Comparison;
use bench_stats::model::{Selector, Series};

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

/// Makes comparisons when they are needed, in the background.
#[derive(Debug)]
pub(super) struct Comparisons {
    database: Location,
    settings: Settings,
    kept: Background<Question, Compared>,
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
