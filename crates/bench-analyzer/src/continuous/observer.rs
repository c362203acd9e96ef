//! What happens, for whoever watches.

use std::time::Duration;

use super::outbox::Attempt;
use crate::jobs::alert::Transition;
use crate::jobs::job::Job;
use crate::jobs::job::JobId;
use bench_stats::analysis::AnalysisReport;

/// Outcome of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobOutcome {
    /// The job.
    pub job: JobId,
    /// The suite.
    pub suite: String,
    /// Report of what it found; none if it failed.
    pub report: Option<AnalysisReport>,
    /// Why it failed.
    pub failure: Option<String>,
    /// Where its report lies.
    pub report_at: Option<String>,
    /// News to tell.
    pub transitions: Vec<Transition>,
    /// In a sentence.
    pub summary: String,
}

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
