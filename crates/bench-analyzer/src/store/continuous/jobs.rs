//! Schedules and the jobs that follow from them.

use jiff::Timestamp;
use sqlx::{Connection, SqliteConnection};

use crate::continuous::job::{Cause, Job, JobDraft, JobId, JobRun, JobState};
use crate::error::Result;
use crate::model::RunId;
use crate::store::Store;

/// How far a schedule has been followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Followed {
    pub(crate) to: Timestamp,
    pub(crate) commit: Option<String>,
}

impl Store {
    /// How far a schedule has been followed; nothing if it is new.
    pub(crate) async fn followed(
        &mut self,
        suite: &str,
        schedule: &str,
    ) -> Result<Option<Followed>> {
        let failed = self.failed();
        let row = sqlx::query!(
            "SELECT followed_to, commit_sha FROM schedules WHERE suite = ? AND schedule = ?",
            suite,
            schedule,
        )
        .fetch_optional(&mut self.connection)
        .await
        .map_err(failed)?;
        row.map(|row| Ok(Followed { to: self.timestamp(row.followed_to)?, commit: row.commit_sha }))
            .transpose()
    }

    /// Follows a schedule up to a moment and plans the job that is due there, both or neither.
    /// Whoever followed it that far already wins: then nothing happens.
    pub(crate) async fn follow(
        &mut self,
        suite: &str,
        schedule: &str,
        followed: &Followed,
        job: Option<&JobDraft>,
    ) -> Result<()> {
        let failed = self.failed();
        let to = followed.to.as_millisecond();
        let mut transaction =
            self.connection.begin_with("BEGIN IMMEDIATE").await.map_err(&failed)?;
        let moved = sqlx::query!(
            "INSERT INTO schedules (suite, schedule, followed_to, commit_sha) VALUES (?, ?, ?, ?)
             ON CONFLICT (suite, schedule) DO UPDATE SET
                 followed_to = excluded.followed_to, commit_sha = excluded.commit_sha
             WHERE excluded.followed_to > schedules.followed_to",
            suite,
            schedule,
            to,
            followed.commit,
        )
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
        if let Some(job) = job.filter(|_| moved.rows_affected() > 0) {
            insert_job(&mut transaction, job).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Plans a job. A suite that waits already is not planned twice: then that job is meant.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn plan_job(&mut self, draft: &JobDraft) -> Result<JobId> {
        let failed = self.failed();
        let mut transaction =
            self.connection.begin_with("BEGIN IMMEDIATE").await.map_err(&failed)?;
        let inserted = insert_job(&mut transaction, draft).await.map_err(&failed)?;
        let id = match inserted {
            Some(id) => id,
            None => sqlx::query_scalar!(
                r#"SELECT id AS "id!" FROM jobs
                   WHERE suite = ? AND commit_sha IS ? AND (state = 'pending' OR ? IS NOT NULL)"#,
                draft.suite,
                draft.commit,
                draft.commit,
            )
            .fetch_one(&mut *transaction)
            .await
            .map_err(&failed)?,
        };
        transaction.commit().await.map_err(failed)?;
        Ok(JobId(id))
    }

    /// Jobs by number, newest first.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn jobs(&mut self, limit: u32) -> Result<Vec<Job>> {
        let failed = self.failed();
        let rows = sqlx::query_as!(
            JobRow,
            r#"SELECT id AS "id!", suite, cause, due_at, commit_sha, state, runs_wanted,
                      (SELECT count(*) FROM job_runs WHERE job_id = jobs.id) AS "runs_done!: i64",
                      started_at, finished_at, failure, summary, report
               FROM jobs ORDER BY id DESC LIMIT ?"#,
            limit,
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(failed)?;
        rows.into_iter().map(|row| self.job_of(row)).collect()
    }

    /// One job.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn job(&mut self, id: JobId) -> Result<Option<Job>> {
        let failed = self.failed();
        let row = sqlx::query_as!(
            JobRow,
            r#"SELECT id AS "id!", suite, cause, due_at, commit_sha, state, runs_wanted,
                      (SELECT count(*) FROM job_runs WHERE job_id = jobs.id) AS "runs_done!: i64",
                      started_at, finished_at, failure, summary, report
               FROM jobs WHERE id = ?"#,
            id.0,
        )
        .fetch_optional(&mut self.connection)
        .await
        .map_err(failed)?;
        row.map(|row| self.job_of(row)).transpose()
    }

    /// What is to be done by `host`, in order: jobs that it began and did not end, then those
    /// that wait.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn unfinished_jobs(&mut self, host: &str) -> Result<Vec<Job>> {
        let failed = self.failed();
        let rows = sqlx::query_as!(
            JobRow,
            r#"SELECT id AS "id!", suite, cause, due_at, commit_sha, state, runs_wanted,
                      (SELECT count(*) FROM job_runs WHERE job_id = jobs.id) AS "runs_done!: i64",
                      started_at, finished_at, failure, summary, report
               FROM jobs WHERE state = 'pending' OR (state = 'running' AND host = ?)
               ORDER BY state = 'running' DESC, due_at, id"#,
            host,
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(failed)?;
        rows.into_iter().map(|row| self.job_of(row)).collect()
    }

    /// Begins a job or goes on with it. Says which runs it has already; runs of another state
    /// of the source code are forgotten. Nothing comes back if another host has the job.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn begin_job(
        &mut self,
        id: JobId,
        host: &str,
        revision: &str,
        now: Timestamp,
    ) -> Result<Option<Vec<JobRun>>> {
        let failed = self.failed();
        let now = now.as_millisecond();
        let mut transaction =
            self.connection.begin_with("BEGIN IMMEDIATE").await.map_err(&failed)?;
        sqlx::query!(
            "DELETE FROM job_runs WHERE job_id = ? AND EXISTS
             (SELECT 1 FROM jobs WHERE id = ? AND revision IS NOT ?)",
            id.0,
            id.0,
            revision,
        )
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
        let mine = sqlx::query!(
            "UPDATE jobs SET state = 'running', host = ?, revision = ?,
                    started_at = coalesce(started_at, ?)
             WHERE id = ? AND (state = 'pending' OR (state = 'running' AND host = ?))",
            host,
            revision,
            now,
            id.0,
            host,
        )
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
        if mine.rows_affected() == 0 {
            // Dropping the transaction undoes the deletion.
            return Ok(None);
        }
        let rows = sqlx::query!(
            "SELECT number, started_at, finished_at FROM job_runs WHERE job_id = ? ORDER BY number",
            id.0,
        )
        .fetch_all(&mut *transaction)
        .await
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
            .collect::<Result<Vec<_>>>()
            .map(Some)
    }

    /// Notes that a run of a job succeeded.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn note_job_run(&mut self, id: JobId, run: &JobRun) -> Result<()> {
        let failed = self.failed();
        let (started_at, finished_at) =
            (run.started_at.as_millisecond(), run.finished_at.as_millisecond());
        sqlx::query!(
            "INSERT OR REPLACE INTO job_runs (job_id, number, started_at, finished_at)
             VALUES (?, ?, ?, ?)",
            id.0,
            run.number,
            started_at,
            finished_at,
        )
        .execute(&mut self.connection)
        .await
        .map_err(failed)?;
        Ok(())
    }

    /// How long a run of the suite took in the last jobs, in milliseconds.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn usual_run_time(&mut self, suite: &str) -> Result<Option<std::time::Duration>> {
        let failed = self.failed();
        let mean = sqlx::query_scalar!(
            r#"SELECT avg(finished_at - started_at) AS "mean: f64" FROM
               (SELECT r.started_at, r.finished_at FROM job_runs AS r
                JOIN jobs ON jobs.id = r.job_id WHERE jobs.suite = ?
                ORDER BY r.started_at DESC LIMIT 10)"#,
            suite,
        )
        .fetch_one(&mut self.connection)
        .await
        .map_err(failed)?;
        Ok(mean.and_then(|mean| std::time::Duration::try_from_secs_f64(mean / 1000.0).ok()))
    }

    /// The stored runs that came from a folder, oldest first.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn runs_from(&mut self, folder: &str) -> Result<Vec<RunId>> {
        let failed = self.failed();
        let (from, to) = (format!("{folder}/"), format!("{folder}0"));
        let ids = sqlx::query_scalar!(
            r#"SELECT id AS "id!" FROM runs WHERE origin >= ? AND origin < ?
               ORDER BY measured_at, id"#,
            from,
            to,
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(failed)?;
        Ok(ids.into_iter().map(RunId).collect())
    }

    fn job_of(&self, row: JobRow) -> Result<Job> {
        let time = |at: Option<i64>| at.map(|at| self.timestamp(at)).transpose();
        Ok(Job {
            id: JobId(row.id),
            cause: Cause::parse(&row.cause)
                .ok_or_else(|| self.corrupt(format!("the cause `{}`", row.cause)))?,
            state: JobState::parse(&row.state)
                .ok_or_else(|| self.corrupt(format!("the state `{}`", row.state)))?,
            suite: row.suite,
            due_at: self.timestamp(row.due_at)?,
            commit: row.commit_sha,
            runs_wanted: u32::try_from(row.runs_wanted).unwrap_or_default(),
            runs_done: u32::try_from(row.runs_done).unwrap_or_default(),
            started_at: time(row.started_at)?,
            finished_at: time(row.finished_at)?,
            failure: row.failure,
            summary: row.summary,
            report: row.report,
        })
    }
}

struct JobRow {
    id: i64,
    suite: String,
    cause: String,
    due_at: i64,
    commit_sha: Option<String>,
    state: String,
    runs_wanted: i64,
    runs_done: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    failure: Option<String>,
    summary: Option<String>,
    report: Option<String>,
}

/// Nothing comes back where the same job is there already.
async fn insert_job(
    connection: &mut SqliteConnection,
    draft: &JobDraft,
) -> sqlx::Result<Option<i64>> {
    let (cause, due_at) = (draft.cause.as_str(), draft.due_at.as_millisecond());
    sqlx::query_scalar!(
        r#"INSERT OR IGNORE INTO jobs (suite, cause, due_at, commit_sha, state, runs_wanted)
           VALUES (?, ?, ?, ?, 'pending', ?) RETURNING id AS "id!""#,
        draft.suite,
        cause,
        due_at,
        draft.commit,
        draft.runs_wanted,
    )
    .fetch_optional(connection)
    .await
}
