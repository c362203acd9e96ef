//! What somebody was told about, and the end of a job that changes it.

use jiff::Timestamp;

use super::steps::note_step;
use crate::error::Result;
use crate::jobs::alert::{OpenAlert, Subject, Transition, TransitionKind};
use crate::jobs::job::{JobId, JobState};
use crate::store::Store;
use crate::store::link::{change, rows};

/// Everything that the end of a job changes, at once.
#[derive(Debug, Clone, PartialEq)]
pub struct JobEnd {
    /// The job.
    pub job: JobId,
    /// The machine that ran it.
    pub machine: String,
    /// [`JobState::Done`] or [`JobState::Failed`].
    pub state: JobState,
    /// When.
    pub at: Timestamp,
    /// Why it failed.
    pub failure: Option<String>,
    /// Outcome, in a sentence.
    pub summary: Option<String>,
    /// Where its report lies.
    pub report: Option<String>,
    /// The suite.
    pub suite: String,
    /// Alerts that open, get worse or are over.
    pub transitions: Vec<Transition>,
    /// Notices to send: the channel and the notice as JSON.
    pub notices: Vec<(String, String)>,
}

impl Store {
    /// The alerts of a suite that are not over, or those of all suites.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn open_alerts(&mut self, suite: Option<&str>) -> Result<Vec<OpenAlert>> {
        let failed = self.failed();
        let rows = rows!(
            self.link().await?,
            {
                suite: String, benchmark: String, metric: String, opened_job: i64, opened_at: i64,
                factor: f64, factor_low: f64, factor_high: f64,
            },
            "SELECT suite, benchmark, metric, opened_job, opened_at, factor, factor_low, factor_high
             FROM alerts WHERE resolved_at IS NULL AND ($1 IS NULL OR suite = $1) ORDER BY id",
            suite,
        )
        .map_err(failed)?;
        rows.into_iter()
            .map(|row| {
                Ok(OpenAlert {
                    suite: row.suite,
                    subject: Subject::of_columns(&row.benchmark, &row.metric),
                    opened_job: JobId(row.opened_job),
                    opened_at: self.timestamp(row.opened_at)?,
                    factor: row.factor,
                    low: row.factor_low,
                    high: row.factor_high,
                })
            })
            .collect()
    }

    /// Ends a job: its state, its alerts and its notices in one transaction, so that a notice is
    /// queued exactly when its alert is known.
    ///
    /// # Errors
    /// If the database refuses; then nothing changed.
    pub async fn end_job(&mut self, end: &JobEnd) -> Result<()> {
        let failed = self.failed();
        let (state, at) = (end.state.as_str(), end.at.as_millisecond());
        let mut transaction = self.begin().await?;
        let ended = change!(
            transaction.link(),
            "UPDATE jobs SET state = $1, finished_at = $2, failure = $3, summary = $4, report = $5
             WHERE id = $6 AND state = 'running' AND machine = $7",
            state,
            at,
            end.failure,
            end.summary,
            end.report,
            end.job.0,
            end.machine,
        )
        .map_err(&failed)?;
        if ended == 0 {
            // Somebody ended it already, or another machine has taken it over.
            return Ok(());
        }
        for transition in &end.transitions {
            if let Subject::Step { name, metric, run } = &transition.subject {
                let step = (name.as_str(), metric.as_str(), *run);
                note_step(transaction.link(), end, step, transition).await.map_err(&failed)?;
                continue;
            }
            let (benchmark, metric) = transition.subject.columns();
            let (factor, low, high) = (transition.factor, transition.low, transition.high);
            match &transition.kind {
                TransitionKind::Opened | TransitionKind::Worsened => {
                    change!(
                        transaction.link(),
                        "INSERT INTO alerts (suite, benchmark, metric, opened_job, opened_at,
                                             factor, factor_low, factor_high, told_at)
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $5)
                         ON CONFLICT (suite, benchmark, metric) WHERE resolved_at IS NULL
                         DO UPDATE SET factor = excluded.factor, factor_low = excluded.factor_low,
                                       factor_high = excluded.factor_high,
                                       told_at = excluded.told_at",
                        end.suite,
                        benchmark,
                        metric,
                        end.job.0,
                        at,
                        factor,
                        low,
                        high,
                    )
                    .map_err(&failed)?;
                }
                TransitionKind::Resolved(why) => {
                    change!(
                        transaction.link(),
                        "UPDATE alerts SET resolved_at = $1, resolution = $2
                         WHERE suite = $3 AND benchmark = $4 AND metric = $5 AND resolved_at IS NULL",
                        at,
                        why,
                        end.suite,
                        benchmark,
                        metric,
                    )
                    .map_err(&failed)?;
                }
            }
        }
        for (channel, notice) in &end.notices {
            change!(
                transaction.link(),
                "INSERT INTO outbox (channel, notice, queued_at, next_at) VALUES ($1, $2, $3, $4)",
                channel,
                notice,
                at,
                at,
            )
            .map_err(&failed)?;
        }
        transaction.commit().await.map_err(failed)
    }
}
