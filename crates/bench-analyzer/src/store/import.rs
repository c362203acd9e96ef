//! Storing what was read: all of it or nothing, and everything only once.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::link::{Link, change, one, rows, value};
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
        let mut transaction = self.begin().await?;
        let mut writer = Writer::new(transaction.link(), now).await.map_err(&failed)?;
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
    link: Link<'t>,
    now: i64,
    series: HashMap<Series, i64>,
    outcome: ImportOutcome,
}

impl<'t> Writer<'t> {
    async fn new(mut link: Link<'t>, now: Timestamp) -> sqlx::Result<Self> {
        let rows = rows!(
            link.again(),
            { id: i64, benchmark: String, metric: String, unit: String, direction: String },
            "SELECT id, benchmark, metric, unit, direction FROM series",
        )?;
        let series = rows
            .into_iter()
            .filter_map(|row| {
                let series =
                    super::read::series(row.benchmark, row.metric, row.unit, &row.direction)?;
                Some((series, row.id))
            })
            .collect();
        let now = now.as_millisecond();
        Ok(Self { link, now, series, outcome: ImportOutcome::default() })
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
            let known = value!(
                self.link.again(),
                i64,
                "SELECT id FROM measurements WHERE digest = $1",
                digest,
            )?;
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
        let dirty = revision.dirty.map(i64::from);
        let id = one(value!(
            self.link.again(),
            i64,
            "INSERT INTO runs (set_id, fingerprint_id, measured_at, imported_at, role, source,
                               origin, label, commit_sha, branch, dirty)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id AS \"id!\"",
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
            dirty,
        ))?;
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
        let id = one(value!(
            self.link.again(),
            i64,
            "INSERT INTO measurements (run_id, series_id, digest, sample_count, median, minimum,
                                       p90, relative_spread, relative_error)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id AS \"id!\"",
            run,
            series,
            digest,
            count,
            summary.median,
            summary.minimum,
            summary.p90,
            summary.relative_spread,
            summary.relative_error,
        ))?;
        let data = codec::encode(&draft.samples);
        change!(
            self.link.again(),
            "INSERT INTO samples (measurement_id, data) VALUES ($1, $2)",
            id,
            data,
        )?;
        for throughput in &draft.throughput {
            let kind = throughput.kind.as_str();
            let amount = i64::try_from(throughput.amount).unwrap_or(i64::MAX);
            change!(
                self.link.again(),
                "INSERT INTO throughputs (measurement_id, kind, amount) VALUES ($1, $2, $3)
                 ON CONFLICT DO NOTHING",
                id,
                kind,
                amount,
            )?;
        }
        for estimate in &draft.estimates {
            let statistic = estimate.statistic.as_str();
            change!(
                self.link.again(),
                "INSERT INTO estimates (measurement_id, statistic, point, low, high, level)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                id,
                statistic,
                estimate.point,
                estimate.low,
                estimate.high,
                estimate.level,
            )?;
        }
        Ok(id)
    }

    async fn insert_set(&mut self) -> sqlx::Result<i64> {
        one(value!(
            self.link.again(),
            i64,
            "INSERT INTO run_sets (imported_at) VALUES ($1) RETURNING id AS \"id!\"",
            self.now,
        ))
    }

    async fn latest_set(&mut self) -> sqlx::Result<Option<i64>> {
        value!(
            self.link.again(),
            i64,
            "SELECT set_id FROM runs ORDER BY role = 'current' DESC, measured_at DESC, id DESC LIMIT 1",
        )
    }

    async fn series_id(&mut self, series: &Series) -> sqlx::Result<i64> {
        if let Some(&id) = self.series.get(series) {
            return Ok(id);
        }
        let (benchmark, metric) = (series.benchmark.as_str(), series.metric.as_str());
        let (unit, direction) = (series.unit.as_str(), series.direction.as_str());
        let id = one(value!(
            self.link.again(),
            i64,
            "INSERT INTO series (benchmark, metric, unit, direction) VALUES ($1, $2, $3, $4)
             RETURNING id AS \"id!\"",
            benchmark,
            metric,
            unit,
            direction,
        ))?;
        self.series.insert(series.clone(), id);
        Ok(id)
    }

    async fn fingerprint_id(&mut self, fingerprint: &Fingerprint) -> sqlx::Result<i64> {
        let Fingerprint { cpu, os, rustc, profile, .. } = fingerprint;
        let cores = i64::from(fingerprint.cores);
        change!(
            self.link.again(),
            "INSERT INTO fingerprints (cpu, cores, os, rustc, profile)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            cpu,
            cores,
            os,
            rustc,
            profile,
        )?;
        one(value!(
            self.link.again(),
            i64,
            "SELECT id FROM fingerprints
             WHERE cpu = $1 AND cores = $2 AND os = $3 AND rustc = $4 AND profile = $5",
            cpu,
            cores,
            os,
            rustc,
            profile,
        ))
    }

    /// Follows a baseline that another tool keeps: a benchmark's saved result takes the place of
    /// what the store has, if it is newer. A baseline made here from several runs thus outlives
    /// the older folder of the same name.
    async fn mirror(&mut self, name: &BaselineName, stored: &[Stored]) -> sqlx::Result<()> {
        let baseline = self.baseline_id(name).await?;
        let mut taken = 0;
        for &Stored { series, measurement } in stored {
            let newest = one(value!(
                self.link.again(),
                Option<i64>,
                r#"SELECT max(runs.measured_at) AS "newest: i64" FROM baseline_members AS member
                   JOIN measurements ON measurements.id = member.measurement_id
                   JOIN runs ON runs.id = measurements.run_id
                   WHERE member.baseline_id = $1 AND measurements.series_id = $2"#,
                baseline,
                series,
            ))?;
            // The copy's own files are younger than the result that it copies.
            let own = one(value!(
                self.link.again(),
                i64,
                "SELECT measured_at FROM runs
                 JOIN measurements ON measurements.run_id = runs.id WHERE measurements.id = $1",
                measurement,
            ))?;
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
            let done = change!(
                self.link.again(),
                "INSERT INTO baseline_members (baseline_id, measurement_id)
                 SELECT $1, id FROM measurements WHERE digest = $2 ON CONFLICT DO NOTHING",
                baseline,
                digest,
            )?;
            taken += usize::from(done > 0);
        }
        self.touch(name, baseline, taken).await
    }

    async fn bless(&mut self, blessing: &BlessingDraft) -> sqlx::Result<()> {
        let digest = blessing.measurement.as_bytes();
        let blessed_at = blessing.blessed_at.as_millisecond();
        change!(
            self.link.again(),
            "INSERT INTO blessings (series_id, run_id, reason, author, blessed_at)
             SELECT series_id, run_id, $1, $2, $3 FROM measurements WHERE digest = $4
             ON CONFLICT (series_id, run_id) DO UPDATE SET
                 reason = excluded.reason, author = excluded.author,
                 blessed_at = excluded.blessed_at
             WHERE excluded.blessed_at > blessings.blessed_at",
            blessing.reason,
            blessing.author,
            blessed_at,
            digest,
        )?;
        Ok(())
    }

    async fn baseline_id(&mut self, name: &BaselineName) -> sqlx::Result<i64> {
        let name = name.as_str();
        change!(
            self.link.again(),
            "INSERT INTO baselines (name, updated_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            name,
            self.now,
        )?;
        one(value!(self.link.again(), i64, "SELECT id FROM baselines WHERE name = $1", name,))
    }

    async fn leave(&mut self, baseline: i64, series: i64) -> sqlx::Result<()> {
        change!(
            self.link.again(),
            "DELETE FROM baseline_members WHERE baseline_id = $1 AND measurement_id IN
             (SELECT id FROM measurements WHERE series_id = $2)",
            baseline,
            series,
        )?;
        Ok(())
    }

    async fn join(&mut self, baseline: i64, measurement: i64) -> sqlx::Result<()> {
        change!(
            self.link.again(),
            "INSERT INTO baseline_members (baseline_id, measurement_id) VALUES ($1, $2)
             ON CONFLICT DO NOTHING",
            baseline,
            measurement,
        )?;
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
            change!(
                self.link.again(),
                "UPDATE baselines SET updated_at = $1 WHERE id = $2",
                self.now,
                baseline,
            )?;
        }
        Ok(())
    }
}
