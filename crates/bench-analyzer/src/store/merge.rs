//! Taking over what another store has: a local history into a team's, or the other way round.
//!
//! Measurements are known by the digests of their content, wherever they are stored. So merging
//! twice adds nothing, and merging goes on where it was cut off: every run is one transaction.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;

use super::codec::list_of;
use super::import::baselines::MergedMembers;
use super::import::{KnownSeries, Writer};
use super::link::{rows, value, values};
use super::{Store, StoreProgress, read};
use crate::error::Result;
use crate::ingest::export::ExportedRole;
use crate::ingest::{Claims, Digest, RunDraft, RunRole};
use bench_stats::model::{BaselineName, RunId};

/// Treatment of baselines that both stores have under one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BaselineMerge {
    /// They stay as they are; only baselines that are not there are taken over.
    Keep,
    /// Benchmark by benchmark, whichever was measured later.
    Newer,
    /// No baseline is taken over at all.
    Skip,
}

/// Outcome of a merge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MergeOutcome {
    /// How many runs were added, or completed.
    pub runs: usize,
    /// How many runs were there already.
    pub known_runs: usize,
    /// How many measurements were added.
    pub measurements: usize,
    /// The baselines that changed.
    pub baselines: Vec<BaselineName>,
    /// How many accepted changes were added or brought up to date.
    pub accepted_changes: u64,
}

/// How many measurements are in memory at a time.
const CHUNK: usize = 256;

impl Store {
    /// Takes over from `source` the runs, baselines and accepted changes that are not here yet. Of a
    /// change that was accepted in both, the later word holds. What belongs to those who watch
    /// stays where it is: schedules, jobs, alerts, notices.
    ///
    /// # Errors
    /// If one of the databases refuses. The runs before that are stored; merging again goes on
    /// behind them.
    pub async fn merge(
        &mut self,
        source: &mut Self,
        baselines: BaselineMerge,
        now: Timestamp,
        progress: &mut dyn FnMut(StoreProgress),
    ) -> Result<MergeOutcome> {
        let failed = self.failed();
        let series = KnownSeries::read(self.link().await?).await.map_err(failed)?;
        let (outcome, sets) = (MergeOutcome::default(), HashMap::new());
        let mut merging = Merging { now, outcome, sets, series };
        let runs = source.merged_runs().await?;
        let total = runs.len();
        for (done, (run, set)) in runs.into_iter().enumerate() {
            progress(StoreProgress { done, total });
            merging.run(self, source, run, set).await?;
        }
        progress(StoreProgress { done: total, total });
        if baselines != BaselineMerge::Skip {
            merging.baselines(self, source, baselines).await?;
        }
        merging.accepted_changes(self, source).await?;
        merging.found_steps(self, source).await?;
        merging.triage(self, source).await?;
        Ok(merging.outcome)
    }

    /// All runs with their sets, oldest first.
    async fn merged_runs(&mut self) -> Result<Vec<(i64, i64)>> {
        let failed = self.failed();
        let runs = rows!(
            self.link().await?,
            { id: i64, set_id: i64 },
            r#"SELECT id AS "id!", set_id FROM runs ORDER BY measured_at, id"#,
        )
        .map_err(failed)?;
        Ok(runs.into_iter().map(|run| (run.id, run.set_id)).collect())
    }

    async fn digests_of(&mut self, run: i64) -> Result<Vec<(i64, Digest)>> {
        let failed = self.failed();
        let found = rows!(
            self.link().await?,
            { id: i64, digest: Vec<u8> },
            r#"SELECT id AS "id!", digest FROM measurements WHERE run_id = $1 ORDER BY id"#,
            run,
        )
        .map_err(failed)?;
        found.into_iter().map(|row| Ok((row.id, self.digest(&row.digest)?))).collect()
    }

    async fn runs_of_set(&mut self, set: i64) -> Result<Vec<i64>> {
        let failed = self.failed();
        values!(self.link().await?, i64, r#"SELECT id AS "id!" FROM runs WHERE set_id = $1"#, set,)
            .map_err(failed)
    }

    /// Which of these are stored here.
    async fn known(&mut self, digests: &[Digest]) -> Result<HashSet<Digest>> {
        let failed = self.failed();
        let list = list_of(digests.iter());
        let known = values!(
            self.link().await?,
            Vec<u8>,
            "SELECT digest FROM measurements
             WHERE digest IN (SELECT unhex(value ->> 0) FROM json_each($1))",
            list,
        )
        .map_err(failed)?;
        known.iter().map(|digest| self.digest(digest)).collect()
    }

    /// The set that holds one of these.
    async fn set_with(&mut self, digests: &[Digest]) -> Result<Option<i64>> {
        let failed = self.failed();
        let list = list_of(digests.iter());
        value!(
            self.link().await?,
            i64,
            "SELECT runs.set_id FROM measurements AS m JOIN runs ON runs.id = m.run_id
             WHERE m.digest IN (SELECT unhex(value ->> 0) FROM json_each($1))
             ORDER BY runs.id LIMIT 1",
            list,
        )
        .map_err(failed)
    }

    /// A run without what it measured.
    async fn run_head(&mut self, id: i64) -> Result<RunDraft> {
        let role = match self.role_of(RunId(id)).await? {
            ExportedRole::Current => RunRole::Current,
            ExportedRole::Earlier => RunRole::Earlier,
            ExportedRole::Mirror => RunRole::Copy,
        };
        let mut runs = self.runs_of(&BTreeSet::from([id])).await?;
        let run = runs.pop().ok_or_else(|| self.corrupt(format!("no run {id}")))?;
        let place = self.position_of(run.id).await?;
        Ok(RunDraft {
            role,
            group: None,
            source: run.source.into(),
            origin: run.origin.into(),
            label: run.label,
            measured_at: run.measured_at,
            imported_at: Some(run.imported_at),
            revision: run.revision,
            place,
            fingerprint: run.fingerprint,
            attributes: run.attributes,
            claims: Claims::settled(),
            excluded: run.excluded,
            measurements: Vec::new().into(),
        })
    }

    /// Measurements of a baseline, by series.
    async fn members_by_series(&mut self, name: &BaselineName) -> Result<Vec<MergedMembers>> {
        let failed = self.failed();
        let text = name.as_str();
        let found = rows!(
            self.link().await?,
            {
                benchmark: String, metric: String, unit: String, direction: String,
                digest: Vec<u8>, measured_at: i64,
            },
            "SELECT s.benchmark, s.metric, s.unit, s.direction, m.digest, runs.measured_at
             FROM baselines AS b
             JOIN baseline_members AS member ON member.baseline_id = b.id
             JOIN measurements AS m ON m.id = member.measurement_id
             JOIN series AS s ON s.id = m.series_id
             JOIN runs ON runs.id = m.run_id
             WHERE b.name = $1 ORDER BY s.id, m.id",
            text,
        )
        .map_err(failed)?;
        let mut all: Vec<MergedMembers> = Vec::new();
        for row in found {
            let series = read::series(row.benchmark, row.metric, row.unit, &row.direction)
                .ok_or_else(|| self.corrupt(format!("the direction `{}`", row.direction)))?;
            let digest = self.digest(&row.digest)?;
            match all.last_mut() {
                Some(last) if last.series == series => {
                    last.members.push(digest);
                    last.newest = last.newest.max(row.measured_at);
                }
                _ => all.push(MergedMembers {
                    series,
                    newest: row.measured_at,
                    members: vec![digest],
                }),
            }
        }
        Ok(all)
    }
}

/// A merge in progress.
struct Merging {
    now: Timestamp,
    outcome: MergeOutcome,
    /// Sets here, by sets there.
    sets: HashMap<i64, i64>,
    series: KnownSeries,
}

impl Merging {
    async fn run(
        &mut self,
        target: &mut Store,
        source: &mut Store,
        run: i64,
        set: i64,
    ) -> Result<()> {
        let measured = source.digests_of(run).await?;
        let mut missing = Vec::new();
        for chunk in measured.chunks(CHUNK * 16) {
            let digests: Vec<Digest> = chunk.iter().map(|(_, digest)| *digest).collect();
            let known = target.known(&digests).await?;
            missing.extend(chunk.iter().filter(|(_, digest)| !known.contains(digest)));
        }
        if missing.is_empty() {
            self.outcome.known_runs += 1;
            return Ok(());
        }
        let mut here = match self.sets.get(&set) {
            Some(&here) => Some(here),
            None => self.find_set(target, source, set).await?,
        };
        let head = source.run_head(run).await?;
        let failed = target.failed();
        let mut transaction = target.begin().await?;
        let series = std::mem::take(&mut self.series);
        let mut writer = Writer::new(transaction.link(), self.now, series);
        let mut made = None;
        for chunk in missing.chunks(CHUNK) {
            let ids: Vec<i64> = chunk.iter().map(|(id, _)| *id).collect();
            let drafts = source.drafts(&ids).await?;
            let drafts: Vec<_> = drafts.into_iter().map(Cow::Owned).collect();
            writer.add(&head, &mut made, &mut here, &drafts, None).await.map_err(&failed)?;
        }
        let (added, series) = (writer.outcome.added, writer.series);
        transaction.commit().await.map_err(&failed)?;
        self.series = series;
        self.sets.extend(here.map(|here| (set, here)));
        self.outcome.runs += 1;
        self.outcome.measurements += added;
        Ok(())
    }

    /// The set here whose runs are replicates of those of a set there.
    async fn find_set(
        &self,
        target: &mut Store,
        source: &mut Store,
        set: i64,
    ) -> Result<Option<i64>> {
        for run in source.runs_of_set(set).await? {
            let digests = source.digests_of(run).await?;
            for chunk in digests.chunks(CHUNK * 16) {
                let digests: Vec<Digest> = chunk.iter().map(|(_, digest)| *digest).collect();
                if let Some(found) = target.set_with(&digests).await? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    async fn baselines(
        &mut self,
        target: &mut Store,
        source: &mut Store,
        how: BaselineMerge,
    ) -> Result<()> {
        let here: BTreeSet<BaselineName> =
            target.baselines().await?.into_iter().map(|baseline| baseline.name).collect();
        for baseline in source.baselines().await? {
            if how == BaselineMerge::Keep && here.contains(&baseline.name) {
                continue;
            }
            let members = source.members_by_series(&baseline.name).await?;
            let failed = target.failed();
            let mut transaction = target.begin().await?;
            let series = std::mem::take(&mut self.series);
            let mut writer = Writer::new(transaction.link(), self.now, series);
            let taken = writer.merge_baseline(&baseline.name, &members).await.map_err(&failed)?;
            self.series = writer.series;
            transaction.commit().await.map_err(&failed)?;
            if taken > 0 {
                self.outcome.baselines.push(baseline.name);
            }
        }
        Ok(())
    }

    async fn accepted_changes(&mut self, target: &mut Store, source: &mut Store) -> Result<()> {
        let accepted_changes = source.exported_accepted_changes().await?;
        let failed = target.failed();
        let mut transaction = target.begin().await?;
        let mut writer = Writer::new(transaction.link(), self.now, KnownSeries::default());
        for accepted in accepted_changes {
            self.outcome.accepted_changes += writer.accept(&accepted).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(failed)
    }
}

impl Merging {
    async fn found_steps(&mut self, target: &mut Store, source: &mut Store) -> Result<()> {
        let steps = source.exported_found_steps().await?;
        let failed = target.failed();
        let mut transaction = target.begin().await?;
        let mut writer = Writer::new(transaction.link(), self.now, KnownSeries::default());
        for step in steps {
            writer.hold(&step).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    async fn triage(&mut self, target: &mut Store, source: &mut Store) -> Result<()> {
        let all = source.exported_triage().await?;
        let failed = target.failed();
        let mut transaction = target.begin().await?;
        let mut writer = Writer::new(transaction.link(), self.now, KnownSeries::default());
        for triage in all {
            writer.take_over(&triage).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(failed)
    }
}
