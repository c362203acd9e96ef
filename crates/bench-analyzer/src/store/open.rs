//! Opening the file: making it, recognising it, bringing its schema up to date.

use std::time::Duration;

use camino::Utf8Path;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::{Store, database_error};
use crate::error::{DatabaseProblem, Error, Result};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// `bnch`, set by the first migration.
const APPLICATION_ID: i64 = 1_651_401_576;

/// How long to wait for another process's transaction: importing a thousand benchmarks takes
/// less than two seconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How often to try again when another process makes the same file at the same moment.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

impl Store {
    /// Opens the history at `path`, makes it if there is none, and updates its schema.
    ///
    /// # Errors
    /// If the file cannot be opened, written or understood: see [`DatabaseProblem`].
    pub async fn open(path: &Utf8Path) -> Result<Self> {
        Self::open_with_timeout(path, BUSY_TIMEOUT).await
    }

    /// [`Store::open`], waiting no longer than `busy_timeout` for other processes.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_with_timeout(path: &Utf8Path, busy_timeout: Duration) -> Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|source| unusable_folder(path, source))?;
        }
        let mut attempt = 0;
        loop {
            attempt += 1;
            match Self::try_open(path, busy_timeout).await {
                Ok(store) => return Ok(store),
                // Switching to WAL and applying a migration do not wait for the lock.
                Err(error) if attempt < ATTEMPTS && is_transient(&error) => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn try_open(path: &Utf8Path, busy_timeout: Duration) -> Result<Self> {
        let failed = |source| database_error(path, source);
        let options = SqliteConnectOptions::new()
            .filename(path.as_std_path())
            .create_if_missing(true)
            .foreign_keys(true)
            .busy_timeout(busy_timeout)
            .disable_statement_logging();
        let mut connection = options.connect().await.map_err(failed)?;
        recognise(&mut connection, path).await?;
        // Only a file that is ours may be changed, and the journal mode is a change.
        let options =
            options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
        connection.close().await.map_err(failed)?;
        let mut connection = options.connect().await.map_err(failed)?;
        MIGRATIONS.run(&mut connection).await.map_err(|error| migration_error(path, error))?;
        Ok(Self { path: path.to_owned(), connection })
    }

    /// What SQLite finds wrong with the file; nothing if it is sound.
    ///
    /// # Errors
    /// If the database refuses to look.
    pub async fn integrity_complaints(&mut self) -> Result<Vec<String>> {
        let failed = self.failed();
        let lines: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check")
            .fetch_all(&mut self.connection)
            .await
            .map_err(failed)?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }

    /// Closes the file, folding the write-ahead log into it.
    ///
    /// # Errors
    /// If the last writes cannot be brought to disk.
    pub async fn close(self) -> Result<()> {
        let failed = self.failed();
        self.connection.close().await.map_err(failed)
    }
}

/// Refuses a database that another program made.
async fn recognise(connection: &mut SqliteConnection, path: &Utf8Path) -> Result<()> {
    let failed = |source| database_error(path, source);
    // One statement, because another process may be making the same file right now.
    let (id, tables): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT application_id FROM pragma_application_id),
                (SELECT count(*) FROM sqlite_master
                 WHERE type = 'table' AND name <> '_sqlx_migrations')",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    let fresh = id == 0 && tables == 0;
    if fresh || id == APPLICATION_ID {
        return Ok(());
    }
    let problem = DatabaseProblem::Foreign;
    Err(Error::Database { path: path.to_owned(), problem, source: None })
}

fn migration_error(path: &Utf8Path, error: MigrateError) -> Error {
    let ours = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    match error {
        MigrateError::VersionMissing(schema) if schema > ours => {
            let problem = DatabaseProblem::Newer { schema };
            Error::Database { path: path.to_owned(), problem, source: None }
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            database_error(path, error)
        }
        other => database_error(path, sqlx::Error::Migrate(Box::new(other))),
    }
}

fn unusable_folder(path: &Utf8Path, source: std::io::Error) -> Error {
    let problem = match source.kind() {
        std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied => {
            DatabaseProblem::ReadOnly
        }
        std::io::ErrorKind::StorageFull => DatabaseProblem::DiskFull,
        _ => DatabaseProblem::CannotOpen,
    };
    Error::Database { path: path.to_owned(), problem, source: Some(Box::new(source.into())) }
}

/// Whether opening may succeed when another process has finished opening the same new file.
fn is_transient(error: &Error) -> bool {
    match error {
        Error::Database { problem: DatabaseProblem::Other, source: Some(source), .. } => {
            source.to_string().contains("already exists")
                || source.to_string().contains("UNIQUE constraint failed: _sqlx_migrations")
        }
        _ => false,
    }
}
