//! What is measured and under which circumstances: the words that every other module speaks.
//!
//! A [`Series`] is one metric of one benchmark and says nothing about values. A [`Run`] is one
//! process that measured, and the unit of replication: samples inside one process share its
//! memory layout, its place on the machine and its moment, so they cannot stand for other
//! processes. A [`Measurement`] is one series in one run.

mod attribute;
mod baseline;
mod estimate;
mod found;
mod history;
mod measurement;
mod run;
mod series;

pub use crate::samples::{InvalidSamples, Sample, Samples};
pub use attribute::{Attribute, AttributeChange, Attributes};
pub use baseline::{BaselineInfo, BaselineName, Selector};
pub use estimate::{Estimate, Statistic};
pub use found::{FoundStep, Memory, Withdrawal};
pub use history::{AcceptedChange, History, HistoryPoint, Timeline, TimelinePoint};
pub use measurement::{BenchmarkResult, BenchmarkResults, Measurement};
pub use run::{CommitPosition, Fingerprint, Revision, Run, RunId};
pub use series::{
    BenchmarkId, Direction, Exactness, Metric, Series, Throughput, ThroughputKind, Unit,
};
