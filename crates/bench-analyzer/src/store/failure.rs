//! Failures of a database, told apart by the causes that a user can act on.

use sqlx::migrate::{MigrateError, Migrator};
use sqlx_postgres::PgDatabaseError;

use crate::error::{DatabaseProblem, Error};
use crate::location::Location;

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
        Location::Server(_) => (problem_of_server(&source), true),
    };
    let source = telling.then(|| Box::new(source));
    Error::Database { location: location.clone(), problem, source }
}

pub(super) fn problem_of_file(error: &sqlx::Error) -> DatabaseProblem {
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

/// Tells the causes that a user can act on apart, by the server's codes.
fn problem_of_server(error: &sqlx::Error) -> DatabaseProblem {
    use std::io::ErrorKind;

    match error {
        sqlx::Error::Io(error) => match error.kind() {
            ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe => DatabaseProblem::ConnectionLost,
            _ => DatabaseProblem::Unreachable,
        },
        sqlx::Error::Tls(_) => DatabaseProblem::NotSecure,
        sqlx::Error::Database(database) => match database.try_downcast_ref::<PgDatabaseError>() {
            Some(error) => problem_of_code(error.code()),
            None => DatabaseProblem::Other,
        },
        _ => DatabaseProblem::Other,
    }
}

/// See appendix A of PostgreSQL's manual.
fn problem_of_code(code: &str) -> DatabaseProblem {
    match code {
        "28000" | "28P01" => DatabaseProblem::Refused,
        "3D000" => DatabaseProblem::NoDatabase,
        "53300" => DatabaseProblem::TooManyConnections,
        "57P03" => DatabaseProblem::Unreachable,
        "57P01" | "57P02" | "25P03" | "08000" | "08003" | "08006" => {
            DatabaseProblem::ConnectionLost
        }
        "42501" | "25006" => DatabaseProblem::NoRight,
        "55P03" => DatabaseProblem::Locked,
        "57014" => DatabaseProblem::TooSlow,
        "53100" => DatabaseProblem::DiskFull,
        "58030" => DatabaseProblem::WriteFailed,
        "XX001" | "XX002" => DatabaseProblem::Damaged,
        "22021" => DatabaseProblem::Unstorable,
        _ => DatabaseProblem::Other,
    }
}

/// The schema that some migrations lead to.
pub(super) fn newest(migrations: &Migrator) -> i64 {
    migrations.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Says that another version of this program has to be used.
pub(super) fn newer(location: &Location, schema: i64) -> Error {
    let problem = DatabaseProblem::Newer { schema };
    Error::Database { location: location.clone(), problem, source: None }
}

pub(super) fn migration_error(
    location: &Location,
    migrations: &Migrator,
    error: MigrateError,
) -> Error {
    match error {
        MigrateError::VersionMissing(schema) if schema > newest(migrations) => {
            newer(location, schema)
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            failure(location, error)
        }
        other => failure(location, sqlx::Error::Migrate(Box::new(other))),
    }
}
