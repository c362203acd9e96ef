//! Earlier values of a series, and what people said about them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::attribute::Attributes;
use super::run::RunId;
use super::series::{Series, Throughput};

/// One run's value in the recent history of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPoint {
    /// The run.
    pub run: RunId,
    /// When it measured.
    pub measured_at: Timestamp,
    /// Its median.
    pub median: f64,
}

/// Recent values by series, oldest first.
pub type History = BTreeMap<Series, Vec<HistoryPoint>>;

/// A series through time: one point for every set of replicate runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timeline {
    /// Series that was measured.
    #[serde(flatten)]
    pub series: Series,
    /// Its values, oldest first.
    pub points: Vec<TimelinePoint>,
}

/// The value of a series in one set of replicate runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimelinePoint {
    /// The runs, oldest first.
    pub runs: Vec<RunId>,
    /// The set they belong to.
    pub set: i64,
    /// When the first of them measured.
    pub measured_at: Timestamp,
    /// The commit they measured.
    pub commit: Option<String>,
    /// Which machine they ran on; equal numbers mean equal fingerprints.
    pub fingerprint: i64,
    /// Further facts about the machine of the first of them.
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// The work of one iteration in the first of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub work: Vec<Throughput>,
    /// The typical value over the runs.
    pub value: f64,
}

/// A change that somebody accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AcceptedChange {
    /// Whose change.
    #[serde(flatten)]
    pub series: Series,
    /// The first run of the new level.
    pub run: RunId,
    /// When that run measured.
    pub measured_at: Timestamp,
    /// Why it is fine.
    pub reason: String,
    /// Who said so.
    pub author: String,
    /// When.
    #[serde(rename = "blessed_at")]
    pub accepted_at: Timestamp,
}
