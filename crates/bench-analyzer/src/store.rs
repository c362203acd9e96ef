//! The history of all runs, in an SQLite file or on a PostgreSQL server. Nothing outside this
//! module knows SQL.
//!
//! Every write is one transaction that takes the write lock first, so that two importing
//! processes wait for each other instead of failing half-way, and a process killed at any moment
//! leaves the history as it was. Every query is one text for both databases (see `link`), checked
//! at compile time against the metadata in `.sqlx`; the crate documentation says how to make that
//! anew.

mod baselines;
mod bulk;
mod care;
mod codec;
mod continuous;
mod decisions;
mod export;
mod failure;
mod found_steps;
mod import;
mod link;
mod merge;
mod open;
mod postgres;
mod read;
mod runs;
mod server;
mod soundness;
mod timeline;
mod version;

use std::sync::atomic::Ordering;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use sqlx::SqliteConnection;

use self::failure::failure;
use self::link::{Link, Transaction};
use self::server::Server;
use crate::error::{Error, Result};
use crate::jobs::lock::try_lock;

pub use crate::location::{Location, ServerAddress};
pub use care::{Alias, Deed, NameGivenBack};
pub(crate) use continuous::Followed;
pub use continuous::{AskedAgain, JobEnd};
pub use decisions::TriagedChange;
pub use import::{BaselineMode, Destination, ImportOutcome};
pub use merge::{BaselineMerge, MergeOutcome};
pub use runs::RunListing;
pub(crate) use version::MeasuredVersion;
pub use version::StoreVersion;

/// An open history.
#[derive(Debug)]
pub struct Store {
    location: Location,
    folder: Utf8PathBuf,
    backend: Backend,
}

#[derive(Debug)]
enum Backend {
    Sqlite(File),
    Postgres(Box<Server>),
}

/// A file that holds the history.
#[derive(Debug)]
struct File {
    connection: SqliteConnection,
    /// Whether it may only be read.
    access: FileAccess,
    /// Locked while notices are delivered.
    outbox: Option<std::fs::File>,
    /// How long others that write are waited for.
    patience: Duration,
}

/// Rights on a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileAccess {
    Write,
    Read,
}

/// How far something long is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreProgress {
    /// How many runs, or series, are done.
    pub done: usize,
    /// Of how many.
    pub total: usize,
}

/// Keeps other processes from writing.
#[derive(Debug)]
pub struct WriteLock<'s> {
    _transaction: Transaction<'s>,
}

impl Store {
    /// Where the history is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Where files belong that are kept beside the history: logs, reports, results. It is the
    /// folder of an SQLite file, and `.bench` for a server, which has no folder here.
    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    /// Keeps files elsewhere.
    #[must_use]
    pub fn with_folder(self, folder: Utf8PathBuf) -> Self {
        Self { folder, ..self }
    }

    /// Takes the write lock and holds it until the guard is dropped, which undoes nothing.
    ///
    /// # Errors
    /// If another process holds the lock for longer than the busy timeout.
    pub async fn lock_for_writing(&mut self) -> Result<WriteLock<'_>> {
        Ok(WriteLock { _transaction: self.begin().await? })
    }

    /// Whether this user may only read the history, which is known of files.
    pub fn is_read_only(&self) -> bool {
        matches!(&self.backend, Backend::Sqlite(File { access: FileAccess::Read, .. }))
    }

    /// Takes the right to deliver notices; `false` if another process that shares this store is
    /// at it.
    pub(crate) async fn try_take_outbox(&mut self) -> Result<bool> {
        let failed = self.failed();
        match &mut self.backend {
            Backend::Sqlite(file) => {
                let path = Utf8PathBuf::from(format!("{}-outbox", self.location));
                match try_lock(&path) {
                    Ok(lock) => {
                        let taken = lock.is_some();
                        file.outbox = lock;
                        Ok(taken)
                    }
                    Err(source) => Err(Error::Write { path, source }),
                }
            }
            Backend::Postgres(server) => server.try_take_outbox().await.map_err(failed),
        }
    }

    /// Gives it back.
    pub(crate) async fn leave_outbox(&mut self) -> Result<()> {
        let failed = self.failed();
        match &mut self.backend {
            Backend::Sqlite(file) => {
                file.outbox = None;
                Ok(())
            }
            Backend::Postgres(server) => server.leave_outbox().await.map_err(failed),
        }
    }

    /// The connection, for one statement.
    async fn link(&mut self) -> Result<Link<'_>> {
        let failed = self.failed();
        match &mut self.backend {
            Backend::Sqlite(file) => Ok(Link::Sqlite(&mut file.connection)),
            Backend::Postgres(server) => server.ready().await.map(Link::Postgres).map_err(failed),
        }
    }

    /// A transaction that has the write lock.
    async fn begin(&mut self) -> Result<Transaction<'_>> {
        let failed = self.failed();
        match &mut self.backend {
            Backend::Sqlite(file) => file.begin(&self.location).await,
            Backend::Postgres(server) => server.begin().await.map_err(failed),
        }
    }

    /// A transaction in which a job is taken. On a server it has no write lock, so that taking one
    /// waits for nobody's import; the job's own row is locked instead.
    async fn begin_claim(&mut self) -> Result<Transaction<'_>> {
        let failed = self.failed();
        match &mut self.backend {
            Backend::Sqlite(file) => file.begin(&self.location).await,
            Backend::Postgres(server) => server.begin_claim().await.map_err(failed),
        }
    }

    fn failed(&self) -> impl Fn(sqlx::Error) -> Error + use<> {
        let location = self.location.clone();
        let suspect = match &self.backend {
            Backend::Sqlite(_) => None,
            Backend::Postgres(server) => Some(server.suspect.clone()),
        };
        move |source| {
            if let Some(suspect) = &suspect {
                suspect.store(true, Ordering::Relaxed);
            }
            failure(&location, source)
        }
    }

    fn corrupt(&self, what: impl Into<String>) -> Error {
        Error::CorruptRecord { location: self.location.clone(), what: what.into() }
    }

    fn timestamp(&self, milliseconds: i64) -> Result<Timestamp> {
        Timestamp::from_millisecond(milliseconds)
            .map_err(|_| self.corrupt(format!("the time {milliseconds}")))
    }
}
