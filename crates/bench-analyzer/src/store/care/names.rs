//! Names of benchmarks: giving another one, and taking that back.
//!
//! A measurement that goes by another name than its file's keeps that name beside it. So a name can be
//! given back after two histories became one.

use super::{Deed, write_down};
use crate::error::Result;
use crate::store::Store;
use crate::store::link::{Link, change, one, row, rows, value};

/// A name that a benchmark had, or has elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The name in files.
    pub name: String,
    /// The name here.
    pub benchmark: String,
}

/// Outcome of giving a name back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameGivenBack {
    /// The name that its measurements went by.
    pub was: String,
    /// How many measurements have their own name again.
    pub measurements: u64,
}

impl Store {
    /// Gives a benchmark another name: what is stored moves to it, and what is imported under the
    /// old name from now on does too. Says how many series moved.
    ///
    /// # Errors
    /// If the database refuses; then nothing changes.
    pub async fn rename_benchmark(&mut self, old: &str, new: &str, deed: &Deed) -> Result<usize> {
        let failed = self.failed();
        let mut transaction = self.begin().await?;
        let moved = rename(transaction.link(), old, new).await.map_err(&failed)?;
        let subject = format!("{old} -> {new}");
        write_down(&mut transaction, "rename", &subject, deed).await.map_err(&failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(moved)
    }

    /// Takes a renaming back: what has the name `old` in its file goes by it again, with what is known
    /// of it, and so does what is imported from now on. What always had the other name keeps it. `None`
    /// if `old` goes by no other name.
    ///
    /// # Errors
    /// If the database refuses; then nothing changes.
    pub async fn give_name_back(
        &mut self,
        old: &str,
        deed: &Deed,
    ) -> Result<Option<NameGivenBack>> {
        let failed = self.failed();
        let mut transaction = self.begin().await?;
        let found = give_back(transaction.link(), old).await.map_err(&failed)?;
        if let Some(NameGivenBack { was, .. }) = &found {
            let subject = format!("{was} -> {old}");
            write_down(&mut transaction, "rename", &subject, deed).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(failed)?;
        Ok(found)
    }

    /// The names that benchmarks have in files, where they have others here.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn aliases(&mut self) -> Result<Vec<Alias>> {
        let failed = self.failed();
        let found = rows!(
            self.link().await?,
            { name: String, benchmark: String },
            "SELECT name, benchmark FROM aliases ORDER BY name",
        )
        .map_err(failed)?;
        Ok(found
            .into_iter()
            .map(|row| Alias { name: row.name, benchmark: row.benchmark })
            .collect())
    }
}

async fn rename(mut link: Link<'_>, old: &str, new: &str) -> sqlx::Result<usize> {
    let series = rows!(
        link.again(),
        { id: i64, metric: String, unit: String, direction: String },
        r#"SELECT id AS "id!", metric, unit, direction FROM series WHERE benchmark = $1"#,
        old,
    )?;
    for row in &series {
        change!(
            link.again(),
            "INSERT INTO named_measurements (measurement_id, name)
             SELECT id, $1 FROM measurements WHERE series_id = $2
             ON CONFLICT (measurement_id) DO NOTHING",
            old,
            row.id,
        )?;
        let there = value!(
            link.again(),
            i64,
            r#"SELECT id AS "id!" FROM series
               WHERE benchmark = $1 AND metric = $2 AND unit = $3 AND direction = $4"#,
            new,
            row.metric,
            row.unit,
            row.direction,
        )?;
        let Some(there) = there else {
            change!(link.again(), "UPDATE series SET benchmark = $1 WHERE id = $2", new, row.id,)?;
            continue;
        };
        // A run that measured both keeps both: then they are not the same benchmark in it.
        change!(
            link.again(),
            "UPDATE measurements SET series_id = $1 WHERE series_id = $2 AND run_id NOT IN
             (SELECT run_id FROM measurements WHERE series_id = $1)",
            there,
            row.id,
        )?;
        change!(
            link.again(),
            "UPDATE blessings SET series_id = $1 WHERE series_id = $2 AND run_id NOT IN
             (SELECT run_id FROM blessings WHERE series_id = $1)",
            there,
            row.id,
        )?;
        change!(
            link.again(),
            "UPDATE found_steps SET series_id = $1 WHERE series_id = $2 AND run_id NOT IN
             (SELECT run_id FROM found_steps WHERE series_id = $1)",
            there,
            row.id,
        )?;
        change!(
            link.again(),
            "UPDATE triage SET series_id = $1 WHERE series_id = $2 AND run_id NOT IN
             (SELECT run_id FROM triage WHERE series_id = $1)",
            there,
            row.id,
        )?;
    }
    // What was renamed before goes all the way, and the new name is nobody's other name.
    change!(link.again(), "UPDATE aliases SET benchmark = $1 WHERE benchmark = $2", new, old,)?;
    change!(link.again(), "DELETE FROM aliases WHERE name = $1", new,)?;
    change!(link.again(), "DELETE FROM named_measurements WHERE name = $1", new,)?;
    change!(
        link.again(),
        "INSERT INTO aliases (name, benchmark) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET benchmark = excluded.benchmark",
        old,
        new,
    )?;
    Ok(series.len())
}

async fn give_back(mut link: Link<'_>, old: &str) -> sqlx::Result<Option<NameGivenBack>> {
    let alias = row!(
        link.again(),
        { benchmark: String },
        "SELECT benchmark FROM aliases WHERE name = $1",
        old,
    )?;
    let Some(alias) = alias else { return Ok(None) };
    let series = rows!(
        link.again(),
        { id: i64, metric: String, unit: String, direction: String },
        r#"SELECT id AS "id!", metric, unit, direction FROM series
           WHERE benchmark = $1 AND id IN
           (SELECT m.series_id FROM measurements AS m
            JOIN named_measurements AS n ON n.measurement_id = m.id WHERE n.name = $2)"#,
        alias.benchmark,
        old,
    )?;
    let mut measurements = 0;
    for row in &series {
        let own = own_series(link.again(), old, [&row.metric, &row.unit, &row.direction]).await?;
        // What is known of a measurement by its run goes with it, before it is itself no longer there.
        change!(
            link.again(),
            "UPDATE blessings SET series_id = $1 WHERE series_id = $2
             AND run_id IN
             (SELECT m.run_id FROM measurements AS m
              JOIN named_measurements AS n ON n.measurement_id = m.id
              WHERE m.series_id = $2 AND n.name = $3)
             AND run_id NOT IN (SELECT run_id FROM blessings WHERE series_id = $1)",
            own,
            row.id,
            old,
        )?;
        change!(
            link.again(),
            "UPDATE found_steps SET series_id = $1 WHERE series_id = $2
             AND run_id IN
             (SELECT m.run_id FROM measurements AS m
              JOIN named_measurements AS n ON n.measurement_id = m.id
              WHERE m.series_id = $2 AND n.name = $3)
             AND run_id NOT IN (SELECT run_id FROM found_steps WHERE series_id = $1)",
            own,
            row.id,
            old,
        )?;
        change!(
            link.again(),
            "UPDATE triage SET series_id = $1 WHERE series_id = $2
             AND run_id IN
             (SELECT m.run_id FROM measurements AS m
              JOIN named_measurements AS n ON n.measurement_id = m.id
              WHERE m.series_id = $2 AND n.name = $3)
             AND run_id NOT IN (SELECT run_id FROM triage WHERE series_id = $1)",
            own,
            row.id,
            old,
        )?;
        measurements += change!(
            link.again(),
            "UPDATE measurements SET series_id = $1 WHERE series_id = $2
             AND id IN (SELECT measurement_id FROM named_measurements WHERE name = $3)
             AND run_id NOT IN (SELECT run_id FROM measurements WHERE series_id = $1)",
            own,
            row.id,
            old,
        )?;
    }
    change!(link.again(), "DELETE FROM named_measurements WHERE name = $1", old,)?;
    change!(link.again(), "DELETE FROM aliases WHERE name = $1", old,)?;
    Ok(Some(NameGivenBack { was: alias.benchmark, measurements }))
}

/// The series of a benchmark with the metric, unit and direction of another, made if it is not there.
async fn own_series(
    mut link: Link<'_>,
    benchmark: &str,
    [metric, unit, direction]: [&str; 3],
) -> sqlx::Result<i64> {
    change!(
        link.again(),
        "INSERT INTO series (benchmark, metric, unit, direction) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
        benchmark,
        metric,
        unit,
        direction,
    )?;
    one(value!(
        link.again(),
        i64,
        r#"SELECT id AS "id!" FROM series
           WHERE benchmark = $1 AND metric = $2 AND unit = $3 AND direction = $4"#,
        benchmark,
        metric,
        unit,
        direction,
    ))
}
