//! Series through time: all of them, one, and what changed in them.

use std::collections::HashMap;
use std::sync::PoisonError;

use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::decisions::Decisions;
use super::{Api, Histories, OfMachine, OfSeries, Refusal};
use crate::ingest::Triage;
use crate::serve::change_state::ChangeState;
use crate::serve::events::{self, machine_name};
use crate::serve::prepared::Snapshot;
use crate::store::StoreVersion;
use bench_stats::detect::changes::{ChangePoint, SeriesChanges};
use bench_stats::model::Series;
use bench_stats::stats::quantile::median;

/// The least share of the values that the height of a row's drawing stands for.
const FLATTEST: f64 = 0.1;

/// How many stretches of a history a row of the overview draws.
const SPARK: usize = 60;

/// A line of the list of all series.
#[derive(Serialize)]
pub(super) struct Row<'s> {
    #[serde(flatten)]
    series: &'s Series,
    points: usize,
    latest: Option<f64>,
    /// Its course, from the lowest value, 0, to the highest, 100: for drawing only.
    spark: Vec<u8>,
    changes: usize,
    /// How many changes somebody should look at.
    alarms: usize,
    /// The largest of them, or else of those to watch.
    worst: Option<Worst>,
}

#[derive(Serialize)]
struct Worst {
    state: ChangeState,
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
    machine: i64,
    state: ChangeState,
    #[serde(flatten)]
    point: ChangePoint,
}

/// Names a series, and the machine whose values are wanted.
#[derive(Debug, Deserialize)]
pub(super) struct OfHistory {
    #[serde(flatten)]
    of: OfSeries,
    machine: Option<String>,
}

/// A change, with what was noted of it.
#[derive(Serialize)]
struct Noted<'s> {
    #[serde(flatten)]
    point: ChangePoint,
    state: ChangeState,
    triage: Option<&'s Triage>,
}

impl Api {
    pub(super) async fn overview(&self, of: OfMachine) -> Result<Response, Refusal> {
        let mut store = self.store().await?;
        let version = store.version().await?;
        let known = self.overview.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_this =
            |known: &(StoreVersion, OfMachine, Bytes)| known.0 == version && known.1 == of;
        if let Some((.., body)) = known.filter(is_this) {
            return Ok(json(body));
        }
        let histories = self.histories_of(of.machine.as_deref()).await?;
        let decisions = self.decisions().await?;
        let rows: Vec<Row<'_>> =
            histories.snapshot.series.iter().map(|one| Row::of(one, &decisions)).collect();
        let (machines, machine) = (named(&histories.snapshot), histories.snapshot.view.machine);
        let body = serde_json::json!({ "machines": machines, "machine": machine, "series": rows });
        let body = serde_json::to_vec(&body).map(Bytes::from).map_err(Refusal::failed)?;
        if histories.snapshot.view.version == version.measured {
            let mut kept = self.overview.lock().unwrap_or_else(PoisonError::into_inner);
            *kept = Some((version, of, body.clone()));
        }
        Ok(histories.respond(json(body)))
    }

    pub(super) async fn series(&self, asked: OfHistory) -> Result<Response, Refusal> {
        let mut histories = self.histories_of(asked.machine.as_deref()).await?;
        let OfSeries { benchmark, metric } = asked.of;
        if asked.machine.is_none() && histories.snapshot.find(&benchmark, &metric).is_none() {
            // The usual machine is not the only one.
            histories = self.histories().await?;
        }
        let snapshot = &*histories.snapshot;
        let Some(found) = snapshot.find(&benchmark, &metric) else {
            let why = match asked.machine {
                None => format!("`{benchmark}` [{metric}] was never measured"),
                Some(_) => format!("`{benchmark}` [{metric}] was never measured on that machine"),
            };
            return Err(Refusal::absent(why));
        };
        let decisions = self.decisions().await?;
        let changes = decisions.changes(found);
        let labels = events::labels(found, &changes, &snapshot.events, &snapshot.machines);
        let change_points: Vec<Noted<'_>> = changes
            .into_iter()
            .map(|point| Noted {
                triage: decisions.triage(found, &point),
                state: ChangeState::of(found, &point),
                point,
            })
            .collect();
        let series = SeriesChanges { change_points: Vec::new(), ..found.clone() };
        let mut answer = serde_json::to_value(series).map_err(Refusal::failed)?;
        answer["change_points"] = serde_json::to_value(change_points).map_err(Refusal::failed)?;
        answer["labels"] = serde_json::to_value(labels).map_err(Refusal::failed)?;
        answer["machines"] = serde_json::to_value(named(snapshot)).map_err(Refusal::failed)?;
        answer["machine"] = snapshot.view.machine.into();
        Ok(histories.respond(Json(answer)))
    }

    pub(super) async fn changes(&self, of: OfMachine) -> Result<Response, Refusal> {
        let histories = self.histories_of(of.machine.as_deref()).await?;
        let decisions = self.decisions().await?;
        let mut changes: Vec<Change<'_>> = changes_of(&histories, &decisions).collect();
        changes.sort_by_key(|change| std::cmp::Reverse(change.point.measured_at));
        let (machines, machine) = (named(&histories.snapshot), histories.snapshot.view.machine);
        let body =
            serde_json::json!({ "machines": machines, "machine": machine, "changes": changes });
        Ok(histories.respond(Json(body)))
    }
}

/// An answer that is JSON already.
fn json(body: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

impl<'s> Row<'s> {
    fn of(one: &'s SeriesChanges, decisions: &Decisions) -> Self {
        let points = &one.timeline.points;
        let changes = decisions.changes(one);
        let is_to_watch = |change: &ChangePoint| ChangeState::of(one, change) == ChangeState::Watch;
        let open = || changes.iter().filter(|change| is_open(change));
        let alarming = || open().filter(|change| !is_to_watch(change));
        let size = |change: &ChangePoint| change.change.ln_1p().abs();
        let largest = |a: &&ChangePoint, b: &&ChangePoint| size(a).total_cmp(&size(b));
        let worst = alarming().max_by(largest).or_else(|| open().max_by(largest));
        let worst = worst.map(|worst| Worst {
            state: ChangeState::of(one, worst),
            change: worst.change,
            measured_at: worst.measured_at,
            after_commit: worst.after_commit.clone(),
            up_to_commit: worst.up_to_commit.clone(),
        });
        Self {
            series: &one.timeline.series,
            points: points.len(),
            latest: points.last().map(|point| point.value),
            spark: Self::spark(one),
            changes: changes.len(),
            alarms: alarming().count(),
            worst,
        }
    }

    /// The course of a series in few values from 0 to 100.
    pub(super) fn spark(one: &SeriesChanges) -> Vec<u8> {
        let values: Vec<f64> = one.timeline.points.iter().map(|point| point.value).collect();
        in_hundredths(&course(&values))
    }
}

/// Whether somebody should look at a change, though later values may show that it does not stay.
fn is_open(change: &ChangePoint) -> bool {
    let settled = ChangePoint { provisional: false, ..change.clone() };
    settled.alarms()
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
    // Noise of a percent or two is not to look like a mountain range.
    let least = FLATTEST * high.abs().max(low.abs());
    let span = (high - low).max(least).max(f64::MIN_POSITIVE);
    let low = low - (span - (high - low)) / 2.0;
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
    decisions: &'s Decisions,
) -> impl Iterator<Item = Change<'s>> {
    histories.snapshot.series.iter().flat_map(|one| {
        let Series { benchmark, metric, unit, .. } = &one.timeline.series;
        decisions.changes(one).into_iter().map(|point| Change {
            benchmark: benchmark.as_str(),
            metric: metric.as_str(),
            unit: unit.as_str(),
            machine: one.timeline.points[point.index].fingerprint,
            state: ChangeState::of(one, &point),
            point,
        })
    })
}

/// All machines by their numbers, with names for people.
pub(super) fn named(snapshot: &Snapshot) -> HashMap<i64, String> {
    snapshot.machines.iter().map(|(id, machine)| (*id, machine_name(machine))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_drawn_flat_and_a_step_as_one() {
        let noise = in_hundredths(&[100.0, 101.0, 100.0]);
        assert!(noise.iter().all(|place| (40..=60).contains(place)), "{noise:?}");
        assert_eq!(in_hundredths(&[100.0, 140.0]), [0, 100]);
        assert_eq!(in_hundredths(&[0.0, 0.0]), [50, 50]);
    }

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
