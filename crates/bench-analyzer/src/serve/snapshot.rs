//! All histories, kept in memory until something is measured: finding steps in thousands of
//! series takes longer than a page may.

use super::background::{Background, Got};
use super::refusal::{Refusal, off_thread};
use crate::analysis::LookBack;
use crate::store::{Location, MeasuredVersion, Store};
use bench_stats::detect::changes::SeriesChanges;
use bench_stats::detect::settings::Settings;
use bench_stats::model::Series;

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

/// Makes snapshots when they are needed, in the background.
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
