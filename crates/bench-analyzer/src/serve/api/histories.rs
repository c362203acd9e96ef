//! Series through time: all of them, one, and what changed in them.

use std::sync::PoisonError;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;

use super::{Api, Histories, OfSeries, Refusal};
use bench_stats::detect::changes::{ChangePoint, SeriesChanges};
use bench_stats::model::{AcceptedChange, Series};
use bench_stats::stats::quantile::median;

/// How many stretches of a history a row of the overview draws.
const SPARK: usize = 60;

#[derive(Serialize)]
struct Row<'s> {
    #[serde(flatten)]
    series: &'s Series,
    points: usize,
    latest: Option<f64>,
    /// Its course, from the lowest value, 0, to the highest, 100: for drawing only.
    spark: Vec<u8>,
    changes: usize,
    alarms: usize,
    /// The largest of the changes that somebody should look at.
    worst: Option<Worst>,
}

#[derive(Serialize)]
struct Worst {
    change: f64,
    measured_at: jiff::Timestamp,
    after_commit: Option<String>,
    up_to_commit: Option<String>,
}

#[derive(Serialize)]
struct Change<'s> {
    benchmark: &'s str,
    metric: &'s str,
    unit: &'s str,
    #[serde(flatten)]
    point: ChangePoint,
}

impl Api {
    pub(super) async fn overview(&self) -> Result<Response, Refusal> {
        let mut store = self.store().await?;
        let version = store.version().await?;
        let known = self.overview.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, body)) = known.filter(|(of, _)| *of == version) {
            return Ok(json(body));
        }
        let histories = self.histories().await?;
        let accepted_changes = store.accepted_changes().await?;
        let rows: Vec<Row<'_>> =
            histories.snapshot.series.iter().map(|one| Row::of(one, &accepted_changes)).collect();
        let body = serde_json::to_vec(&serde_json::json!({ "series": rows })).map(Bytes::from);
        let body = body
            .map_err(|error| Refusal::said(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
        if histories.snapshot.version == version.measured {
            let mut kept = self.overview.lock().unwrap_or_else(PoisonError::into_inner);
            *kept = Some((version, body.clone()));
        }
        Ok(histories.respond(json(body)))
    }

    pub(super) async fn series(&self, of: OfSeries) -> Result<Response, Refusal> {
        let histories = self.histories().await?;
        let OfSeries { benchmark, metric } = of;
        let Some(found) = histories.snapshot.find(&benchmark, &metric) else {
            let why = format!("`{benchmark}` [{metric}] was never measured");
            return Err(Refusal::said(StatusCode::NOT_FOUND, why));
        };
        let accepted_changes = self.store().await?.accepted_changes().await?;
        let change_points = with_accepted_changes(found, &accepted_changes);
        Ok(histories.respond(Json(SeriesChanges { change_points, ..found.clone() })))
    }

    pub(super) async fn changes(&self) -> Result<Response, Refusal> {
        let histories = self.histories().await?;
        let accepted_changes = self.store().await?.accepted_changes().await?;
        let mut changes: Vec<Change<'_>> = changes_of(&histories, &accepted_changes).collect();
        changes.sort_by_key(|change| std::cmp::Reverse(change.point.measured_at));
        Ok(histories.respond(Json(changes)))
    }
}

/// An answer that is JSON already.
fn json(body: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

impl<'s> Row<'s> {
    fn of(one: &'s SeriesChanges, accepted_changes: &[AcceptedChange]) -> Self {
        let points = &one.timeline.points;
        let changes = with_accepted_changes(one, accepted_changes);
        let alarming = || changes.iter().filter(|change| change.alarms());
        let size = |change: &ChangePoint| change.change.ln_1p().abs();
        let worst = alarming().max_by(|a, b| size(a).total_cmp(&size(b))).map(|worst| Worst {
            change: worst.change,
            measured_at: worst.measured_at,
            after_commit: worst.after_commit.clone(),
            up_to_commit: worst.up_to_commit.clone(),
        });
        let values: Vec<f64> = points.iter().map(|point| point.value).collect();
        Self {
            series: &one.timeline.series,
            points: points.len(),
            latest: points.last().map(|point| point.value),
            spark: in_hundredths(&course(&values)),
            changes: changes.len(),
            alarms: alarming().count(),
            worst,
        }
    }
}

/// The whole of a series in few values: medians of [`SPARK`] stretches of it, and then the latest value, because that is what the reader came for.
fn course(values: &[f64]) -> Vec<f64> {
    if values.len() <= SPARK {
        return values.to_vec();
    }
    let bound = |stretch: usize| stretch * values.len() / SPARK;
    let stretches = (0..SPARK).map(|one| values[bound(one)..bound(one + 1)].to_vec());
    let mut course: Vec<f64> = stretches.map(|mut stretch| median(&mut stretch)).collect();
    course.extend(values.last());
    course
}

fn in_hundredths(values: &[f64]) -> Vec<u8> {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let span = if high > low { high - low } else { 1.0 };
    let place = |value: &f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 100, and drawn on twenty pixels"
        )]
        let place = ((value - low) / span * 100.0).round() as u8;
        place
    };
    values.iter().map(place).collect()
}

fn changes_of<'s>(
    histories: &'s Histories,
    accepted_changes: &'s [AcceptedChange],
) -> impl Iterator<Item = Change<'s>> {
    histories.snapshot.series.iter().flat_map(|one| {
        let Series { benchmark, metric, unit, .. } = &one.timeline.series;
        with_accepted_changes(one, accepted_changes).into_iter().map(|point| Change {
            benchmark: benchmark.as_str(),
            metric: metric.as_str(),
            unit: unit.as_str(),
            point,
        })
    })
}

/// A snapshot may be older than what people accepted since.
fn with_accepted_changes(
    series: &SeriesChanges,
    accepted_changes: &[AcceptedChange],
) -> Vec<ChangePoint> {
    let mut changes = series.change_points.clone();
    let own: Vec<&AcceptedChange> =
        accepted_changes.iter().filter(|one| one.series == series.timeline.series).collect();
    for change in changes.iter_mut().filter(|_| !own.is_empty()) {
        let runs = &series.timeline.points[change.index].runs;
        if let Some(accepted) = own.iter().find(|one| runs.contains(&one.run)) {
            change.acknowledged = Some((*accepted).clone());
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_history_is_drawn_whole_and_ends_with_its_latest_value() {
        let mut values: Vec<f64> = (0..600).map(|at| if at < 300 { 1.0 } else { 2.0 }).collect();
        values.push(5.0);
        let drawn = course(&values);
        assert_eq!(drawn.len(), SPARK + 1);
        assert_eq!((drawn[0], drawn[SPARK - 1], drawn[SPARK]), (1.0, 2.0, 5.0));
        assert_eq!(drawn.iter().filter(|value| **value < 1.5).count(), SPARK / 2);
        assert_eq!(course(&values[..SPARK]), &values[..SPARK]);
    }
}
