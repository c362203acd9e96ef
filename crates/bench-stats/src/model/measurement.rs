//! Measurements and the sets of them that are compared.

use std::collections::BTreeMap;
use std::time::Duration;

use super::estimate::Estimate;
use super::run::{Run, RunId};
use super::series::{Exactness, Series, Throughput};
use crate::samples::Samples;
use crate::stats::summary::Summary;

/// One series in one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// The run.
    pub run: RunId,
    /// Summary of its samples.
    pub summary: Summary,
    /// The samples themselves, in the order they were taken.
    pub samples: Samples,
}

/// One series on one side of a comparison: a measurement for every replicate run.
#[derive(Debug, Clone, PartialEq)]
pub struct BenchmarkResult {
    /// Series that was measured.
    pub series: Series,
    /// The work of one iteration, in the newest run.
    pub throughput: Vec<Throughput>,
    /// Estimates by the tool that measured, in the newest run.
    pub estimates: Vec<Estimate>,
    /// How much one value says: what its metric implies, or what whoever measured declared last.
    pub exactness: Exactness,
    /// One measurement a run, oldest first.
    pub measurements: Vec<Measurement>,
}

impl BenchmarkResult {
    /// The run medians, oldest first: what is compared.
    pub fn medians(&self) -> Vec<f64> {
        self.measurements.iter().map(|measurement| measurement.summary.median).collect()
    }

    /// The typical value over all runs: the geometric mean of their medians, or the arithmetic
    /// one where a median is zero.
    pub fn typical(&self) -> f64 {
        crate::stats::mean::typical(&self.medians())
    }

    /// [`Self::typical`] as a duration, for series in nanoseconds.
    pub fn execution_time(&self) -> Duration {
        Duration::try_from_secs_f64(self.typical() / 1e9).unwrap_or_default()
    }
}

/// Everything measured on one side of a comparison.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BenchmarkResults {
    /// Name of the side in reports.
    pub name: String,
    /// The runs that took part, oldest first.
    pub runs: Vec<Run>,
    /// The results by series.
    pub results: BTreeMap<Series, BenchmarkResult>,
}

impl BenchmarkResults {
    /// Results without any measurement yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Adds one measurement to its series.
    pub fn add(&mut self, series: &Series, measurement: Measurement) {
        let result = match self.results.get_mut(series) {
            Some(result) => result,
            None => self.results.entry(series.clone()).or_insert_with(|| BenchmarkResult {
                series: series.clone(),
                throughput: Vec::new(),
                estimates: Vec::new(),
                exactness: series.metric.exactness(),
                measurements: Vec::new(),
            }),
        };
        result.measurements.push(measurement);
    }

    /// How many benchmarks there are, whatever their metrics.
    pub fn benchmark_count(&self) -> usize {
        let mut names: Vec<_> = self.results.keys().map(|series| &series.benchmark).collect();
        names.dedup();
        names.len()
    }
}
