//! Storing what was read: all of it or nothing, and everything only once.

pub(super) mod baselines;
mod rows;
mod series;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use super::codec::list_of;
use super::link::{Link, change, rows, value, values};
use super::{Store, StoreProgress};
use crate::error::{Error, Result};
use crate::ingest::{Claims, Digest, ImportBatch, MeasurementDraft, RunDraft, RunRole};
use crate::jobs::job::JobId;
use bench_stats::model::{BaselineName, RunId};

pub(super) use series::KnownSeries;

/// How many measurements are stored at a time, and of how many samples at most: enough that a
/// distant server is not asked too often, few enough that memory does not matter.
const CHUNK: usize = 256;
const CHUNK_SAMPLES: usize = 200_000;

/// Where imported runs go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A new set: the runs are the latest result, because somebody asked for them.
    NewSet,
    /// A new set that nobody asked for, as it was found along the way: it is the latest result if it was
    /// measured after the latest one was asked for.
    Found,
    /// The newest set: they are more runs of the same code.
    LatestSet,
    /// A new set that is the result of a job.
    Job(JobId),
    /// A new set that becomes the named baseline.
    Baseline(BaselineName, BaselineMode),
}

/// Fate of a baseline's earlier runs of the same benchmarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BaselineMode {
    /// They leave it.
    Replace,
    /// They stay, and the new ones join them as replicates.
    Append,
}

/// Outcome of an import.
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
pub(super) struct Stored {
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
        self.import_watched(batch, destination, now, &mut |_| {}).await
    }

    /// [`Store::import`], saying how many runs are stored.
    ///
    /// # Errors
    /// As [`Store::import`].
    pub async fn import_watched(
        &mut self,
        batch: &ImportBatch,
        destination: &Destination,
        now: Timestamp,
        progress: &mut dyn FnMut(StoreProgress),
    ) -> Result<ImportOutcome> {
        let failed = self.failed();
        let mut transaction = self.begin().await?;
        let series = KnownSeries::read(transaction.link()).await.map_err(&failed)?;
        let mut writer = Writer::new(transaction.link(), now, series);
        writer.write(batch, destination, progress).await.map_err(|error| match error {
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
    /// The batch that is to be stored could not be read.
    Unreadable(Error),
}

impl From<sqlx::Error> for WriteError {
    fn from(error: sqlx::Error) -> Self {
        Self::Refused(error)
    }
}

/// One import in progress.
pub(super) struct Writer<'t> {
    link: Link<'t>,
    now: i64,
    asked: Asked,
    pub(super) series: KnownSeries,
    pub(super) outcome: ImportOutcome,
}

/// Who wants what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Somebody, now.
    For,
    /// Nobody in particular.
    Nobody,
}

impl<'t> Writer<'t> {
    pub(super) fn new(link: Link<'t>, now: Timestamp, series: KnownSeries) -> Self {
        let now = now.as_millisecond();
        Self { link, now, asked: Asked::For, series, outcome: ImportOutcome::default() }
    }

    /// The connection, for one statement.
    pub(super) fn link(&mut self) -> Link<'_> {
        self.link.again()
    }

    async fn write(
        &mut self,
        batch: &ImportBatch,
        destination: &Destination,
        progress: &mut dyn FnMut(StoreProgress),
    ) -> Result<(), WriteError> {
        let mut set = match destination {
            Destination::LatestSet => self.latest_set().await?,
            Destination::NewSet
            | Destination::Found
            | Destination::Baseline(..)
            | Destination::Job(_) => None,
        };
        if *destination == Destination::Found {
            self.asked = Asked::Nobody;
        }
        let mut current = Vec::new();
        let mut groups: HashMap<usize, Option<i64>> = HashMap::new();
        let total = batch.runs.len();
        for (done, run) in batch.runs.iter().enumerate() {
            progress(StoreProgress { done, total });
            match &run.role {
                RunRole::Current | RunRole::Copy => {
                    let set = match run.group {
                        Some(group) => groups.entry(group).or_default(),
                        None => &mut set,
                    };
                    if run.role == RunRole::Current {
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
        match destination {
            Destination::Baseline(name, mode) => {
                self.become_baseline(name, *mode, &current).await?;
            }
            Destination::LatestSet => self.choose(&current).await?,
            // What is there already was asked for again.
            Destination::NewSet if self.outcome.added == 0 => self.choose(&current).await?,
            Destination::NewSet | Destination::Found | Destination::Job(_) => {}
        }
        if let Destination::Job(job) = destination {
            for RunId(run) in self.outcome.runs.clone() {
                change!(
                    self.link.again(),
                    "INSERT INTO job_results (job_id, run_id) VALUES ($1, $2)",
                    job.0,
                    run,
                )?;
            }
        }
        for (name, members) in &batch.baselines {
            self.extend_baseline(name, members).await?;
        }
        for accepted in &batch.accepted_changes {
            self.accept(accepted).await?;
        }
        for step in &batch.found_steps {
            self.hold(step).await?;
        }
        for triage in &batch.triage {
            self.take_over(triage).await?;
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
        let mut measurements = draft.measurements.iter().peekable();
        while measurements.peek().is_some() {
            let (mut chunk, mut samples) = (Vec::new(), 0);
            while chunk.len() < CHUNK && samples < CHUNK_SAMPLES {
                let Some(measurement) = measurements.next() else { break };
                let measurement = measurement.map_err(WriteError::Unreadable)?;
                samples += measurement.samples.as_slice().len();
                chunk.push(measurement);
            }
            self.add(draft, &mut run, set, &chunk, places.as_deref_mut()).await?;
        }
        Ok(())
    }

    /// Stores what is new of some measurements of a run.
    pub(super) async fn add(
        &mut self,
        draft: &RunDraft,
        run: &mut Option<i64>,
        set: &mut Option<i64>,
        chunk: &[Cow<'_, MeasurementDraft>],
        places: Option<&mut Vec<Stored>>,
    ) -> sqlx::Result<()> {
        let known = self.known(&draft.claims, chunk).await?;
        let mut series = Vec::with_capacity(chunk.len());
        for measurement in chunk {
            series.push(self.series_id(&measurement.series).await?);
        }
        let mut met = HashSet::new();
        let fresh: Vec<(i64, &MeasurementDraft)> = series
            .iter()
            .zip(chunk)
            .map(|(series, measurement)| (*series, measurement.as_ref()))
            .filter(|(_, one)| !known.contains_key(&one.digest) && met.insert(one.digest))
            .collect();
        let mut ids: HashMap<Digest, i64> =
            known.iter().filter_map(|(digest, id)| Some((*digest, (*id)?))).collect();
        self.outcome.added += fresh.len();
        self.outcome.known += chunk.len() - fresh.len();
        if !fresh.is_empty() {
            let run = match *run {
                Some(run) => run,
                None => *run.insert(self.insert_run(draft, set).await?),
            };
            let stored = self.insert_measurements(run, &fresh).await?;
            self.keep_names(&stored, &fresh).await?;
            ids.extend(fresh.iter().map(|(_, one)| one.digest).zip(stored));
        }
        if let Some(places) = places {
            places.extend(series.iter().zip(chunk).filter_map(|(&series, one)| {
                Some(Stored { series, measurement: *ids.get(&one.digest)? })
            }));
        }
        Ok(())
    }

    /// Those that are stored already, with their numbers, and those that were removed.
    async fn known(
        &mut self,
        claims: &Claims,
        chunk: &[Cow<'_, MeasurementDraft>],
    ) -> sqlx::Result<HashMap<Digest, Option<i64>>> {
        let digests = list_of(chunk.iter().map(|one| &one.digest));
        let contents = list_of(chunk.iter().map(|one| &one.content));
        let found = rows!(
            self.link.again(),
            {
                id: i64, digest: Vec<u8>, content: Vec<u8>, commit_sha: Option<String>,
                measured_at: i64,
            },
            r#"SELECT m.id AS "id!", m.digest AS "digest!", m.content AS "content!",
                      runs.commit_sha, runs.measured_at AS "measured_at!"
               FROM measurements AS m JOIN runs ON runs.id = m.run_id
               WHERE m.digest IN (SELECT unhex(value ->> 0) FROM json_each($1))
               UNION
               SELECT m.id AS "id!", m.digest AS "digest!", m.content AS "content!",
                      runs.commit_sha, runs.measured_at AS "measured_at!"
               FROM measurements AS m JOIN runs ON runs.id = m.run_id
               WHERE m.content IN (SELECT unhex(value ->> 0) FROM json_each($2))"#,
            digests,
            contents,
        )?;
        let removed = rows!(
            self.link.again(),
            { digest: Vec<u8>, content: Vec<u8> },
            r#"SELECT digest AS "digest!", content AS "content!" FROM removed_measurements
               WHERE digest IN (SELECT unhex(value ->> 0) FROM json_each($1))
               UNION
               SELECT digest AS "digest!", content AS "content!" FROM removed_measurements
               WHERE content IN (SELECT unhex(value ->> 0) FROM json_each($2))"#,
            digests,
            contents,
        )?;
        let mut known = HashMap::new();
        let by_content: HashMap<Digest, Digest> =
            chunk.iter().map(|one| (one.content, one.digest)).collect();
        let same = |content: &[u8]| by_content.get(&Digest::from_bytes(content)?).copied();
        // What is removed is known only as what it was: a claim makes it another.
        for row in removed {
            known.extend(Digest::from_bytes(&row.digest).map(|digest| (digest, None)));
            if *claims == Claims::default() {
                known.extend(same(&row.content).map(|digest| (digest, None)));
            }
        }
        for row in &found {
            if claims.fit(row.commit_sha.as_deref(), row.measured_at) {
                known.extend(same(&row.content).map(|digest| (digest, Some(row.id))));
            }
        }
        // The very same measurement before one that only has the same content.
        for row in &found {
            known.extend(Digest::from_bytes(&row.digest).map(|digest| (digest, Some(row.id))));
        }
        Ok(known)
    }

    /// Makes the set that holds all of these measurements the latest one; nothing if they are of several
    /// sets.
    async fn choose(&mut self, stored: &[Stored]) -> sqlx::Result<()> {
        let list: Vec<String> = stored.iter().map(|one| one.measurement.to_string()).collect();
        let list = format!("[{}]", list.join(","));
        let sets = values!(
            self.link.again(),
            i64,
            r#"SELECT DISTINCT runs.set_id AS "set_id!" FROM json_each($1) AS chosen
               JOIN measurements AS m ON m.id = CAST(chosen.value AS BIGINT)
               JOIN runs ON runs.id = m.run_id"#,
            list,
        )?;
        if let [set] = sets.as_slice() {
            change!(
                self.link.again(),
                "UPDATE run_sets SET chosen_at = $1 WHERE id = $2",
                self.now,
                set,
            )?;
        }
        Ok(())
    }

    async fn latest_set(&mut self) -> sqlx::Result<Option<i64>> {
        value!(
            self.link.again(),
            i64,
            "SELECT runs.set_id FROM runs JOIN run_sets ON run_sets.id = runs.set_id
             WHERE runs.excluded IS NULL
             ORDER BY runs.role = 'current' DESC, run_sets.chosen_at DESC, runs.measured_at DESC,
                      runs.id DESC LIMIT 1",
        )
    }
}
