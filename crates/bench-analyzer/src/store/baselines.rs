//! Listing, setting and removing baselines.

use jiff::Timestamp;
use sqlx::Connection;

use super::Store;
use crate::error::{Error, Result};
use crate::model::{BaselineInfo, BaselineName, RunId};

impl Store {
    /// All baselines by name.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn baselines(&mut self) -> Result<Vec<BaselineInfo>> {
        let failed = self.failed();
        let rows = sqlx::query!(
            r#"SELECT b.name, b.updated_at,
                      count(DISTINCT m.run_id) AS "runs!: i64",
                      count(DISTINCT s.benchmark) AS "benchmarks!: i64"
               FROM baselines AS b
               JOIN baseline_members AS member ON member.baseline_id = b.id
               JOIN measurements AS m ON m.id = member.measurement_id
               JOIN series AS s ON s.id = m.series_id
               GROUP BY b.id ORDER BY b.name"#
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(failed)?;
        let mut baselines = Vec::with_capacity(rows.len());
        for row in rows {
            let name: BaselineName = row
                .name
                .parse()
                .map_err(|_| self.corrupt(format!("a baseline called `{}`", row.name)))?;
            baselines.push(BaselineInfo {
                commits: self.commits_of(&name).await?,
                name,
                updated_at: self.timestamp(row.updated_at)?,
                runs: u64::try_from(row.runs).unwrap_or_default(),
                benchmarks: u64::try_from(row.benchmarks).unwrap_or_default(),
            });
        }
        Ok(baselines)
    }

    /// Makes the named baseline consist of these runs, whatever it held before.
    ///
    /// # Errors
    /// If one of the runs does not exist; then nothing changes.
    pub async fn set_baseline(
        &mut self,
        name: &BaselineName,
        runs: &[RunId],
        now: Timestamp,
    ) -> Result<()> {
        let failed = self.failed();
        let (text, now) = (name.as_str(), now.as_millisecond());
        let mut transaction =
            self.connection.begin_with("BEGIN IMMEDIATE").await.map_err(&failed)?;
        sqlx::query!("DELETE FROM baselines WHERE name = ?", text)
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
        let baseline = sqlx::query_scalar!(
            "INSERT INTO baselines (name, updated_at) VALUES (?, ?) RETURNING id",
            text,
            now,
        )
        .fetch_one(&mut *transaction)
        .await
        .map_err(&failed)?;
        for &id in runs {
            let added = sqlx::query!(
                "INSERT OR IGNORE INTO baseline_members (baseline_id, measurement_id)
                 SELECT ?, id FROM measurements WHERE run_id = ?",
                baseline,
                id.0,
            )
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
            if added.rows_affected() == 0 {
                return Err(Error::NoRun { id });
            }
        }
        transaction.commit().await.map_err(failed)
    }

    /// Adds to a baseline what these runs measured of series that it does not hold yet.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn complete_baseline(
        &mut self,
        name: &BaselineName,
        runs: &[RunId],
        now: Timestamp,
    ) -> Result<()> {
        let failed = self.failed();
        let (text, now) = (name.as_str(), now.as_millisecond());
        let ids: Vec<String> = runs.iter().map(|run| run.0.to_string()).collect();
        let ids = format!("[{}]", ids.join(","));
        let mut transaction =
            self.connection.begin_with("BEGIN IMMEDIATE").await.map_err(&failed)?;
        let added = sqlx::query!(
            "INSERT INTO baseline_members (baseline_id, measurement_id)
             SELECT b.id, m.id FROM baselines AS b, measurements AS m
             WHERE b.name = ? AND m.run_id IN (SELECT value FROM json_each(?))
               AND m.series_id NOT IN
                   (SELECT held.series_id FROM baseline_members AS member
                    JOIN measurements AS held ON held.id = member.measurement_id
                    WHERE member.baseline_id = b.id)",
            text,
            ids,
        )
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
        if added.rows_affected() > 0 {
            sqlx::query!("UPDATE baselines SET updated_at = ? WHERE name = ?", now, text)
                .execute(&mut *transaction)
                .await
                .map_err(&failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Removes a baseline; its runs stay in the history.
    ///
    /// # Errors
    /// If there is no such baseline.
    pub async fn remove_baseline(&mut self, name: &BaselineName) -> Result<()> {
        let failed = self.failed();
        let text = name.as_str();
        let removed = sqlx::query!("DELETE FROM baselines WHERE name = ?", text)
            .execute(&mut self.connection)
            .await
            .map_err(failed)?;
        if removed.rows_affected() > 0 {
            return Ok(());
        }
        let known = self.baselines().await?;
        let known = known.into_iter().map(|baseline| baseline.name.to_string()).collect();
        Err(Error::NoBaseline { name: name.clone(), known })
    }

    async fn commits_of(&mut self, name: &BaselineName) -> Result<Vec<String>> {
        let failed = self.failed();
        let name = name.as_str();
        sqlx::query_scalar!(
            r#"SELECT runs.commit_sha AS "commit!" FROM runs
               JOIN measurements AS m ON m.run_id = runs.id
               JOIN baseline_members AS member ON member.measurement_id = m.id
               JOIN baselines AS b ON b.id = member.baseline_id
               WHERE b.name = ? AND runs.commit_sha IS NOT NULL
               GROUP BY runs.commit_sha ORDER BY max(runs.measured_at) DESC"#,
            name,
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(failed)
    }
}
