//! Turns schedules into jobs, each exactly once.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::job::{Cause, Job, JobDraft};
use super::repository::Repository;
use super::schedule::{BranchWatch, Schedule};
use super::suites::BenchmarkSuite;
use crate::error::Result;
use crate::store::{Followed, Store};

/// Knows when suites are due. What it planned is in the store, so a restart loses and repeats
/// nothing; what passed while nothing ran is made up for by one job.
pub struct BenchmarkScheduler {
    repository: Arc<dyn Repository>,
    /// When branches were last looked at.
    looked: HashMap<(String, String), Timestamp>,
    notes: Vec<String>,
}

impl BenchmarkScheduler {
    /// A scheduler that asks `repository` about branches.
    pub fn new(repository: Arc<dyn Repository>) -> Self {
        Self { repository, looked: HashMap::new(), notes: Vec::new() }
    }

    /// Plans what became due up to `now`, and says what `host` has to do, in order.
    ///
    /// # Errors
    /// If the store refuses. A branch that cannot be looked at is no error, but a note.
    pub async fn pending_jobs(
        &mut self,
        suites: &[BenchmarkSuite],
        store: &mut Store,
        host: &str,
        now: Timestamp,
    ) -> Result<Vec<Job>> {
        for suite in suites {
            for schedule in &suite.schedules {
                match schedule {
                    Schedule::Commit(watch) => {
                        self.look_at(suite, schedule, watch, store, now).await?;
                    }
                    Schedule::Interval(_) => {
                        plan(suite, schedule, Cause::Interval, store, now).await?;
                    }
                    Schedule::Cron(_) => plan(suite, schedule, Cause::Cron, store, now).await?,
                }
            }
        }
        store.unfinished_jobs(host).await
    }

    /// When there may be something to plan again; none if no suite has a schedule.
    ///
    /// # Errors
    /// If the store refuses.
    pub async fn next_moment(
        &self,
        suites: &[BenchmarkSuite],
        store: &mut Store,
        now: Timestamp,
    ) -> Result<Option<Timestamp>> {
        let mut next: Option<Timestamp> = None;
        for suite in suites {
            for schedule in &suite.schedules {
                let text = schedule.to_string();
                let moment = match schedule {
                    Schedule::Commit(watch) => {
                        let looked = self.looked.get(&(suite.name.clone(), text));
                        looked.map_or(Some(now), |looked| Some(later(*looked, watch.poll)))
                    }
                    Schedule::Interval(_) | Schedule::Cron(_) => {
                        let followed = store.followed(&suite.name, &text).await?;
                        let followed = followed.map_or(schedule.start(now), |one| one.to);
                        schedule.next_after(followed)
                    }
                };
                next = next.into_iter().chain(moment).min();
            }
        }
        Ok(next)
    }

    /// What went wrong since the last time this was asked.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    async fn look_at(
        &mut self,
        suite: &BenchmarkSuite,
        schedule: &Schedule,
        watch: &BranchWatch,
        store: &mut Store,
        now: Timestamp,
    ) -> Result<()> {
        let text = schedule.to_string();
        let key = (suite.name.clone(), text.clone());
        if self.looked.get(&key).is_some_and(|looked| now < later(*looked, watch.poll)) {
            return Ok(());
        }
        self.looked.insert(key, now);
        let head = match self.repository.head(&suite.folder, watch) {
            Ok(head) => head,
            Err(reason) => {
                self.notes.push(format!("suite {}: {reason}", suite.name));
                return Ok(());
            }
        };
        let known = store.followed(&suite.name, &text).await?;
        if known.is_some_and(|known| known.commit.as_deref() == Some(head.as_str())) {
            return Ok(());
        }
        let job = JobDraft {
            suite: suite.name.clone(),
            cause: Cause::Commit,
            due_at: now,
            commit: Some(head.clone()),
            runs_wanted: suite.runs,
        };
        let followed = Followed { to: now, commit: Some(head) };
        store.follow(&suite.name, &text, &followed, Some(&job)).await
    }
}

async fn plan(
    suite: &BenchmarkSuite,
    schedule: &Schedule,
    cause: Cause,
    store: &mut Store,
    now: Timestamp,
) -> Result<()> {
    let text = schedule.to_string();
    let followed = match store.followed(&suite.name, &text).await? {
        Some(followed) => followed.to,
        None => {
            let start = schedule.start(now);
            let followed = Followed { to: start, commit: None };
            store.follow(&suite.name, &text, &followed, None).await?;
            start
        }
    };
    let Some(due_at) = schedule.due_between(followed, now) else { return Ok(()) };
    let job = JobDraft {
        suite: suite.name.clone(),
        cause,
        due_at,
        commit: None,
        runs_wanted: suite.runs,
    };
    store.follow(&suite.name, &text, &Followed { to: due_at, commit: None }, Some(&job)).await
}

fn later(time: Timestamp, by: std::time::Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| time.checked_add(by).ok())
        .unwrap_or(Timestamp::MAX)
}
