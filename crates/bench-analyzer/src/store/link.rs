//! One way to ask either database.
//!
//! A query is written once, in the SQL that both understand, with `$1` for arguments. Against
//! SQLite it is checked at compile time; against PostgreSQL it is sent as it is, and its columns
//! are read by the names and types that the caller declares. Where a name carries one of sqlx's
//! remarks (`"id!"`, `"runs!: i64"`), the remark is no part of it.

use sqlx::SqliteConnection;
use sqlx_postgres::PgConnection;

/// A connection to either database.
pub(super) enum Link<'l> {
    Sqlite(&'l mut SqliteConnection),
    Postgres(&'l mut PgConnection),
}

/// A transaction that holds the write lock of either database. Dropped, it undoes everything.
#[derive(Debug)]
pub(super) enum Transaction<'t> {
    Sqlite(sqlx::Transaction<'t, sqlx::Sqlite>),
    Postgres(sqlx::Transaction<'t, sqlx_postgres::Postgres>),
}

impl Link<'_> {
    /// Lends the connection for one more statement.
    pub(super) fn again(&mut self) -> Link<'_> {
        match self {
            Self::Sqlite(connection) => Link::Sqlite(connection),
            Self::Postgres(connection) => Link::Postgres(connection),
        }
    }
}

impl Transaction<'_> {
    pub(super) fn link(&mut self) -> Link<'_> {
        match self {
            Self::Sqlite(transaction) => Link::Sqlite(transaction),
            Self::Postgres(transaction) => Link::Postgres(transaction),
        }
    }

    pub(super) async fn commit(self) -> sqlx::Result<()> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => super::postgres::patient(transaction.commit()).await,
        }
    }
}

/// Where there has to be a row.
pub(super) fn one<T>(found: sqlx::Result<Option<T>>) -> sqlx::Result<T> {
    found?.ok_or(sqlx::Error::RowNotFound)
}

/// Declares what rows become.
macro_rules! record {
    (struct $name:ident { $($field:ident: $kind:ty),+ $(,)? }) => {
        struct $name { $($field: $kind),+ }

        impl $crate::store::postgres::Record for $name {
            fn read(row: &sqlx_postgres::PgRow) -> sqlx::Result<Self> {
                Ok(Self { $($field: $crate::store::postgres::column(row, stringify!($field))?),+ })
            }
        }
    };
}

/// All rows: as a declared record, or with their columns declared in place.
macro_rules! rows {
    ($link:expr, { $($field:ident: $kind:ty),+ $(,)? }, $sql:literal $(, $argument:expr)* $(,)?) => {{
        $crate::store::link::record!(struct Found { $($field: $kind),+ });
        $crate::store::link::rows!($link, Found, $sql $(, $argument)*)
    }};
    ($link:expr, $record:ident, $sql:literal $(, $argument:expr)* $(,)?) => {
        match $link {
            $crate::store::link::Link::Sqlite(connection) => {
                sqlx::query_as!($record, $sql $(, $argument)*).fetch_all(connection).await
            }
            $crate::store::link::Link::Postgres(connection) => {
                $crate::store::postgres::rows::<$record>(
                    connection,
                    sqlx::query::<sqlx_postgres::Postgres>($sql)$(.bind(&$argument))*,
                ).await
            }
        }
    };
}

/// The first row, if there is any.
macro_rules! row {
    ($link:expr, { $($field:ident: $kind:ty),+ $(,)? }, $sql:literal $(, $argument:expr)* $(,)?) => {{
        $crate::store::link::record!(struct Found { $($field: $kind),+ });
        $crate::store::link::row!($link, Found, $sql $(, $argument)*)
    }};
    ($link:expr, $record:ident, $sql:literal $(, $argument:expr)* $(,)?) => {
        match $link {
            $crate::store::link::Link::Sqlite(connection) => {
                sqlx::query_as!($record, $sql $(, $argument)*).fetch_optional(connection).await
            }
            $crate::store::link::Link::Postgres(connection) => {
                $crate::store::postgres::row::<$record>(
                    connection,
                    sqlx::query::<sqlx_postgres::Postgres>($sql)$(.bind(&$argument))*,
                ).await
            }
        }
    };
}

/// One value of every row.
macro_rules! values {
    ($link:expr, $kind:ty, $sql:literal $(, $argument:expr)* $(,)?) => {
        match $link {
            $crate::store::link::Link::Sqlite(connection) => {
                sqlx::query_scalar!($sql $(, $argument)*).fetch_all(connection).await
            }
            $crate::store::link::Link::Postgres(connection) => {
                $crate::store::postgres::values::<$kind>(
                    connection,
                    sqlx::query::<sqlx_postgres::Postgres>($sql)$(.bind(&$argument))*,
                ).await
            }
        }
    };
}

/// One value of the first row, if there is any.
macro_rules! value {
    ($link:expr, $kind:ty, $sql:literal $(, $argument:expr)* $(,)?) => {
        match $link {
            $crate::store::link::Link::Sqlite(connection) => {
                sqlx::query_scalar!($sql $(, $argument)*).fetch_optional(connection).await
            }
            $crate::store::link::Link::Postgres(connection) => {
                $crate::store::postgres::value::<$kind>(
                    connection,
                    sqlx::query::<sqlx_postgres::Postgres>($sql)$(.bind(&$argument))*,
                ).await
            }
        }
    };
}

/// Changes something, and says how many rows that were.
macro_rules! change {
    ($link:expr, $sql:literal $(, $argument:expr)* $(,)?) => {
        match $link {
            $crate::store::link::Link::Sqlite(connection) => {
                sqlx::query!($sql $(, $argument)*)
                    .execute(connection)
                    .await
                    .map(|done| done.rows_affected())
            }
            $crate::store::link::Link::Postgres(connection) => {
                $crate::store::postgres::change(
                    connection,
                    sqlx::query::<sqlx_postgres::Postgres>($sql)$(.bind(&$argument))*,
                ).await
            }
        }
    };
}

pub(super) use {change, record, row, rows, value, values};
