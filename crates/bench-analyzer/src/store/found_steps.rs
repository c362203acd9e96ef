//! Steps that were found in histories: noted when they are first seen, and withdrawn with a reason.

use jiff::Timestamp;

use super::import::{KnownSeries, Writer};
use super::link::{Link, change, rows};
use super::{Store, read};
use crate::error::{DatabaseProblem, Error, Result};
use crate::ingest::FoundStepDraft;
use bench_stats::detect::changes::{ChangePoint, News, SeriesChanges};
use bench_stats::model::{FoundStep, Memory, RunId, Series, Withdrawal};

impl Store {
    /// All that is known of changes beside the values: what people accepted, and what was found.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn memory(&mut self) -> Result<Memory> {
        Ok(Memory {
            accepted_changes: self.accepted_changes().await?,
            steps: self.found_steps().await?,
        })
    }

    /// All steps that were ever found, in the order they were.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn found_steps(&mut self) -> Result<Vec<FoundStep>> {
        let failed = self.failed();
        let rows = rows!(
            self.link().await?,
            {
                benchmark: String, metric: String, unit: String, direction: String, run_id: i64,
                old_level: f64, new_level: f64, p_value: f64, sharp: i64, found_at: i64,
                withdrawn_at: Option<i64>, withdrawn_why: Option<String>,
                withdrawn_by: Option<String>,
            },
            "SELECT s.benchmark, s.metric, s.unit, s.direction, f.run_id, f.old_level, f.new_level,
                    f.p_value, f.sharp, f.found_at, f.withdrawn_at, f.withdrawn_why, f.withdrawn_by
             FROM found_steps AS f JOIN series AS s ON s.id = f.series_id ORDER BY f.id",
        )
        .map_err(failed)?;
        rows.into_iter()
            .map(|row| {
                let series = read::series(row.benchmark, row.metric, row.unit, &row.direction)
                    .ok_or_else(|| self.corrupt(format!("the direction `{}`", row.direction)))?;
                let withdrawn_at = row.withdrawn_at.map(|at| self.timestamp(at)).transpose()?;
                let withdrawn = row.withdrawn_why.map(|reason| Withdrawal {
                    reason,
                    author: row.withdrawn_by,
                    withdrawn_at,
                });
                Ok(FoundStep {
                    series,
                    run: RunId(row.run_id),
                    before: row.old_level,
                    after: row.new_level,
                    p_value: row.p_value,
                    sharp: row.sharp != 0,
                    found_at: self.timestamp(row.found_at)?,
                    withdrawn,
                })
            })
            .collect()
    }

    /// Found steps by measurements, as they are known in every store.
    pub(super) async fn exported_found_steps(&mut self) -> Result<Vec<FoundStepDraft>> {
        let failed = self.failed();
        let rows = rows!(
            self.link().await?,
            {
                digest: Vec<u8>, old_level: f64, new_level: f64, p_value: f64, sharp: i64,
                found_at: i64, withdrawn_at: Option<i64>, withdrawn_why: Option<String>,
                withdrawn_by: Option<String>,
            },
            "SELECT m.digest, f.old_level, f.new_level, f.p_value, f.sharp, f.found_at,
                    f.withdrawn_at, f.withdrawn_why, f.withdrawn_by
             FROM found_steps AS f
             JOIN measurements AS m ON m.run_id = f.run_id AND m.series_id = f.series_id
             ORDER BY f.id",
        )
        .map_err(failed)?;
        rows.into_iter()
            .map(|row| {
                let withdrawn_at = row.withdrawn_at.map(|at| self.timestamp(at)).transpose()?;
                let withdrawn = row.withdrawn_why.map(|reason| Withdrawal {
                    reason,
                    author: row.withdrawn_by,
                    withdrawn_at,
                });
                Ok(FoundStepDraft {
                    measurement: self.digest(&row.digest)?,
                    before: row.old_level,
                    after: row.new_level,
                    p_value: row.p_value,
                    sharp: row.sharp != 0,
                    found_at: self.timestamp(row.found_at)?,
                    withdrawn,
                })
            })
            .collect()
    }

    /// Notes what a look at histories found, and what it takes back: steps that nobody found before, and
    /// withdrawals that follow from the values. `changes` learn when that was. A database that
    /// cannot be written now keeps what it had; the next look notes the same.
    ///
    /// # Errors
    /// If the database refuses for another reason.
    pub async fn remember(&mut self, changes: &mut [SeriesChanges], now: Timestamp) -> Result<()> {
        match self.try_to_remember(changes, now).await {
            Err(Error::Database {
                problem:
                    DatabaseProblem::ReadOnly | DatabaseProblem::Locked | DatabaseProblem::NoRight,
                ..
            }) => Ok(()),
            other => other,
        }
    }

    async fn try_to_remember(
        &mut self,
        changes: &mut [SeriesChanges],
        now: Timestamp,
    ) -> Result<()> {
        let is_news =
            |one: &SeriesChanges| one.change_points.iter().any(|change| change.news != News::None);
        if !changes.iter().any(is_news) {
            return Ok(());
        }
        // As precisely as it is stored, so that the first look says what later ones do.
        let now = self.timestamp(now.as_millisecond())?;
        let failed = self.failed();
        let mut transaction = self.begin().await?;
        let ids = KnownSeries::read(transaction.link()).await.map_err(&failed)?;
        for one in changes.iter_mut() {
            let Some(series) = ids.get(&one.timeline.series) else { continue };
            for change in &mut one.change_points {
                note(transaction.link(), series, change, now).await.map_err(&failed)?;
            }
        }
        transaction.commit().await.map_err(failed)
    }

    /// Withdraws a step that was found, for good.
    ///
    /// # Errors
    /// If no step was found there.
    pub async fn withdraw_step(
        &mut self,
        series: &Series,
        run: RunId,
        withdrawal: &Withdrawal,
        now: Timestamp,
    ) -> Result<()> {
        let failed = self.failed();
        let (benchmark, metric) = (series.benchmark.as_str(), series.metric.as_str());
        let (unit, direction) = (series.unit.as_str(), series.direction.as_str());
        let at = now.as_millisecond();
        let done = change!(
            self.link().await?,
            "UPDATE found_steps SET withdrawn_at = $1, withdrawn_why = $2, withdrawn_by = $3
             WHERE run_id = $4 AND series_id IN
                 (SELECT id FROM series WHERE benchmark = $5 AND metric = $6 AND unit = $7
                  AND direction = $8)",
            at,
            withdrawal.reason,
            withdrawal.author,
            run.0,
            benchmark,
            metric,
            unit,
            direction,
        )
        .map_err(failed)?;
        if done == 0 {
            Err(Error::NoStep { series: Box::new(series.clone()), run })
        } else {
            Ok(())
        }
    }
}

impl Writer<'_> {
    /// Takes over a step that was found elsewhere. What a person said of it holds.
    pub(super) async fn hold(&mut self, step: &FoundStepDraft) -> sqlx::Result<()> {
        let digest = step.measurement.as_bytes();
        let (sharp, found_at) = (i64::from(step.sharp), step.found_at.as_millisecond());
        let withdrawn = step.withdrawn.as_ref();
        let at = withdrawn.map(|one| one.withdrawn_at.unwrap_or(step.found_at).as_millisecond());
        let why = withdrawn.map(|one| one.reason.clone());
        let by = withdrawn.and_then(|one| one.author.clone());
        change!(
            self.link(),
            "INSERT INTO found_steps (series_id, run_id, old_level, new_level, p_value, sharp,
                                      found_at, withdrawn_at, withdrawn_why, withdrawn_by)
             SELECT series_id, run_id, $1, $2, $3, $4, $5, $6, $7, $8 FROM measurements
             WHERE digest = $9
             ON CONFLICT (series_id, run_id) DO UPDATE SET
                 withdrawn_at = excluded.withdrawn_at, withdrawn_why = excluded.withdrawn_why,
                 withdrawn_by = excluded.withdrawn_by
             WHERE found_steps.withdrawn_by IS NULL AND excluded.withdrawn_by IS NOT NULL",
            step.before,
            step.after,
            step.p_value,
            sharp,
            found_at,
            at,
            why,
            by,
            digest,
        )?;
        Ok(())
    }
}

/// Notes what is news of a change.
async fn note(
    link: Link<'_>,
    series: i64,
    change: &mut ChangePoint,
    now: Timestamp,
) -> sqlx::Result<()> {
    let at = now.as_millisecond();
    let (run, sharp) = (change.found_as.0, i64::from(change.sharp));
    match change.news {
        News::None => return Ok(()),
        News::Found => {
            change!(
                link,
                "INSERT INTO found_steps (series_id, run_id, old_level, new_level, p_value, sharp,
                                          found_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (series_id, run_id) DO NOTHING",
                series,
                run,
                change.before,
                change.after,
                change.p_value,
                sharp,
                at,
            )?;
            change.found_at.get_or_insert(now);
        }
        News::Revised => {
            let withdrawn = change.withdrawn.as_mut();
            let why = withdrawn.map(|withdrawn| {
                let at = *withdrawn.withdrawn_at.get_or_insert(now);
                (at.as_millisecond(), withdrawn.reason.clone())
            });
            let (withdrawn_at, reason) = why.unzip();
            // What a person said meanwhile stays.
            change!(
                link,
                "UPDATE found_steps SET sharp = $1, withdrawn_at = $2, withdrawn_why = $3
                 WHERE series_id = $4 AND run_id = $5 AND withdrawn_by IS NULL",
                sharp,
                withdrawn_at,
                reason,
                series,
                run,
            )?;
        }
    }
    change.news = News::None;
    Ok(())
}
