//! Who may go on with a job that somebody began.
//!
//! Whoever runs a job counts its *beats* up in the store. The others watch: a job whose beats stand
//! still for [`LEASE`], by a time that no clock can change, has been left, and the next machine that
//! suits it takes it over. A program that only lives for a moment cannot watch; it goes by the
//! calendar, with much more patience.

use std::collections::HashMap;
use std::time::Duration;

use super::clock::Clock;
use super::job::{Job, JobId, JobState};
use super::machine::Machine;

/// How often whoever runs a job says so.
pub(super) const BEAT: Duration = Duration::from_secs(10);
/// After so long without a beat, a job is anybody's.
pub(super) const LEASE: Duration = Duration::from_secs(90);
/// Length of a lease for those who only see the calendar, which may be wrong.
const LEASE_BY_CALENDAR: Duration = Duration::from_secs(3600);

/// The beats of jobs that others run.
#[derive(Debug, Default)]
pub(super) struct Leases {
    seen: HashMap<JobId, Seen>,
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    machine: Option<String>,
    beat: i64,
    since: Duration,
}

impl Leases {
    /// Whether this machine may run a job: it waits, or was begun here, or was left.
    pub(super) fn allow(&mut self, job: &Job, machine: &Machine, clock: &dyn Clock) -> bool {
        if job.state != JobState::Running {
            self.seen.remove(&job.id);
            return true;
        }
        let own = match &job.machine {
            Some(id) => *id == machine.id,
            // It was begun by a program that knew names only.
            None => job.host.as_deref() == Some(machine.name.as_str()),
        };
        own || self.is_left(job, clock)
    }

    fn is_left(&mut self, job: &Job, clock: &dyn Clock) -> bool {
        let passed = clock.passed();
        let now = Seen { machine: job.machine.clone(), beat: job.beat, since: passed };
        let seen = self.seen.entry(job.id).or_insert(now);
        if seen.machine != job.machine || seen.beat != job.beat {
            *seen = Seen { machine: job.machine.clone(), beat: job.beat, since: passed };
        }
        let silent = passed.saturating_sub(seen.since);
        let since = job.beat_at.or(job.started_at);
        let by_calendar =
            since.and_then(|at| Duration::try_from(clock.now().duration_since(at)).ok());
        silent >= LEASE || by_calendar.is_some_and(|silent| silent >= LEASE_BY_CALENDAR)
    }
}
