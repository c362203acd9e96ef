//! Names for the place that histories are held against.

use std::fmt;
use std::str::FromStr;

use camino::Utf8Path;

use crate::environment;
use crate::error::{Error, Result};
use crate::store::Store;
use bench_stats::detect::reference::Reference;
use bench_stats::model::{BaselineName, Selector};

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
