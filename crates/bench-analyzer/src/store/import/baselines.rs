//! What an import does to baselines and blessings.

use super::{BaselineMode, Stored, Writer};
use crate::ingest::{BlessingDraft, Digest};
use crate::model::BaselineName;
use crate::store::link::{change, one, value};
use crate::store::merge::MergedMembers;

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
        let mut taken = 0;
        for &Stored { series, measurement } in stored {
            let newest = self.newest_member(baseline, series).await?;
            // The copy's own files are younger than the result that it copies.
            let own = one(value!(
                self.link.again(),
                i64,
                "SELECT measured_at FROM runs
                 JOIN measurements ON measurements.run_id = runs.id WHERE measurements.id = $1",
                measurement,
            ))?;
            if newest.is_none_or(|newest| newest < own) {
                self.leave(baseline, series).await?;
                self.join(baseline, measurement).await?;
                taken += 1;
            }
        }
        self.touch(name, baseline, taken).await
    }

    pub(super) async fn become_baseline(
        &mut self,
        name: &BaselineName,
        mode: BaselineMode,
        stored: &[Stored],
    ) -> sqlx::Result<()> {
        let baseline = self.baseline_id(name).await?;
        if mode == BaselineMode::Replace {
            for member in stored {
                self.leave(baseline, member.series).await?;
            }
        }
        for member in stored {
            self.join(baseline, member.measurement).await?;
        }
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
        let mut taken = 0;
        for MergedMembers { series, newest, members } in all {
            let series = self.series_id(series).await?;
            if self.newest_member(baseline, series).await?.is_some_and(|here| here >= *newest) {
                continue;
            }
            self.leave(baseline, series).await?;
            for digest in members {
                taken += usize::from(self.join_known(baseline, digest).await?);
            }
        }
        self.touch(name, baseline, taken).await?;
        Ok(taken)
    }

    /// When the latest of a baseline's measurements of a series was measured.
    async fn newest_member(&mut self, baseline: i64, series: i64) -> sqlx::Result<Option<i64>> {
        one(value!(
            self.link.again(),
            Option<i64>,
            r#"SELECT max(runs.measured_at) AS "newest: i64" FROM baseline_members AS member
               JOIN measurements ON measurements.id = member.measurement_id
               JOIN runs ON runs.id = measurements.run_id
               WHERE member.baseline_id = $1 AND measurements.series_id = $2"#,
            baseline,
            series,
        ))
    }

    /// Adds a measurement that is known by its digest; says whether it was not a member yet.
    async fn join_known(&mut self, baseline: i64, digest: &Digest) -> sqlx::Result<bool> {
        let digest = digest.as_bytes();
        let added = change!(
            self.link.again(),
            "INSERT INTO baseline_members (baseline_id, measurement_id)
             SELECT $1, id FROM measurements WHERE digest = $2 ON CONFLICT DO NOTHING",
            baseline,
            digest,
        )?;
        Ok(added > 0)
    }

    /// Adds measurements that are known by their digests.
    pub(super) async fn extend_baseline(
        &mut self,
        name: &BaselineName,
        members: &[Digest],
    ) -> sqlx::Result<()> {
        let baseline = self.baseline_id(name).await?;
        let mut taken = 0;
        for digest in members {
            taken += usize::from(self.join_known(baseline, digest).await?);
        }
        self.touch(name, baseline, taken).await
    }

    /// Accepts a change that was accepted elsewhere. Of two words about it, the later holds.
    pub(in crate::store) async fn bless(&mut self, blessing: &BlessingDraft) -> sqlx::Result<u64> {
        let digest = blessing.measurement.as_bytes();
        let blessed_at = blessing.blessed_at.as_millisecond();
        change!(
            self.link.again(),
            "INSERT INTO blessings (series_id, run_id, reason, author, blessed_at)
             SELECT series_id, run_id, $1, $2, $3 FROM measurements WHERE digest = $4
             ON CONFLICT (series_id, run_id) DO UPDATE SET
                 reason = excluded.reason, author = excluded.author,
                 blessed_at = excluded.blessed_at
             WHERE excluded.blessed_at > blessings.blessed_at",
            blessing.reason,
            blessing.author,
            blessed_at,
            digest,
        )
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

    async fn leave(&mut self, baseline: i64, series: i64) -> sqlx::Result<()> {
        change!(
            self.link.again(),
            "DELETE FROM baseline_members WHERE baseline_id = $1 AND measurement_id IN
             (SELECT id FROM measurements WHERE series_id = $2)",
            baseline,
            series,
        )?;
        Ok(())
    }

    async fn join(&mut self, baseline: i64, measurement: i64) -> sqlx::Result<()> {
        change!(
            self.link.again(),
            "INSERT INTO baseline_members (baseline_id, measurement_id) VALUES ($1, $2)
             ON CONFLICT DO NOTHING",
            baseline,
            measurement,
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
