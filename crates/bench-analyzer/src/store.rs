//! The history of all runs, in one SQLite file. Nothing outside this module knows SQL.
//!
//! Every write is one transaction that takes the write lock first, so that two importing
//! processes wait for each other instead of failing half-way, and a process killed at any moment
//! leaves the file as it was. Queries are checked at compile time against the metadata in
//! `.sqlx`; the crate documentation says how to make that anew.

mod baselines;
mod codec;
mod continuous;
mod export;
mod import;
mod open;
mod read;
mod runs;
mod timeline;
mod version;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use sqlx::{Connection, SqliteConnection};

use crate::error::{DatabaseProblem, Error, Result};

pub(crate) use continuous::Followed;
pub use continuous::JobEnd;
pub use import::{BaselineMode, Destination, ImportOutcome};
pub use runs::RunListing;
pub(crate) use version::MeasuredVersion;
pub use version::StoreVersion;

/// An open history.
#[derive(Debug)]
pub struct Store {
    path: Utf8PathBuf,
    connection: SqliteConnection,
}

/// Keeps other processes from writing.
#[derive(Debug)]
pub struct WriteLock<'s> {
    _transaction: sqlx::Transaction<'s, sqlx::Sqlite>,
}

impl Store {
    /// Where the file is.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Takes the write lock and holds it until the guard is dropped, which undoes nothing.
    ///
    /// # Errors
    /// If another process holds the lock for longer than the busy timeout.
    pub async fn lock_for_writing(&mut self) -> Result<WriteLock<'_>> {
        let failed = self.failed();
        let transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        Ok(WriteLock { _transaction: transaction })
    }

    fn failed(&self) -> impl Fn(sqlx::Error) -> Error + use<> {
        let path = self.path.clone();
        move |source| database_error(&path, source)
    }

    fn corrupt(&self, what: impl Into<String>) -> Error {
        Error::CorruptRecord { path: self.path.clone(), what: what.into() }
    }

    fn timestamp(&self, milliseconds: i64) -> Result<Timestamp> {
        Timestamp::from_millisecond(milliseconds)
            .map_err(|_| self.corrupt(format!("the time {milliseconds}")))
    }
}

/// Tells the causes that a user can act on apart by SQLite's result codes.
fn database_error(path: &Utf8Path, source: sqlx::Error) -> Error {
    let problem = problem_of(&source);
    let unclear = matches!(
        problem,
        DatabaseProblem::Other | DatabaseProblem::WriteFailed | DatabaseProblem::ReadFailed
    );
    let source = unclear.then(|| Box::new(source));
    Error::Database { path: path.to_owned(), problem, source }
}

fn problem_of(error: &sqlx::Error) -> DatabaseProblem {
    let sqlx::Error::Database(database) = error else { return DatabaseProblem::Other };
    let code = database.code().and_then(|code| code.parse::<i32>().ok());
    // Of the extended codes of failed input and output, those of reading and of writing.
    match code {
        Some(266 | 522) => return DatabaseProblem::ReadFailed,
        Some(778 | 1034 | 1290 | 1546 | 4874) => return DatabaseProblem::WriteFailed,
        _ => {}
    }
    // The low byte is the primary result code, see https://sqlite.org/rescode.html.
    match code.map(|code| code & 0xff) {
        Some(5 | 6) => DatabaseProblem::Locked,
        Some(8) => DatabaseProblem::ReadOnly,
        Some(11) => DatabaseProblem::Damaged,
        Some(13) => DatabaseProblem::DiskFull,
        Some(14) => DatabaseProblem::CannotOpen,
        Some(26) => DatabaseProblem::NotADatabase,
        _ => DatabaseProblem::Other,
    }
}
