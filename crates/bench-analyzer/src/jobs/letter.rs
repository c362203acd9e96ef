//! Letters: notices on their way to a receiver.

use std::time::Duration;

use jiff::Timestamp;

/// How long a letter waits at most before it is tried again.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// A notice on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its number in the store.
    pub id: i64,
    /// Where it goes.
    pub channel: String,
    /// The notice as JSON.
    pub notice: String,
    /// Since when it waits.
    pub queued_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
}

/// Outcome of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LetterFate {
    /// It arrived.
    Delivered,
    /// It is to be tried again.
    TryAgain {
        /// When.
        at: Timestamp,
        /// Why it did not arrive.
        error: String,
    },
    /// It was tried for long enough, or the receiver will never take it.
    GivenUp {
        /// Why it did not arrive the last time.
        error: String,
    },
}
