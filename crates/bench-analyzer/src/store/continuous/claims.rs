//! Jobs from the moment that a machine takes one: its claim, its beats, its results, and its ways
//! back among those that wait.

use jiff::Timestamp;

use crate::error::Result;
use crate::jobs::job::{Job, JobId, JobRun};
use crate::jobs::machine::Machine;
use crate::store::Store;
use crate::store::link::{Transaction, change, row, rows, value, values};
use bench_stats::model::RunId;

/// Answer to a wish to run a job once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedAgain {
    /// It waits now.
    Waits,
    /// There is no such job.
    Unknown,
    /// It did not fail.
    NotFailed,
    /// Another job of its suite waits already, which measures the same.
    AnotherWaits,
}

impl Store {
    /// Takes a job for a machine, if it still is as it was seen: waiting, or left by whoever ran it.
    /// Runs that another machine made are forgotten, because their results lie there.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn claim_job(
        &mut self,
        job: &Job,
        machine: &Machine,
        now: Timestamp,
    ) -> Result<bool> {
        let failed = self.failed();
        let now = now.as_millisecond();
        let mut transaction = self.begin_claim().await?;
        if let Transaction::Postgres(transaction) = &mut transaction
            && !crate::store::postgres::lock_job(transaction, job.id.0).await.map_err(&failed)?
        {
            // Somebody else is taking it at this moment.
            return Ok(false);
        }
        let mine = change!(
            transaction.link(),
            "UPDATE jobs SET state = 'running', machine = $1, host = $2, beat = beat + 1,
                    beat_at = $3, started_at = coalesce(started_at, $3), not_before = NULL
             WHERE id = $4
               AND (state = 'pending' OR (state = 'running' AND beat = $5
                                          AND machine IS NOT DISTINCT FROM $6))",
            machine.id,
            machine.name,
            now,
            job.id.0,
            job.beat,
            job.machine,
        )
        .map_err(&failed)?;
        if mine == 0 {
            return Ok(false);
        }
        let elsewhere = job.machine.as_ref().is_some_and(|id| *id != machine.id);
        if elsewhere {
            change!(transaction.link(), "DELETE FROM job_runs WHERE job_id = $1", job.id.0)
                .map_err(&failed)?;
        }
        transaction.commit().await.map_err(failed)?;
        Ok(true)
    }

    /// The runs that a job has already. Those of another state of the source code are forgotten.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn runs_of_job(&mut self, id: JobId, revision: &str) -> Result<Vec<JobRun>> {
        let failed = self.failed();
        let mut transaction = self.begin().await?;
        change!(
            transaction.link(),
            "DELETE FROM job_runs WHERE job_id = $1 AND EXISTS
             (SELECT 1 FROM jobs WHERE id = $1 AND revision IS DISTINCT FROM $2)",
            id.0,
            revision,
        )
        .map_err(&failed)?;
        change!(transaction.link(), "UPDATE jobs SET revision = $1 WHERE id = $2", revision, id.0,)
            .map_err(&failed)?;
        let rows = rows!(
            transaction.link(),
            { number: i64, started_at: i64, finished_at: i64 },
            "SELECT number, started_at, finished_at FROM job_runs WHERE job_id = $1 ORDER BY number",
            id.0,
        )
        .map_err(&failed)?;
        transaction.commit().await.map_err(failed)?;
        rows.into_iter()
            .map(|row| {
                Ok(JobRun {
                    number: u32::try_from(row.number).unwrap_or_default(),
                    started_at: self.timestamp(row.started_at)?,
                    finished_at: self.timestamp(row.finished_at)?,
                })
            })
            .collect()
    }

    /// Says that a machine still runs a job; `false` if it is not, or no longer, its own.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn beat_job(&mut self, id: JobId, machine: &str, now: Timestamp) -> Result<bool> {
        let failed = self.failed();
        let now = now.as_millisecond();
        let mine = change!(
            self.link().await?,
            "UPDATE jobs SET beat = beat + 1, beat_at = $1
             WHERE id = $2 AND state = 'running' AND machine = $3",
            now,
            id.0,
            machine,
        )
        .map_err(failed)?;
        Ok(mine > 0)
    }

    /// The stored runs that are the results of a job.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn results_of_job(&mut self, id: JobId) -> Result<Vec<RunId>> {
        let failed = self.failed();
        let ids = values!(
            self.link().await?,
            i64,
            r#"SELECT run_id AS "id!" FROM job_results WHERE job_id = $1 ORDER BY run_id"#,
            id.0,
        )
        .map_err(failed)?;
        Ok(ids.into_iter().map(RunId).collect())
    }

    /// Has a job wait again, until a moment, because something failed that is not its code's fault.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn put_off_job(
        &mut self,
        id: JobId,
        machine: &str,
        until: Timestamp,
        why: &str,
    ) -> Result<()> {
        let failed = self.failed();
        let until = until.as_millisecond();
        change!(
            self.link().await?,
            "UPDATE jobs SET state = 'pending', put_off = put_off + 1, not_before = $1, summary = $2
             WHERE id = $3 AND state = 'running' AND machine = $4",
            until,
            why,
            id.0,
            machine,
        )
        .map_err(failed)?;
        Ok(())
    }

    /// Has a job that failed wait again, as if it were new.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn ask_again(&mut self, id: JobId, now: Timestamp) -> Result<AskedAgain> {
        let failed = self.failed();
        let now = now.as_millisecond();
        let mut transaction = self.begin().await?;
        let job = row!(
            transaction.link(),
            { suite: String, state: String, commit_sha: Option<String> },
            "SELECT suite, state, commit_sha FROM jobs WHERE id = $1",
            id.0,
        )
        .map_err(&failed)?;
        let Some(job) = job else { return Ok(AskedAgain::Unknown) };
        if job.state == "pending" {
            // It may be put off, and is not any more.
            change!(transaction.link(), "UPDATE jobs SET not_before = NULL WHERE id = $1", id.0)
                .map_err(&failed)?;
            transaction.commit().await.map_err(failed)?;
            return Ok(AskedAgain::Waits);
        }
        if job.state != "failed" {
            return Ok(AskedAgain::NotFailed);
        }
        let another = value!(
            transaction.link(),
            i64,
            r#"SELECT id AS "id!" FROM jobs
               WHERE suite = $1 AND state = 'pending' AND commit_sha IS NULL"#,
            job.suite,
        )
        .map_err(&failed)?;
        if job.commit_sha.is_none() && another.is_some() {
            return Ok(AskedAgain::AnotherWaits);
        }
        // What its runs left was removed when it failed.
        change!(transaction.link(), "DELETE FROM job_runs WHERE job_id = $1", id.0)
            .map_err(&failed)?;
        change!(
            transaction.link(),
            "UPDATE jobs SET state = 'pending', due_at = $1, put_off = 0, not_before = NULL,
                    started_at = NULL, finished_at = NULL, failure = NULL, summary = NULL,
                    report = NULL
             WHERE id = $2",
            now,
            id.0,
        )
        .map_err(&failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(AskedAgain::Waits)
    }
}
