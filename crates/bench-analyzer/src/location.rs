//! Where a history is: a file, or a database on a PostgreSQL server.

use std::fmt;
use std::str::FromStr;

use camino::{Utf8Path, Utf8PathBuf};
use sqlx::ConnectOptions;
use sqlx_postgres::PgConnectOptions;

/// Where a history is. Its text never holds a password.
#[derive(Debug, Clone)]
pub enum Location {
    /// An SQLite file.
    File(Utf8PathBuf),
    /// A database on a PostgreSQL server.
    Server(ServerAddress),
}

/// The address of a server cannot be read. It is not repeated, as it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the address of the database cannot be read: it has the form \
     postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=require, where characters such as \
     @ : / % in a name or password are written as %40 %3A %2F %25"
)]
pub struct InvalidAddress;

/// How a database on a PostgreSQL server is reached, and as whom.
#[derive(Clone)]
pub struct ServerAddress {
    options: Box<PgConnectOptions>,
}

impl Location {
    /// The file, if it is one.
    pub fn file(&self) -> Option<&Utf8Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Server(_) => None,
        }
    }
}

impl FromStr for Location {
    type Err = InvalidAddress;

    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE?OPTIONS`, or else a path.
    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let is_server = ["postgres://", "postgresql://"].iter().any(|scheme| {
            text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        });
        if !is_server {
            return Ok(Self::File(text.into()));
        }
        // What the parser says may repeat the part that it cannot read, and that may be a password.
        let options = text.parse::<PgConnectOptions>().map_err(|_| InvalidAddress)?;
        let options = options.application_name("bench-analyzer").disable_statement_logging();
        Ok(Self::Server(ServerAddress { options: Box::new(options) }))
    }
}

impl ServerAddress {
    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.options
    }
}

impl From<&Utf8Path> for Location {
    fn from(path: &Utf8Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<&Utf8PathBuf> for Location {
    fn from(path: &Utf8PathBuf) -> Self {
        Self::File(path.clone())
    }
}

impl From<Utf8PathBuf> for Location {
    fn from(path: Utf8PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&Location> for Location {
    fn from(location: &Location) -> Self {
        location.clone()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            Self::Server(server) => server.fmt(f),
        }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        write!(f, "postgres://{}@", options.get_username())?;
        match options.get_socket() {
            Some(socket) => write!(f, "{}", socket.display())?,
            None => write!(f, "{}", options.get_host())?,
        }
        let database = options.get_database().unwrap_or(options.get_username());
        write!(f, ":{}/{database}", options.get_port())
    }
}

impl fmt::Debug for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerAddress({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_files() {
        for path in ["history.db", "/var/lib/postgres:/x.db", "C:\\history.db", ""] {
            assert_eq!(path.parse::<Location>().unwrap().file(), Some(Utf8Path::new(path)));
        }
    }

    #[test]
    fn addresses_are_shown_without_their_password() {
        let text = "postgresql://ada:s3cr3t@db.example:6543/bench?sslmode=require";
        let location: Location = text.parse().unwrap();
        assert_eq!(location.to_string(), "postgres://ada@db.example:6543/bench");
        assert!(!format!("{location:?}").contains("s3cr3t"), "{location:?}");
        let by_option: Location = "postgres://ada@h/b?password=s3cr3t".parse().unwrap();
        assert!(!format!("{by_option:?} {by_option}").contains("s3cr3t"));
    }

    #[test]
    fn addresses_that_are_none_are_refused_without_their_password() {
        for text in ["postgres://ada:s3cr3t@host:70000/x", "postgres://a@h/b?sslmode=s3cr3t"] {
            let error = text.parse::<Location>().unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(!text.contains("s3cr3t"), "{text}");
        }
    }
}
