//! Gathers the values of a file, in whatever order they come, into runs.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use camino::Utf8Path;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::draft::FileRuns;
use super::identity::{Claims, Originality};
use super::machine::NamedMachine;
use super::measurements::{FiledRun, FiledRuns, Measurements, Value};
use super::plausible::{self, Implausible};
use super::remark::Remarks;
use super::{RunDraft, RunRole};
use crate::environment::Environment;
use crate::error::{Error, Result};
use bench_stats::model::{Attributes, Exactness, Revision, Sample, Series, Throughput};

/// Facts that a file states about a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct RunKey {
    /// The name of the run.
    pub(super) label: Option<String>,
    /// When it measured.
    pub(super) time: Option<Timestamp>,
    /// The commit it measured.
    pub(super) commit: Option<String>,
    /// The machine it ran on.
    pub(super) machine: NamedMachine,
}

impl RunKey {
    /// What of it belongs to the identity of the run's measurements. The words never change, so that
    /// what was stored by earlier versions is known again.
    fn identity(&self) -> String {
        let Self { label, time, commit, machine } = self;
        let named = format!("RunKey {{ label: {label:?}, time: {time:?}, commit: {commit:?} }}");
        match machine.identity() {
            Some(machine) => format!("{named} {machine}"),
            None => named,
        }
    }

    /// Whether it places the run in history, so that its values need not.
    fn is_placed(&self) -> bool {
        self.time.is_some() || self.commit.is_some()
    }
}

/// Values by run and series. Names are kept once, so that a value takes few bytes.
///
/// What cannot have been measured is left out with a remark, wherever it comes from.
#[derive(Debug, Default)]
pub(super) struct Collector {
    runs: Vec<RunKey>,
    run_numbers: HashMap<RunKey, u32>,
    series: Vec<Series>,
    series_numbers: HashMap<Series, u32>,
    values: Vec<Value>,
    throughput: HashMap<(u32, u32), Vec<Throughput>>,
    exact: HashSet<u32>,
    counts: HashMap<(u32, u32), Count>,
    replicates: bool,
    pub(super) branch: Option<String>,
    pub(super) dirty: Option<bool>,
    pub(super) attributes: Attributes,
    pub(super) remarks: Remarks,
}

/// How many values of a series came.
#[derive(Debug, Default)]
struct Count {
    usable: usize,
    refused: usize,
}

impl Count {
    /// Whether the values that are left say nothing about the series: those that were refused are
    /// not missing by chance, and most of it is missing.
    fn is_hopeless(&self) -> bool {
        self.refused > self.usable && self.usable > 0
    }
}

/// Where a run's values stand among all.
struct Stretch {
    run: u32,
    start: usize,
    count: usize,
    measurements: usize,
    content: String,
    originality: Originality,
}

impl Collector {
    /// The number of a run, the same for the same key.
    pub(super) fn run(&mut self, key: RunKey) -> u32 {
        if let Some(&number) = self.run_numbers.get(&key) {
            return number;
        }
        let number = u32::try_from(self.runs.len()).unwrap_or(u32::MAX);
        self.runs.push(key.clone());
        self.run_numbers.insert(key, number);
        number
    }

    /// The only run of a file that knows of none.
    pub(super) fn only_run(&mut self) -> u32 {
        self.run(RunKey::default())
    }

    /// Says what a run is, where a file says it after its values.
    pub(super) fn rename_run(&mut self, run: u32, key: RunKey) {
        if let Some(known) = self.runs.get_mut(run as usize) {
            self.run_numbers.remove(known);
            self.run_numbers.insert(key.clone(), run);
            *known = key;
        }
    }

    fn series(&mut self, series: Series) -> u32 {
        if let Some(&number) = self.series_numbers.get(&series) {
            return number;
        }
        let number = u32::try_from(self.series.len()).unwrap_or(u32::MAX);
        self.series.push(series.clone());
        self.series_numbers.insert(series, number);
        number
    }

    /// Adds a sample, unless it cannot have been measured: then that is remarked.
    pub(super) fn push(&mut self, run: u32, series: Series, sample: Sample) {
        self.push_if_plausible(run, series, |series, exactness, index| {
            plausible::check(series, exactness, sample, index).map(|()| sample)
        });
    }

    /// Pushes a total over a number of iterations, as a file gives them.
    pub(super) fn push_counted(&mut self, run: u32, series: Series, iterations: f64, total: f64) {
        self.push_if_plausible(run, series, |series, _, index| {
            plausible::sample(series, index, iterations, total)
        });
    }

    fn push_if_plausible(
        &mut self,
        run: u32,
        series: Series,
        sample: impl FnOnce(&Series, Exactness, usize) -> Result<Sample, Implausible>,
    ) {
        let number = self.series(series);
        let count = self.counts.entry((run, number)).or_default();
        let series = &self.series[number as usize];
        let declared = self.exact.contains(&number);
        let exactness = if declared { Exactness::Exact } else { series.metric.exactness() };
        let sample = match sample(series, exactness, count.usable + count.refused) {
            Ok(sample) => sample,
            Err(problem) => {
                count.refused += 1;
                self.remarks.leave_out(format!("a value of `{series}`: {problem}"));
                return;
            }
        };
        count.usable += 1;
        self.values.push(Value { run, series: number, sample });
    }

    /// Pushes a value of one iteration.
    pub(super) fn push_value(&mut self, run: u32, series: Series, value: f64) {
        self.push(run, series, Sample { iterations: 1, total: value });
    }

    pub(super) fn set_throughput(&mut self, run: u32, series: Series, throughput: Throughput) {
        if let Err(problem) = plausible::check_work(throughput) {
            self.remarks.leave_out(format!("the work of `{series}`: {problem}"));
            return;
        }
        let series = self.series(series);
        let all = self.throughput.entry((run, series)).or_default();
        if !all.contains(&throughput) {
            all.push(throughput);
        }
    }

    /// Declares that one value of a series says everything.
    pub(super) fn declare_exact(&mut self, series: Series) {
        let number = self.series(series);
        self.exact.insert(number);
    }

    /// Says of every series what is known only at the end of a file. No two may become one.
    pub(super) fn restate(&mut self, change: impl FnMut(&mut Series)) {
        self.series.iter_mut().for_each(change);
        self.series_numbers.clear();
    }

    /// Says that all runs measure the same code, whatever their names.
    pub(super) fn runs_are_replicates(&mut self) {
        self.replicates = true;
    }

    /// Puts the runs together. A run that has a name, a time or a commit of its own is a point
    /// in history; runs of the same commit are replicates of each other. A file without any of
    /// these is one run.
    pub(super) fn finish(
        mut self,
        path: &Utf8Path,
        source: &'static str,
        written_at: Timestamp,
        environment: &Environment,
    ) -> Result<FileRuns> {
        let hopeless = self.counts.iter().filter(|(_, count)| count.is_hopeless());
        let hopeless: HashSet<(u32, u32)> = hopeless.map(|(&place, _)| place).collect();
        for &(_, series) in &hopeless {
            let series = &self.series[series as usize];
            self.remarks.leave_out(format!("all of `{series}`, as most of its values are bad"));
        }
        let mut values = self.values;
        values.retain(|value| !hopeless.contains(&value.place()));
        // Stable, because samples keep the order they were taken in.
        values.sort_by_key(Value::place);
        let remarks = self.remarks.finish();
        if values.is_empty() && remarks.is_empty() {
            return Err(Error::NoResults { path: path.to_owned() });
        }
        if values.is_empty() {
            let reasons = remarks.iter().map(ToString::to_string).collect();
            return Err(Error::NothingUsable { path: path.to_owned(), reasons });
        }
        let filed = Arc::new(FiledRuns {
            path: path.to_owned(),
            values,
            series: self.series,
            exact: self.exact,
            throughput: self.throughput,
        });
        let stretches = stretches(&filed, &self.runs, written_at);
        let mut runs = Vec::with_capacity(stretches.len());
        let mut commits: HashMap<&str, usize> = HashMap::new();
        let several = self.runs.len() > 1 && !self.replicates;
        for (position, stretch) in stretches.into_iter().enumerate() {
            let key = &self.runs[stretch.run as usize];
            let group = match &key.commit {
                Some(commit) => *commits.entry(commit).or_insert(position),
                None => position,
            };
            let measured_at = key.time.unwrap_or(written_at).min(environment.now);
            let known = environment.revision_at(measured_at);
            let revision = match &key.commit {
                Some(commit) => Revision {
                    commit: Some(commit.clone()),
                    branch: self.branch.clone(),
                    dirty: self.dirty,
                },
                // Several runs are a history, which the present commit says nothing about.
                None if several => Revision::default(),
                None => known,
            };
            let mut attributes = self.attributes.clone();
            if !key.machine.is_named() {
                for (&name, value) in &environment.attributes {
                    attributes.entry(name).or_insert_with(|| value.clone());
                }
            }
            runs.push(RunDraft {
                role: RunRole::Current,
                group: several.then_some(group),
                source: Cow::Borrowed(source),
                origin: path.to_owned(),
                label: key.label.clone(),
                measured_at,
                imported_at: None,
                revision,
                place: None,
                fingerprint: key.machine.fingerprint(&environment.fingerprint),
                attributes,
                claims: Claims::default(),
                excluded: None,
                measurements: Measurements::of_file(FiledRun {
                    runs: Arc::clone(&filed),
                    start: stretch.start,
                    count: stretch.count,
                    measurements: stretch.measurements,
                    content: stretch.content,
                }),
            });
        }
        Ok(FileRuns { runs, remarks })
    }
}

/// Goes through all values once: finds the runs, and hashes what each run consists of.
fn stretches(filed: &FiledRuns, keys: &[RunKey], written_at: Timestamp) -> Vec<Stretch> {
    let mut found: Vec<Stretch> = Vec::new();
    let mut hasher = Sha256::new();
    let mut previous: Option<Value> = None;
    for (place, &value) in filed.values.iter().enumerate() {
        let same_run = previous.is_some_and(|previous| previous.run == value.run);
        let same_series = same_run && previous.is_some_and(|one| one.series == value.series);
        if !same_run {
            if let Some(last) = found.last_mut() {
                last.content = content(&mut hasher, keys, last, written_at);
            }
            hasher.update(keys[value.run as usize].identity());
            found.push(Stretch {
                run: value.run,
                start: place,
                count: 0,
                measurements: 0,
                content: String::new(),
                originality: Originality::default(),
            });
        }
        let series = &filed.series[value.series as usize];
        if let Some(last) = found.last_mut() {
            last.count += 1;
            last.measurements += usize::from(!same_series);
            if filed.declared(value.series).is_sampled() {
                last.originality.see(series, value.sample);
            }
        }
        hasher.update(series.benchmark.as_str());
        hasher.update([0]);
        hasher.update(series.metric.as_str());
        hasher.update([0]);
        hasher.update(value.sample.iterations.to_le_bytes());
        hasher.update(value.sample.total.to_le_bytes());
        previous = Some(value);
    }
    if let Some(last) = found.last_mut() {
        last.content = content(&mut hasher, keys, last, written_at);
    }
    found
}

/// The hash of a run's content. Values that may well repeat by chance, such as counts, do not tell
/// runs apart: then the time of the file does, unless the file says itself where the run belongs.
fn content(
    hasher: &mut Sha256,
    keys: &[RunKey],
    stretch: &Stretch,
    written_at: Timestamp,
) -> String {
    if !stretch.originality.is_enough() && !keys[stretch.run as usize].is_placed() {
        hasher.update(written_at.as_nanosecond().to_le_bytes());
    }
    hexadecimal(&hasher.finalize_reset())
}

fn hexadecimal(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
