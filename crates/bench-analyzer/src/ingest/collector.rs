//! Gathers the values of a file, in whatever order they come, into runs.

use std::borrow::Cow;
use std::collections::HashMap;

use camino::Utf8Path;
use jiff::Timestamp;

use super::format::FileRuns;
use super::{Digest, MeasurementDraft, RunDraft, RunRole};
use crate::environment::Environment;
use crate::error::{Error, Remedy, Result};
use crate::model::{Metric, Revision, Sample, Samples, Series, Throughput};

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

/// Values by run and series. Names are kept once, a value takes thirty-two bytes.
#[derive(Debug, Default)]
pub(super) struct Collector {
    runs: Vec<RunKey>,
    run_numbers: HashMap<RunKey, u32>,
    series: Vec<Series>,
    series_numbers: HashMap<Series, u32>,
    values: Vec<Value>,
    throughput: HashMap<(u32, u32), Vec<Throughput>>,
    replicates: bool,
    pub(super) branch: Option<String>,
    pub(super) dirty: Option<bool>,
    pub(super) notes: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
struct Value {
    run: u32,
    series: u32,
    sample: Sample,
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
        self.values.push(Value { run, series, sample });
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
        mut self,
        path: &Utf8Path,
        source: &'static str,
        written_at: Timestamp,
        environment: &Environment,
    ) -> Result<FileRuns> {
        if self.values.is_empty() {
            return Err(Error::NoResults { path: path.to_owned() });
        }
        self.values.sort_by_key(|value| (value.run, value.series));
        let mut runs = Vec::with_capacity(self.runs.len());
        let mut commits: HashMap<&str, usize> = HashMap::new();
        let several = self.runs.len() > 1 && !self.replicates;
        for (position, values) in self.values.chunk_by(|a, b| a.run == b.run).enumerate() {
            let key = &self.runs[values[0].run as usize];
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
                measurements: self.measurements(path, key, values)?,
            });
        }
        Ok(FileRuns { runs, notes: self.notes })
    }

    fn measurements(
        &self,
        path: &Utf8Path,
        key: &RunKey,
        values: &[Value],
    ) -> Result<Vec<MeasurementDraft>> {
        let mut measurements = Vec::new();
        // A series may well repeat exactly; the run as a whole tells its repetitions apart.
        let context = self.content_of(key, values);
        for values in values.chunk_by(|a, b| a.series == b.series) {
            let series = self.series[values[0].series as usize].clone();
            let samples = values.iter().map(|value| value.sample).collect();
            let samples = if series.metric.as_str() == Metric::TIME {
                Samples::of_time(samples)
            } else {
                Samples::new(samples)
            };
            let samples = samples.map_err(|source| Error::Samples {
                path: path.to_owned(),
                source,
                remedy: Remedy::FixFile,
            })?;
            let throughput = self.throughput.get(&(values[0].run, values[0].series));
            let digest = Digest::of(&[&context], &series, &samples);
            let throughput = throughput.cloned().unwrap_or_default();
            measurements.push(MeasurementDraft { series, samples, throughput, digest });
        }
        Ok(measurements)
    }

    fn content_of(&self, key: &RunKey, values: &[Value]) -> String {
        use sha2::{Digest as _, Sha256};

        let mut hasher = Sha256::new();
        hasher.update(format!("{key:?}"));
        for value in values {
            let series = &self.series[value.series as usize];
            hasher.update(series.benchmark.as_str());
            hasher.update([0]);
            hasher.update(series.metric.as_str());
            hasher.update([0]);
            hasher.update(value.sample.iterations.to_le_bytes());
            hasher.update(value.sample.total.to_le_bytes());
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
