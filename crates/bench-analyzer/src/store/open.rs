//! Opening a history: finding or making it, recognising it, bringing its schema up to date.

use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::failure::{failure, migration_error, newer, newest, problem_of_file};
use super::link::Transaction;
use super::server::{self, Server};
use super::{Backend, File, FileAccess, Location, Store};
use crate::error::{DatabaseProblem, Error, Result};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// `bnch`, set by the first migration.
const APPLICATION_ID: i64 = 1_651_401_576;

/// How long to wait for another process's transaction: importing a thousand benchmarks takes
/// less than two seconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait before trying again what does not wait by itself.
const PAUSE: Duration = Duration::from_millis(10);

impl Store {
    /// Opens the history at `location` and updates its schema. A file is made if there is none;
    /// a database on a server has to exist.
    ///
    /// # Errors
    /// If it cannot be opened, written or understood: see [`DatabaseProblem`].
    pub async fn open(location: impl Into<Location>) -> Result<Self> {
        Self::open_patiently(location.into(), BUSY_TIMEOUT, server::LOCK_TIMEOUT).await
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
                let file = open_file(path, of_files).await?;
                Ok(Self { folder, location, backend: Backend::Sqlite(file) })
            }
            Location::Server(address) => {
                let backend = Backend::Postgres(Box::new(Server::open(address, of_servers).await?));
                Ok(Self { folder: Utf8PathBuf::from(".bench"), location, backend })
            }
        }
    }

    /// Lists what is wrong with what is stored; empty if it is sound.
    ///
    /// # Errors
    /// If the database refuses to look.
    pub async fn integrity_complaints(&mut self) -> Result<Vec<String>> {
        let failed = self.failed();
        let mut complaints = match &mut self.backend {
            Backend::Sqlite(file) => {
                let lines: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check")
                    .fetch_all(&mut file.connection)
                    .await
                    .map_err(failed)?;
                lines.into_iter().filter(|line| line != "ok").collect()
            }
            Backend::Postgres(server) => server.complaints().await.map_err(failed)?,
        };
        if complaints.is_empty() {
            complaints = self.changed_samples().await?;
        }
        Ok(complaints)
    }

    /// Closes the history; a file takes in its write-ahead log.
    ///
    /// # Errors
    /// If the last writes cannot be brought to disk.
    pub async fn close(self) -> Result<()> {
        let failed = self.failed();
        match self.backend {
            Backend::Sqlite(file) => file.connection.close().await,
            Backend::Postgres(server) => server.close().await,
        }
        .map_err(failed)
    }
}

impl File {
    /// Begins a transaction that has the write lock. Immediate: taking the lock later, after reading,
    /// cannot wait for its turn.
    ///
    /// SQLite itself undoes transactions, such as on a full disk. The driver does not learn of it, and
    /// would begin no other; so the connection is made anew.
    pub(super) async fn begin(&mut self, location: &Location) -> Result<Transaction<'_>> {
        let failed = |source| failure(location, source);
        if self.connection.is_in_transaction() {
            // One that was dropped may be on its way to be undone: this comes after it.
            self.connection.ping().await.map_err(failed)?;
        }
        if let (true, Some(path)) = (self.connection.is_in_transaction(), location.file()) {
            self.connection = open_for_writing(path, self.patience).await?;
        }
        let begun = self.connection.begin_with("BEGIN IMMEDIATE").await;
        begun.map(Transaction::Sqlite).map_err(failed)
    }
}

async fn open_file(path: &Utf8Path, busy_timeout: Duration) -> Result<File> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|source| unusable_folder(path, source))?;
    }
    let file =
        |connection, access| File { connection, access, outbox: None, patience: busy_timeout };
    match open_for_writing(path, busy_timeout).await {
        Ok(connection) => Ok(file(connection, FileAccess::Write)),
        Err(error) if is_refusal(&error) && path.is_file() => {
            // What may only be read is read, or else the first complaint holds.
            let read = open_for_reading(path, busy_timeout).await;
            match read {
                Ok(connection) => Ok(file(connection, FileAccess::Read)),
                Err(told @ Error::Database { problem: DatabaseProblem::Older { .. }, .. }) => {
                    Err(told)
                }
                Err(_) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

/// Whether somebody may not write.
fn is_refusal(error: &Error) -> bool {
    let Error::Database { problem, .. } = error else { return false };
    matches!(problem, DatabaseProblem::ReadOnly | DatabaseProblem::CannotOpen)
}

fn options_of(path: &Utf8Path, busy_timeout: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path.as_std_path())
        .foreign_keys(true)
        .busy_timeout(busy_timeout)
        .disable_statement_logging()
}

async fn open_for_writing(path: &Utf8Path, busy_timeout: Duration) -> Result<SqliteConnection> {
    let location = Location::from(path);
    let failed = |source| failure(&location, source);
    let options =
        options_of(path, busy_timeout).create_if_missing(true).synchronous(SqliteSynchronous::Full);
    let mut connection = options.connect().await.map_err(failed)?;
    // Only a file that is ours may be changed, and the journal mode is a change.
    recognise(&mut connection, &location).await?;
    if !may_write(path) {
        // SQLite opens what may not be written all the same, and fails later.
        let problem = DatabaseProblem::ReadOnly;
        return Err(Error::Database { location, problem, source: None });
    }
    use_write_ahead_log(&mut connection, busy_timeout).await.map_err(failed)?;
    migrate(&mut connection, &location).await?;
    Ok(connection)
}

fn may_write(path: &Utf8Path) -> bool {
    std::fs::OpenOptions::new().append(true).open(path).is_ok()
}

/// Opens a file that others write. Where not even the index of its write-ahead log may be made, it is
/// read as it lies there, which only shows all if nobody has it open.
async fn open_for_reading(path: &Utf8Path, busy_timeout: Duration) -> Result<SqliteConnection> {
    let location = Location::from(path);
    let failed = |source| failure(&location, source);
    let shared = options_of(path, busy_timeout).read_only(true);
    let log = format!("{path}-wal");
    let has_log = std::fs::metadata(log).is_ok_and(|log| log.len() > 0);
    let mut refusal = None;
    for options in [Some(shared.clone()), (!has_log).then(|| shared.immutable(true))] {
        let Some(options) = options else { continue };
        let opened = async {
            let mut connection = options.connect().await.map_err(failed)?;
            recognise(&mut connection, &location).await?;
            let schema = applied(&mut connection).await.map_err(failed)?.unwrap_or_default();
            Ok((connection, schema))
        };
        let (ours, location) = (newest(&MIGRATIONS), location.clone());
        match opened.await {
            Ok((connection, schema)) if schema == ours => return Ok(connection),
            Ok((_, schema)) if schema > ours => return Err(newer(&location, schema)),
            Ok((_, schema)) => {
                let problem = DatabaseProblem::Older { schema };
                return Err(Error::Database { location, problem, source: None });
            }
            Err(error) => refusal = Some(error),
        }
    }
    let problem = DatabaseProblem::ReadOnly;
    Err(refusal.unwrap_or(Error::Database { location, problem, source: None }))
}

/// Changing the journal mode asks for a lock without waiting for it, and others that open the same
/// new file do the same at the same moment.
async fn use_write_ahead_log(
    connection: &mut SqliteConnection,
    busy_timeout: Duration,
) -> sqlx::Result<()> {
    let asked = Instant::now();
    loop {
        match sqlx::query("PRAGMA journal_mode = WAL").execute(&mut *connection).await {
            Err(error)
                if problem_of_file(&error) == DatabaseProblem::Locked
                    && asked.elapsed() < busy_timeout =>
            {
                tokio::time::sleep(PAUSE).await;
            }
            switched => return switched.map(drop),
        }
    }
}

/// Applies what is missing, all of it or nothing. Whoever holds the write lock does; others wait
/// for it, and then find everything made. Without anything to apply, nothing is written or locked.
async fn migrate(connection: &mut SqliteConnection, location: &Location) -> Result<()> {
    let failed = |source| failure(location, source);
    let ours = newest(&MIGRATIONS);
    match applied(connection).await.map_err(failed)? {
        Some(schema) if schema == ours => return Ok(()),
        Some(schema) if schema > ours => return Err(newer(location, schema)),
        _ => {}
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    MIGRATIONS
        .run_direct(None, &mut *transaction, false)
        .await
        .map_err(|error| migration_error(location, &MIGRATIONS, error))?;
    transaction.commit().await.map_err(failed)
}

/// The schema that a file has; none if it is new.
async fn applied(connection: &mut SqliteConnection) -> sqlx::Result<Option<i64>> {
    let sql = "SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
    let tables: i64 = sqlx::query_scalar(sql).fetch_one(&mut *connection).await?;
    if tables == 0 {
        return Ok(None);
    }
    let sql = "SELECT max(version) FROM _sqlx_migrations WHERE success";
    sqlx::query_scalar(sql).fetch_one(connection).await
}

/// Refuses a database that another program made.
async fn recognise(connection: &mut SqliteConnection, location: &Location) -> Result<()> {
    let failed = |source| failure(location, source);
    // One statement, because another process may make the same file between two.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_have_the_same_schemas() {
        let versions = |all: &Migrator| all.iter().map(|one| one.version).collect::<Vec<_>>();
        assert_eq!(versions(&MIGRATIONS), versions(server::migrations()));
    }

    /// Opens a file from as many threads at the same moment, and says what came of each.
    fn open_at_once(path: &Utf8Path, threads: usize) -> Vec<Result<()>> {
        let start = std::sync::Barrier::new(threads);
        let open = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            start.wait();
            runtime.unwrap().block_on(async { Store::open(path).await?.close().await })
        };
        std::thread::scope(|scope| {
            let opening: Vec<_> = (0..threads).map(|_| scope.spawn(open)).collect();
            opening.into_iter().map(|one| one.join().unwrap()).collect()
        })
    }

    #[test]
    fn many_that_make_one_file_at_once_make_it_once() {
        for _ in 0..10 {
            let folder = tempfile::tempdir().unwrap();
            let path = Utf8Path::from_path(folder.path()).unwrap().join("new/history.db");
            for opened in open_at_once(&path, 8) {
                opened.unwrap();
            }
        }
    }

    #[test]
    fn many_that_find_an_older_file_bring_it_up_to_date_once() {
        for _ in 0..10 {
            let folder = tempfile::tempdir().unwrap();
            let path = Utf8Path::from_path(folder.path()).unwrap().join("history.db");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let options = SqliteConnectOptions::new().filename(path.as_std_path());
                let mut connection = options.create_if_missing(true).connect().await.unwrap();
                let first = MIGRATIONS.iter().next().map(|one| one.version);
                MIGRATIONS.run_direct(first, &mut connection, false).await.unwrap();
                assert_eq!(applied(&mut connection).await.unwrap(), first);
                connection.close().await.unwrap();
            });
            for opened in open_at_once(&path, 8) {
                opened.unwrap();
            }
        }
    }
}
