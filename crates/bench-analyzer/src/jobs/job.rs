//! Jobs: planned executions of suites.

use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The number of a job in one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub i64);

impl JobId {
    /// Where the logs and reports of the job lie.
    pub(crate) fn folder_in(self, continuous: &Utf8Path) -> Utf8PathBuf {
        continuous.join(format!("job-{}", self.0))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job:{}", self.0)
    }
}

/// Why a job was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Time passed.
    Interval,
    /// A moment that a cron expression names came.
    Cron,
    /// A branch has a new commit.
    Commit,
    /// Somebody asked for it.
    Asked,
}

impl Cause {
    /// The word used in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interval => "interval",
            Self::Cron => "cron",
            Self::Commit => "commit",
            Self::Asked => "asked",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Interval, Self::Cron, Self::Commit, Self::Asked]
            .into_iter()
            .find(|cause| cause.as_str() == text)
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It waits.
    Pending,
    /// It was begun and is not over; after a crash it is gone on with.
    Running,
    /// Its results are stored.
    Done,
    /// It ended without results.
    Failed,
}

impl JobState {
    /// The word used in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Running, Self::Done, Self::Failed]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// A job before it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobDraft {
    /// The name of the suite.
    pub suite: String,
    /// Why.
    pub cause: Cause,
    /// When it was to begin.
    pub due_at: Timestamp,
    /// The commit to measure; none means whatever is checked out.
    pub commit: Option<String>,
    /// How many runs it takes.
    pub runs_wanted: u32,
}

/// A planned execution of a suite, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// The name of the suite.
    pub suite: String,
    /// Why it was planned.
    pub cause: Cause,
    /// When it was to begin.
    pub due_at: Timestamp,
    /// The commit to measure; none means whatever is checked out.
    pub commit: Option<String>,
    /// How far it is.
    pub state: JobState,
    /// How many runs it takes.
    pub runs_wanted: u32,
    /// How many of them succeeded.
    pub runs_done: u32,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
    /// Why it failed.
    pub failure: Option<String>,
    /// Outcome, in a sentence.
    pub summary: Option<String>,
    /// Where its report lies.
    pub report: Option<String>,
    /// The number of the machine that ran it last; none if nobody did, or a program that knew
    /// machines by name only.
    #[serde(skip)]
    pub machine: Option<String>,
    /// Name that people have for that machine.
    pub host: Option<String>,
    /// Counts up while somebody runs it.
    #[serde(skip)]
    pub beat: i64,
    /// When it last did, by that machine's calendar.
    pub beat_at: Option<Timestamp>,
    /// How often it was put off because of something that is not its code's fault.
    pub put_off: u32,
    /// Until when it is put off.
    pub not_before: Option<Timestamp>,
}

/// A run of a job that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRun {
    /// Counted from 1.
    pub number: u32,
    /// When its command started.
    pub started_at: Timestamp,
    /// When its command ended.
    pub finished_at: Timestamp,
}
