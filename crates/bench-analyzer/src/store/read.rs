//! Reading results and history back.

use std::collections::{BTreeSet, HashMap};

use super::Store;
use super::codec::{self, Summarised};
use super::link::{rows, values};
use crate::error::{Error, Result};
use bench_stats::model::{
    Attribute, Attributes, BenchmarkId, BenchmarkResults, Direction, Estimate, Fingerprint,
    History, HistoryPoint, Measurement, Metric, Revision, Run, RunId, Selector, Series, Statistic,
    Throughput, ThroughputKind, Unit,
};
use bench_stats::stats::summary::Summary;

/// How many runs back the between-run spread is borrowed from: enough to estimate it, few enough
/// to be about the present code and machine.
const HISTORY_RUNS: i64 = 60;

impl Store {
    /// Everything that one side of a comparison consists of.
    ///
    /// # Errors
    /// If there is no such baseline or run, or no run at all.
    pub async fn results(&mut self, selector: &Selector) -> Result<BenchmarkResults> {
        let members = self.members(selector).await?;
        self.results_of_members(&selector.to_string(), members).await
    }

    /// The runs that one side of a comparison takes measurements from.
    ///
    /// # Errors
    /// As [`Store::results`].
    pub async fn runs_of_side(&mut self, selector: &Selector) -> Result<Vec<RunId>> {
        let members = self.members(selector).await?;
        let failed = self.failed();
        let runs = values!(
            self.link().await?,
            i64,
            r#"SELECT DISTINCT m.run_id AS "run_id!" FROM json_each($1) AS chosen
               JOIN measurements AS m ON m.id = CAST(chosen.value AS BIGINT)"#,
            members,
        )
        .map_err(failed)?;
        Ok(runs.into_iter().map(RunId).collect())
    }

    /// Everything that some runs measured, as one side of a comparison.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn results_of_runs(
        &mut self,
        name: &str,
        runs: &[RunId],
    ) -> Result<BenchmarkResults> {
        let mut ids = Vec::new();
        for RunId(id) in runs {
            let failed = self.failed();
            let found = values!(
                self.link().await?,
                i64,
                r#"SELECT id AS "id!" FROM measurements WHERE run_id = $1"#,
                id,
            )
            .map_err(failed)?;
            ids.extend(found.iter().map(ToString::to_string));
        }
        self.results_of_members(name, format!("[{}]", ids.join(","))).await
    }

    async fn results_of_members(
        &mut self,
        name: &str,
        members: String,
    ) -> Result<BenchmarkResults> {
        let mut results = BenchmarkResults::new(name);
        let failed = self.failed();
        let rows = rows!(
            self.link().await?,
            {
                id: i64, run_id: i64, benchmark: String, metric: String, unit: String,
                direction: String, sample_count: i64, median: f64, minimum: f64, p90: f64,
                relative_spread: f64, relative_error: f64, exact: i64, data: Vec<u8>,
            },
            r#"SELECT m.id AS "id!", m.run_id, s.benchmark, s.metric, s.unit, s.direction,
                      m.sample_count, m.median, m.minimum, m.p90, m.relative_spread,
                      m.relative_error, m.exact, samples.data
               FROM json_each($1) AS chosen
               JOIN measurements AS m ON m.id = CAST(chosen.value AS BIGINT)
               JOIN series AS s ON s.id = m.series_id
               JOIN runs ON runs.id = m.run_id
               JOIN samples ON samples.measurement_id = m.id
               ORDER BY runs.measured_at, runs.id"#,
            members,
        )
        .map_err(&failed)?;
        let mut runs = BTreeSet::new();
        let mut throughput = self.throughput(&members).await?;
        let mut estimates = self.estimates(&members).await?;
        for row in rows {
            let series = series(row.benchmark, row.metric, row.unit, &row.direction)
                .ok_or_else(|| self.corrupt(format!("the direction `{}`", row.direction)))?;
            let known =
                Summarised { count: row.sample_count, median: row.median, minimum: row.minimum };
            let samples = codec::decode_known(&row.data, known)
                .map_err(|error| self.corrupt(format!("{error}, of {series}")))?;
            let summary = Summary {
                sample_count: usize::try_from(row.sample_count).unwrap_or_default(),
                median: row.median,
                minimum: row.minimum,
                p90: row.p90,
                relative_spread: row.relative_spread,
                relative_error: row.relative_error,
            };
            runs.insert(row.run_id);
            results.add(&series, Measurement { run: RunId(row.run_id), summary, samples });
            if let Some(result) = results.results.get_mut(&series) {
                if let Some(throughput) = throughput.remove(&row.id) {
                    result.throughput = throughput;
                }
                result.estimates = estimates.remove(&row.id).unwrap_or_default();
                result.exactness = codec::exactness(row.exact).max(series.metric.exactness());
            }
        }
        results.runs = self.runs_of(&runs).await?;
        Ok(results)
    }

    /// The latest values of every series on one machine, without those of some runs.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn history(
        &mut self,
        fingerprint: &Fingerprint,
        without: &[RunId],
    ) -> Result<History> {
        let failed = self.failed();
        let Fingerprint { cpu, os, rustc, profile, .. } = fingerprint;
        let cores = i64::from(fingerprint.cores);
        let rows = rows!(
            self.link().await?,
            {
                benchmark: String, metric: String, unit: String, direction: String, run_id: i64,
                median: f64, measured_at: i64,
            },
            r#"SELECT s.benchmark, s.metric, s.unit, s.direction, m.run_id, m.median,
                      recent.measured_at AS "measured_at!: i64"
               FROM (SELECT runs.id, runs.measured_at FROM runs
                     JOIN fingerprints AS f ON f.id = runs.fingerprint_id
                     WHERE f.cpu = $1 AND f.cores = $2 AND f.os = $3 AND f.rustc = $4
                       AND f.profile = $5 AND runs.excluded IS NULL
                     ORDER BY runs.measured_at DESC, runs.id DESC LIMIT $6) AS recent
               JOIN measurements AS m ON m.run_id = recent.id
               JOIN series AS s ON s.id = m.series_id
               ORDER BY recent.measured_at, recent.id"#,
            cpu,
            cores,
            os,
            rustc,
            profile,
            HISTORY_RUNS,
        )
        .map_err(&failed)?;
        let mut history = History::new();
        for row in rows {
            let run = RunId(row.run_id);
            if without.contains(&run) {
                continue;
            }
            let series = series(row.benchmark, row.metric, row.unit, &row.direction)
                .ok_or_else(|| self.corrupt(format!("the direction `{}`", row.direction)))?;
            let measured_at = self.timestamp(row.measured_at)?;
            let point = HistoryPoint { run, measured_at, median: row.median };
            history.entry(series).or_default().push(point);
        }
        Ok(history)
    }

    /// The numbers of a side's measurements, as a JSON array.
    async fn members(&mut self, selector: &Selector) -> Result<String> {
        let failed = self.failed();
        let ids = match selector {
            Selector::Latest => {
                values!(
                    self.link().await?,
                    i64,
                    r#"SELECT m.id AS "id!" FROM measurements AS m
                       JOIN runs ON runs.id = m.run_id
                       WHERE runs.excluded IS NULL AND runs.set_id =
                       (SELECT latest.set_id FROM runs AS latest
                        JOIN run_sets ON run_sets.id = latest.set_id
                        WHERE latest.excluded IS NULL
                        ORDER BY latest.role = 'current' DESC, run_sets.chosen_at DESC,
                                 latest.measured_at DESC, latest.id DESC LIMIT 1)"#,
                )
            }
            Selector::Run(RunId(id)) => {
                values!(
                    self.link().await?,
                    i64,
                    r#"SELECT id AS "id!" FROM measurements WHERE run_id = $1"#,
                    id,
                )
            }
            Selector::Baseline(name) => {
                let name = name.as_str();
                values!(
                    self.link().await?,
                    i64,
                    r#"SELECT member.measurement_id AS "id!" FROM baseline_members AS member
                       JOIN baselines ON baselines.id = member.baseline_id
                       JOIN measurements AS m ON m.id = member.measurement_id
                       JOIN runs ON runs.id = m.run_id
                       WHERE baselines.name = $1 AND runs.excluded IS NULL"#,
                    name,
                )
            }
        }
        .map_err(failed)?;
        if ids.is_empty() {
            return Err(self.nothing_selected(selector).await?);
        }
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        Ok(format!("[{}]", ids.join(",")))
    }

    async fn nothing_selected(&mut self, selector: &Selector) -> Result<Error> {
        Ok(match selector {
            Selector::Latest => Error::EmptyStore { location: self.location.clone() },
            Selector::Run(id) => Error::NoRun { id: *id },
            Selector::Baseline(name) => {
                let known = self.baselines().await?;
                let known = known.into_iter().map(|baseline| baseline.name.to_string()).collect();
                Error::NoBaseline { name: name.clone(), known }
            }
        })
    }

    pub(super) async fn throughput(
        &mut self,
        members: &str,
    ) -> Result<HashMap<i64, Vec<Throughput>>> {
        let failed = self.failed();
        let rows = rows!(
            self.link().await?,
            { measurement_id: i64, kind: String, amount: i64 },
            "SELECT measurement_id, kind, amount FROM throughputs
             WHERE measurement_id IN (SELECT CAST(value AS BIGINT) FROM json_each($1))
             ORDER BY measurement_id, kind",
            members,
        )
        .map_err(failed)?;
        let mut throughput: HashMap<i64, Vec<Throughput>> = HashMap::new();
        for row in rows {
            let kind = ThroughputKind::parse(&row.kind)
                .ok_or_else(|| self.corrupt(format!("the throughput `{}`", row.kind)))?;
            let amount = u64::try_from(row.amount).unwrap_or_default();
            throughput.entry(row.measurement_id).or_default().push(Throughput { kind, amount });
        }
        Ok(throughput)
    }

    pub(super) async fn estimates(&mut self, members: &str) -> Result<HashMap<i64, Vec<Estimate>>> {
        let failed = self.failed();
        let rows = rows!(
            self.link().await?,
            { measurement_id: i64, statistic: String, point: f64, low: f64, high: f64, level: f64 },
            "SELECT measurement_id, statistic, point, low, high, level FROM estimates
             WHERE measurement_id IN (SELECT CAST(value AS BIGINT) FROM json_each($1))",
            members,
        )
        .map_err(failed)?;
        let mut estimates: HashMap<i64, Vec<Estimate>> = HashMap::new();
        for row in rows {
            let statistic = Statistic::parse(&row.statistic)
                .ok_or_else(|| self.corrupt(format!("the statistic `{}`", row.statistic)))?;
            let estimate = Estimate {
                statistic,
                point: row.point,
                low: row.low,
                high: row.high,
                level: row.level,
            };
            estimates.entry(row.measurement_id).or_default().push(estimate);
        }
        // In the order that the tool writes, not the alphabet's.
        estimates.values_mut().for_each(|all| all.sort_by_key(|one| one.statistic));
        Ok(estimates)
    }

    /// The attributes of all runs.
    pub(super) async fn attributes(&mut self) -> Result<HashMap<i64, Attributes>> {
        let failed = self.failed();
        let rows = rows!(
            self.link().await?,
            { run_id: i64, name: String, value: String },
            "SELECT run_id, name, value FROM run_attributes",
        )
        .map_err(failed)?;
        let mut attributes: HashMap<i64, Attributes> = HashMap::new();
        for row in rows {
            let name = Attribute::parse(&row.name)
                .ok_or_else(|| self.corrupt(format!("the attribute `{}`", row.name)))?;
            attributes.entry(row.run_id).or_default().insert(name, row.value);
        }
        Ok(attributes)
    }

    pub(super) async fn runs_of(&mut self, ids: &BTreeSet<i64>) -> Result<Vec<Run>> {
        let failed = self.failed();
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let ids = format!("[{}]", ids.join(","));
        let rows = rows!(
            self.link().await?,
            {
                id: i64, measured_at: i64, imported_at: i64, source: String, origin: String,
                label: Option<String>, commit_sha: Option<String>, branch: Option<String>,
                dirty: Option<i64>, excluded: Option<String>, cpu: String, cores: i64, os: String,
                rustc: String, profile: String,
            },
            r#"SELECT runs.id AS "id!", measured_at, imported_at, source, origin, label,
                      commit_sha, branch, dirty, excluded, cpu, cores, os, rustc, profile
               FROM json_each($1) AS chosen JOIN runs ON runs.id = CAST(chosen.value AS BIGINT)
               JOIN fingerprints AS f ON f.id = runs.fingerprint_id
               ORDER BY measured_at, runs.id"#,
            ids,
        )
        .map_err(failed)?;
        let mut attributes = self.attributes().await?;
        rows.into_iter()
            .map(|row| {
                Ok(Run {
                    attributes: attributes.remove(&row.id).unwrap_or_default(),
                    excluded: row.excluded,
                    id: RunId(row.id),
                    measured_at: self.timestamp(row.measured_at)?,
                    imported_at: self.timestamp(row.imported_at)?,
                    source: row.source,
                    origin: row.origin,
                    label: row.label,
                    revision: revision(row.commit_sha, row.branch, row.dirty),
                    fingerprint: Fingerprint {
                        cpu: row.cpu,
                        cores: u32::try_from(row.cores).unwrap_or_default(),
                        os: row.os,
                        rustc: row.rustc,
                        profile: row.profile,
                    },
                })
            })
            .collect()
    }
}

/// Puts a series together from its columns; `None` if the direction is none.
pub(super) fn series(
    benchmark: String,
    metric: String,
    unit: String,
    direction: &str,
) -> Option<Series> {
    Some(Series {
        benchmark: BenchmarkId::new(benchmark),
        metric: Metric::new(metric),
        unit: Unit::new(unit),
        direction: direction.parse::<Direction>().ok()?,
    })
}

/// Puts a revision together from its columns.
pub(super) fn revision(
    commit: Option<String>,
    branch: Option<String>,
    dirty: Option<i64>,
) -> Revision {
    Revision { commit, branch, dirty: dirty.map(|dirty| dirty != 0) }
}
