//! Turns schedules into jobs, each exactly once.

use std::collections::HashMap;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::lease::{Leases, Standing};
use super::repository::Repository;
use super::schedule::{BranchWatch, Schedule};
use super::suites::BenchmarkSuite;
use crate::clock::{Clock, SLICE, Stop};
use crate::error::Result;
use crate::jobs::job::{Cause, Job, JobDraft, JobId, JobState};
use crate::jobs::machine::Machine;
use crate::store::{Followed, Store};

/// Knows when suites are due. What it planned is in the store, so a restart loses and repeats
/// nothing; what passed while nothing ran is made up for by one job.
pub struct BenchmarkScheduler {
    repository: Arc<dyn Repository>,
    clock: Arc<dyn Clock>,
    stop: Stop,
    /// Branches that are being looked at, and when they were last.
    looks: HashMap<Key, Look>,
    /// How far intervals were followed, and at what time that cannot jump.
    followed: HashMap<Key, (Timestamp, Duration)>,
    leases: Leases,
    twin: Option<JobId>,
    notes: Vec<String>,
}

/// A suite and one of its schedules.
type Key = (String, String);

/// A look at a branch.
struct Look {
    began: Duration,
    answer: Option<mpsc::Receiver<Result<String, String>>>,
}

/// How long to wait for a remote that is slow to say what its branches are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remotes {
    /// A moment; its answer counts whenever it comes.
    Briefly,
    /// Until it answers or is given up, because nobody is there later.
    Wholly,
}

/// A remote nearby answers within this.
const MOMENT: Duration = Duration::from_secs(1);

/// How long a job is put off at most.
pub(super) const LONGEST_PUT_OFF: SignedDuration = SignedDuration::from_hours(6);
/// How far ahead of this machine's clock another's may be that follows the same schedules. What was
/// followed further than that was followed by a clock that went wrong.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

impl BenchmarkScheduler {
    /// A scheduler that asks `repository` about branches.
    pub fn new(repository: Arc<dyn Repository>, clock: Arc<dyn Clock>, stop: Stop) -> Self {
        Self {
            repository,
            clock,
            stop,
            looks: HashMap::new(),
            followed: HashMap::new(),
            leases: Leases::default(),
            twin: None,
            notes: Vec::new(),
        }
    }

    /// Plans what became due, and says what `machine` has to do, in order.
    ///
    /// # Errors
    /// If the store refuses. A branch that cannot be looked at is no error, but a note.
    pub async fn pending_jobs(
        &mut self,
        suites: &[BenchmarkSuite],
        store: &mut Store,
        machine: &Machine,
        remotes: Remotes,
    ) -> Result<Vec<Job>> {
        let watched =
            || suites.iter().flat_map(|suite| suite.schedules.iter().map(move |one| (suite, one)));
        for (suite, schedule) in watched() {
            match schedule {
                Schedule::Commit(watch) => self.begin_to_look(suite, schedule, watch),
                Schedule::Interval(every) => {
                    self.follow_interval(suite, schedule, *every, store).await?;
                }
                Schedule::Cron(_) => self.follow_cron(suite, schedule, store).await?,
            }
        }
        self.wait_for_looks(remotes);
        for (suite, schedule) in watched() {
            if matches!(schedule, Schedule::Commit(_)) {
                self.end_look(suite, schedule, store).await?;
            }
        }
        self.open_jobs(suites, store, machine).await
    }

    /// What `machine` may run: what waits and suits it, and what it or somebody who is gone began.
    async fn open_jobs(
        &mut self,
        suites: &[BenchmarkSuite],
        store: &mut Store,
        machine: &Machine,
    ) -> Result<Vec<Job>> {
        let now = self.clock.now();
        let mut jobs = Vec::new();
        for job in store.unfinished_jobs().await? {
            let suite = suites.iter().find(|suite| suite.name == job.suite);
            let suits = suite.is_none_or(|suite| machine.lacks(&suite.runs_on).is_empty());
            let due = job
                .not_before
                .is_none_or(|until| until <= now || until.duration_since(now) > LONGEST_PUT_OFF);
            if !suits || !due {
                continue;
            }
            match self.leases.look(&job, machine, store, &*self.clock) {
                Standing::Free => {}
                Standing::Taken => continue,
                Standing::Twin => {
                    self.twin = Some(job.id);
                    continue;
                }
            }
            let host = job.host.as_deref().unwrap_or("another machine");
            if job.state == JobState::Running && job.machine.as_deref() != Some(&machine.id) {
                self.notes.push(format!(
                    "suite {}: {} was left by {host}, and this machine takes it over",
                    job.suite, job.id
                ));
            }
            jobs.push(job);
        }
        Ok(jobs)
    }

    /// When there may be something to plan again; none if no suite has a schedule.
    ///
    /// # Errors
    /// If the store refuses.
    pub async fn next_moment(
        &self,
        suites: &[BenchmarkSuite],
        store: &mut Store,
    ) -> Result<Option<Timestamp>> {
        let (now, passed) = (self.clock.now(), self.clock.passed());
        let mut next: Option<Timestamp> = None;
        for suite in suites {
            for schedule in &suite.schedules {
                let key = (suite.name.clone(), schedule.to_string());
                let moment = match schedule {
                    Schedule::Commit(watch) => Some(match self.looks.get(&key) {
                        None => now,
                        // Its answer may come at any time.
                        Some(Look { answer: Some(_), .. }) => later(now, MOMENT),
                        Some(look) => later(now, (look.began + watch.poll).saturating_sub(passed)),
                    }),
                    Schedule::Interval(every) => Some(match self.followed.get(&key) {
                        None => now,
                        Some((_, at)) => later(now, (*at + *every).saturating_sub(passed)),
                    }),
                    Schedule::Cron(_) => {
                        let followed = store.followed(&key.0, &key.1).await?;
                        let followed = followed.map_or(schedule.start(now), |one| one.to);
                        schedule.next_after(followed)
                    }
                };
                next = next.into_iter().chain(moment).min();
            }
        }
        Ok(next)
    }

    /// A job that another machine began under this one's number, if one was seen since the last time
    /// this was asked.
    pub(super) fn take_twin(&mut self) -> Option<JobId> {
        self.twin.take()
    }

    /// What went wrong since the last time this was asked.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Has a branch looked at beside everything else, unless that is being done or was done lately.
    fn begin_to_look(&mut self, suite: &BenchmarkSuite, schedule: &Schedule, watch: &BranchWatch) {
        let passed = self.clock.passed();
        let key = (suite.name.clone(), schedule.to_string());
        if self.looks.get(&key).is_some_and(|look| {
            look.answer.is_some() || passed < look.began.saturating_add(watch.poll)
        }) {
            return;
        }
        let (tell, answer) = mpsc::channel();
        let (repository, stop) = (Arc::clone(&self.repository), self.stop.clone());
        let (folder, watch) = (suite.folder.clone(), watch.clone());
        // Without a thread there is no answer, as from a repository that is gone, and the next look may get one.
        let _ = thread::Builder::new().spawn(move || {
            // Nobody listens any more after a stop.
            let _ = tell.send(repository.head(&folder, &watch, &stop));
        });
        self.looks.insert(key, Look { began: passed, answer: Some(answer) });
    }

    fn wait_for_looks(&mut self, remotes: Remotes) {
        let began = Instant::now();
        for look in self.looks.values_mut() {
            let Some(answer) = look.answer.take() else { continue };
            let (tell, kept) = mpsc::channel();
            look.answer = Some(loop {
                let patient = remotes == Remotes::Wholly || began.elapsed() < MOMENT;
                match answer.recv_timeout(if patient { SLICE } else { Duration::ZERO }) {
                    Ok(head) => {
                        let _ = tell.send(head);
                        break kept;
                    }
                    Err(mpsc::RecvTimeoutError::Timeout) if patient && !self.stop.is_asked() => {}
                    Err(_) => break answer,
                }
            });
        }
    }

    async fn end_look(
        &mut self,
        suite: &BenchmarkSuite,
        schedule: &Schedule,
        store: &mut Store,
    ) -> Result<()> {
        let key = (suite.name.clone(), schedule.to_string());
        let Some(look) = self.looks.get_mut(&key) else { return Ok(()) };
        let Some(answer) = &look.answer else { return Ok(()) };
        let head = match answer.try_recv() {
            Err(mpsc::TryRecvError::Empty) => return Ok(()),
            Err(mpsc::TryRecvError::Disconnected) => Err("the look at it broke off".to_owned()),
            Ok(head) => head,
        };
        look.answer = None;
        let head = match head {
            Ok(head) => head,
            Err(reason) => {
                self.notes.push(format!("suite {}: {reason}", suite.name));
                return Ok(());
            }
        };
        let known = store.followed(&key.0, &key.1).await?.and_then(|known| known.commit);
        if known.as_deref() == Some(head.as_str()) {
            return Ok(());
        }
        let job = JobDraft {
            suite: suite.name.clone(),
            cause: Cause::Commit,
            due_at: self.clock.now(),
            commit: Some(head),
            runs_wanted: suite.runs,
        };
        store.follow_branch(&key.1, known.as_deref(), &job).await
    }

    /// Plans the job of an interval when enough time has passed, whatever the calendar says since.
    async fn follow_interval(
        &mut self,
        suite: &BenchmarkSuite,
        schedule: &Schedule,
        every: Duration,
        store: &mut Store,
    ) -> Result<()> {
        let key = (suite.name.clone(), schedule.to_string());
        let to = self.followed_to(suite, schedule, store).await?;
        let (now, passed) = (self.clock.now(), self.clock.passed());
        // When it was followed that far: as was noted then, or else as the calendar says.
        let noted = self.followed.get(&key).filter(|(known, _)| *known == to).map(|(_, at)| *at);
        let age = || Duration::try_from(now.duration_since(to)).unwrap_or_default();
        let since = noted.map_or_else(age, |at| passed.saturating_sub(at));
        self.followed.insert(key.clone(), (to, passed.saturating_sub(since)));
        if since < every {
            return Ok(());
        }
        // On the grid of the calendar, if that agrees.
        let due_at = schedule.due_between(to, now).unwrap_or(now);
        let late = Duration::try_from(now.duration_since(due_at)).unwrap_or_default();
        self.plan(suite, schedule, Cause::Interval, due_at, store).await?;
        self.followed.insert(key, (due_at, passed.saturating_sub(late.min(every))));
        Ok(())
    }

    async fn follow_cron(
        &mut self,
        suite: &BenchmarkSuite,
        schedule: &Schedule,
        store: &mut Store,
    ) -> Result<()> {
        let followed = self.followed_to(suite, schedule, store).await?;
        match schedule.due_between(followed, self.clock.now()) {
            Some(due_at) => self.plan(suite, schedule, Cause::Cron, due_at, store).await,
            None => Ok(()),
        }
    }

    /// How far a schedule has been followed. What is new is followed from now on, and so is what a
    /// clock that went wrong had followed into the future.
    async fn followed_to(
        &mut self,
        suite: &BenchmarkSuite,
        schedule: &Schedule,
        store: &mut Store,
    ) -> Result<Timestamp> {
        let text = schedule.to_string();
        let now = self.clock.now();
        match store.followed(&suite.name, &text).await? {
            None => {
                let start = schedule.start(now);
                store.follow(&suite.name, &text, start, None).await?;
                Ok(start)
            }
            Some(Followed { to, .. }) if to.duration_since(now) > AHEAD => {
                store.follow_anew(&suite.name, &text, to, now).await?;
                // An interval goes on from when it was really last due.
                if let Some((known, _)) = self.followed.get_mut(&(suite.name.clone(), text.clone()))
                {
                    *known = now;
                }
                self.notes.push(format!(
                    "suite {}: its schedule `{text}` was followed up to {}, which is in the \
                     future: the clock was set back. It goes on from now",
                    suite.name,
                    to.strftime("%Y-%m-%d %H:%M UTC")
                ));
                Ok(now)
            }
            Some(Followed { to, .. }) => Ok(to),
        }
    }

    async fn plan(
        &self,
        suite: &BenchmarkSuite,
        schedule: &Schedule,
        cause: Cause,
        due_at: Timestamp,
        store: &mut Store,
    ) -> Result<()> {
        let job = JobDraft {
            suite: suite.name.clone(),
            cause,
            due_at,
            commit: None,
            runs_wanted: suite.runs,
        };
        store.follow(&suite.name, &schedule.to_string(), due_at, Some(&job)).await
    }
}

fn later(time: Timestamp, by: std::time::Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| time.checked_add(by).ok())
        .unwrap_or(Timestamp::MAX)
}
