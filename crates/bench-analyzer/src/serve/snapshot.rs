//! All histories, kept in memory until the store changes: finding steps in thousands of series
//! takes longer than a page may.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::detect::changes::{SeriesChanges, find_changes_by};
use crate::detect::settings::Settings;
use crate::error::Result;
use crate::model::Series;
use crate::store::{Location, Store};

/// Histories with their changes, as of one state of the store.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) series: Vec<SeriesChanges>,
    size: (i64, i64),
}

impl Snapshot {
    pub(super) fn find(&self, benchmark: &str, metric: &str) -> Option<&SeriesChanges> {
        let is = |series: &Series| {
            series.benchmark.as_str() == benchmark && series.metric.as_str() == metric
        };
        self.series.iter().rev().find(|one| is(&one.timeline.series))
    }
}

/// Makes snapshots when they are needed, one at a time.
#[derive(Debug)]
pub(super) struct Snapshots {
    database: Location,
    settings: Settings,
    latest: Mutex<Option<Arc<Snapshot>>>,
}

impl Snapshots {
    pub(super) fn new(database: &Location, settings: &Settings) -> Self {
        Self { database: database.clone(), settings: settings.clone(), latest: Mutex::new(None) }
    }

    /// The present one. Whoever comes while it is made waits for it.
    pub(super) async fn present(&self) -> Result<Arc<Snapshot>> {
        let mut latest = self.latest.lock().await;
        let mut store = Store::open(&self.database).await?;
        let size = store.newest_measurement().await?;
        if let Some(snapshot) = latest.as_ref().filter(|snapshot| snapshot.size == size) {
            return Ok(Arc::clone(snapshot));
        }
        let timelines = store.timelines(|_| true).await?;
        let blessings = store.blessings().await?;
        let settings = self.settings.clone();
        let found = tokio::task::spawn_blocking(move || {
            find_changes_by(timelines, &blessings, |series| settings.steps(series))
        });
        let snapshot = Arc::new(Snapshot { series: found.await.unwrap_or_default(), size });
        *latest = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }
}
