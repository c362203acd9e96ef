//! Listing, setting and removing baselines.

use jiff::Timestamp;

use super::Store;
use super::link::{change, one, rows, value, values};
use crate::error::{Error, Result};
use bench_stats::model::{BaselineInfo, BaselineName, RunId};

impl Store {
    /// All baselines by name.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn baselines(&mut self) -> Result<Vec<BaselineInfo>> {
        let failed = self.failed();
        let rows = rows!(
            self.link().await?,
            { name: String, updated_at: i64, runs: i64, benchmarks: i64 },
            r#"SELECT b.name, b.updated_at,
                      count(DISTINCT m.run_id) AS "runs!: i64",
                      count(DISTINCT s.benchmark) AS "benchmarks!: i64"
               FROM baselines AS b
               JOIN baseline_members AS member ON member.baseline_id = b.id
               JOIN measurements AS m ON m.id = member.measurement_id
               JOIN series AS s ON s.id = m.series_id
               GROUP BY b.id ORDER BY b.name"#,
        )
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
        let mut transaction = self.begin().await?;
        change!(transaction.link(), "DELETE FROM baselines WHERE name = $1", text,)
            .map_err(&failed)?;
        let baseline = one(value!(
            transaction.link(),
            i64,
            "INSERT INTO baselines (name, updated_at) VALUES ($1, $2) RETURNING id",
            text,
            now,
        ))
        .map_err(&failed)?;
        for &id in runs {
            let added = change!(
                transaction.link(),
                "INSERT INTO baseline_members (baseline_id, measurement_id)
                 SELECT $1, id FROM measurements WHERE run_id = $2 ON CONFLICT DO NOTHING",
                baseline,
                id.0,
            )
            .map_err(&failed)?;
            if added == 0 {
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
        let mut transaction = self.begin().await?;
        let added = change!(
            transaction.link(),
            "INSERT INTO baseline_members (baseline_id, measurement_id)
             SELECT b.id, m.id FROM baselines AS b, measurements AS m
             WHERE b.name = $1 AND m.run_id IN (SELECT CAST(value AS BIGINT) FROM json_each($2))
               AND m.series_id NOT IN
                   (SELECT held.series_id FROM baseline_members AS member
                    JOIN measurements AS held ON held.id = member.measurement_id
                    WHERE member.baseline_id = b.id)",
            text,
            ids,
        )
        .map_err(&failed)?;
        if added > 0 {
            change!(
                transaction.link(),
                "UPDATE baselines SET updated_at = $1 WHERE name = $2",
                now,
                text,
            )
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
        let removed = change!(self.link().await?, "DELETE FROM baselines WHERE name = $1", text,)
            .map_err(failed)?;
        if removed > 0 {
            return Ok(());
        }
        let known = self.baselines().await?;
        let known = known.into_iter().map(|baseline| baseline.name.to_string()).collect();
        Err(Error::NoBaseline { name: name.clone(), known })
    }

    async fn commits_of(&mut self, name: &BaselineName) -> Result<Vec<String>> {
        let failed = self.failed();
        let name = name.as_str();
        values!(
            self.link().await?,
            String,
            r#"SELECT runs.commit_sha AS "commit!" FROM runs
               JOIN measurements AS m ON m.run_id = runs.id
               JOIN baseline_members AS member ON member.measurement_id = m.id
               JOIN baselines AS b ON b.id = member.baseline_id
               WHERE b.name = $1 AND runs.commit_sha IS NOT NULL
               GROUP BY runs.commit_sha ORDER BY max(runs.measured_at) DESC, runs.commit_sha"#,
            name,
        )
        .map_err(failed)
    }
}
