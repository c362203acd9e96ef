//! Reading everything back.

use std::collections::HashMap;

use super::codec::{self, Summarised};
use super::link::{one, row, rows, value, values};
use super::{Store, read};
use crate::error::Result;
use crate::ingest::export::{
    Export, ExportedBaseline, ExportedMeasurement, ExportedRole, ExportedRun, FORMAT, SCHEMA,
};
use crate::ingest::{Digest, MeasurementDraft};
use bench_stats::model::{CommitPosition, Run, RunId};

impl Store {
    /// Everything that is stored.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn export(&mut self) -> Result<Export> {
        let mut listings = self.runs(None).await?;
        listings.reverse();
        let mut runs = Vec::with_capacity(listings.len());
        // Sets are numbered anew in the order of time: numbers of one store mean nothing elsewhere.
        let mut sets: HashMap<i64, i64> = HashMap::new();
        for listing in listings {
            let measurements = self.measurements_of(listing.run.id).await?;
            let role = self.role_of(listing.run.id).await?;
            let Run {
                id,
                measured_at,
                imported_at,
                source,
                origin,
                label,
                revision,
                fingerprint,
                attributes,
                excluded,
            } = listing.run;
            let place = self.position_of(id).await?;
            let next = i64::try_from(sets.len()).unwrap_or(i64::MAX);
            let set = *sets.entry(listing.set).or_insert(next);
            runs.push(ExportedRun {
                set,
                role,
                measured_at,
                imported_at,
                source,
                origin,
                label,
                revision,
                place,
                fingerprint,
                attributes,
                excluded,
                measurements,
            });
        }
        let baselines = self.exported_baselines().await?;
        let accepted_changes = self.exported_accepted_changes().await?;
        let found_steps = self.exported_found_steps().await?;
        let triage = self.exported_triage().await?;
        let format = FORMAT.to_owned();
        Ok(Export {
            format,
            schema: SCHEMA,
            runs,
            baselines,
            accepted_changes,
            found_steps,
            triage,
        })
    }

    /// Where the commit of a run stands, if that is known.
    pub(super) async fn position_of(&mut self, run: RunId) -> Result<Option<CommitPosition>> {
        let failed = self.failed();
        let found = one(row!(
            self.link().await?,
            { committed_at: Option<i64>, ancestors: Option<i64> },
            "SELECT committed_at, ancestors FROM runs WHERE id = $1",
            run.0,
        ))
        .map_err(failed)?;
        let Some((committed_at, ancestors)) = found.committed_at.zip(found.ancestors) else {
            return Ok(None);
        };
        let committed_at = self.timestamp(committed_at)?;
        Ok(Some(CommitPosition { committed_at, ancestors: u64::try_from(ancestors).unwrap_or(0) }))
    }

    pub(super) async fn role_of(&mut self, run: RunId) -> Result<ExportedRole> {
        let failed = self.failed();
        let role =
            one(value!(self.link().await?, String, "SELECT role FROM runs WHERE id = $1", run.0,))
                .map_err(failed)?;
        match role.as_str() {
            "current" => Ok(ExportedRole::Current),
            "earlier" => Ok(ExportedRole::Earlier),
            "mirror" => Ok(ExportedRole::Mirror),
            other => Err(self.corrupt(format!("the role `{other}`"))),
        }
    }

    async fn measurements_of(&mut self, run: RunId) -> Result<Vec<ExportedMeasurement>> {
        let failed = self.failed();
        let ids = values!(
            self.link().await?,
            i64,
            r#"SELECT id AS "id!" FROM measurements WHERE run_id = $1 ORDER BY id"#,
            run.0,
        )
        .map_err(failed)?;
        let drafts = self.drafts(&ids).await?;
        Ok(drafts.into_iter().map(ExportedMeasurement::from).collect())
    }

    /// Measurements as they were imported.
    pub(super) async fn drafts(&mut self, ids: &[i64]) -> Result<Vec<MeasurementDraft>> {
        let failed = self.failed();
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let ids = format!("[{}]", ids.join(","));
        let rows = rows!(
            self.link().await?,
            {
                id: i64, digest: Vec<u8>, content: Vec<u8>, benchmark: String, metric: String,
                unit: String, direction: String, sample_count: i64, median: f64, minimum: f64,
                exact: i64, data: Vec<u8>,
            },
            r#"SELECT m.id AS "id!", m.digest, m.content, s.benchmark, s.metric, s.unit, s.direction,
                      m.sample_count, m.median, m.minimum, m.exact, samples.data
               FROM json_each($1) AS chosen
               JOIN measurements AS m ON m.id = CAST(chosen.value AS BIGINT)
               JOIN series AS s ON s.id = m.series_id
               JOIN samples ON samples.measurement_id = m.id ORDER BY m.id"#,
            ids,
        )
        .map_err(failed)?;
        let mut throughput = self.throughput(&ids).await?;
        let mut estimates = self.estimates(&ids).await?;
        rows.into_iter()
            .map(|row| {
                let series = read::series(row.benchmark, row.metric, row.unit, &row.direction)
                    .ok_or_else(|| self.corrupt(format!("the direction `{}`", row.direction)))?;
                let known = Summarised {
                    count: row.sample_count,
                    median: row.median,
                    minimum: row.minimum,
                };
                let samples = codec::decode_known(&row.data, known)
                    .map_err(|error| self.corrupt(format!("{error}, of {series}")))?;
                Ok(MeasurementDraft {
                    digest: self.digest(&row.digest)?,
                    content: self.digest(&row.content)?,
                    series,
                    throughput: throughput.remove(&row.id).unwrap_or_default(),
                    estimates: estimates.remove(&row.id).unwrap_or_default(),
                    declared: codec::exactness(row.exact),
                    samples,
                })
            })
            .collect()
    }

    pub(super) fn digest(&self, bytes: &[u8]) -> Result<Digest> {
        Digest::from_bytes(bytes).ok_or_else(|| self.corrupt("a digest of another length"))
    }

    async fn exported_baselines(&mut self) -> Result<Vec<ExportedBaseline>> {
        let failed = self.failed();
        let rows = rows!(
            self.link().await?,
            { name: String, digest: Vec<u8> },
            "SELECT b.name, m.digest FROM baselines AS b
             JOIN baseline_members AS member ON member.baseline_id = b.id
             JOIN measurements AS m ON m.id = member.measurement_id ORDER BY b.name, m.id",
        )
        .map_err(failed)?;
        let mut baselines: Vec<ExportedBaseline> = Vec::new();
        for row in rows {
            let digest = self.digest(&row.digest)?;
            match baselines.last_mut() {
                Some(last) if last.name == row.name => last.members.push(digest),
                _ => baselines.push(ExportedBaseline { name: row.name, members: vec![digest] }),
            }
        }
        Ok(baselines)
    }
}
