//! Opening a history: finding or making it, recognising it, bringing its schema up to date.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::postgres::{self, Server};
use super::{Backend, Location, Store};
use crate::error::{DatabaseProblem, Error, Result};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// `bnch`, set by the first migration.
const APPLICATION_ID: i64 = 1_651_401_576;

/// How long to wait for another process's transaction: importing a thousand benchmarks takes
/// less than two seconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How often to try again when another process makes the same file at the same moment.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

impl Store {
    /// Opens the history at `location` and updates its schema. A file is made if there is none;
    /// a database on a server has to exist.
    ///
    /// # Errors
    /// If it cannot be opened, written or understood: see [`DatabaseProblem`].
    pub async fn open(location: impl Into<Location>) -> Result<Self> {
        Self::open_patiently(location.into(), BUSY_TIMEOUT, postgres::LOCK_TIMEOUT).await
    }

    /// [`Store::open`], waiting no longer than `busy_timeout` for other processes that write.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_with_timeout(
        location: impl Into<Location>,
        busy_timeout: Duration,
    ) -> Result<Self> {
        Self::open_patiently(location.into(), busy_timeout, busy_timeout).await
    }

    async fn open_patiently(
        location: Location,
        of_files: Duration,
        of_servers: Duration,
    ) -> Result<Self> {
        match &location {
            Location::File(path) => {
                let folder = path.parent().unwrap_or(path).to_owned();
                let backend = Backend::Sqlite(open_file(path, of_files).await?);
                Ok(Self { folder, location, backend })
            }
            Location::Server(address) => {
                let backend = Backend::Postgres(Box::new(Server::open(address, of_servers).await?));
                Ok(Self { folder: Utf8PathBuf::from(".bench"), location, backend })
            }
        }
    }

    /// What is wrong with what is stored; nothing if it is sound.
    ///
    /// # Errors
    /// If the database refuses to look.
    pub async fn integrity_complaints(&mut self) -> Result<Vec<String>> {
        let failed = self.failed();
        match &mut self.backend {
            Backend::Sqlite(connection) => {
                let lines: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check")
                    .fetch_all(connection)
                    .await
                    .map_err(failed)?;
                Ok(lines.into_iter().filter(|line| line != "ok").collect())
            }
            Backend::Postgres(server) => server.complaints().await.map_err(failed),
        }
    }

    /// Closes the history; a file takes in its write-ahead log.
    ///
    /// # Errors
    /// If the last writes cannot be brought to disk.
    pub async fn close(self) -> Result<()> {
        let failed = self.failed();
        match self.backend {
            Backend::Sqlite(connection) => connection.close().await,
            Backend::Postgres(server) => server.close().await,
        }
        .map_err(failed)
    }
}

async fn open_file(path: &Utf8Path, busy_timeout: Duration) -> Result<SqliteConnection> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|source| unusable_folder(path, source))?;
    }
    let mut attempt = 0;
    loop {
        attempt += 1;
        match try_open(path, busy_timeout).await {
            Ok(connection) => return Ok(connection),
            // Switching to WAL and applying a migration do not wait for the lock.
            Err(error) if attempt < ATTEMPTS && is_transient(&error) => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn try_open(path: &Utf8Path, busy_timeout: Duration) -> Result<SqliteConnection> {
    let location = Location::from(path);
    let failed = |source| failure(&location, source);
    let options = SqliteConnectOptions::new()
        .filename(path.as_std_path())
        .create_if_missing(true)
        .foreign_keys(true)
        .busy_timeout(busy_timeout)
        .disable_statement_logging();
    let mut connection = options.connect().await.map_err(failed)?;
    recognise(&mut connection, &location).await?;
    // Only a file that is ours may be changed, and the journal mode is a change.
    let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
    connection.close().await.map_err(failed)?;
    let mut connection = options.connect().await.map_err(failed)?;
    let migrated = MIGRATIONS.run(&mut connection).await;
    migrated.map_err(|error| migration_error(&location, &MIGRATIONS, error))?;
    Ok(connection)
}

/// Refuses a database that another program made.
async fn recognise(connection: &mut SqliteConnection, location: &Location) -> Result<()> {
    let failed = |source| failure(location, source);
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
    Err(Error::Database { location: location.clone(), problem, source: None })
}

/// The schema that some migrations lead to.
pub(super) fn newest(migrations: &Migrator) -> i64 {
    migrations.iter().map(|migration| migration.version).max().unwrap_or(0)
}

pub(super) fn migration_error(
    location: &Location,
    migrations: &Migrator,
    error: MigrateError,
) -> Error {
    match error {
        MigrateError::VersionMissing(schema) if schema > newest(migrations) => {
            let problem = DatabaseProblem::Newer { schema };
            Error::Database { location: location.clone(), problem, source: None }
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            failure(location, error)
        }
        other => failure(location, sqlx::Error::Migrate(Box::new(other))),
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
    Error::Database { location: path.into(), problem, source: Some(Box::new(source.into())) }
}

/// Whether opening may succeed when another process has finished opening the same new file.
fn is_transient(error: &Error) -> bool {
    match error {
        Error::Database { problem: DatabaseProblem::Other, source: Some(source), .. } => {
            // What a migration says that another process has just made.
            let made = [
                "already exists",
                "duplicate column name",
                "UNIQUE constraint failed: _sqlx_migrations",
            ];
            made.iter().any(|said| source.to_string().contains(said))
        }
        _ => false,
    }
}

/// Tells the causes that a user can act on apart. What the database itself says is kept where it
/// adds anything: always for a server, whose refusals have many reasons.
pub(super) fn failure(location: &Location, source: sqlx::Error) -> Error {
    let (problem, telling) = match location {
        Location::File(_) => {
            let problem = problem_of_file(&source);
            let unclear = matches!(
                problem,
                DatabaseProblem::Other | DatabaseProblem::WriteFailed | DatabaseProblem::ReadFailed
            );
            (problem, unclear)
        }
        Location::Server(_) => (postgres::problem_of(&source), true),
    };
    let source = telling.then(|| Box::new(source));
    Error::Database { location: location.clone(), problem, source }
}

fn problem_of_file(error: &sqlx::Error) -> DatabaseProblem {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_have_the_same_schemas() {
        let versions = |all: &Migrator| all.iter().map(|one| one.version).collect::<Vec<_>>();
        assert_eq!(versions(&MIGRATIONS), versions(postgres::migrations()));
    }
}
