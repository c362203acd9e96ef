//! Listing runs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::link::rows;
use super::{Store, read};
use crate::error::Result;
use bench_stats::model::{Fingerprint, Run, RunId};

/// A run and how much it measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunListing {
    /// The run.
    #[serde(flatten)]
    pub run: Run,
    /// The set of replicate runs it belongs to.
    pub set: i64,
    /// How many benchmarks it measured.
    pub benchmarks: u64,
    /// The baselines that take measurements from it.
    pub baselines: Vec<String>,
}

impl Store {
    /// All runs, newest first, or only so many of them.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn runs(&mut self, limit: Option<u32>) -> Result<Vec<RunListing>> {
        let failed = self.failed();
        let limit = limit.map_or(i64::MAX, i64::from);
        let rows = rows!(
            self.link().await?,
            {
                id: i64, set_id: i64, measured_at: i64, imported_at: i64, source: String,
                origin: String, label: Option<String>, commit_sha: Option<String>,
                branch: Option<String>, dirty: Option<i64>, excluded: Option<String>, cpu: String,
                cores: i64, os: String, rustc: String, profile: String, benchmarks: i64,
                baselines: Option<String>,
            },
            r#"SELECT runs.id AS "id!", set_id, measured_at, imported_at, source, origin, label,
                      commit_sha, branch, dirty, excluded, cpu, cores, os, rustc, profile,
                      (SELECT count(DISTINCT series.benchmark) FROM measurements AS m
                       JOIN series ON series.id = m.series_id
                       WHERE m.run_id = runs.id) AS "benchmarks!: i64",
                      (SELECT string_agg(name, $1) FROM
                       (SELECT DISTINCT b.name FROM baselines AS b
                        JOIN baseline_members AS member ON member.baseline_id = b.id
                        JOIN measurements AS m ON m.id = member.measurement_id
                        WHERE m.run_id = runs.id ORDER BY b.name) AS named)
                          AS "baselines: String"
               FROM runs JOIN fingerprints AS f ON f.id = runs.fingerprint_id
               ORDER BY measured_at DESC, runs.id DESC LIMIT $2"#,
            "\n",
            limit,
        )
        .map_err(failed)?;
        let mut attributes = self.attributes().await?;
        rows.into_iter()
            .map(|row| {
                let run = Run {
                    attributes: attributes.remove(&row.id).unwrap_or_default(),
                    excluded: row.excluded,
                    id: RunId(row.id),
                    measured_at: self.timestamp(row.measured_at)?,
                    imported_at: self.timestamp(row.imported_at)?,
                    source: row.source,
                    origin: row.origin,
                    label: row.label,
                    revision: read::revision(row.commit_sha, row.branch, row.dirty),
                    fingerprint: Fingerprint {
                        cpu: row.cpu,
                        cores: u32::try_from(row.cores).unwrap_or_default(),
                        os: row.os,
                        rustc: row.rustc,
                        profile: row.profile,
                    },
                };
                Ok(RunListing {
                    run,
                    set: row.set_id,
                    benchmarks: u64::try_from(row.benchmarks).unwrap_or_default(),
                    baselines: row
                        .baselines
                        .map(|names| names.lines().map(str::to_owned).collect())
                        .unwrap_or_default(),
                })
            })
            .collect()
    }

    /// All machines that ever measured, by the numbers that points of timelines name.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn machines(&mut self) -> Result<BTreeMap<i64, Fingerprint>> {
        let failed = self.failed();
        let rows = rows!(
            self.link().await?,
            { id: i64, cpu: String, cores: i64, os: String, rustc: String, profile: String },
            r#"SELECT id AS "id!", cpu, cores, os, rustc, profile FROM fingerprints ORDER BY id"#,
        )
        .map_err(failed)?;
        let machines = rows.into_iter().map(|row| {
            let cores = u32::try_from(row.cores).unwrap_or_default();
            let (cpu, os) = (row.cpu, row.os);
            (row.id, Fingerprint { cpu, cores, os, rustc: row.rustc, profile: row.profile })
        });
        Ok(machines.collect())
    }
}
