//! The measurements of a run that was read.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use camino::Utf8PathBuf;

use super::identity::Claims;
use super::{Digest, MeasurementDraft};
use crate::error::{Error, Remedy, Result};
use bench_stats::model::{Exactness, InvalidSamples, Sample, Samples, Series, Throughput};

/// Measurements of a run. The runs of one file share their values, and are put together one series after the other.
#[derive(Debug, Clone)]
pub struct Measurements {
    place: Place,
    /// Identity of each of them beside its content.
    claimed: String,
}

#[derive(Debug, Clone)]
enum Place {
    Own(Vec<MeasurementDraft>),
    Filed(FiledRun),
}

impl Measurements {
    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.place {
            Place::Own(all) => all.len(),
            Place::Filed(run) => run.measurements,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every measurement, in the order they are to be stored.
    ///
    /// # Errors
    /// If samples are such as nobody measures.
    pub fn iter(&self) -> impl Iterator<Item = Result<Cow<'_, MeasurementDraft>>> {
        let (own, filed) = match &self.place {
            Place::Own(all) => (all.as_slice(), None),
            Place::Filed(run) => (&[][..], Some(run.drafts())),
        };
        let own = own.iter().map(|draft| Ok(Cow::Borrowed(draft)));
        own.chain(filed.into_iter().flatten()).map(|draft| {
            let mut draft = draft?;
            if !self.claimed.is_empty() {
                draft.to_mut().digest = draft.content.with(&self.claimed);
            }
            Ok(draft)
        })
    }

    /// Makes claims part of the identity of every measurement.
    pub(super) fn claim(&mut self, claims: &Claims) {
        self.claimed = claims.identity();
    }

    /// Identity of this run, whatever is claimed of it.
    pub(super) fn content(&self) -> Option<Digest> {
        match &self.place {
            Place::Own(all) => all.first().map(|draft| draft.content),
            Place::Filed(run) => Some(Digest::of_text(&run.content)),
        }
    }

    /// The same values as somebody's own: they are told apart from equal ones of others.
    #[must_use]
    pub fn of_owner(mut self, owner: &str) -> Self {
        match &mut self.place {
            Place::Own(all) => {
                for draft in all {
                    let content = draft.digest.to_string();
                    draft.digest = Digest::of(&[owner, &content], &draft.series, &draft.samples);
                    draft.content = draft.digest;
                }
            }
            Place::Filed(run) => run.content = format!("{owner} {}", run.content),
        }
        self
    }

    pub(super) fn of_file(run: FiledRun) -> Self {
        Self { place: Place::Filed(run), claimed: String::new() }
    }
}

impl From<Vec<MeasurementDraft>> for Measurements {
    fn from(all: Vec<MeasurementDraft>) -> Self {
        Self { place: Place::Own(all), claimed: String::new() }
    }
}

/// One value, with the numbers of its run and series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Value {
    pub(super) run: u32,
    pub(super) series: u32,
    pub(super) sample: Sample,
}

impl Value {
    /// Its run and series.
    pub(super) fn place(&self) -> (u32, u32) {
        (self.run, self.series)
    }
}

/// Facts that all runs of a file have in common.
#[derive(Debug)]
pub(super) struct FiledRuns {
    pub(super) path: Utf8PathBuf,
    /// In the order of runs and series.
    pub(super) values: Vec<Value>,
    pub(super) series: Vec<Series>,
    /// The series of which one value says everything, as the file declares.
    pub(super) exact: HashSet<u32>,
    /// By run and series.
    pub(super) throughput: HashMap<(u32, u32), Vec<Throughput>>,
}

/// The stretch of sorted values that one run is.
#[derive(Debug, Clone)]
pub(super) struct FiledRun {
    pub(super) runs: Arc<FiledRuns>,
    pub(super) start: usize,
    pub(super) count: usize,
    /// How many series that are.
    pub(super) measurements: usize,
    /// The run's whole content: a series may well repeat exactly, and this tells its repetitions
    /// apart.
    pub(super) content: String,
}

impl FiledRuns {
    fn draft(
        &self,
        run: u32,
        series: u32,
        samples: Vec<Sample>,
        content: &str,
    ) -> Result<MeasurementDraft> {
        let throughput = self.throughput.get(&(run, series)).cloned().unwrap_or_default();
        let declared = self.declared(series);
        let series = self.series[series as usize].clone();
        let samples =
            if series.metric.is_time() { Samples::of_time(samples) } else { Samples::new(samples) };
        let samples = samples.map_err(|source| self.refused(&series, source))?;
        let digest = Digest::of(&[content], &series, &samples);
        Ok(MeasurementDraft {
            series,
            samples,
            throughput,
            estimates: Vec::new(),
            declared,
            digest,
            content: digest,
        })
    }

    /// Declarations of the file about a series.
    pub(super) fn declared(&self, series: u32) -> Exactness {
        if self.exact.contains(&series) { Exactness::Exact } else { Exactness::Sampled }
    }

    fn refused(&self, series: &Series, source: InvalidSamples) -> Error {
        let (path, benchmark) = (self.path.clone(), series.to_string());
        Error::Samples { path, benchmark, source, remedy: Remedy::FixFile }
    }
}

impl FiledRun {
    fn drafts(&self) -> impl Iterator<Item = Result<Cow<'_, MeasurementDraft>>> {
        let values = &self.runs.values[self.start..self.start + self.count];
        values.chunk_by(|one, next| one.series == next.series).map(|values| {
            let samples = values.iter().map(|value| value.sample).collect();
            let Value { run, series, .. } = values[0];
            self.runs.draft(run, series, samples, &self.content).map(Cow::Owned)
        })
    }
}
