//! Storing what was read: all of it or nothing, and everything only once.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use sqlx::{Connection, SqliteConnection};

use super::{Store, codec};
use crate::error::{Error, Result};
use crate::ingest::{BlessingDraft, Digest, ImportBatch, MeasurementDraft, RunDraft, RunRole};
use crate::model::{BaselineName, Fingerprint, RunId, Series};
use crate::stats::summary::Summary;

/// Where imported runs go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A new set: the runs are the latest result.
    NewSet,
    /// The newest set: they are more runs of the same code.
    LatestSet,
    /// A new set that becomes the named baseline.
    Baseline(BaselineName, BaselineMode),
}

/// What happens to a baseline's earlier runs of the same benchmarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BaselineMode {
    /// They leave it.
    Replace,
    /// They stay, and the new ones join them as replicates.
    Append,
}

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImportOutcome {
    /// The runs that were stored.
    pub runs: Vec<RunId>,
    /// How many measurements were new.
    pub added: usize,
    /// How many were there already.
    pub known: usize,
    /// How many benchmarks each touched baseline now takes from this import.
    pub baselines: BTreeMap<BaselineName, usize>,
}

/// A measurement's place in the database.
#[derive(Debug, Clone, Copy)]
struct Stored {
    series: i64,
    measurement: i64,
}

impl Store {
    /// Stores a batch in one transaction. What is there already is left as it is.
    ///
    /// # Errors
    /// If the database refuses; then nothing of the batch is stored.
    pub async fn import(
        &mut self,
        batch: &ImportBatch,
        destination: &Destination,
        now: Timestamp,
    ) -> Result<ImportOutcome> {
        let failed = self.failed();
        // Immediate: taking the write lock later, after reading, cannot wait for its turn.
        let mut transaction =
            self.connection.begin_with("BEGIN IMMEDIATE").await.map_err(&failed)?;
        let mut writer = Writer::new(&mut transaction, now).await.map_err(&failed)?;
        writer.write(batch, destination).await.map_err(|error| match error {
            WriteError::Refused(source) => failed(source),
            WriteError::Unreadable(error) => error,
        })?;
        let outcome = writer.outcome;
        transaction.commit().await.map_err(&failed)?;
        Ok(outcome)
    }
}

/// Why an import cannot go on.
enum WriteError {
    /// The database refused.
    Refused(sqlx::Error),
    /// What is to be stored could not be read.
    Unreadable(Error),
}

impl From<sqlx::Error> for WriteError {
    fn from(error: sqlx::Error) -> Self {
        Self::Refused(error)
    }
}

/// One import in progress.
struct Writer<'t> {
    connection: &'t mut SqliteConnection,
    now: i64,
    series: HashMap<Series, i64>,
    outcome: ImportOutcome,
}

impl<'t> Writer<'t> {
    async fn new(connection: &'t mut SqliteConnection, now: Timestamp) -> sqlx::Result<Self> {
        let rows = sqlx::query!("SELECT id, benchmark, metric, unit, direction FROM series")
            .fetch_all(&mut *connection)
            .await?;
        let series = rows
            .into_iter()
            .filter_map(|row| {
                let series =
                    super::read::series(row.benchmark, row.metric, row.unit, &row.direction)?;
                Some((series, row.id))
            })
            .collect();
        let now = now.as_millisecond();
        Ok(Self { connection, now, series, outcome: ImportOutcome::default() })
    }

    async fn write(
        &mut self,
        batch: &ImportBatch,
        destination: &Destination,
    ) -> Result<(), WriteError> {
        let mut set = match destination {
            Destination::LatestSet => self.latest_set().await?,
            Destination::NewSet | Destination::Baseline(..) => None,
        };
        let mut current = Vec::new();
        let mut groups: HashMap<usize, Option<i64>> = HashMap::new();
        for run in &batch.runs {
            match &run.role {
                RunRole::Current | RunRole::Copy => {
                    let set = match run.group {
                        Some(group) => groups.entry(group).or_default(),
                        None => &mut set,
                    };
                    let named = matches!(destination, Destination::Baseline(..));
                    if named && run.role == RunRole::Current {
                        self.run(run, set, Some(&mut current)).await?;
                    } else {
                        self.run(run, set, None).await?;
                    }
                }
                RunRole::Earlier => self.run(run, &mut None, None).await?,
                RunRole::Mirror(name) => {
                    let mut stored = Vec::new();
                    self.run(run, &mut None, Some(&mut stored)).await?;
                    self.mirror(name, &stored).await?;
                }
            }
        }
        if let Destination::Baseline(name, mode) = destination {
            self.become_baseline(name, *mode, &current).await?;
        }
        for (name, members) in &batch.baselines {
            self.extend_baseline(name, members).await?;
        }
        for blessing in &batch.blessings {
            self.bless(blessing).await?;
        }
        Ok(())
    }

    /// Stores what is new of a run; makes the run and its set only if anything is. Where each
    /// measurement is goes to `places`, if anybody wants to know.
    async fn run(
        &mut self,
        draft: &RunDraft,
        set: &mut Option<i64>,
        mut places: Option<&mut Vec<Stored>>,
    ) -> Result<(), WriteError> {
        let mut run = None;
        for measurement in draft.measurements.iter() {
            let measurement = measurement.map_err(WriteError::Unreadable)?;
            let series = self.series_id(&measurement.series).await?;
            let digest = measurement.digest.as_bytes();
            let known = sqlx::query_scalar!("SELECT id FROM measurements WHERE digest = ?", digest)
                .fetch_optional(&mut *self.connection)
                .await?;
            let id = if let Some(id) = known {
                self.outcome.known += 1;
                id
            } else {
                self.outcome.added += 1;
                let run = match run {
                    Some(run) => run,
                    None => *run.insert(self.insert_run(draft, set).await?),
                };
                self.insert_measurement(run, series, &measurement).await?
            };
            if let Some(places) = &mut places {
                places.push(Stored { series, measurement: id });
            }
        }
        Ok(())
    }

    async fn insert_run(&mut self, draft: &RunDraft, set: &mut Option<i64>) -> sqlx::Result<i64> {
        let set = match *set {
            Some(set) => set,
            None => *set.insert(self.insert_set().await?),
        };
        let fingerprint = self.fingerprint_id(&draft.fingerprint).await?;
        let measured_at = draft.measured_at.as_millisecond();
        let role = match draft.role {
            RunRole::Current => "current",
            RunRole::Earlier => "earlier",
            RunRole::Mirror(_) | RunRole::Copy => "mirror",
        };
        let imported_at = draft.imported_at.map_or(self.now, Timestamp::as_millisecond);
        let source = draft.source.as_ref();
        let (origin, revision) = (draft.origin.as_str(), &draft.revision);
        let id = sqlx::query_scalar!(
            "INSERT INTO runs (set_id, fingerprint_id, measured_at, imported_at, role, source,
                               origin, label, commit_sha, branch, dirty)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id AS \"id!\"",
            set,
            fingerprint,
            measured_at,
            imported_at,
            role,
            source,
            origin,
            draft.label,
            revision.commit,
            revision.branch,
            revision.dirty,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        self.outcome.runs.push(RunId(id));
        Ok(id)
    }

    async fn insert_measurement(
        &mut self,
        run: i64,
        series: i64,
        draft: &MeasurementDraft,
    ) -> sqlx::Result<i64> {
        let summary = Summary::of(&draft.samples);
        let digest = draft.digest.as_bytes();
        let count = i64::try_from(summary.sample_count).unwrap_or(i64::MAX);
        let id = sqlx::query_scalar!(
            "INSERT INTO measurements (run_id, series_id, digest, sample_count, median, minimum,
                                       p90, relative_spread, relative_error)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id AS \"id!\"",
            run,
            series,
            digest,
            count,
            summary.median,
            summary.minimum,
            summary.p90,
            summary.relative_spread,
            summary.relative_error,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        let data = codec::encode(&draft.samples);
        sqlx::query!("INSERT INTO samples (measurement_id, data) VALUES (?, ?)", id, data)
            .execute(&mut *self.connection)
            .await?;
        for throughput in &draft.throughput {
            let kind = throughput.kind.as_str();
            let amount = i64::try_from(throughput.amount).unwrap_or(i64::MAX);
            sqlx::query!(
                "INSERT OR IGNORE INTO throughputs (measurement_id, kind, amount) VALUES (?, ?, ?)",
                id,
                kind,
                amount,
            )
            .execute(&mut *self.connection)
            .await?;
        }
        for estimate in &draft.estimates {
            let statistic = estimate.statistic.as_str();
            sqlx::query!(
                "INSERT OR IGNORE INTO estimates (measurement_id, statistic, point, low, high, level)
                 VALUES (?, ?, ?, ?, ?, ?)",
                id,
                statistic,
                estimate.point,
                estimate.low,
                estimate.high,
                estimate.level,
            )
            .execute(&mut *self.connection)
            .await?;
        }
        Ok(id)
    }

    async fn insert_set(&mut self) -> sqlx::Result<i64> {
        sqlx::query_scalar!(
            "INSERT INTO run_sets (imported_at) VALUES (?) RETURNING id AS \"id!\"",
            self.now
        )
        .fetch_one(&mut *self.connection)
        .await
    }

    async fn latest_set(&mut self) -> sqlx::Result<Option<i64>> {
        sqlx::query_scalar!("SELECT set_id FROM runs ORDER BY role = 'current' DESC, measured_at DESC, id DESC LIMIT 1")
            .fetch_optional(&mut *self.connection)
            .await
    }

    async fn series_id(&mut self, series: &Series) -> sqlx::Result<i64> {
        if let Some(&id) = self.series.get(series) {
            return Ok(id);
        }
        let (benchmark, metric) = (series.benchmark.as_str(), series.metric.as_str());
        let (unit, direction) = (series.unit.as_str(), series.direction.as_str());
        let id = sqlx::query_scalar!(
            "INSERT INTO series (benchmark, metric, unit, direction) VALUES (?, ?, ?, ?) RETURNING id AS \"id!\"",
            benchmark,
            metric,
            unit,
            direction,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        self.series.insert(series.clone(), id);
        Ok(id)
    }

    async fn fingerprint_id(&mut self, fingerprint: &Fingerprint) -> sqlx::Result<i64> {
        let Fingerprint { cpu, cores, os, rustc, profile } = fingerprint;
        sqlx::query!(
            "INSERT OR IGNORE INTO fingerprints (cpu, cores, os, rustc, profile)
             VALUES (?, ?, ?, ?, ?)",
            cpu,
            cores,
            os,
            rustc,
            profile,
        )
        .execute(&mut *self.connection)
        .await?;
        sqlx::query_scalar!(
            "SELECT id FROM fingerprints
             WHERE cpu = ? AND cores = ? AND os = ? AND rustc = ? AND profile = ?",
            cpu,
            cores,
            os,
            rustc,
            profile,
        )
        .fetch_one(&mut *self.connection)
        .await
    }

    /// Follows a baseline that another tool keeps: a benchmark's saved result takes the place of
    /// what the store has, if it is newer. A baseline made here from several runs thus outlives
    /// the older folder of the same name.
    async fn mirror(&mut self, name: &BaselineName, stored: &[Stored]) -> sqlx::Result<()> {
        let baseline = self.baseline_id(name).await?;
        let mut taken = 0;
        for &Stored { series, measurement } in stored {
            let newest = sqlx::query_scalar!(
                r#"SELECT max(runs.measured_at) AS "newest: i64" FROM baseline_members AS member
                   JOIN measurements ON measurements.id = member.measurement_id
                   JOIN runs ON runs.id = measurements.run_id
                   WHERE member.baseline_id = ? AND measurements.series_id = ?"#,
                baseline,
                series,
            )
            .fetch_one(&mut *self.connection)
            .await?;
            // The copy's own files are younger than the result that it copies.
            let own = sqlx::query_scalar!(
                "SELECT measured_at FROM runs
                 JOIN measurements ON measurements.run_id = runs.id WHERE measurements.id = ?",
                measurement,
            )
            .fetch_one(&mut *self.connection)
            .await?;
            if newest.is_none_or(|newest| newest < own) {
                self.leave(baseline, series).await?;
                self.join(baseline, measurement).await?;
                taken += 1;
            }
        }
        self.touch(name, baseline, taken).await
    }

    async fn become_baseline(
        &mut self,
        name: &BaselineName,
        mode: BaselineMode,
        stored: &[Stored],
    ) -> sqlx::Result<()> {
        let baseline = self.baseline_id(name).await?;
        if mode == BaselineMode::Replace {
            for member in stored {
                self.leave(baseline, member.series).await?;
            }
        }
        for member in stored {
            self.join(baseline, member.measurement).await?;
        }
        self.touch(name, baseline, stored.len()).await
    }

    /// Adds measurements that are known by their digests.
    async fn extend_baseline(
        &mut self,
        name: &BaselineName,
        members: &[Digest],
    ) -> sqlx::Result<()> {
        let baseline = self.baseline_id(name).await?;
        let mut taken = 0;
        for digest in members {
            let digest = digest.as_bytes();
            let done = sqlx::query!(
                "INSERT OR IGNORE INTO baseline_members (baseline_id, measurement_id)
                 SELECT ?, id FROM measurements WHERE digest = ?",
                baseline,
                digest,
            )
            .execute(&mut *self.connection)
            .await?;
            taken += usize::from(done.rows_affected() > 0);
        }
        self.touch(name, baseline, taken).await
    }

    async fn bless(&mut self, blessing: &BlessingDraft) -> sqlx::Result<()> {
        let digest = blessing.measurement.as_bytes();
        let blessed_at = blessing.blessed_at.as_millisecond();
        sqlx::query!(
            "INSERT OR IGNORE INTO blessings (series_id, run_id, reason, author, blessed_at)
             SELECT series_id, run_id, ?, ?, ? FROM measurements WHERE digest = ?",
            blessing.reason,
            blessing.author,
            blessed_at,
            digest,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    async fn baseline_id(&mut self, name: &BaselineName) -> sqlx::Result<i64> {
        let name = name.as_str();
        sqlx::query!(
            "INSERT OR IGNORE INTO baselines (name, updated_at) VALUES (?, ?)",
            name,
            self.now,
        )
        .execute(&mut *self.connection)
        .await?;
        sqlx::query_scalar!("SELECT id FROM baselines WHERE name = ?", name)
            .fetch_one(&mut *self.connection)
            .await
    }

    async fn leave(&mut self, baseline: i64, series: i64) -> sqlx::Result<()> {
        sqlx::query!(
            "DELETE FROM baseline_members WHERE baseline_id = ? AND measurement_id IN
             (SELECT id FROM measurements WHERE series_id = ?)",
            baseline,
            series,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    async fn join(&mut self, baseline: i64, measurement: i64) -> sqlx::Result<()> {
        sqlx::query!(
            "INSERT OR IGNORE INTO baseline_members (baseline_id, measurement_id) VALUES (?, ?)",
            baseline,
            measurement,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    async fn touch(
        &mut self,
        name: &BaselineName,
        baseline: i64,
        taken: usize,
    ) -> sqlx::Result<()> {
        if taken > 0 {
            *self.outcome.baselines.entry(name.clone()).or_default() += taken;
            sqlx::query!("UPDATE baselines SET updated_at = ? WHERE id = ?", self.now, baseline)
                .execute(&mut *self.connection)
                .await?;
        }
        Ok(())
    }
}
