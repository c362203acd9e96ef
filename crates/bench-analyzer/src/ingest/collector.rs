//! Gathers the values of a file, in whatever order they come, into runs.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use camino::Utf8Path;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::format::FileRuns;
use super::measurements::{FiledRun, FiledRuns, Measurements};
use super::spool::{Sorted, Spool, Value};
use super::{RunDraft, RunRole};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::model::{InvalidSamples, Revision, Sample, Series, Throughput};

/// What a file says about a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct RunKey {
    /// The name of the run.
    pub(super) label: Option<String>,
    /// When it measured.
    pub(super) time: Option<Timestamp>,
    /// The commit it measured.
    pub(super) commit: Option<String>,
}

/// Values by run and series. Names are kept once; values go to a file where they are many.
#[derive(Debug, Default)]
pub(super) struct Collector {
    runs: Vec<RunKey>,
    run_numbers: HashMap<RunKey, u32>,
    series: Vec<Series>,
    series_numbers: HashMap<Series, u32>,
    values: Spool,
    failure: Option<std::io::Error>,
    throughput: HashMap<(u32, u32), Vec<Throughput>>,
    replicates: bool,
    pub(super) branch: Option<String>,
    pub(super) dirty: Option<bool>,
    pub(super) notes: Vec<String>,
}

/// Where a run's values stand among all.
struct Stretch {
    run: u32,
    start: u64,
    count: u64,
    measurements: usize,
    content: String,
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

    pub(super) fn push(&mut self, run: u32, series: Series, sample: Sample) {
        let series = self.series(series);
        // Said at the end, so that no format has to care.
        if self.failure.is_none() {
            self.failure = self.values.push(Value { run, series, sample }).err();
        }
    }

    /// Pushes a value of one iteration.
    pub(super) fn push_value(&mut self, run: u32, series: Series, value: f64) {
        self.push(run, series, Sample { iterations: 1, total: value });
    }

    pub(super) fn set_throughput(&mut self, run: u32, series: Series, throughput: Throughput) {
        let series = self.series(series);
        let all = self.throughput.entry((run, series)).or_default();
        if !all.contains(&throughput) {
            all.push(throughput);
        }
    }

    /// Says that all runs measure the same code, whatever their names.
    pub(super) fn runs_are_replicates(&mut self) {
        self.replicates = true;
    }

    /// Puts the runs together. A run that has a name, a time or a commit of its own is a point
    /// in history; runs of the same commit are replicates of each other. A file without any of
    /// these is one run.
    pub(super) fn finish(
        self,
        path: &Utf8Path,
        source: &'static str,
        written_at: Timestamp,
        environment: &Environment,
    ) -> Result<FileRuns> {
        if let Some(source) = self.failure {
            return Err(Error::Temporary { source });
        }
        let values = self.values.sorted().map_err(|source| Error::Temporary { source })?;
        if values.len() == 0 {
            return Err(Error::NoResults { path: path.to_owned() });
        }
        let filed = Arc::new(FiledRuns {
            path: path.to_owned(),
            values,
            series: self.series,
            throughput: self.throughput,
        });
        let stretches = stretches(&filed, &self.runs)?;
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
            runs.push(RunDraft {
                role: RunRole::Current,
                group: several.then_some(group),
                source: Cow::Borrowed(source),
                origin: path.to_owned(),
                label: key.label.clone(),
                measured_at,
                imported_at: None,
                revision,
                fingerprint: environment.fingerprint.clone(),
                measurements: Measurements::in_file(FiledRun {
                    runs: Arc::clone(&filed),
                    start: stretch.start,
                    count: stretch.count,
                    measurements: stretch.measurements,
                    content: stretch.content,
                }),
            });
        }
        Ok(FileRuns { runs, notes: self.notes })
    }
}

/// Goes through all values once: finds the runs, checks every sample, and hashes what each run
/// consists of.
fn stretches(filed: &FiledRuns, keys: &[RunKey]) -> Result<Vec<Stretch>> {
    let mut found: Vec<Stretch> = Vec::new();
    let mut hasher = Sha256::new();
    let mut previous: Option<Value> = None;
    let mut index = 0;
    let values: &Sorted = &filed.values;
    for (place, value) in (0_u64..).zip(values.values(0, values.len())) {
        let value = value.map_err(|source| Error::Temporary { source })?;
        let same_run = previous.is_some_and(|previous| previous.run == value.run);
        let same_series = same_run && previous.is_some_and(|one| one.series == value.series);
        if !same_run {
            if let Some(last) = found.last_mut() {
                last.content = hexadecimal(&hasher.finalize_reset());
            }
            hasher.update(format!("{:?}", keys[value.run as usize]));
            let run = value.run;
            let content = String::new();
            found.push(Stretch { run, start: place, count: 0, measurements: 0, content });
        }
        let series = &filed.series[value.series as usize];
        index = if same_series { index + 1 } else { 0 };
        check(series, value.sample, index).map_err(|source| filed.refused(series, source))?;
        if let Some(last) = found.last_mut() {
            last.count += 1;
            last.measurements += usize::from(!same_series);
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
        last.content = hexadecimal(&hasher.finalize());
    }
    Ok(found)
}

fn check(series: &Series, sample: Sample, index: usize) -> Result<(), InvalidSamples> {
    sample.check(index)?;
    if series.metric.is_time() && sample.total == 0.0 {
        return Err(InvalidSamples::ZeroTime { index });
    }
    Ok(())
}

fn hexadecimal(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
