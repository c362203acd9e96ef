//! Names for the sides of a comparison.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::Serialize;

use super::run::RunId;

/// The name of a baseline: not empty, without line breaks, and none of the words that
/// [`Selector`] reserves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct BaselineName(String);

impl BaselineName {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BaselineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for BaselineName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim().is_empty() || text.contains(char::is_control) {
            return Err("a baseline needs a name of printable characters".to_owned());
        }
        if text == Selector::LATEST || text.starts_with(Selector::RUN_PREFIX) {
            return Err(format!("`{text}` has a meaning of its own and cannot name a baseline"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Which measurements stand on one side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The newest set of runs, written `latest`.
    Latest,
    /// One run by number, written `run:12`.
    Run(RunId),
    /// A baseline by name.
    Baseline(BaselineName),
}

impl Selector {
    const LATEST: &str = "latest";
    const RUN_PREFIX: &str = "run:";
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == Self::LATEST {
            return Ok(Self::Latest);
        }
        match text.strip_prefix(Self::RUN_PREFIX) {
            Some(number) => number
                .parse()
                .map(|id| Self::Run(RunId(id)))
                .map_err(|_| format!("`{text}` is not a run: write run:12, as `runs` lists them")),
            None => text.parse().map(Self::Baseline),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str(Self::LATEST),
            Self::Run(id) => id.fmt(f),
            Self::Baseline(name) => name.fmt(f),
        }
    }
}

/// A baseline and how much it holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BaselineInfo {
    /// Its name.
    pub name: BaselineName,
    /// When its members last changed.
    pub updated_at: Timestamp,
    /// How many runs its measurements come from.
    pub runs: u64,
    /// How many benchmarks it covers.
    pub benchmarks: u64,
    /// The commits its runs measured, newest first.
    pub commits: Vec<String>,
}
