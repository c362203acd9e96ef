//! Two sides of a comparison: loaded with all that is known beside them, analysed, and traced in their histories.
//!
//! `report`, the jobs of suites and the dashboard all say what they say by this, so that they say the same.
//!
//! ```text
//! Sides::load -> Sides::histories -> Sides::report
//! ```

mod measured;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use camino::Utf8Path;
use jiff::Timestamp;

use crate::environment;
use crate::error::{Error, Result};
use crate::links::Links;
use crate::store::{Store, StoreProgress};
use bench_stats::analysis::{AnalysisReport, BenchmarkAnalyzer};
use bench_stats::detect::changes::{SeriesChanges, find_changes_by};
use bench_stats::detect::reference::Reference;
use bench_stats::detect::settings::Settings;
use bench_stats::detect::steps::StepSettings;
use bench_stats::model::{
    AcceptedChange, BaselineName, BenchmarkResults, History, RunId, Selector, Series, TimelinePoint,
};

pub use measured::{MeasuredCommit, PREVIOUS, has_previous};

/// Two sides, and what is known beside them.
#[derive(Debug, Clone, PartialEq)]
pub struct Sides {
    /// The old side; without it, a report only describes the new one.
    pub baseline: Option<BenchmarkResults>,
    /// The new side.
    pub current: BenchmarkResults,
    /// Earlier values on the machine of the new side, which tell how much runs differ.
    history: History,
    /// Changes that people accepted.
    accepted_changes: Vec<AcceptedChange>,
    /// All that the runs of the new side measured, but for what was used beside time.
    measured: BTreeSet<Series>,
}

/// Samples of both sides and the past of their series: what a report was made from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    /// The old side.
    pub baseline: Option<BenchmarkResults>,
    /// The new side.
    pub current: BenchmarkResults,
    /// The series through time, those that have a past.
    pub histories: Vec<SeriesChanges>,
    /// Where commits can be looked at.
    pub links: Links,
}

impl Sides {
    /// Loads both sides. What is no baseline may be a commit that was measured: by the first digits of its hash, by
    /// whatever the repository in `dir` calls a commit, such as `HEAD~1` or a tag, or as a branch that runs were on.
    ///
    /// # Errors
    /// If one of them is not stored, or the database refuses.
    pub async fn load(
        store: &mut Store,
        baseline: Option<&Selector>,
        current: &Selector,
        dir: &Utf8Path,
    ) -> Result<Self> {
        // The baseline first: a name that does not exist is the likelier mistake.
        let baseline = match baseline {
            Some(selector) => Some(measured::results(store, selector, dir, None).await?),
            None => None,
        };
        // Of a commit that several machines measured, the machine of the other side is meant.
        let machine = baseline.as_ref().and_then(|one| one.runs.last()).map(|run| &run.fingerprint);
        let current = measured::results(store, current, dir, machine).await?;
        Self::of(store, baseline, current).await
    }

    /// Loads what is known beside two sides.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn of(
        store: &mut Store,
        baseline: Option<BenchmarkResults>,
        current: BenchmarkResults,
    ) -> Result<Self> {
        let runs: Vec<RunId> = current.runs.iter().map(|run| run.id).collect();
        let history = match current.runs.last() {
            Some(newest) => store.history(&newest.fingerprint, &runs).await?,
            None => History::default(),
        };
        let accepted_changes = store.accepted_changes().await?;
        let own = current.results.keys().filter(|series| !series.metric.is_resource());
        let measured = own.cloned().collect();
        Ok(Self { baseline, current, history, accepted_changes, measured })
    }

    /// Reads the past of what the new side holds. What was measured along with it is looked at too, even if it
    /// is not retained: a change that most benchmarks made at once is the machine's.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn histories(
        &self,
        store: &mut Store,
        settings: &Settings,
        look: &LookBack,
        progress: &mut dyn FnMut(StoreProgress),
    ) -> Result<Vec<SeriesChanges>> {
        let wanted = |series: &Series| self.measured.contains(series);
        let rules = |series: &Series| settings.steps(series);
        let mut histories = look.at(store, wanted, rules, progress).await?;
        histories.retain(|one| self.current.results.contains_key(&one.timeline.series));
        Ok(histories)
    }

    /// Leaves only the series that `wanted` accepts on both sides.
    pub fn retain(&mut self, wanted: impl Fn(&Series) -> bool) {
        for side in self.baseline.iter_mut().chain([&mut self.current]) {
            side.results.retain(|series, _| wanted(series));
        }
    }

    /// Whether both sides hold the very same measurements, as right after a baseline was saved.
    pub fn are_the_same(&self) -> bool {
        let old = self.baseline.as_ref().map(|baseline| &baseline.results);
        !self.current.results.is_empty() && old == Some(&self.current.results)
    }

    /// Whether neither side holds anything.
    pub fn are_empty(&self) -> bool {
        let mut sides = self.baseline.iter().chain([&self.current]);
        sides.all(|side| side.results.is_empty())
    }

    /// Says what changed, and by `histories` since when, and what moves slowly.
    pub fn report(&self, settings: Settings, histories: &[SeriesChanges]) -> AnalysisReport {
        let analyzer = match &self.baseline {
            Some(baseline) => BenchmarkAnalyzer::new(baseline.clone()),
            None => BenchmarkAnalyzer::without_baseline(),
        };
        let report = analyzer
            .with_settings(settings)
            .with_history(self.history.clone())
            .with_accepted_changes(self.accepted_changes.clone())
            .analyze_results(&self.current);
        let report = match &self.baseline {
            Some(baseline) => report.trace(baseline, &self.current, histories),
            None => report,
        };
        report.with_slow_moves(histories)
    }

    /// Keeps the samples, for formats that draw them.
    pub fn into_evidence(self, histories: Vec<SeriesChanges>) -> Evidence {
        let Self { baseline, current, .. } = self;
        Evidence { baseline, current, histories, links: Links::default() }
    }
}

/// How histories are looked at. Whatever a look finds is noted, so that the next one holds on to it.
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
        self.hold(&mut histories, rules);
        Ok(histories)
    }

    /// Reads the histories of the values that `kept` accepts, as if there were no others: those of one machine, which
    /// in turns with others has a level of its own. Nothing that is found in them is noted.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn among(
        &self,
        kept: impl Fn(&TimelinePoint) -> bool,
        store: &mut Store,
        wanted: impl FnMut(&Series) -> bool,
        rules: impl Fn(&Series) -> StepSettings + Sync,
        progress: &mut dyn FnMut(StoreProgress),
    ) -> Result<Vec<SeriesChanges>> {
        let mut timelines = store.timelines_watched(wanted, progress).await?;
        for timeline in &mut timelines {
            timeline.points.retain(&kept);
        }
        timelines.retain(|timeline| !timeline.points.is_empty());
        let memory = store.memory().await?;
        let mut histories = find_changes_by(timelines, &memory, &rules);
        self.hold(&mut histories, rules);
        Ok(histories)
    }

    /// Holds the latest levels against the reference.
    fn hold(&self, histories: &mut [SeriesChanges], rules: impl Fn(&Series) -> StepSettings) {
        for one in histories {
            one.since = one.since(&self.reference, &rules(&one.timeline.series));
        }
    }
}

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
