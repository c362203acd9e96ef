//! Telling whether anything changed that an answer may rest on.

use super::Store;
use super::link::{one, row};
use crate::error::Result;

/// What state a store is in, as far as measurements, baselines and acceptances go: two that are
/// equal hold the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StoreVersion {
    /// State that histories rest on.
    pub(crate) measured: MeasuredVersion,
    accepted_changes: i64,
    accepted_at: i64,
    baselines: i64,
    baselined_at: i64,
    members: i64,
    chosen_at: i64,
}

/// What of a [`StoreVersion`] changes when something is measured, found in what was, or cared for:
/// removed, excluded or renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct MeasuredVersion {
    measurement: i64,
    run: i64,
    found_at: i64,
    care: i64,
}

impl Store {
    /// The present state of the store.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn version(&mut self) -> Result<StoreVersion> {
        let failed = self.failed();
        let row = one(row!(
            self.link().await?,
            {
                measurement: i64, run: i64, care: i64, blessings: i64, blessed_at: i64, baselines: i64,
                baselined_at: i64, members: i64, found_at: i64, chosen_at: i64,
            },
            r#"SELECT (SELECT coalesce(max(id), 0) FROM measurements) AS "measurement!: i64",
                      (SELECT coalesce(max(id), 0) FROM runs) AS "run!: i64",
                      (SELECT coalesce(max(id), 0) FROM care) AS "care!: i64",
                      (SELECT count(*) FROM blessings WHERE taken_back_at IS NULL)
                          AS "blessings!: i64",
                      (SELECT coalesce(max(blessed_at), 0) FROM blessings) AS "blessed_at!: i64",
                      (SELECT count(*) FROM baselines) AS "baselines!: i64",
                      (SELECT coalesce(max(updated_at), 0) FROM baselines) AS "baselined_at!: i64",
                      (SELECT count(*) FROM baseline_members) AS "members!: i64",
                      (SELECT coalesce(max(coalesce(withdrawn_at, found_at)), 0) FROM found_steps)
                          AS "found_at!: i64",
                      (SELECT coalesce(max(chosen_at), 0) FROM run_sets) AS "chosen_at!: i64""#,
        ))
        .map_err(failed)?;
        Ok(StoreVersion {
            measured: MeasuredVersion {
                measurement: row.measurement,
                run: row.run,
                found_at: row.found_at,
                care: row.care,
            },
            accepted_changes: row.blessings,
            accepted_at: row.blessed_at,
            baselines: row.baselines,
            baselined_at: row.baselined_at,
            members: row.members,
            chosen_at: row.chosen_at,
        })
    }
}
