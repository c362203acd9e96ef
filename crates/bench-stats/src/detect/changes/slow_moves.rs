//! Histories that moved without a step.

use serde::Serialize;

use super::SeriesChanges;
use crate::detect::reference::SinceReference;
use crate::detect::trend::Trend;
use crate::model::Series;

/// A series whose level moves without a step that anybody saw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SlowMove {
    /// Which series.
    #[serde(flatten)]
    pub series: Series,
    /// How it moves since the last step, if that is beyond chance.
    pub trend: Option<Trend>,
    /// Sum of small parts since the reference, if that is beyond chance.
    pub since: Option<SinceReference>,
}

impl SlowMove {
    /// The slow moves of some histories, in their order.
    pub fn among(histories: &[SeriesChanges]) -> Vec<Self> {
        let moves = histories.iter().map(|one| Self {
            series: one.timeline.series.clone(),
            trend: one.trend.clone(),
            since: one.since.clone().filter(|_| one.has_moved()),
        });
        moves.filter(|one| one.trend.is_some() || one.since.is_some()).collect()
    }
}
