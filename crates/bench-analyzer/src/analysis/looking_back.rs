//! Looking back: the histories of series with all that is known of their changes. Whatever a look finds
//! is noted, so that the next one holds on to it.

use jiff::Timestamp;

use crate::error::Result;
use crate::store::{Store, StoreProgress};
use bench_stats::detect::changes::{SeriesChanges, find_changes_by};
use bench_stats::detect::reference::Reference;
use bench_stats::detect::steps::StepSettings;
use bench_stats::model::Series;

/// How histories are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LookBack {
    /// The place that they are held against.
    pub reference: Reference,
    /// When what is found is noted. Not at all where the rules are others than usual: what one look notes, all
    /// hold on to.
    pub noted_at: Option<Timestamp>,
}

impl LookBack {
    /// Reads the histories of the series that `wanted` accepts, with their changes by `rules`.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn at(
        &self,
        store: &mut Store,
        wanted: impl FnMut(&Series) -> bool,
        rules: impl Fn(&Series) -> StepSettings + Sync,
        progress: &mut dyn FnMut(StoreProgress),
    ) -> Result<Vec<SeriesChanges>> {
        let timelines = store.timelines_watched(wanted, progress).await?;
        let memory = store.memory().await?;
        let mut histories = find_changes_by(timelines, &memory, &rules);
        if let Some(now) = self.noted_at {
            store.remember(&mut histories, now).await?;
        }
        for one in &mut histories {
            one.since = one.since(&self.reference, &rules(&one.timeline.series));
        }
        Ok(histories)
    }
}
