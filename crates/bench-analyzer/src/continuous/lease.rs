//! Who may go on with a job that somebody began.
//!
//! Whoever runs a job counts its *beats* up in the store. The others watch: a job whose beats stand
//! still for [`LEASE`], by a time that no clock can change, has been left, and the next machine that
//! suits it takes it over. A program that only lives for a moment cannot watch; it goes by the
//! calendar, with much more patience.
//!
//! What this machine began itself is gone on with at once, if the job's folder here says that whoever
//! was at it is gone. A machine's number may have been copied: then another machine runs jobs under
//! it, a *twin*, of which this folder knows nothing.

use std::collections::HashMap;
use std::time::Duration;

use crate::clock::Clock;
use crate::jobs::job::{Job, JobId, JobState};
use crate::jobs::lock::{Holder, JobLock};
use crate::jobs::machine::Machine;
use crate::store::Store;

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

/// How an unfinished job stands to this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may run it: the job waits, or was begun here, or was left.
    Free,
    /// Somebody is at it, as far as is known.
    Taken,
    /// Another machine that has the same number is or was at it.
    Twin,
}

impl Leases {
    /// Looks how a job stands to this machine.
    pub(super) fn look(
        &mut self,
        job: &Job,
        machine: &Machine,
        store: &Store,
        clock: &dyn Clock,
    ) -> Standing {
        if job.state != JobState::Running {
            self.seen.remove(&job.id);
            return Standing::Free;
        }
        let (beats, left) = self.watch(job, clock);
        match &job.machine {
            // It was begun by a program that knew names only.
            None if job.host.as_deref() == Some(machine.name.as_str()) => return Standing::Free,
            Some(id) if *id == machine.id => {
                let is_file = store.location().file().is_some();
                match JobLock::holder(&job.id.folder_in(&store.folder().join("continuous"))) {
                    Holder::Present => return Standing::Taken,
                    Holder::Gone => return Standing::Free,
                    // Whoever shares a file shares the folder beside it, and its locks.
                    Holder::Earlier if is_file => return Standing::Free,
                    Holder::Nobody if beats || left => return Standing::Twin,
                    Holder::Earlier | Holder::Nobody => {}
                }
            }
            _ => {}
        }
        if left { Standing::Free } else { Standing::Taken }
    }

    /// Whether a job's beats went on since the last look, and whether they stand still for long
    /// enough.
    fn watch(&mut self, job: &Job, clock: &dyn Clock) -> (bool, bool) {
        let passed = clock.passed();
        let now = || Seen { machine: job.machine.clone(), beat: job.beat, since: passed };
        let seen = self.seen.entry(job.id).or_insert_with(now);
        let beats = seen.machine == job.machine && seen.beat != job.beat;
        if seen.machine != job.machine || beats {
            *seen = now();
        }
        let silent = passed.saturating_sub(seen.since);
        let since = job.beat_at.or(job.started_at);
        let by_calendar =
            since.and_then(|at| Duration::try_from(clock.now().duration_since(at)).ok());
        let left = silent >= LEASE || by_calendar.is_some_and(|silent| silent >= LEASE_BY_CALENDAR);
        (beats, left)
    }
}
