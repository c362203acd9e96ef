//! Measuring two commits in turns for as long as something is undecided.
//!
//! Most benchmarks need few runs: what got much worse shows at once, and so does that nothing changed
//! where runs agree. After every run, from the third on, both sides are compared, and only what is
//! still open is measured again. Verdicts hold whenever one stops
//! ([`spending`](bench_stats::stats::spending)), so looking often is no way to be wrong more often.
//!
//! Who is stopped or killed goes on behind the last run, with the same code on both sides.

mod progress;

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use self::progress::Progress;
use super::execution::{Ran, read_results, results_folder};
use super::{BenchmarkSuite, ContinuousBenchmark};
use crate::continuous::observer::Event;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::ingest::{ImportBatch, RunDraft};
use crate::jobs::job::JobRun;
use crate::store::{BaselineMode, Destination, Location, Store};
use bench_stats::analysis::{AnalysisReport, BenchmarkAnalyzer};
use bench_stats::detect::compare::REPLICATED;
use bench_stats::detect::settings::Settings;
use bench_stats::model::{BaselineName, Selector};
use bench_stats::stats::spending::Plan;

/// Question that is measured until it is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The commit that the present code is compared with.
    pub against: String,
    /// How many runs a side are made at most.
    pub most: u32,
}

/// Outcome of a suite that was measured until it was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The suite.
    pub suite: String,
    /// What it found, or why it failed.
    pub outcome: Result<AnalysisReport, String>,
    /// How many runs a side each benchmark took.
    pub runs: BTreeMap<String, u32>,
    /// How many there would have been at most.
    pub most: u32,
}

impl Decision {
    /// Says what stopping early saved against as many runs of everything.
    pub fn saved(&self) -> String {
        let made: u64 = self.runs.values().copied().map(u64::from).sum();
        let count = u64::try_from(self.runs.len()).unwrap_or(u64::MAX);
        let fixed = u64::from(self.most).saturating_mul(count);
        let early = self.runs.values().filter(|runs| **runs < self.most).count();
        format!(
            "{early} of {count} benchmarks were decided before {} runs were made: {made} measurements a \
             side instead of {fixed}",
            self.most
        )
    }
}

/// One of the two sides of a suite.
struct Side {
    measured_in: Utf8PathBuf,
    folder: Utf8PathBuf,
    environment: Environment,
    done: Vec<JobRun>,
}

/// Names of the folders of the two sides.
const AGAINST: &str = "against";
const CURRENT: &str = "current";

impl Side {
    /// Takes over the runs of an earlier call, as far as their results are still there.
    fn take_up(&mut self, runs: &[JobRun]) -> Result<()> {
        let is_there = |run: &&JobRun| results_folder(&self.folder, run.number).is_dir();
        self.done = runs.iter().filter(is_there).copied().collect();
        std::fs::create_dir_all(&self.folder)
            .map_err(|source| Error::Write { path: self.folder.clone(), source })
    }
}

const STOPPED: &str =
    "stopped; the same call goes on where this ended, unless files differ from their commits";

impl ContinuousBenchmark {
    /// Measures suites and another commit of them in turns until everything is decided.
    ///
    /// # Errors
    /// If the store refuses. Suites that fail are no errors, but decisions.
    pub async fn run_until_decided(
        &mut self,
        suites: &[String],
        question: &Question,
    ) -> Result<Vec<Decision>> {
        let Some(_lock) = self.take_lock()? else { return Ok(Vec::new()) };
        self.end_all_leftovers();
        let chosen = self.config.suites.iter().filter(|suite| suites.contains(&suite.name));
        let chosen: Vec<BenchmarkSuite> = chosen.cloned().collect();
        let mut decisions = Vec::new();
        for suite in chosen {
            let mut runs = BTreeMap::new();
            let outcome = self.decide(&suite, question, &mut runs).await?;
            let most = question.most;
            decisions.push(Decision { suite: suite.name, outcome, runs, most });
            if self.parts.stop.is_asked() {
                break;
            }
        }
        Ok(decisions)
    }

    async fn decide(
        &mut self,
        suite: &BenchmarkSuite,
        question: &Question,
        made: &mut BTreeMap<String, u32>,
    ) -> Result<Result<AnalysisReport, String>> {
        // What an earlier call left that was killed. While this one holds the machine, no other is at it.
        let folder = self.until_decided(suite);
        self.end_leftovers(&[&folder.join(AGAINST), &folder.join(CURRENT)]);
        let mut sides = match self.sides(suite, question)? {
            Ok(sides) => sides,
            Err(why) => return Ok(Err(why)),
        };
        let mut progress = Progress::take_up(
            &self.until_decided(suite),
            suite,
            [&sides[0].environment, &sides[1].environment],
        )?;
        for (at, side) in sides.iter_mut().enumerate() {
            side.take_up(progress.runs(at))?;
        }
        if let made @ 1.. = sides.iter().map(|side| side.done.len()).sum::<usize>() {
            let note = format!("{}: goes on after {made} runs of an earlier call", suite.name);
            self.parts.observer.event(&Event::Note(&note));
        }
        let stop = self.parts.stop.clone();
        let mut open = None;
        for number in 1..=question.most {
            self.parts.observer.event(&Event::RunBegan { number });
            let narrowed = suite.narrowed_to(open.as_ref());
            // Who comes first changes from run to run, so that a drift of the machine favours nobody.
            let order = if number % 2 == 0 { [1, 0] } else { [0, 1] };
            for side in order {
                let Side { measured_in, folder, done, .. } = &sides[side];
                if done.iter().any(|run| run.number == number) {
                    continue;
                }
                match self.run_once(&narrowed, measured_in, folder, number, &stop) {
                    Ran::Well(run) => {
                        progress.note(side, run)?;
                        sides[side].done.push(run);
                    }
                    Ran::Badly(why, _) => return Ok(Err(format!("run {number} {why}"))),
                    Ran::Stopped => return Ok(Err(STOPPED.to_owned())),
                }
            }
            self.parts.observer.event(&Event::RunEnded { number });
            let looked_at = match self.look(suite, &sides, number).await? {
                Ok(report) => report,
                Err(why) => return Ok(Err(why)),
            };
            for one in &looked_at.comparisons {
                let runs = u32::try_from(one.current.runs).unwrap_or(u32::MAX);
                made.insert(one.series.benchmark.to_string(), runs);
            }
            if usize::try_from(number).is_ok_and(|number| number >= REPLICATED) {
                let left = undecided(&looked_at);
                let (count, all) = (left.len(), made.len());
                let note = format!(
                    "{}: {count} of {all} benchmarks are open after run {number}",
                    suite.name
                );
                self.parts.observer.event(&Event::Note(&note));
                if left.is_empty() {
                    break;
                }
                open = Some(left);
            }
        }
        let (old, new) = match batches(suite, &sides, u32::MAX) {
            Ok(batches) => batches,
            Err(why) => return Ok(Err(why)),
        };
        let name = match suite.against_name() {
            Ok(name) => name,
            Err(why) => return Ok(Err(why)),
        };
        let settings = self.settings.clone();
        let report = compared(&mut self.store, name, &old, &new, settings).await?;
        progress.close();
        self.parts.observer.event(&Event::Stored);
        Ok(Ok(report))
    }

    fn sides(
        &self,
        suite: &BenchmarkSuite,
        question: &Question,
    ) -> Result<Result<[Side; 2], String>> {
        let repository = &self.parts.repository;
        let checkout = self.folder.join("checkouts").join(format!("{}-against", suite.name));
        let stop = &self.parts.stop;
        let found = repository
            .commit(&suite.folder, &question.against, stop)
            .and_then(|commit| repository.check_out(&suite.folder, &commit, &checkout, stop));
        let there = match found {
            Ok(there) => there,
            Err(why) => {
                return Ok(Err(format!("{} cannot be checked out: {why}", question.against)));
            }
        };
        let folder = self.until_decided(suite);
        let side = |measured_in: Utf8PathBuf, name: &str| {
            let environment = self.look_around(&measured_in, stop)?;
            Some(Side { measured_in, folder: folder.join(name), environment, done: Vec::new() })
        };
        let sides = (side(there, AGAINST), side(suite.folder.clone(), CURRENT));
        Ok(match sides {
            (Some(there), Some(here)) => Ok([there, here]),
            _ => Err(STOPPED.to_owned()),
        })
    }

    /// Where a suite's results are kept while it is measured.
    fn until_decided(&self, suite: &BenchmarkSuite) -> Utf8PathBuf {
        self.folder.join("until-decided").join(&suite.name)
    }

    /// Compares the first so many runs in a store of their own.
    async fn look(
        &self,
        suite: &BenchmarkSuite,
        sides: &[Side; 2],
        runs: u32,
    ) -> Result<Result<AnalysisReport, String>> {
        let (old, new) = match batches(suite, sides, runs) {
            Ok(batches) => batches,
            Err(why) => return Ok(Err(why)),
        };
        let temporary = tempfile::tempdir().map_err(|source| Error::Temporary { source })?;
        let folder = Utf8Path::from_path(temporary.path()).unwrap_or(self.folder.as_path());
        let location: Location = folder.join("look.db").into();
        let mut store = Store::open(&location).await?;
        let name = match suite.against_name() {
            Ok(name) => name,
            Err(why) => return Ok(Err(why)),
        };
        let report = compared(&mut store, name, &old, &new, self.settings.clone()).await;
        store.close().await?;
        report.map(Ok)
    }
}

/// What the first so many runs of both sides measured, the other commit first.
fn batches(
    suite: &BenchmarkSuite,
    sides: &[Side; 2],
    runs: u32,
) -> Result<(ImportBatch, ImportBatch), String> {
    let batch = |side: &Side| {
        let mut batch = ImportBatch::default();
        for run in side.done.iter().filter(|run| run.number <= runs) {
            let results = results_folder(&side.folder, run.number);
            // What a run measured is its own, also where the other side's is equal to the byte.
            let owner = format!("{results} {}", run.started_at.as_millisecond());
            let drafts = read_results(suite, &results, &side.environment)
                .map_err(|error| format!("run {}: {error}", run.number))?;
            batch.runs.extend(drafts.into_iter().map(|draft| RunDraft {
                measured_at: run.started_at,
                group: None,
                revision: side.environment.revision.clone(),
                measurements: draft.measurements.of_owner(&owner),
                ..draft
            }));
        }
        Ok::<_, String>(batch)
    };
    let [old, new] = sides;
    Ok((batch(old)?, batch(new)?))
}

/// Stores both sides and compares them. Nobody decided beforehand how many runs there would be.
async fn compared(
    store: &mut Store,
    name: BaselineName,
    old: &ImportBatch,
    new: &ImportBatch,
    settings: Settings,
) -> Result<AnalysisReport> {
    let newest = |batch: &ImportBatch| batch.runs.iter().map(|run| run.measured_at).max();
    let now = newest(old).max(newest(new)).unwrap_or_default();
    let destination = Destination::Baseline(name.clone(), BaselineMode::Replace);
    store.import(old, &destination, now).await?;
    let runs = store.import(new, &Destination::NewSet, now).await?.runs;
    let old = store.results(&Selector::Baseline(name)).await?;
    let new = store.results_of_runs("current", &runs).await?;
    Ok(BenchmarkAnalyzer::new(old)
        .with_settings(Settings { plan: Plan::Open, ..settings })
        .analyze_results(&new))
}

/// The benchmarks that more runs would decide. What circumstances keep from being judged, no number of
/// runs decides.
fn undecided(report: &AnalysisReport) -> BTreeSet<String> {
    let open = report.comparisons.iter().filter(|one| one.open);
    open.map(|one| one.series.benchmark.to_string()).collect()
}
