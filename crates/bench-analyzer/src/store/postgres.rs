//! Asks a PostgreSQL server, and reads what it answers.

use std::future::Future;
use std::time::Duration;

use sqlx::Row;
use sqlx_postgres::{PgArguments, PgConnection, PgRow, Postgres};

/// How long a statement may take as seen from here. Longer, so that the server's own word comes
/// first wherever there still is a server.
pub(super) const PATIENCE: Duration = Duration::from_secs(150);

/// Record that a row of PostgreSQL's becomes.
pub(super) trait Record: Sized {
    fn read(row: &PgRow) -> sqlx::Result<Self>;
}

/// The column of that name, whatever remark follows it.
pub(super) fn column<'r, T>(row: &'r PgRow, name: &str) -> sqlx::Result<T>
where
    T: sqlx::Decode<'r, sqlx_postgres::Postgres> + sqlx::Type<sqlx_postgres::Postgres>,
{
    let plain = |column: &str| column.split(['!', '?', ':']).next() == Some(name);
    let place = row.columns().iter().position(|column| plain(sqlx::Column::name(column)));
    row.try_get(place.ok_or_else(|| sqlx::Error::ColumnNotFound(name.to_owned()))?)
}

type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

pub(super) async fn rows<R: Record>(
    connection: &mut PgConnection,
    query: Query<'_>,
) -> sqlx::Result<Vec<R>> {
    let found = patient(query.fetch_all(connection)).await?;
    found.iter().map(R::read).collect()
}

pub(super) async fn row<R: Record>(
    connection: &mut PgConnection,
    query: Query<'_>,
) -> sqlx::Result<Option<R>> {
    let found = patient(query.fetch_optional(connection)).await?;
    found.as_ref().map(R::read).transpose()
}

pub(super) async fn values<T>(
    connection: &mut PgConnection,
    query: Query<'_>,
) -> sqlx::Result<Vec<T>>
where
    T: for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
{
    let found = patient(query.fetch_all(connection)).await?;
    found.iter().map(|row| row.try_get(0)).collect()
}

pub(super) async fn value<T>(
    connection: &mut PgConnection,
    query: Query<'_>,
) -> sqlx::Result<Option<T>>
where
    T: for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
{
    let found = patient(query.fetch_optional(connection)).await?;
    found.map(|row| row.try_get(0)).transpose()
}

pub(super) async fn change(connection: &mut PgConnection, query: Query<'_>) -> sqlx::Result<u64> {
    Ok(patient(query.execute(connection)).await?.rows_affected())
}

/// Waits for a server, but not for ever: one that is cut off says nothing at all.
pub(super) async fn patient<T>(asked: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    within(PATIENCE, asked).await
}

pub(super) async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| Err(elapsed()))
}

pub(super) fn elapsed() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}

/// Locks the row of a job, unless somebody else has it locked.
pub(super) async fn lock_job(connection: &mut PgConnection, id: i64) -> sqlx::Result<bool> {
    let sql = "SELECT id FROM jobs WHERE id = $1 FOR UPDATE SKIP LOCKED";
    Ok(value::<i64>(connection, sqlx::query(sql).bind(id)).await?.is_some())
}
