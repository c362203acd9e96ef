//! Everything that can go wrong, one variant per cause that somebody can act on.

use camino::Utf8PathBuf;

use crate::location::{InvalidAddress, Location};
use bench_stats::model::{BaselineName, InvalidSamples, RunId, Series};

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Error: what went wrong, about what, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no Criterion output to import.
    #[error(
        "found no benchmark results in {path}: run `cargo bench` first, or name the folder that \
         holds them (Criterion's is target/criterion)"
    )]
    NoResults {
        /// The folder that was looked at.
        path: Utf8PathBuf,
    },
    /// All that was found cannot be used.
    #[error(
        "found nothing in {path} that can be used{reasons}",
        reasons = list_reasons(.reasons)
    )]
    NothingUsable {
        /// The folder or file.
        path: Utf8PathBuf,
        /// Losses, and why.
        reasons: Vec<String>,
    },
    /// Something would have been left out, which `--strict` forbids.
    #[error(
        "nothing was stored, because something would have been left out{reasons}. Without --strict \
         the rest is stored",
        reasons = list_reasons(.losses)
    )]
    Strict {
        /// What, and why.
        losses: Vec<String>,
    },
    /// No folder was named and none of the usual places exists.
    #[error(
        "found no Criterion folder, neither by CRITERION_HOME or CARGO_TARGET_DIR nor where cargo \
         builds nor as target/criterion here or above: run `cargo bench` first, or name the folder"
    )]
    NoCriterionFolder,

    /// Members of the workspace build in places of their own.
    #[error(
        "members of this workspace build in places of their own: name the folder that is meant, one \
         of {}",
        .folders.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", ")
    )]
    SeveralCriterionFolders {
        /// Where Criterion left results.
        folders: Vec<Utf8PathBuf>,
    },
    /// A file or folder could not be read.
    #[error("failed to read {path}")]
    Read {
        /// The file or folder.
        path: Utf8PathBuf,
        /// Answer of the system.
        #[source]
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("failed to write {path}")]
    Write {
        /// The file or folder.
        path: Utf8PathBuf,
        /// Answer of the system.
        #[source]
        source: std::io::Error,
    },
    /// Results could not be kept in the folder for temporary files.
    #[error(
        "failed to keep results in the folder for temporary files; nothing was stored. Make room \
         there, or set TMPDIR to a folder that has some"
    )]
    Temporary {
        /// Answer of the system.
        #[source]
        source: std::io::Error,
    },
    /// A result file is cut off or not what its format demands.
    #[error(
        "{path} cannot be understood: {reason}. {remedy}",
        remedy = .remedy.text()
    )]
    Malformed {
        /// The file.
        path: Utf8PathBuf,
        /// Reason, with the place in the file where it is known.
        reason: String,
        /// Advice on what to do about it.
        remedy: Remedy,
    },
    /// A file is of no format that is known.
    #[error(
        "{path} is of no format that is known{guess}. Name it with --format, or write its values as \
         CSV: a header `benchmark,value` (and any of \
         metric,unit,direction,exactness,run,time,commit,machine), one row a sample",
        guess = describe_guess(.guess.as_ref())
    )]
    UnknownFormat {
        /// The file.
        path: Utf8PathBuf,
        /// Format that it resembles most, and why.
        guess: Option<FormatGuess>,
    },
    /// A result file holds values that no measurement can have.
    #[error(
        "{path} holds a value that was never measured, of `{benchmark}`: {source}. {remedy}",
        remedy = .remedy.text()
    )]
    Samples {
        /// The file.
        path: Utf8PathBuf,
        /// Whose value.
        benchmark: String,
        /// Which value.
        #[source]
        source: InvalidSamples,
        /// Advice on what to do about it.
        remedy: Remedy,
    },
    /// The baseline is not in the store.
    #[error(
        "there is no baseline `{name}`, and no commit, tag or branch of that name was measured; {known}",
        known = list_known(.known)
    )]
    NoBaseline {
        /// The name that was asked for.
        name: BaselineName,
        /// The names that exist.
        known: Vec<String>,
    },
    /// Git knows the commit, and nobody measured it.
    #[error(
        "{name} is {short}, which was not measured{nearest}",
        short = .commit.chars().take(10).collect::<String>(),
        nearest = match .nearest {
            Some((hash, 1)) => format!(": the one before it, {hash}, was"),
            Some((hash, back)) => format!(": the nearest before it that was is {hash}, {back} commits earlier"),
            None => "; `bench-analyzer runs` lists what was".to_owned(),
        }
    )]
    NotMeasured {
        /// The name that was asked for.
        name: String,
        /// The commit that it is.
        commit: String,
        /// The nearest commit before it that was measured, and how many commits earlier it is.
        nearest: Option<(String, usize)>,
    },
    /// Several commits begin with the same digits.
    #[error("`{name}` is the beginning of several commits: {}", .commits.join(", "))]
    AmbiguousCommit {
        /// The digits.
        name: String,
        /// The commits.
        commits: Vec<String>,
    },
    /// The history that was named is not there, and nothing would be in it.
    #[error("there is no history {path}: `bench-analyzer --db {path} import` makes one")]
    NoHistory {
        /// The file that was named.
        path: Utf8PathBuf,
    },
    /// The run is not in the store.
    #[error("there is no {id}: `bench-analyzer runs` lists those that exist")]
    NoRun {
        /// The number that was asked for.
        id: RunId,
    },
    /// No step was found there.
    #[error(
        "no step of {series} was found at {run}: `bench-analyzer history` lists those that were, with \
         the first run of the new level"
    )]
    NoStep {
        /// Whose history.
        series: Box<Series>,
        /// The run that was named.
        run: RunId,
    },
    /// Nobody accepted a change there, or that was taken back before.
    #[error(
        "no change of {series} at {run} is accepted: `bench-analyzer history` lists those that are"
    )]
    NotAccepted {
        /// Whose history.
        series: Box<Series>,
        /// The run that was named.
        run: RunId,
    },
    /// The repository has no tag to take for the last release.
    #[error(
        "the repository of {dir} has no tag that the present commit descends from, so there is no \
         last release: name a baseline instead, or `start`"
    )]
    NoRelease {
        /// A folder of the repository.
        dir: Utf8PathBuf,
    },
    /// Both sides of a comparison hold the same runs.
    #[error(
        "`{baseline}` and `{current}` are the same runs, so there is nothing to compare: change the \
         code, measure and import again, or name the other side with --current (a baseline, or \
         run:12 as `bench-analyzer runs` lists them)"
    )]
    SameRuns {
        /// The old side.
        baseline: String,
        /// The new side.
        current: String,
    },
    /// The store is empty: no import has been made.
    #[error("{location} holds no run yet: run `cargo bench`, then `bench-analyzer import`")]
    EmptyStore {
        /// The database.
        location: Location,
    },
    /// The address of a server cannot be read.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    /// The database could not be opened or used.
    #[error("the database {location} {problem}")]
    Database {
        /// The database.
        location: Location,
        /// Problem with it, and the remedy.
        problem: DatabaseProblem,
        /// Answer of the database, where it adds anything.
        #[source]
        source: Option<Box<sqlx::Error>>,
    },
    /// The database holds something this program never writes.
    #[error(
        "the database {location} holds {what}, which this program never writes: restore it from \
         a backup, or start a new one with --db"
    )]
    CorruptRecord {
        /// The database.
        location: Location,
        /// The offending record.
        what: String,
    },
}

/// Problem with a database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseProblem {
    /// Another process holds its write lock for longer than anybody should wait.
    #[error("is locked by another process: let that finish and try again")]
    Locked,
    /// It cannot be written.
    #[error("is read-only: make it and its folder writable, or choose another with --db")]
    ReadOnly,
    /// It or its folder cannot be opened or made.
    #[error(
        "cannot be opened: check that its folder exists and is yours, or choose another with --db"
    )]
    CannotOpen,
    /// It was written by a later version of this program.
    #[error(
        "was written by a newer bench-analyzer (schema {schema}): update this program, or choose \
         another database with --db"
    )]
    Newer {
        /// The newest schema version in it.
        schema: i64,
    },
    /// It was written by an earlier version of this program, and may not be brought up to date.
    #[error(
        "was written by an older bench-analyzer (schema {schema}) and may only be read here: have \
         somebody who may write it run any command once, such as `bench-analyzer runs`"
    )]
    Older {
        /// The newest schema version in it.
        schema: i64,
    },
    /// It is not an SQLite database at all.
    #[error("is not a database: check --db and BENCH_ANALYZER_DB, or move the file away")]
    NotADatabase,
    /// It is an SQLite database of another program.
    #[error("belongs to another program: check --db and BENCH_ANALYZER_DB")]
    Foreign,
    /// It is damaged.
    #[error("is damaged: restore it from a backup, or move it away and import again")]
    Damaged,
    /// There is no room left to write.
    #[error(
        "could not be written because the disk is full: make room and try again; nothing was stored"
    )]
    DiskFull,
    /// A write failed: a quota, a limit, a disk that went away.
    #[error(
        "could not be written: check the quota and the disk it is on, and try again; nothing was \
         stored"
    )]
    WriteFailed,
    /// A read failed.
    #[error("could not be read: check the disk it is on")]
    ReadFailed,
    /// No server answers at that address.
    #[error(
        "cannot be reached: check its host and port, that the server runs and accepts \
         connections, and that no firewall is in between"
    )]
    Unreachable,
    /// The server does not let this user in.
    #[error(
        "does not let you in: check the user and the password (in the address, PGPASSWORD or \
         ~/.pgpass), and what the server's pg_hba.conf allows"
    )]
    Refused,
    /// The server has no such database.
    #[error("does not exist: make it with `createdb`, or correct the name in the address")]
    NoDatabase,
    /// The server has no room for another client.
    #[error(
        "has too many connections: try again when others are done, or raise the server's \
         max_connections"
    )]
    TooManyConnections,
    /// The user may not do that.
    #[error(
        "does not let this user do that: writing takes the rights INSERT, UPDATE and DELETE on \
         all tables and USAGE on all sequences; making or updating the schema, CREATE"
    )]
    NoRight,
    /// A connection that should be encrypted could not be.
    #[error(
        "does not offer the encryption that is asked for: check sslmode and sslrootcert in the \
         address, and the server's certificate"
    )]
    NotSecure,
    /// The connection broke.
    #[error("broke the connection: what was being written was not stored; try again")]
    ConnectionLost,
    /// A statement took longer than anybody should wait.
    #[error("took too long to answer: try again when it has less to do")]
    TooSlow,
    /// Text that the server cannot hold.
    #[error(
        "cannot store a name that holds a NUL character, which PostgreSQL's text excludes: \
         nothing was stored; rename that benchmark"
    )]
    Unstorable,
    /// Anything else.
    #[error("failed")]
    Other,
}

/// The format that an unknown file resembles most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatGuess {
    /// The word for it, as `--format` takes it.
    pub format: &'static str,
    /// The command that makes such files.
    pub made_by: &'static str,
    /// Features of it that the file has, and those that it lacks.
    pub why: String,
}

/// Remedy against a file that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Criterion's own output.
    RunCriterionAgain,
    /// A file that somebody made.
    FixFile,
    /// The configuration.
    FixConfig,
    /// The file of suites.
    FixSuites,
}

impl Remedy {
    fn text(self) -> &'static str {
        match self {
            Self::RunCriterionAgain => {
                "Run that benchmark again, or delete its folder (layouts of Criterion 0.5 to 0.8 are known)"
            }
            Self::FixConfig => "Correct it; `bench-analyzer report --help` explains the settings",
            Self::FixSuites => "Correct it; `bench-analyzer run --help` shows one",
            Self::FixFile => "Correct the file, or make it again with the tool it came from",
        }
    }
}

fn describe_guess(guess: Option<&FormatGuess>) -> String {
    guess.map_or_else(String::new, |FormatGuess { format, made_by, why }| {
        format!("; it resembles {format} most ({made_by}): {why}")
    })
}

impl Error {
    /// Returns the error with all its causes, for a place that shows one line.
    pub fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let said = error.to_string();
            // Some say what their cause says.
            if !text.contains(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            cause = error.source();
        }
        text
    }
}

fn list_reasons(reasons: &[String]) -> String {
    if reasons.is_empty() { String::new() } else { format!(":\n  {}", reasons.join("\n  ")) }
}

fn list_known(names: &[String]) -> String {
    if names.is_empty() {
        "there is none yet: make one with `cargo bench -- --save-baseline NAME` or \
         `bench-analyzer import --baseline NAME`"
            .to_owned()
    } else {
        format!("those that exist are: {}", names.join(", "))
    }
}
