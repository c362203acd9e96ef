//! Schedules and the jobs that follow from them.

use jiff::Timestamp;

use crate::error::Result;
use crate::jobs::job::{Cause, Job, JobDraft, JobId, JobRun, JobState};
use crate::store::Store;
use crate::store::link::{Link, change, one, record, row, rows, value};

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
        let row = row!(
            self.link().await?,
            { followed_to: i64, commit_sha: Option<String> },
            "SELECT followed_to, commit_sha FROM schedules WHERE suite = $1 AND schedule = $2",
            suite,
            schedule,
        )
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
        to: Timestamp,
        job: Option<&JobDraft>,
    ) -> Result<()> {
        let failed = self.failed();
        let to = to.as_millisecond();
        let mut transaction = self.begin().await?;
        let moved = change!(
            transaction.link(),
            "INSERT INTO schedules (suite, schedule, followed_to) VALUES ($1, $2, $3)
             ON CONFLICT (suite, schedule) DO UPDATE SET followed_to = excluded.followed_to
             WHERE excluded.followed_to > schedules.followed_to",
            suite,
            schedule,
            to,
        )
        .map_err(&failed)?;
        if let Some(job) = job.filter(|_| moved > 0) {
            insert_job(transaction.link(), job).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Follows a schedule from `to` on that was followed up to `from`, which is later: nothing
    /// happens if it is no longer so.
    pub(crate) async fn follow_anew(
        &mut self,
        suite: &str,
        schedule: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<()> {
        let failed = self.failed();
        let (from, to) = (from.as_millisecond(), to.as_millisecond());
        change!(
            self.link().await?,
            "UPDATE schedules SET followed_to = $1
             WHERE suite = $2 AND schedule = $3 AND followed_to = $4",
            to,
            suite,
            schedule,
            from,
        )
        .map_err(failed)?;
        Ok(())
    }

    /// Follows a branch from the commit that is known to that of a job, and plans the job, both or
    /// neither. Whoever followed it elsewhere meanwhile wins: then nothing happens.
    pub(crate) async fn follow_branch(
        &mut self,
        schedule: &str,
        known: Option<&str>,
        job: &JobDraft,
    ) -> Result<()> {
        let failed = self.failed();
        let at = job.due_at.as_millisecond();
        let mut transaction = self.begin().await?;
        let moved = change!(
            transaction.link(),
            "INSERT INTO schedules (suite, schedule, followed_to, commit_sha)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (suite, schedule) DO UPDATE SET
                 followed_to = excluded.followed_to, commit_sha = excluded.commit_sha
             WHERE schedules.commit_sha IS NOT DISTINCT FROM $5",
            job.suite,
            schedule,
            at,
            job.commit,
            known,
        )
        .map_err(&failed)?;
        if moved > 0 {
            insert_job(transaction.link(), job).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// The schedules that were followed beyond a moment: their suites, and how far.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn followed_beyond(&mut self, moment: Timestamp) -> Result<Vec<(String, Timestamp)>> {
        let failed = self.failed();
        let moment = moment.as_millisecond();
        let rows = rows!(
            self.link().await?,
            { suite: String, followed_to: i64 },
            "SELECT suite, followed_to FROM schedules WHERE followed_to > $1 ORDER BY suite",
            moment,
        )
        .map_err(failed)?;
        rows.into_iter().map(|row| Ok((row.suite, self.timestamp(row.followed_to)?))).collect()
    }

    /// Plans a job. A suite that waits already is not planned twice: then that job is meant.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn plan_job(&mut self, draft: &JobDraft) -> Result<JobId> {
        let failed = self.failed();
        let mut transaction = self.begin().await?;
        let inserted = insert_job(transaction.link(), draft).await.map_err(&failed)?;
        let id = match inserted {
            Some(id) => id,
            None => one(value!(
                transaction.link(),
                i64,
                r#"SELECT id AS "id!" FROM jobs
                   WHERE suite = $1 AND commit_sha IS NOT DISTINCT FROM $2
                     AND (state = 'pending' OR $2 IS NOT NULL)"#,
                draft.suite,
                draft.commit,
            ))
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
        let limit = i64::from(limit);
        let rows = rows!(
            self.link().await?,
            JobRow,
            r#"SELECT id AS "id!", suite, cause, due_at, commit_sha, state, runs_wanted,
                      (SELECT count(*) FROM job_runs WHERE job_id = jobs.id) AS "runs_done!: i64",
                      started_at, finished_at, failure, summary, report, machine, host, beat,
                      beat_at, put_off, not_before
               FROM jobs ORDER BY id DESC LIMIT $1"#,
            limit,
        )
        .map_err(failed)?;
        rows.into_iter().map(|row| self.job_of(row)).collect()
    }

    /// One job.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn job(&mut self, id: JobId) -> Result<Option<Job>> {
        let failed = self.failed();
        let row = row!(
            self.link().await?,
            JobRow,
            r#"SELECT id AS "id!", suite, cause, due_at, commit_sha, state, runs_wanted,
                      (SELECT count(*) FROM job_runs WHERE job_id = jobs.id) AS "runs_done!: i64",
                      started_at, finished_at, failure, summary, report, machine, host, beat,
                      beat_at, put_off, not_before
               FROM jobs WHERE id = $1"#,
            id.0,
        )
        .map_err(failed)?;
        row.map(|row| self.job_of(row)).transpose()
    }

    /// What is to be done, in order: jobs that somebody began and did not end, then those that
    /// wait.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn unfinished_jobs(&mut self) -> Result<Vec<Job>> {
        let failed = self.failed();
        let rows = rows!(
            self.link().await?,
            JobRow,
            r#"SELECT id AS "id!", suite, cause, due_at, commit_sha, state, runs_wanted,
                      (SELECT count(*) FROM job_runs WHERE job_id = jobs.id) AS "runs_done!: i64",
                      started_at, finished_at, failure, summary, report, machine, host, beat,
                      beat_at, put_off, not_before
               FROM jobs WHERE state IN ('pending', 'running')
               ORDER BY state = 'running' DESC, due_at, id"#,
        )
        .map_err(failed)?;
        rows.into_iter().map(|row| self.job_of(row)).collect()
    }

    /// Notes that a run of a job succeeded.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn note_job_run(&mut self, id: JobId, run: &JobRun) -> Result<()> {
        let failed = self.failed();
        let number = i64::from(run.number);
        let (started_at, finished_at) =
            (run.started_at.as_millisecond(), run.finished_at.as_millisecond());
        change!(
            self.link().await?,
            "INSERT INTO job_runs (job_id, number, started_at, finished_at)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (job_id, number) DO UPDATE SET
                 started_at = excluded.started_at, finished_at = excluded.finished_at",
            id.0,
            number,
            started_at,
            finished_at,
        )
        .map_err(failed)?;
        Ok(())
    }

    /// How long a run of the suite took in the last jobs, in milliseconds.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn usual_run_time(&mut self, suite: &str) -> Result<Option<std::time::Duration>> {
        let failed = self.failed();
        let mean = one(value!(
            self.link().await?,
            Option<f64>,
            r#"SELECT avg(CAST(finished_at - started_at AS DOUBLE PRECISION)) AS "mean: f64" FROM
               (SELECT r.started_at, r.finished_at FROM job_runs AS r
                JOIN jobs ON jobs.id = r.job_id WHERE jobs.suite = $1
                ORDER BY r.started_at DESC LIMIT 10) AS recent"#,
            suite,
        ))
        .map_err(failed)?;
        Ok(mean.and_then(|mean| std::time::Duration::try_from_secs_f64(mean / 1000.0).ok()))
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
            machine: row.machine,
            host: row.host,
            beat: row.beat,
            beat_at: time(row.beat_at)?,
            put_off: u32::try_from(row.put_off).unwrap_or_default(),
            not_before: time(row.not_before)?,
        })
    }
}

record!(
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
        machine: Option<String>,
        host: Option<String>,
        beat: i64,
        beat_at: Option<i64>,
        put_off: i64,
        not_before: Option<i64>,
    }
);

/// Nothing comes back where the same job is there already.
async fn insert_job(link: Link<'_>, draft: &JobDraft) -> sqlx::Result<Option<i64>> {
    let runs_wanted = i64::from(draft.runs_wanted);
    let (cause, due_at) = (draft.cause.as_str(), draft.due_at.as_millisecond());
    value!(
        link,
        i64,
        r#"INSERT INTO jobs (suite, cause, due_at, commit_sha, state, runs_wanted)
           VALUES ($1, $2, $3, $4, 'pending', $5)
           ON CONFLICT DO NOTHING RETURNING id AS "id!""#,
        draft.suite,
        cause,
        due_at,
        draft.commit,
        runs_wanted,
    )
}
