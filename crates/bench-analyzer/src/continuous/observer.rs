//! What happens, for whoever watches.

use std::time::Duration;

use super::benchmark::JobOutcome;
use super::job::Job;
use super::outbox::Attempt;

/// Something that happened.
#[derive(Debug)]
pub enum Event<'e> {
    /// Another process of this program measures on this machine, and is waited for.
    Waiting,
    /// A job begins or goes on.
    JobBegan {
        /// The job.
        job: &'e Job,
        /// How long one of its runs usually takes.
        usual: Option<Duration>,
    },
    /// A run begins.
    RunBegan {
        /// Counted from 1.
        number: u32,
    },
    /// A run succeeded, and the store knows it.
    RunEnded {
        /// Counted from 1.
        number: u32,
    },
    /// The results of a job are stored.
    Stored,
    /// A job is over.
    JobEnded(&'e JobOutcome),
    /// Somebody asked to stop; the job is gone on with the next time.
    Stopped,
    /// A notice was tried.
    Tried(&'e Attempt),
    /// Something to know that is no reason to end.
    Note(&'e str),
}

/// Watches.
pub trait Observer: Send {
    /// Takes note of something.
    fn event(&mut self, event: &Event<'_>);
}

/// Takes note of nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&mut self, _event: &Event<'_>) {}
}
