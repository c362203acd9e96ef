//! Looking for samples that are no longer what was stored.

use super::codec::{self, Summarised};
use super::link::rows;
use super::{Store, read};
use crate::error::Result;

/// How many measurements are looked at a time.
const CHUNK: i64 = 512;
/// More complaints help nobody.
const MOST: usize = 20;

impl Store {
    /// Which measurements hold samples that changed since they were stored, such as by a flipped bit
    /// on the disk.
    pub(super) async fn changed_samples(&mut self) -> Result<Vec<String>> {
        let mut complaints = Vec::new();
        let mut after = 0_i64;
        loop {
            let failed = self.failed();
            let rows = rows!(
                self.link().await?,
                {
                    id: i64, run_id: i64, benchmark: String, metric: String, unit: String,
                    direction: String, sample_count: i64, median: f64, minimum: f64, data: Vec<u8>,
                },
                r#"SELECT m.id AS "id!", m.run_id, s.benchmark, s.metric, s.unit, s.direction,
                          m.sample_count, m.median, m.minimum, samples.data
                   FROM measurements AS m JOIN series AS s ON s.id = m.series_id
                   JOIN samples ON samples.measurement_id = m.id
                   WHERE m.id > $1 ORDER BY m.id LIMIT $2"#,
                after,
                CHUNK,
            )
            .map_err(failed)?;
            let Some(last) = rows.last() else { return Ok(complaints) };
            after = last.id;
            for row in rows {
                let known = Summarised {
                    count: row.sample_count,
                    median: row.median,
                    minimum: row.minimum,
                };
                let Err(error) = codec::decode_known(&row.data, known) else { continue };
                let series = read::series(row.benchmark, row.metric, row.unit, &row.direction);
                let series = series.map(|series| series.to_string()).unwrap_or_default();
                complaints.push(format!("run:{} holds {error}, of {series}", row.run_id));
                if complaints.len() >= MOST {
                    complaints.push("and there may be more".to_owned());
                    return Ok(complaints);
                }
            }
        }
    }
}
