//! Answers that take longer to find than a page may: the histories with their changes, and comparisons. Both are made in the
//! background and kept while what they were made of stays the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;

use super::answer::{Refusal, off_thread};
use super::arrivals::{self, Arrival};
use super::background::{Background, Got};
use super::events::{self, Event};
use crate::analysis::{LookBack, Sides};
use crate::environment;
use crate::report::words::{WORST_FIRST, worst_first};
use crate::store::{Location, MeasuredVersion, Store, StoreVersion};
use bench_stats::analysis::AnalysisReport;
use bench_stats::detect::changes::SeriesChanges;
use bench_stats::detect::settings::Settings;
use bench_stats::detect::verdict::Comparison;
use bench_stats::model::{Fingerprint, Selector, Series, TimelinePoint};

/// How many views of the histories are kept; a store of thousands of benchmarks takes 100 MB for each.
const SNAPSHOTS: usize = 3;
/// How many comparisons are kept; each holds the samples of both its sides.
const COMPARISONS: usize = 4;

/// Histories with their changes, as of one state of the store.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) series: Vec<SeriesChanges>,
    pub(super) view: View,
    /// All machines that ever measured, by their number in the store.
    pub(super) machines: BTreeMap<i64, Fingerprint>,
    /// Events that most histories share.
    pub(super) events: Vec<Event>,
    /// Benchmarks that came or went.
    pub(super) arrivals: Vec<Arrival>,
    /// When the newest value was measured.
    pub(super) newest: Option<Timestamp>,
    /// The commit of the last release, with the name of its tag.
    pub(super) release: Option<(String, String)>,
    /// The machine to look at where several measure in turns, of all machines' values.
    pub(super) usual_machine: Option<i64>,
}

/// Part of a state of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View {
    pub(super) version: MeasuredVersion,
    /// The only machine whose values are looked at, if it is not all.
    pub(super) machine: Option<i64>,
}

impl Snapshot {
    pub(super) fn find(&self, benchmark: &str, metric: &str) -> Option<&SeriesChanges> {
        let is = |series: &Series| {
            series.benchmark.as_str() == benchmark && series.metric.as_str() == metric
        };
        self.series.iter().rev().find(|one| is(&one.timeline.series))
    }

    /// The series that people ask for: all but what was used beside time.
    pub(super) fn main_series(&self) -> impl Iterator<Item = &SeriesChanges> {
        self.series.iter().filter(|one| !one.timeline.series.metric.is_resource())
    }
}

/// Makes snapshots when they are needed.
#[derive(Debug)]
pub(super) struct Snapshots {
    database: Location,
    project: Utf8PathBuf,
    settings: Settings,
    kept: Background<View, Snapshot>,
}

impl Snapshots {
    pub(super) fn new(database: &Location, project: &Utf8Path, settings: &Settings) -> Self {
        Self {
            database: database.clone(),
            project: project.to_owned(),
            settings: settings.clone(),
            kept: Background::new(SNAPSHOTS),
        }
    }

    /// The one of a view, or meanwhile an earlier one of the same machine.
    pub(super) async fn of(&self, view: View) -> Result<Got<Snapshot>, Refusal> {
        let (database, settings) = (self.database.clone(), self.settings.clone());
        let project = self.project.clone();
        let make = move || {
            let (series, machines) = off_thread(async {
                let mut store = Store::open(&database).await?;
                let series = look_back(&mut store, view.machine, &settings).await?;
                Ok((series, store.machines().await?))
            })?;
            let events = events::among(&series, &machines);
            let arrivals = arrivals::among(&series);
            let points = series.iter().filter_map(|one| one.timeline.points.last());
            let newest = points.map(|point| point.measured_at).max();
            let release = environment::newest_tag(&project);
            let usual_machine = usual_machine(&series);
            Ok(Snapshot {
                series,
                view,
                machines,
                events,
                arrivals,
                newest,
                release,
                usual_machine,
            })
        };
        Ok(match self.kept.get(view, make).await? {
            Got::Earlier(snapshot) if snapshot.view.machine != view.machine => Got::NotYet,
            got => got,
        })
    }
}

/// Finds the machine that measured most, if most histories come back to one that they left. Values of different machines are
/// never compared, so that in such a history each stretch is too short to show anything.
fn usual_machine(series: &[SeriesChanges]) -> Option<i64> {
    let comes_back = |one: &&SeriesChanges| {
        let of_epoch = |start: &usize| one.timeline.points[*start].fingerprint;
        let machines: BTreeSet<i64> = one.epochs.iter().map(of_epoch).collect();
        machines.len() < one.epochs.len()
    };
    if 2 * series.iter().filter(comes_back).count() <= series.len() {
        return None;
    }
    let mut values: BTreeMap<i64, usize> = BTreeMap::new();
    for point in series.iter().flat_map(|one| &one.timeline.points) {
        *values.entry(point.fingerprint).or_default() += 1;
    }
    values.into_iter().max_by_key(|(machine, count)| (*count, *machine)).map(|(machine, _)| machine)
}

async fn look_back(
    store: &mut Store,
    machine: Option<i64>,
    settings: &Settings,
) -> crate::error::Result<Vec<SeriesChanges>> {
    let rules = |series: &Series| settings.steps(series);
    let (look, progress) = (LookBack::default(), &mut |_| {});
    match machine {
        None => look.at(store, |_| true, rules, progress).await,
        Some(machine) => {
            let is_its = |point: &TimelinePoint| point.fingerprint == machine;
            look.among(is_its, store, |_| true, rules, progress).await
        }
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
    /// The commits that the sides are the names of, the baseline's first: `HEAD~1` is another after every commit.
    pub(super) commits: [Option<String>; 2],
}

/// Makes comparisons when they are needed.
#[derive(Debug)]
pub(super) struct Comparisons {
    database: Location,
    project: Utf8PathBuf,
    settings: Settings,
    kept: Background<Question, Compared>,
}

impl Comparisons {
    pub(super) fn new(database: &Location, project: &Utf8Path, settings: &Settings) -> Self {
        Self {
            database: database.clone(),
            project: project.to_owned(),
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
        let project = self.project.clone();
        let make = move || {
            let sides = off_thread(async {
                let mut store = Store::open(&database).await?;
                Sides::load(&mut store, Some(&baseline), &current, &project).await
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
