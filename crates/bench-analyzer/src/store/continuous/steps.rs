//! Steps of histories that somebody was told about.

use jiff::Timestamp;

use super::JobEnd;
use crate::error::Result;
use crate::jobs::alert::{KnownSteps, Subject, ToldStep, Transition, TransitionKind};
use crate::jobs::job::JobId;
use crate::store::Store;
use crate::store::link::{Link, change, row, rows};
use bench_stats::model::RunId;

impl Store {
    /// The steps that were told about a suite, or about all suites, oldest first, whether they are
    /// over or not.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn told_steps(&mut self, suite: Option<&str>) -> Result<Vec<ToldStep>> {
        let failed = self.failed();
        let rows = rows!(
            self.link().await?,
            {
                suite: String, benchmark: String, metric: String, run_id: i64, opened_job: i64,
                opened_at: i64, level: f64, factor: f64, resolved_at: Option<i64>,
            },
            "SELECT suite, benchmark, metric, run_id, opened_job, opened_at, level, factor,
                    resolved_at
             FROM step_alerts WHERE $1 IS NULL OR suite = $1 ORDER BY id",
            suite,
        )
        .map_err(failed)?;
        rows.into_iter()
            .map(|row| {
                Ok(ToldStep {
                    suite: row.suite,
                    name: row.benchmark,
                    metric: row.metric,
                    run: RunId(row.run_id),
                    opened_job: JobId(row.opened_job),
                    opened_at: self.timestamp(row.opened_at)?,
                    level: row.level,
                    factor: row.factor,
                    over: row.resolved_at.is_some(),
                })
            })
            .collect()
    }

    /// All that decides which steps of a suite are news.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn known_steps(&mut self, suite: &str) -> Result<KnownSteps> {
        let failed = self.failed();
        let since = row!(
            self.link().await?,
            { since: Option<i64> },
            r#"SELECT min(started_at) AS "since: i64" FROM jobs WHERE suite = $1"#,
            suite,
        )
        .map_err(&failed)?;
        let since = since.and_then(|row| row.since);
        let rows = rows!(
            self.link().await?,
            { benchmark: String, metric: String, told_at: i64 },
            r#"SELECT benchmark AS "benchmark!", metric AS "metric!",
                      max(coalesce(told_at, opened_at)) AS "told_at!: i64"
               FROM alerts WHERE suite = $1 AND benchmark <> '' GROUP BY benchmark, metric"#,
            suite,
        )
        .map_err(failed)?;
        let compared = rows
            .into_iter()
            .map(|row| {
                let told_at = self.timestamp(row.told_at)?;
                Ok((Subject::of_columns(&row.benchmark, &row.metric), told_at))
            })
            .collect::<Result<Vec<(Subject, Timestamp)>>>()?;
        Ok(KnownSteps {
            told: self.told_steps(Some(suite)).await?,
            compared,
            watched_since: since.map(|since| self.timestamp(since)).transpose()?,
        })
    }
}

/// Notes that a step was told, or that it is over.
pub(super) async fn note_step(
    link: Link<'_>,
    end: &JobEnd,
    (name, metric, run): (&str, &str, RunId),
    transition: &Transition,
) -> sqlx::Result<()> {
    let at = end.at.as_millisecond();
    match &transition.kind {
        TransitionKind::Opened | TransitionKind::Worsened => {
            let level = transition.step.as_ref().map_or(0.0, |step| step.before);
            change!(
                link,
                "INSERT INTO step_alerts (suite, benchmark, metric, run_id, opened_job, opened_at,
                                          level, factor)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                 ON CONFLICT (suite, benchmark, metric, run_id) DO NOTHING",
                end.suite,
                name,
                metric,
                run.0,
                end.job.0,
                at,
                level,
                transition.factor,
            )?;
        }
        TransitionKind::Resolved(why) => {
            change!(
                link,
                "UPDATE step_alerts SET resolved_at = $1, resolution = $2
                 WHERE suite = $3 AND benchmark = $4 AND metric = $5 AND run_id = $6
                   AND resolved_at IS NULL",
                at,
                why,
                end.suite,
                name,
                metric,
                run.0,
            )?;
        }
    }
    Ok(())
}
