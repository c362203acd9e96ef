//! A connection to a PostgreSQL server: made, made anew when it was lost, and with a schema that is up to date.

use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sqlx::migrate::Migrator;
use sqlx::{ConnectOptions, Connection, Executor};
use sqlx_postgres::PgConnection;

use super::failure::{failure, migration_error, newer, newest};
use super::link::Transaction;
use super::postgres::{PATIENCE, change, elapsed, patient, value, within};
use crate::error::{DatabaseProblem, Error, Result};
use crate::location::{Location, ServerAddress};

/// A table of its own for what was applied: the database may serve other programs too, whose
/// migrations are none of ours.
const APPLIED: &str = "bench_analyzer_migrations";

static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("migrations/postgres");
    migrations.dangerous_set_table_name(APPLIED);
    migrations
});

#[cfg(test)]
pub(super) fn migrations() -> &'static Migrator {
    &MIGRATIONS
}

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for others that write. An import holds the lock for about a second; a team's
/// runners may all finish at once.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a statement may take on the server.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(120);
/// A transaction whose client is gone must not hold the write lock for ever.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// After so long without use, a connection is tried before it is relied on.
const FRESH: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// "bnch": what kind of advisory locks ours are.
const LOCK_CLASS: i32 = 1_651_401_576;

/// A connection that is made anew when it was lost.
#[derive(Debug)]
pub(super) struct Server {
    address: ServerAddress,
    connection: PgConnection,
    lock_timeout: Duration,
    used: Instant,
    /// Set when a statement failed in a way that may have cost the connection.
    pub(super) suspect: Arc<AtomicBool>,
}

impl Server {
    /// Connects, and updates the schema.
    pub(super) async fn open(address: &ServerAddress, lock_timeout: Duration) -> Result<Self> {
        let location = Location::Server(address.clone());
        let failed = |source| failure(&location, source);
        let mut connection = connect(address, lock_timeout).await.map_err(failed)?;
        migrate(&mut connection, &location).await?;
        Ok(Self {
            address: address.clone(),
            connection,
            lock_timeout,
            used: Instant::now(),
            suspect: Arc::default(),
        })
    }

    /// The connection, made anew if it was lost meanwhile.
    pub(super) async fn ready(&mut self) -> sqlx::Result<&mut PgConnection> {
        let suspect = self.suspect.swap(false, Ordering::Relaxed);
        if suspect || self.used.elapsed() > FRESH {
            let answer = tokio::time::timeout(PING_TIMEOUT, self.connection.ping()).await;
            if !matches!(answer, Ok(Ok(()))) {
                self.connection = connect(&self.address, self.lock_timeout).await?;
            }
        }
        self.used = Instant::now();
        Ok(&mut self.connection)
    }

    /// Begins to write. One at a time does: so everything that is read in between stays true,
    /// as it does under SQLite's write lock. The table's own number keeps stores in one database
    /// apart.
    pub(super) async fn begin(&mut self) -> sqlx::Result<Transaction<'_>> {
        let connection = self.ready().await?;
        let mut transaction = patient(connection.begin()).await?;
        let lock = sqlx::query("SELECT pg_advisory_xact_lock($1, 'runs'::regclass::oid::int)");
        change(&mut transaction, lock.bind(LOCK_CLASS)).await?;
        Ok(Transaction::Postgres(transaction))
    }

    /// Begins to take a job: nobody else has to wait meanwhile, because its row is locked.
    pub(super) async fn begin_claim(&mut self) -> sqlx::Result<Transaction<'_>> {
        let connection = self.ready().await?;
        Ok(Transaction::Postgres(patient(connection.begin()).await?))
    }

    /// Takes the right to deliver notices for as long as this connection lives, if nobody has it.
    pub(super) async fn try_take_outbox(&mut self) -> sqlx::Result<bool> {
        let sql = "SELECT pg_try_advisory_lock($1, 'outbox'::regclass::oid::int)";
        let taken = value::<bool>(self.ready().await?, sqlx::query(sql).bind(LOCK_CLASS)).await?;
        Ok(taken.unwrap_or_default())
    }

    /// Gives it back.
    pub(super) async fn leave_outbox(&mut self) -> sqlx::Result<()> {
        let sql = "SELECT pg_advisory_unlock($1, 'outbox'::regclass::oid::int)";
        change(self.ready().await?, sqlx::query(sql).bind(LOCK_CLASS)).await?;
        Ok(())
    }

    /// Lists what is missing; empty if all is sound.
    pub(super) async fn complaints(&mut self) -> sqlx::Result<Vec<String>> {
        let sql = "SELECT count(*) FROM measurements AS m
                   WHERE NOT EXISTS (SELECT 1 FROM samples WHERE measurement_id = m.id)";
        let bare = value::<i64>(self.ready().await?, sqlx::query(sql)).await?.unwrap_or_default();
        Ok(if bare == 0 { Vec::new() } else { vec![format!("{bare} measurements lack samples")] })
    }

    pub(super) async fn close(self) -> sqlx::Result<()> {
        patient(self.connection.close()).await
    }
}

async fn connect(address: &ServerAddress, lock_timeout: Duration) -> sqlx::Result<PgConnection> {
    let connecting = async {
        let mut connection = address.options().connect().await?;
        // Statements of their own: poolers between here and the server refuse such settings in
        // the connection's start.
        let milliseconds = |duration: Duration| duration.as_millis();
        let settings = format!(
            "SET lock_timeout = {}; SET statement_timeout = {};
             SET idle_in_transaction_session_timeout = {}; SET client_min_messages = warning",
            milliseconds(lock_timeout),
            milliseconds(STATEMENT_TIMEOUT),
            milliseconds(IDLE_TIMEOUT),
        );
        connection.execute(sqlx::AssertSqlSafe(settings)).await?;
        Ok(connection)
    };
    within(CONNECT_TIMEOUT, connecting).await
}

/// Applies what is missing. Only then: a role that may only read has no right to look in the way
/// that the migrator does.
async fn migrate(connection: &mut PgConnection, location: &Location) -> Result<()> {
    let failed = |source| failure(location, source);
    let ours = newest(&MIGRATIONS);
    let (marked, occupied): (bool, bool) = patient(
        sqlx::query_as("SELECT to_regclass($1) IS NOT NULL, to_regclass('runs') IS NOT NULL")
            .bind(APPLIED)
            .fetch_one(&mut *connection),
    )
    .await
    .map_err(failed)?;
    if !marked && occupied {
        let problem = DatabaseProblem::Foreign;
        return Err(Error::Database { location: location.clone(), problem, source: None });
    }
    if marked {
        let sql = "SELECT max(version) FROM bench_analyzer_migrations WHERE success";
        let schema = value::<Option<i64>>(connection, sqlx::query(sql)).await.map_err(failed)?;
        match schema.flatten() {
            Some(schema) if schema > ours => return Err(newer(location, schema)),
            Some(schema) if schema == ours => return Ok(()),
            _ => {}
        }
    }
    tokio::time::timeout(PATIENCE, MIGRATIONS.run_direct(None, connection, false))
        .await
        .map_err(|_| failure(location, elapsed()))?
        .map_err(|error| migration_error(location, &MIGRATIONS, error))
}
