//! Reading series through time, and the accepted changes of their changes.

use std::collections::HashMap;

use jiff::Timestamp;

use super::link::rows;
use super::{Store, StoreProgress, read};
use crate::error::Result;
use bench_stats::model::{
    Attributes, RunId, Series, Throughput, ThroughputKind, Timeline, TimelinePoint,
};
use bench_stats::stats::mean::typical;

/// How many series are read at a time: a server is far away, and memory is not endless.
const CHUNK: usize = 200;

impl Store {
    /// Every series that `wanted` accepts, through all its runs.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn timelines(
        &mut self,
        wanted: impl FnMut(&Series) -> bool,
    ) -> Result<Vec<Timeline>> {
        self.timelines_watched(wanted, &mut |_| {}).await
    }

    /// [`Store::timelines`], saying how many series are read.
    ///
    /// # Errors
    /// As [`Store::timelines`].
    pub async fn timelines_watched(
        &mut self,
        mut wanted: impl FnMut(&Series) -> bool,
        progress: &mut dyn FnMut(StoreProgress),
    ) -> Result<Vec<Timeline>> {
        let failed = self.failed();
        let all = rows!(
            self.link().await?,
            { id: i64, benchmark: String, metric: String, unit: String, direction: String },
            "SELECT id, benchmark, metric, unit, direction FROM series
             ORDER BY benchmark, metric, unit",
        )
        .map_err(&failed)?;
        let runs = self.run_places().await?;
        let mut chosen = Vec::new();
        for row in all {
            let series = read::series(row.benchmark, row.metric, row.unit, &row.direction)
                .ok_or_else(|| self.corrupt(format!("the direction `{}`", row.direction)))?;
            if wanted(&series) {
                chosen.push((row.id, series));
            }
        }
        let mut timelines = Vec::with_capacity(chosen.len());
        for chunk in chosen.chunks(CHUNK) {
            progress(StoreProgress { done: timelines.len(), total: chosen.len() });
            let ids: Vec<String> = chunk.iter().map(|(id, _)| id.to_string()).collect();
            let ids = format!("[{}]", ids.join(","));
            let found = rows!(
                self.link().await?,
                { series_id: i64, run_id: i64, median: f64 },
                "SELECT series_id, run_id, median FROM measurements
                 WHERE series_id IN (SELECT CAST(value AS BIGINT) FROM json_each($1))",
                ids,
            )
            .map_err(&failed)?;
            let mut works = self.works(&ids).await?;
            let mut values: HashMap<i64, Vec<(usize, f64)>> = HashMap::new();
            for row in found {
                if let Some(&order) = runs.order.get(&row.run_id) {
                    values.entry(row.series_id).or_default().push((order, row.median));
                }
            }
            for (id, series) in chunk {
                let mut values = values.remove(id).unwrap_or_default();
                values.sort_by_key(|(order, _)| *order);
                let works = works.remove(id).unwrap_or_default();
                let points = points(&runs.places, &values, &works);
                timelines.push(Timeline { series: series.clone(), points });
            }
        }
        Ok(timelines)
    }

    /// The work of one iteration, by series and run.
    async fn works(
        &mut self,
        series: &str,
    ) -> Result<HashMap<i64, HashMap<RunId, Vec<Throughput>>>> {
        let failed = self.failed();
        let rows = rows!(
            self.link().await?,
            { series_id: i64, run_id: i64, kind: String, amount: i64 },
            "SELECT m.series_id, m.run_id, t.kind, t.amount FROM measurements AS m
             JOIN throughputs AS t ON t.measurement_id = m.id
             WHERE m.series_id IN (SELECT CAST(value AS BIGINT) FROM json_each($1))
             ORDER BY m.id, t.kind",
            series,
        )
        .map_err(failed)?;
        let mut works: HashMap<i64, HashMap<RunId, Vec<Throughput>>> = HashMap::new();
        for row in rows {
            let kind = ThroughputKind::parse(&row.kind)
                .ok_or_else(|| self.corrupt(format!("the throughput `{}`", row.kind)))?;
            let amount = u64::try_from(row.amount).unwrap_or_default();
            let of_series = works.entry(row.series_id).or_default();
            of_series.entry(RunId(row.run_id)).or_default().push(Throughput { kind, amount });
        }
        Ok(works)
    }

    async fn run_places(&mut self) -> Result<RunPlaces> {
        let failed = self.failed();
        let rows = rows!(
            self.link().await?,
            {
                id: i64, set_id: i64, measured_at: i64, commit_sha: Option<String>,
                committed_at: Option<i64>, ancestors: Option<i64>, fingerprint_id: i64,
            },
            "SELECT id, set_id, measured_at, commit_sha, committed_at, ancestors, fingerprint_id
             FROM runs WHERE excluded IS NULL ORDER BY measured_at, id",
        )
        .map_err(failed)?;
        let mut attributes = self.attributes().await?;
        let mut places = RunPlaces::default();
        for row in in_order_of_commits(rows, |row| Some((row.committed_at?, row.ancestors?))) {
            places.order.insert(row.id, places.places.len());
            places.places.push(RunPlace {
                attributes: attributes.remove(&row.id).unwrap_or_default(),
                run: RunId(row.id),
                set: row.set_id,
                measured_at: self.timestamp(row.measured_at)?,
                commit: row.commit_sha,
                fingerprint: row.fingerprint_id,
            });
        }
        Ok(places)
    }
}

/// Where a run stands in time.
struct RunPlace {
    run: RunId,
    set: i64,
    measured_at: Timestamp,
    commit: Option<String>,
    fingerprint: i64,
    attributes: Attributes,
}

#[derive(Default)]
struct RunPlaces {
    places: Vec<RunPlace>,
    order: HashMap<i64, usize>,
}

/// Puts runs whose commits are known in the order of these, in the places that they have among all.
/// So a commit that was measured after later ones stands where it belongs, and runs without a commit
/// stay where time puts them.
fn in_order_of_commits<R>(rows: Vec<R>, place: impl Fn(&R) -> Option<(i64, i64)>) -> Vec<R> {
    let known: Vec<bool> = rows.iter().map(|row| place(row).is_some()).collect();
    let (mut placed, others): (Vec<R>, Vec<R>) =
        rows.into_iter().partition(|row| place(row).is_some());
    // Stable: runs of one commit stay in the order of time.
    placed.sort_by_key(|row| place(row));
    let (mut placed, mut others) = (placed.into_iter(), others.into_iter());
    let next = |known| if known { placed.next() } else { others.next() };
    known.into_iter().filter_map(next).collect()
}

/// Gathers neighbouring runs of one set into one point.
fn points(
    places: &[RunPlace],
    values: &[(usize, f64)],
    works: &HashMap<RunId, Vec<Throughput>>,
) -> Vec<TimelinePoint> {
    values
        .chunk_by(|(left, _), (right, _)| places[*left].set == places[*right].set)
        .map(|replicates| {
            let first = &places[replicates[0].0];
            let medians: Vec<f64> = replicates.iter().map(|(_, median)| *median).collect();
            TimelinePoint {
                runs: replicates.iter().map(|(order, _)| places[*order].run).collect(),
                set: first.set,
                measured_at: first.measured_at,
                commit: first.commit.clone(),
                fingerprint: first.fingerprint,
                attributes: first.attributes.clone(),
                work: works.get(&first.run).cloned().unwrap_or_default(),
                value: typical(&medians),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::in_order_of_commits;

    #[test]
    fn a_commit_that_was_measured_late_stands_where_it_belongs() {
        let rows =
            vec![("a", Some(1)), ("c", Some(3)), ("?", None), ("b", Some(2)), ("d", Some(4))];
        let ordered = in_order_of_commits(rows, |(_, commit)| commit.map(|at| (at, 0)));
        let names: Vec<&str> = ordered.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b", "?", "c", "d"]);
    }
}
