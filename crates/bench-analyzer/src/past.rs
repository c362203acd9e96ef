//! Looking back: the histories of series with all that is known of their changes. Whatever a look finds
//! is noted, so that the next one holds on to it.

use std::fmt;
use std::str::FromStr;

use camino::Utf8Path;
use jiff::Timestamp;

use crate::environment;
use crate::error::{Error, Result};
use crate::store::{Store, StoreProgress};
use bench_stats::detect::changes::{SeriesChanges, find_changes_by};
use bench_stats::detect::reference::Reference;
use bench_stats::detect::steps::StepSettings;
use bench_stats::model::{BaselineName, Selector, Series};

/// The place that histories are held against, as people name it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ReferenceName {
    /// `start`: the first points on the machine that measured last.
    #[default]
    Start,
    /// `release`: the newest tag that the present commit descends from.
    Release,
    /// A baseline.
    Baseline(BaselineName),
}

impl FromStr for ReferenceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "start" => Ok(Self::Start),
            "release" => Ok(Self::Release),
            name => name.parse().map(Self::Baseline),
        }
    }
}

impl fmt::Display for ReferenceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.pad("start"),
            Self::Release => f.pad("release"),
            Self::Baseline(name) => name.fmt(f),
        }
    }
}

impl ReferenceName {
    /// The place itself, by what is stored and by the repository in `dir`.
    ///
    /// # Errors
    /// If there is no such baseline, or no tag.
    pub async fn resolve(&self, store: &mut Store, dir: &Utf8Path) -> Result<Reference> {
        match self {
            Self::Start => Ok(Reference::Start),
            Self::Release => environment::newest_tag(dir)
                .map(|(name, sha)| Reference::Commit { name, sha })
                .ok_or_else(|| Error::NoRelease { dir: dir.to_owned() }),
            Self::Baseline(name) => {
                let selector = Selector::Baseline(name.clone());
                let runs = store.runs_of_side(&selector).await?;
                Ok(Reference::Runs { name: name.to_string(), runs: runs.into_iter().collect() })
            }
        }
    }
}

/// Reads the histories of the series that `wanted` accepts, with their changes by `rules`.
///
/// # Errors
/// If the database refuses.
pub async fn histories(
    store: &mut Store,
    wanted: impl FnMut(&Series) -> bool,
    rules: impl Fn(&Series) -> StepSettings + Sync,
    progress: &mut dyn FnMut(StoreProgress),
) -> Result<Vec<SeriesChanges>> {
    let timelines = store.timelines_watched(wanted, progress).await?;
    let memory = store.memory().await?;
    Ok(find_changes_by(timelines, &memory, rules))
}

/// [`histories`], noting what was found. `rules` have to be those that every look has, because what one
/// finds all hold on to.
///
/// # Errors
/// As [`histories`].
pub async fn noted_histories(
    store: &mut Store,
    wanted: impl FnMut(&Series) -> bool,
    rules: impl Fn(&Series) -> StepSettings + Sync,
    now: Timestamp,
    progress: &mut dyn FnMut(StoreProgress),
) -> Result<Vec<SeriesChanges>> {
    let mut changes = histories(store, wanted, rules, progress).await?;
    store.remember(&mut changes, now).await?;
    Ok(changes)
}
