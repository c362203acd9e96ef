//! Effects of an import on baselines.

use std::collections::HashMap;

use super::{BaselineMode, Stored, Writer};
use crate::ingest::Digest;
use crate::store::codec::list_of;
use crate::store::link::{change, one, rows, value};
use bench_stats::model::{BaselineName, Series};

/// Members of another store's baseline, of one series.
pub(in crate::store) struct MergedMembers {
    pub(in crate::store) series: Series,
    /// When the latest of them was measured.
    pub(in crate::store) newest: i64,
    pub(in crate::store) members: Vec<Digest>,
}

impl Writer<'_> {
    /// Follows a baseline that another tool keeps: a benchmark's saved result takes the place of
    /// what the store has, if it is newer. A baseline made here from several runs thus outlives
    /// the older folder of the same name.
    pub(super) async fn mirror(
        &mut self,
        name: &BaselineName,
        stored: &[Stored],
    ) -> sqlx::Result<()> {
        let baseline = self.baseline_id(name).await?;
        let here = self.newest_members(baseline).await?;
        // The copy's own files are younger than the result that it copies.
        let own = self.measured_at(stored).await?;
        let newer = |one: &&Stored| {
            let own = own.get(&one.measurement);
            here.get(&one.series).is_none_or(|here| own.is_some_and(|own| here < own))
        };
        let newer: Vec<Stored> = stored.iter().filter(newer).copied().collect();
        self.leave(baseline, newer.iter().map(|one| one.series)).await?;
        self.join(baseline, newer.iter().map(|one| one.measurement)).await?;
        self.touch(name, baseline, newer.len()).await
    }

    pub(super) async fn become_baseline(
        &mut self,
        name: &BaselineName,
        mode: BaselineMode,
        stored: &[Stored],
    ) -> sqlx::Result<()> {
        let baseline = self.baseline_id(name).await?;
        if mode == BaselineMode::Replace {
            self.leave(baseline, stored.iter().map(|one| one.series)).await?;
        }
        self.join(baseline, stored.iter().map(|one| one.measurement)).await?;
        self.touch(name, baseline, stored.len()).await
    }

    /// Takes over what another store's baseline holds: series by series, where it is newer than
    /// what is here.
    pub(in crate::store) async fn merge_baseline(
        &mut self,
        name: &BaselineName,
        all: &[MergedMembers],
    ) -> sqlx::Result<usize> {
        let baseline = self.baseline_id(name).await?;
        let here = self.newest_members(baseline).await?;
        let (mut series, mut members) = (Vec::new(), Vec::new());
        for one in all {
            let id = self.series_id(&one.series).await?;
            if here.get(&id).is_none_or(|here| *here < one.newest) {
                series.push(id);
                members.extend(&one.members);
            }
        }
        self.leave(baseline, series.into_iter()).await?;
        let taken = self.join_known(baseline, &members).await?;
        self.touch(name, baseline, taken).await?;
        Ok(taken)
    }

    /// When the latest of a baseline's measurements of each series was measured.
    async fn newest_members(&mut self, baseline: i64) -> sqlx::Result<HashMap<i64, i64>> {
        let found = rows!(
            self.link.again(),
            { series_id: i64, newest: i64 },
            r#"SELECT m.series_id AS "series_id!", max(runs.measured_at) AS "newest!: i64"
               FROM baseline_members AS member
               JOIN measurements AS m ON m.id = member.measurement_id
               JOIN runs ON runs.id = m.run_id
               WHERE member.baseline_id = $1 GROUP BY m.series_id"#,
            baseline,
        )?;
        Ok(found.into_iter().map(|row| (row.series_id, row.newest)).collect())
    }

    /// When each of some measurements was measured.
    async fn measured_at(&mut self, stored: &[Stored]) -> sqlx::Result<HashMap<i64, i64>> {
        let list = numbers(stored.iter().map(|one| one.measurement));
        let found = rows!(
            self.link.again(),
            { id: i64, measured_at: i64 },
            r#"SELECT m.id AS "id!", runs.measured_at FROM json_each($1) AS chosen
               JOIN measurements AS m ON m.id = CAST(chosen.value AS BIGINT)
               JOIN runs ON runs.id = m.run_id"#,
            list,
        )?;
        Ok(found.into_iter().map(|row| (row.id, row.measured_at)).collect())
    }

    /// Adds measurements that are known by their digests; says how many were no members yet.
    async fn join_known(&mut self, baseline: i64, digests: &[Digest]) -> sqlx::Result<usize> {
        let list = list_of(digests.iter());
        let added = change!(
            self.link.again(),
            "INSERT INTO baseline_members (baseline_id, measurement_id)
             SELECT $1, id FROM measurements
             WHERE digest IN (SELECT unhex(value ->> 0) FROM json_each($2))
             ON CONFLICT DO NOTHING",
            baseline,
            list,
        )?;
        Ok(usize::try_from(added).unwrap_or(usize::MAX))
    }

    /// Adds measurements that are known by their digests.
    pub(super) async fn extend_baseline(
        &mut self,
        name: &BaselineName,
        members: &[Digest],
    ) -> sqlx::Result<()> {
        let baseline = self.baseline_id(name).await?;
        let taken = self.join_known(baseline, members).await?;
        self.touch(name, baseline, taken).await
    }

    async fn baseline_id(&mut self, name: &BaselineName) -> sqlx::Result<i64> {
        let name = name.as_str();
        change!(
            self.link.again(),
            "INSERT INTO baselines (name, updated_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            name,
            self.now,
        )?;
        one(value!(self.link.again(), i64, "SELECT id FROM baselines WHERE name = $1", name,))
    }

    /// Takes all measurements of some series out.
    async fn leave(
        &mut self,
        baseline: i64,
        series: impl Iterator<Item = i64>,
    ) -> sqlx::Result<()> {
        let list = numbers(series);
        change!(
            self.link.again(),
            "DELETE FROM baseline_members WHERE baseline_id = $1 AND EXISTS
             (SELECT 1 FROM measurements AS m WHERE m.id = measurement_id
              AND m.series_id IN (SELECT CAST(value AS BIGINT) FROM json_each($2)))",
            baseline,
            list,
        )?;
        Ok(())
    }

    async fn join(
        &mut self,
        baseline: i64,
        measurements: impl Iterator<Item = i64>,
    ) -> sqlx::Result<()> {
        let list = numbers(measurements);
        change!(
            self.link.again(),
            "INSERT INTO baseline_members (baseline_id, measurement_id)
             SELECT $1, CAST(value AS BIGINT) FROM json_each($2) WHERE true
             ON CONFLICT DO NOTHING",
            baseline,
            list,
        )?;
        Ok(())
    }

    async fn touch(
        &mut self,
        name: &BaselineName,
        baseline: i64,
        taken: usize,
    ) -> sqlx::Result<()> {
        if taken > 0 {
            *self.outcome.baselines.entry(name.clone()).or_default() += taken;
            change!(
                self.link.again(),
                "UPDATE baselines SET updated_at = $1 WHERE id = $2",
                self.now,
                baseline,
            )?;
        }
        Ok(())
    }
}

/// Numbers as JSON, for queries.
fn numbers(all: impl Iterator<Item = i64>) -> String {
    let all: Vec<String> = all.map(|number| number.to_string()).collect();
    format!("[{}]", all.join(","))
}
