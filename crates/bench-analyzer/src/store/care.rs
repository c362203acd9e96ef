//! What people do to a history: leaving runs out, giving up samples, renaming benchmarks. All of it is
//! written down with a reason and an author.

mod names;

pub use names::{Alias, NameGivenBack};

use jiff::Timestamp;

use super::link::{Transaction, change, one, rows, value};
use super::{Store, codec};
use crate::error::{Error, Result};
use bench_stats::model::{RunId, Samples};

/// Who does something to a history, when and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// Why.
    pub reason: String,
    /// Who.
    pub author: String,
    /// When.
    pub at: Timestamp,
}

/// How many measurements lose their samples in one transaction.
const CHUNK: i64 = 500;

impl Store {
    /// Leaves runs out of reports and histories. They stay stored, and can be put back.
    ///
    /// # Errors
    /// If one of them does not exist; then nothing changes.
    pub async fn exclude_runs(&mut self, runs: &[RunId], deed: &Deed) -> Result<()> {
        self.set_excluded(runs, Some(&deed.reason), "exclude", deed).await
    }

    /// Puts runs back that were left out.
    ///
    /// # Errors
    /// If one of them does not exist; then nothing changes.
    pub async fn include_runs(&mut self, runs: &[RunId], deed: &Deed) -> Result<()> {
        self.set_excluded(runs, None, "include", deed).await
    }

    async fn set_excluded(
        &mut self,
        runs: &[RunId],
        reason: Option<&str>,
        action: &str,
        deed: &Deed,
    ) -> Result<()> {
        let failed = self.failed();
        let mut transaction = self.begin().await?;
        for &id in runs {
            let found = change!(
                transaction.link(),
                "UPDATE runs SET excluded = $1 WHERE id = $2",
                reason,
                id.0,
            )
            .map_err(&failed)?;
            if found == 0 {
                return Err(Error::NoRun { id });
            }
            write_down(&mut transaction, action, &id.to_string(), deed).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Removes runs for good, with all they measured. Importing their files again does not bring them
    /// back.
    ///
    /// # Errors
    /// If one of them does not exist; then nothing changes.
    pub async fn remove_runs(&mut self, runs: &[RunId], deed: &Deed) -> Result<()> {
        let failed = self.failed();
        let mut transaction = self.begin().await?;
        for &id in runs {
            change!(
                transaction.link(),
                "INSERT INTO removed_measurements (digest, content)
                 SELECT digest, content FROM measurements WHERE run_id = $1 ON CONFLICT DO NOTHING",
                id.0,
            )
            .map_err(&failed)?;
            let found = change!(transaction.link(), "DELETE FROM runs WHERE id = $1", id.0,)
                .map_err(&failed)?;
            if found == 0 {
                return Err(Error::NoRun { id });
            }
            write_down(&mut transaction, "remove", &id.to_string(), deed).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Gives up the raw samples of runs that measured before `before`, but for those of baselines. What
    /// they come to (median, spread, number) stays, and with it everything that compares runs. Says
    /// how many measurements that were.
    ///
    /// # Errors
    /// If the database refuses; what was pruned before that stays so.
    pub async fn prune(&mut self, before: Timestamp, deed: &Deed) -> Result<u64> {
        let failed = self.failed();
        let (before_at, at) = (before.as_millisecond(), deed.at.as_millisecond());
        let mut pruned = 0;
        loop {
            let mut transaction = self.begin().await?;
            let found = rows!(
                transaction.link(),
                { id: i64, median: f64 },
                r#"SELECT m.id AS "id!", m.median FROM measurements AS m
                   JOIN runs ON runs.id = m.run_id
                   WHERE runs.measured_at < $1 AND m.pruned_at IS NULL AND m.sample_count > 1
                     AND m.id NOT IN (SELECT measurement_id FROM baseline_members)
                   LIMIT $2"#,
                before_at,
                CHUNK,
            )
            .map_err(&failed)?;
            if found.is_empty() {
                break;
            }
            for row in &found {
                // A single sample, so that every reader still finds what it expects.
                let Ok(samples) = Samples::of_values([row.median]) else { continue };
                let data = codec::encode(&samples);
                change!(
                    transaction.link(),
                    "UPDATE samples SET data = $1 WHERE measurement_id = $2",
                    data,
                    row.id,
                )
                .map_err(&failed)?;
                change!(
                    transaction.link(),
                    "UPDATE measurements SET pruned_at = $1 WHERE id = $2",
                    at,
                    row.id,
                )
                .map_err(&failed)?;
            }
            pruned += u64::try_from(found.len()).unwrap_or(0);
            transaction.commit().await.map_err(&failed)?;
        }
        let mut transaction = self.begin().await?;
        let subject = format!("{pruned} measurements before {before}");
        write_down(&mut transaction, "prune", &subject, deed).await.map_err(&failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(pruned)
    }
}

async fn write_down(
    transaction: &mut Transaction<'_>,
    action: &str,
    subject: &str,
    deed: &Deed,
) -> sqlx::Result<i64> {
    let at = deed.at.as_millisecond();
    one(value!(
        transaction.link(),
        i64,
        r#"INSERT INTO care (done_at, action, subject, reason, author)
           VALUES ($1, $2, $3, $4, $5) RETURNING id AS "id!""#,
        at,
        action,
        subject,
        deed.reason,
        deed.author,
    ))
}
