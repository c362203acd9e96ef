//! Decisions of people about changes: accepting one, taking that back, and triage.
//!
//! All are known by the series and the first run of the new level. In other stores they are known by the
//! measurement, and of two words about one change the later holds. So an acceptance that is taken back
//! stays as a record: otherwise the next merge with a store that heard of it would bring it back.

use super::import::Writer;
use super::link::{change, rows};
use super::{Store, read};
use crate::error::{Error, Result};
use crate::ingest::{AcceptedChangeDraft, TakenBack, Triage, TriageDraft};
use bench_stats::model::{AcceptedChange, RunId, Series};

/// A change that somebody looks at.
#[derive(Debug, Clone, PartialEq)]
pub struct TriagedChange {
    /// Whose change.
    pub series: Series,
    /// The first run of the new level.
    pub run: RunId,
    /// Text of the note.
    pub triage: Triage,
}

impl Store {
    /// Accepts a change for good.
    ///
    /// # Errors
    /// If the run never measured the series.
    pub async fn accept(&mut self, accepted: &AcceptedChange) -> Result<()> {
        let failed = self.failed();
        let series = &accepted.series;
        let (benchmark, metric) = (series.benchmark.as_str(), series.metric.as_str());
        let (unit, direction) = (series.unit.as_str(), series.direction.as_str());
        let accepted_at = accepted.accepted_at.as_millisecond();
        let done = change!(
            self.link().await?,
            "INSERT INTO blessings (series_id, run_id, reason, author, blessed_at)
             SELECT m.series_id, m.run_id, $1, $2, $3 FROM measurements AS m
             JOIN series AS s ON s.id = m.series_id
             WHERE m.run_id = $4 AND s.benchmark = $5 AND s.metric = $6 AND s.unit = $7
               AND s.direction = $8
             ON CONFLICT (series_id, run_id) DO UPDATE SET
                 reason = excluded.reason, author = excluded.author,
                 blessed_at = excluded.blessed_at, taken_back_at = NULL, taken_back_by = NULL",
            accepted.reason,
            accepted.author,
            accepted_at,
            accepted.run.0,
            benchmark,
            metric,
            unit,
            direction,
        )
        .map_err(failed)?;
        if done == 0 { Err(Error::NoRun { id: accepted.run }) } else { Ok(()) }
    }

    /// Takes an acceptance back, so that the change is open again.
    ///
    /// # Errors
    /// If no change is accepted there.
    pub async fn take_back_acceptance(
        &mut self,
        series: &Series,
        run: RunId,
        taken_back: &TakenBack,
    ) -> Result<()> {
        let failed = self.failed();
        let (benchmark, metric) = (series.benchmark.as_str(), series.metric.as_str());
        let (unit, direction) = (series.unit.as_str(), series.direction.as_str());
        let at = taken_back.at.as_millisecond();
        let done = change!(
            self.link().await?,
            "UPDATE blessings SET taken_back_at = $1, taken_back_by = $2
             WHERE taken_back_at IS NULL AND run_id = $3 AND series_id IN
                 (SELECT id FROM series WHERE benchmark = $4 AND metric = $5 AND unit = $6
                  AND direction = $7)",
            at,
            taken_back.author,
            run.0,
            benchmark,
            metric,
            unit,
            direction,
        )
        .map_err(failed)?;
        if done == 0 {
            return Err(Error::NotAccepted { series: Box::new(series.clone()), run });
        }
        Ok(())
    }

    /// All accepted changes, oldest first.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn accepted_changes(&mut self) -> Result<Vec<AcceptedChange>> {
        let failed = self.failed();
        let rows = rows!(
            self.link().await?,
            {
                benchmark: String, metric: String, unit: String, direction: String, run_id: i64,
                measured_at: i64, reason: String, author: String, blessed_at: i64,
            },
            "SELECT s.benchmark, s.metric, s.unit, s.direction, b.run_id, runs.measured_at,
                    b.reason, b.author, b.blessed_at
             FROM blessings AS b JOIN series AS s ON s.id = b.series_id
             JOIN runs ON runs.id = b.run_id WHERE b.taken_back_at IS NULL ORDER BY b.id",
        )
        .map_err(failed)?;
        rows.into_iter()
            .map(|row| {
                let series = read::series(row.benchmark, row.metric, row.unit, &row.direction)
                    .ok_or_else(|| self.corrupt(format!("the direction `{}`", row.direction)))?;
                Ok(AcceptedChange {
                    series,
                    run: RunId(row.run_id),
                    measured_at: self.timestamp(row.measured_at)?,
                    reason: row.reason,
                    author: row.author,
                    accepted_at: self.timestamp(row.blessed_at)?,
                })
            })
            .collect()
    }

    /// Acceptances by measurements, as they are known in every store, and those that were taken back.
    pub(super) async fn exported_accepted_changes(&mut self) -> Result<Vec<AcceptedChangeDraft>> {
        let failed = self.failed();
        let rows = rows!(
            self.link().await?,
            {
                digest: Vec<u8>, reason: String, author: String, blessed_at: i64,
                taken_back_at: Option<i64>, taken_back_by: Option<String>,
            },
            "SELECT m.digest, b.reason, b.author, b.blessed_at, b.taken_back_at, b.taken_back_by
             FROM blessings AS b
             JOIN measurements AS m ON m.run_id = b.run_id AND m.series_id = b.series_id
             ORDER BY b.id",
        )
        .map_err(failed)?;
        rows.into_iter()
            .map(|row| {
                let taken_back = row.taken_back_at.zip(row.taken_back_by);
                let taken_back = taken_back
                    .map(|(at, author)| self.timestamp(at).map(|at| TakenBack { author, at }))
                    .transpose()?;
                Ok(AcceptedChangeDraft {
                    measurement: self.digest(&row.digest)?,
                    reason: row.reason,
                    author: row.author,
                    accepted_at: self.timestamp(row.blessed_at)?,
                    taken_back,
                })
            })
            .collect()
    }

    /// Notes who looks at a change and what they know of it. It takes the place of what was noted before.
    ///
    /// # Errors
    /// If the run never measured the series.
    pub async fn triage(&mut self, series: &Series, run: RunId, triage: &Triage) -> Result<()> {
        let failed = self.failed();
        let (benchmark, metric) = (series.benchmark.as_str(), series.metric.as_str());
        let (unit, direction) = (series.unit.as_str(), series.direction.as_str());
        let said_at = triage.said_at.as_millisecond();
        let done = change!(
            self.link().await?,
            "INSERT INTO triage (series_id, run_id, assignee, note, link, author, said_at)
             SELECT m.series_id, m.run_id, $1, $2, $3, $4, $5 FROM measurements AS m
             JOIN series AS s ON s.id = m.series_id
             WHERE m.run_id = $6 AND s.benchmark = $7 AND s.metric = $8 AND s.unit = $9
               AND s.direction = $10
             ON CONFLICT (series_id, run_id) DO UPDATE SET
                 assignee = excluded.assignee, note = excluded.note, link = excluded.link,
                 author = excluded.author, said_at = excluded.said_at",
            triage.assignee,
            triage.note,
            triage.link,
            triage.author,
            said_at,
            run.0,
            benchmark,
            metric,
            unit,
            direction,
        )
        .map_err(failed)?;
        if done == 0 { Err(Error::NoRun { id: run }) } else { Ok(()) }
    }

    /// All changes that somebody noted something of, in the order of noting.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn triaged_changes(&mut self) -> Result<Vec<TriagedChange>> {
        let failed = self.failed();
        let rows = rows!(
            self.link().await?,
            {
                benchmark: String, metric: String, unit: String, direction: String, run_id: i64,
                assignee: String, note: String, link: String, author: String, said_at: i64,
            },
            "SELECT s.benchmark, s.metric, s.unit, s.direction, t.run_id, t.assignee, t.note, t.link,
                    t.author, t.said_at
             FROM triage AS t JOIN series AS s ON s.id = t.series_id ORDER BY t.id",
        )
        .map_err(failed)?;
        rows.into_iter()
            .map(|row| {
                let series = read::series(row.benchmark, row.metric, row.unit, &row.direction)
                    .ok_or_else(|| self.corrupt(format!("the direction `{}`", row.direction)))?;
                let triage = Triage {
                    assignee: row.assignee,
                    note: row.note,
                    link: row.link,
                    author: row.author,
                    said_at: self.timestamp(row.said_at)?,
                };
                Ok(TriagedChange { series, run: RunId(row.run_id), triage })
            })
            .collect()
    }

    /// Triage by measurements, as they are known in every store.
    pub(super) async fn exported_triage(&mut self) -> Result<Vec<TriageDraft>> {
        let failed = self.failed();
        let rows = rows!(
            self.link().await?,
            {
                digest: Vec<u8>, assignee: String, note: String, link: String, author: String,
                said_at: i64,
            },
            "SELECT m.digest, t.assignee, t.note, t.link, t.author, t.said_at FROM triage AS t
             JOIN measurements AS m ON m.run_id = t.run_id AND m.series_id = t.series_id
             ORDER BY t.id",
        )
        .map_err(failed)?;
        rows.into_iter()
            .map(|row| {
                let triage = Triage {
                    assignee: row.assignee,
                    note: row.note,
                    link: row.link,
                    author: row.author,
                    said_at: self.timestamp(row.said_at)?,
                };
                Ok(TriageDraft { measurement: self.digest(&row.digest)?, triage })
            })
            .collect()
    }
}

impl Writer<'_> {
    /// Takes over whether a change was accepted elsewhere. Of two words about it, the later holds.
    pub(super) async fn accept(&mut self, accepted: &AcceptedChangeDraft) -> sqlx::Result<u64> {
        let digest = accepted.measurement.as_bytes();
        let accepted_at = accepted.accepted_at.as_millisecond();
        let taken_back = accepted.taken_back.as_ref();
        let at = taken_back.map(|one| one.at.as_millisecond());
        let by = taken_back.map(|one| one.author.clone());
        change!(
            self.link(),
            "INSERT INTO blessings (series_id, run_id, reason, author, blessed_at, taken_back_at,
                                    taken_back_by)
             SELECT series_id, run_id, $1, $2, $3, $4, $5 FROM measurements WHERE digest = $6
             ON CONFLICT (series_id, run_id) DO UPDATE SET
                 reason = excluded.reason, author = excluded.author,
                 blessed_at = excluded.blessed_at, taken_back_at = excluded.taken_back_at,
                 taken_back_by = excluded.taken_back_by
             WHERE coalesce(excluded.taken_back_at, excluded.blessed_at)
                 > coalesce(blessings.taken_back_at, blessings.blessed_at)",
            accepted.reason,
            accepted.author,
            accepted_at,
            at,
            by,
            digest,
        )
    }

    /// Takes over what was noted of a change elsewhere, if it was noted later than what is here.
    pub(super) async fn take_over(&mut self, draft: &TriageDraft) -> sqlx::Result<u64> {
        let digest = draft.measurement.as_bytes();
        let Triage { assignee, note, link, author, said_at } = &draft.triage;
        let said_at = said_at.as_millisecond();
        change!(
            self.link(),
            "INSERT INTO triage (series_id, run_id, assignee, note, link, author, said_at)
             SELECT series_id, run_id, $1, $2, $3, $4, $5 FROM measurements WHERE digest = $6
             ON CONFLICT (series_id, run_id) DO UPDATE SET
                 assignee = excluded.assignee, note = excluded.note, link = excluded.link,
                 author = excluded.author, said_at = excluded.said_at
             WHERE excluded.said_at > triage.said_at",
            assignee,
            note,
            link,
            author,
            said_at,
            digest,
        )
    }
}
