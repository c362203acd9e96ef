//! Earlier values of a series.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::run::RunId;
use super::series::Series;

/// One run's value in the history of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPoint {
    /// The run.
    pub run: RunId,
    /// When it measured.
    pub measured_at: Timestamp,
    /// Its median.
    pub median: f64,
}

/// Earlier values by series, oldest first.
pub type History = BTreeMap<Series, Vec<HistoryPoint>>;
