//! Series by the names that files have for them: found, or made.

use std::collections::HashMap;

use super::Writer;
use crate::store::link::{Link, one, rows, value};
use crate::store::read;
use bench_stats::model::Series;

/// All series that are stored, by the names that files have for them.
#[derive(Debug, Default)]
pub(in crate::store) struct KnownSeries {
    ids: HashMap<Series, i64>,
    /// The names that benchmarks go by, by others that they have.
    pub(super) aliases: HashMap<String, String>,
}

impl KnownSeries {
    /// The number of a series that is stored.
    pub(in crate::store) fn get(&self, series: &Series) -> Option<i64> {
        self.ids.get(series).copied()
    }

    pub(in crate::store) async fn read(mut link: Link<'_>) -> sqlx::Result<Self> {
        let aliases = rows!(
            link.again(),
            { name: String, benchmark: String },
            "SELECT name, benchmark FROM aliases",
        )?;
        let aliases: HashMap<String, String> =
            aliases.into_iter().map(|row| (row.name, row.benchmark)).collect();
        let rows = rows!(
            link,
            { id: i64, benchmark: String, metric: String, unit: String, direction: String },
            "SELECT id, benchmark, metric, unit, direction FROM series",
        )?;
        let known = rows.into_iter().filter_map(|row| {
            let series = read::series(row.benchmark, row.metric, row.unit, &row.direction)?;
            Some((series, row.id))
        });
        // What has another name by now is not known by this one.
        let ids = known.filter(|(series, _)| !aliases.contains_key(series.benchmark.as_str()));
        Ok(Self { ids: ids.collect(), aliases })
    }
}

impl Writer<'_> {
    /// Finds the number of a series, which is made if it is new.
    pub(in crate::store) async fn series_id(&mut self, series: &Series) -> sqlx::Result<i64> {
        if let Some(&id) = self.series.ids.get(series) {
            return Ok(id);
        }
        let alias = self.series.aliases.get(series.benchmark.as_str());
        let benchmark = alias.map_or(series.benchmark.as_str(), String::as_str);
        let metric = series.metric.as_str();
        let (unit, direction) = (series.unit.as_str(), series.direction.as_str());
        let made = value!(
            self.link.again(),
            i64,
            "INSERT INTO series (benchmark, metric, unit, direction) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING RETURNING id AS \"id!\"",
            benchmark,
            metric,
            unit,
            direction,
        )?;
        let id = match made {
            Some(id) => id,
            // Somebody else made it since these were read.
            None => one(value!(
                self.link.again(),
                i64,
                "SELECT id FROM series
                 WHERE benchmark = $1 AND metric = $2 AND unit = $3 AND direction = $4",
                benchmark,
                metric,
                unit,
                direction,
            ))?,
        };
        self.series.ids.insert(series.clone(), id);
        Ok(id)
    }
}
