//! Rows that an import adds: runs with their sets and machines, measurements with their samples.

use jiff::Timestamp;

use super::{Asked, Writer};
use crate::ingest::{MeasurementDraft, RunDraft, RunRole};
use crate::store::link::{Link, change, one, value};
use crate::store::{bulk, codec};
use bench_stats::model::{Fingerprint, RunId};
use bench_stats::stats::summary::Summary;

impl Writer<'_> {
    pub(super) async fn insert_run(
        &mut self,
        draft: &RunDraft,
        set: &mut Option<i64>,
    ) -> sqlx::Result<i64> {
        let set = match *set {
            Some(set) => set,
            None => *set.insert(self.insert_set(draft).await?),
        };
        let fingerprint = self.fingerprint_id(&draft.fingerprint).await?;
        let measured_at = draft.measured_at.as_millisecond();
        let role = match draft.role {
            RunRole::Current => "current",
            RunRole::Earlier => "earlier",
            RunRole::Mirror(_) | RunRole::Copy => "mirror",
        };
        let imported_at = draft.imported_at.map_or(self.now, Timestamp::as_millisecond);
        let source = draft.source.as_ref();
        let (origin, revision) = (draft.origin.as_str(), &draft.revision);
        let dirty = revision.dirty.map(i64::from);
        let committed_at = draft.place.map(|place| place.committed_at.as_millisecond());
        let ancestors = draft.place.and_then(|place| i64::try_from(place.ancestors).ok());
        let id = one(value!(
            self.link.again(),
            i64,
            "INSERT INTO runs (set_id, fingerprint_id, measured_at, imported_at, role, source,
                               origin, label, commit_sha, branch, dirty, committed_at, ancestors,
                               excluded)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
             RETURNING id AS \"id!\"",
            set,
            fingerprint,
            measured_at,
            imported_at,
            role,
            source,
            origin,
            draft.label,
            revision.commit,
            revision.branch,
            dirty,
            committed_at,
            ancestors,
            draft.excluded,
        ))?;
        for (name, value) in &draft.attributes {
            let name = name.as_str();
            change!(
                self.link.again(),
                "INSERT INTO run_attributes (run_id, name, value) VALUES ($1, $2, $3)
                 ON CONFLICT DO NOTHING",
                id,
                name,
                value,
            )?;
        }
        self.outcome.runs.push(RunId(id));
        Ok(id)
    }

    pub(super) async fn insert_measurements(
        &mut self,
        run: i64,
        drafts: &[(i64, &MeasurementDraft)],
    ) -> sqlx::Result<Vec<i64>> {
        if let Link::Postgres(connection) = &mut self.link {
            return bulk::insert(connection, run, drafts).await;
        }
        let mut ids = Vec::with_capacity(drafts.len());
        for (series, draft) in drafts {
            ids.push(self.insert_measurement(run, *series, draft).await?);
        }
        Ok(ids)
    }

    /// Keeps the names of measurements that go by another here.
    pub(super) async fn keep_names(
        &mut self,
        stored: &[i64],
        drafts: &[(i64, &MeasurementDraft)],
    ) -> sqlx::Result<()> {
        for (&id, (_, draft)) in stored.iter().zip(drafts) {
            let name = draft.series.benchmark.as_str();
            if self.series.aliases.contains_key(name) {
                change!(
                    self.link.again(),
                    "INSERT INTO named_measurements (measurement_id, name) VALUES ($1, $2)",
                    id,
                    name,
                )?;
            }
        }
        Ok(())
    }

    async fn insert_measurement(
        &mut self,
        run: i64,
        series: i64,
        draft: &MeasurementDraft,
    ) -> sqlx::Result<i64> {
        let summary = Summary::of(&draft.samples);
        let (digest, content) = (draft.digest.as_bytes(), draft.content.as_bytes());
        let count = i64::try_from(summary.sample_count).unwrap_or(i64::MAX);
        let exact = i64::from(draft.declared.is_exact());
        let id = one(value!(
            self.link.again(),
            i64,
            "INSERT INTO measurements (run_id, series_id, digest, content, sample_count, median,
                                       minimum, p90, relative_spread, relative_error, exact)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id AS \"id!\"",
            run,
            series,
            digest,
            content,
            count,
            summary.median,
            summary.minimum,
            summary.p90,
            summary.relative_spread,
            summary.relative_error,
            exact,
        ))?;
        let data = codec::encode(&draft.samples);
        change!(
            self.link.again(),
            "INSERT INTO samples (measurement_id, data) VALUES ($1, $2)",
            id,
            data,
        )?;
        for throughput in &draft.throughput {
            let kind = throughput.kind.as_str();
            let amount = i64::try_from(throughput.amount).unwrap_or(i64::MAX);
            change!(
                self.link.again(),
                "INSERT INTO throughputs (measurement_id, kind, amount) VALUES ($1, $2, $3)
                 ON CONFLICT DO NOTHING",
                id,
                kind,
                amount,
            )?;
        }
        for estimate in &draft.estimates {
            let statistic = estimate.statistic.as_str();
            change!(
                self.link.again(),
                "INSERT INTO estimates (measurement_id, statistic, point, low, high, level)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                id,
                statistic,
                estimate.point,
                estimate.low,
                estimate.high,
                estimate.level,
            )?;
        }
        Ok(id)
    }

    /// Makes a set for runs like this one.
    async fn insert_set(&mut self, draft: &RunDraft) -> sqlx::Result<i64> {
        let chosen_at = match (self.asked, draft.imported_at) {
            // Asked for elsewhere, and carried over since.
            (_, Some(imported_at)) => imported_at.as_millisecond(),
            (Asked::For, None) => self.now,
            (Asked::Nobody, None) => draft.measured_at.as_millisecond(),
        };
        one(value!(
            self.link.again(),
            i64,
            "INSERT INTO run_sets (imported_at, chosen_at) VALUES ($1, $2) RETURNING id AS \"id!\"",
            self.now,
            chosen_at,
        ))
    }

    async fn fingerprint_id(&mut self, fingerprint: &Fingerprint) -> sqlx::Result<i64> {
        let Fingerprint { cpu, os, rustc, profile, .. } = fingerprint;
        let cores = i64::from(fingerprint.cores);
        change!(
            self.link.again(),
            "INSERT INTO fingerprints (cpu, cores, os, rustc, profile)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            cpu,
            cores,
            os,
            rustc,
            profile,
        )?;
        one(value!(
            self.link.again(),
            i64,
            "SELECT id FROM fingerprints
             WHERE cpu = $1 AND cores = $2 AND os = $3 AND rustc = $4 AND profile = $5",
            cpu,
            cores,
            os,
            rustc,
            profile,
        ))
    }
}
