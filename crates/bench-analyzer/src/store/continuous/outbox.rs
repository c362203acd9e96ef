//! Notices on their way.

use jiff::Timestamp;

use crate::error::Result;
use crate::jobs::letter::{LONGEST_WAIT, Letter, LetterFate};
use crate::store::Store;
use crate::store::link::{change, one, row, rows, value};

impl Store {
    /// The letters that are to be tried now, oldest first. One that is to wait longer than any
    /// letter does was put off by a clock that went wrong, and is tried too.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn due_letters(&mut self, now: Timestamp) -> Result<Vec<Letter>> {
        let failed = self.failed();
        let now = now.as_millisecond();
        let most = i64::try_from(LONGEST_WAIT.as_millis()).unwrap_or(i64::MAX);
        let beyond = now.saturating_add(most.saturating_mul(2));
        let rows = rows!(
            self.link().await?,
            { id: i64, channel: String, notice: String, queued_at: i64, attempts: i64 },
            "SELECT id, channel, notice, queued_at, attempts FROM outbox
             WHERE delivered_at IS NULL AND given_up_at IS NULL
               AND (next_at <= $1 OR next_at > $2) ORDER BY id",
            now,
            beyond,
        )
        .map_err(failed)?;
        rows.into_iter()
            .map(|row| {
                Ok(Letter {
                    id: row.id,
                    channel: row.channel,
                    notice: row.notice,
                    queued_at: self.timestamp(row.queued_at)?,
                    attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
                })
            })
            .collect()
    }

    /// When the next letter is to be tried; nothing if none waits.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn next_letter_at(&mut self) -> Result<Option<Timestamp>> {
        let failed = self.failed();
        let next = one(value!(
            self.link().await?,
            Option<i64>,
            r#"SELECT min(next_at) AS "next: i64" FROM outbox
               WHERE delivered_at IS NULL AND given_up_at IS NULL"#,
        ))
        .map_err(failed)?;
        next.map(|next| self.timestamp(next)).transpose()
    }

    /// How many letters wait, and how many were given up.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn letters(&mut self) -> Result<(i64, i64)> {
        let failed = self.failed();
        let row = one(row!(
            self.link().await?,
            { waiting: i64, given_up: i64 },
            r#"SELECT (SELECT count(*) FROM outbox
                       WHERE delivered_at IS NULL AND given_up_at IS NULL) AS "waiting!: i64",
                      (SELECT count(*) FROM outbox
                       WHERE given_up_at IS NOT NULL) AS "given_up!: i64""#,
        ))
        .map_err(failed)?;
        Ok((row.waiting, row.given_up))
    }

    /// Notes what became of a letter.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn note_letter(&mut self, id: i64, fate: &LetterFate, now: Timestamp) -> Result<()> {
        let failed = self.failed();
        let now = now.as_millisecond();
        let (delivered, given_up, next, error) = match fate {
            LetterFate::Delivered => (Some(now), None, now, None),
            LetterFate::TryAgain { at, error } => {
                (None, None, at.as_millisecond(), Some(error.as_str()))
            }
            LetterFate::GivenUp { error } => (None, Some(now), now, Some(error.as_str())),
        };
        change!(
            self.link().await?,
            "UPDATE outbox SET attempts = attempts + 1, delivered_at = $1, given_up_at = $2,
                    next_at = $3, last_error = $4 WHERE id = $5",
            delivered,
            given_up,
            next,
            error,
            id,
        )
        .map_err(failed)?;
        Ok(())
    }
}
