//! The whole loop: what is due is run, analysed, reported, stored and told.

use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::{SignedDuration, Timestamp};

use super::observer::{Event, JobOutcome, Observer};
use super::reporter::BenchmarkReporter;
use super::repository::Repository;
use super::runner::{MARK, Runner};
use super::scheduler::{BenchmarkScheduler, LONGEST_PUT_OFF, Remotes};
use super::steward::{Affairs, News, Patience, Steward};
use super::suites::{BenchmarkConfig, BenchmarkSuite};
use crate::clock::{Clock, Stop};
use crate::error::{Error, Result};
use crate::jobs::job::{Cause, Job, JobDraft, JobId, JobState};
use crate::jobs::lock::{JobLock, MachineLock};
use crate::jobs::machine::Machine;
use crate::store::Store;
use bench_stats::detect::settings::Settings;

mod conclusion;
mod execution;
mod until_decided;

use execution::{Blame, Executed};
pub use until_decided::{Decision, Question};

/// Parts that a [`ContinuousBenchmark`] works with; a test gives it others.
pub struct Parts {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Runner of commands.
    pub runner: Arc<dyn Runner>,
    /// Repository that knows commits.
    pub repository: Arc<dyn Repository>,
    /// Who watches.
    pub observer: Box<dyn Observer>,
    /// A wish to end.
    pub stop: Stop,
    /// The file that is locked while something is measured.
    pub lock: Utf8PathBuf,
    /// Which machine this is.
    pub machine: Machine,
}

/// Runs suites when they are due, and tells what they show.
///
/// Everything that has to survive is in the store: how far schedules were followed, jobs, their
/// runs, alerts and notices. So it may end at any moment, and the next one goes on.
///
/// Commands are waited for on the calling thread.
pub struct ContinuousBenchmark {
    config: BenchmarkConfig,
    settings: Settings,
    scheduler: BenchmarkScheduler,
    reporter: BenchmarkReporter,
    store: Store,
    folder: Utf8PathBuf,
    steward: Steward,
    parts: Parts,
}

/// How often the outside is looked at even if nothing is due.
const AT_LEAST: SignedDuration = SignedDuration::from_secs(60);
/// How long to wait for another process that measures, before looking again.
const LOCK_LOOK: SignedDuration = SignedDuration::from_secs(1);
/// Folders of older jobs are removed; their results are in the store.
const KEPT_JOBS: i64 = 200;
/// How long deliveries are waited for by a program that ends then.
const LAST_DELIVERIES: Duration = Duration::from_secs(15);
/// How long the store may take to close at least, whatever was waited for before.
const CLOSING: Duration = Duration::from_millis(100);
/// How long to wait before trying again after the store refused; each further time it is twice as long.
const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(2);
/// How often a job of a commit is put off before it counts as failed.
const MOST_PUT_OFF: u32 = 5;
/// How long it is put off the first time; each further time is four times as long.
const FIRST_PUT_OFF: SignedDuration = SignedDuration::from_mins(1);

impl ContinuousBenchmark {
    /// Keeps its folders in that of the store.
    pub fn new(config: BenchmarkConfig, settings: Settings, store: Store, parts: Parts) -> Self {
        let folder = store.folder().join("continuous");
        let steward = Steward::start(Affairs {
            location: store.location().clone(),
            channels: config.channels.clone(),
            confidential: Arc::clone(&config.confidential),
            clock: Arc::clone(&parts.clock),
        });
        Self {
            scheduler: BenchmarkScheduler::new(
                Arc::clone(&parts.repository),
                Arc::clone(&parts.clock),
                parts.stop.clone(),
            ),
            reporter: BenchmarkReporter::new(
                &folder,
                config.report_folder.clone(),
                config.report_url.clone(),
            ),
            config,
            settings,
            store,
            folder,
            steward,
            parts,
        }
    }

    /// The store, to look at what happened.
    pub fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Ends, and closes the store. If somebody asked to stop, it does not wait for it.
    ///
    /// # Errors
    /// If the store's last writes fail.
    pub async fn close(self) -> Result<()> {
        let Self { store, steward, parts, .. } = self;
        drop(steward);
        let closing = store.close();
        if parts.stop.is_asked() {
            let most = parts.stop.farewell().max(CLOSING);
            return tokio::time::timeout(most, closing).await.unwrap_or(Ok(()));
        }
        closing.await
    }

    /// Runs everything that is due now and sends what waits.
    ///
    /// # Errors
    /// If the store refuses. Suites that fail are no errors, but outcomes.
    pub async fn run_scheduled_benchmarks(&mut self) -> Result<Vec<JobOutcome>> {
        let stop = self.parts.stop.clone();
        self.end_all_leftovers();
        let outcomes = or_stopped(&stop, self.run_due(Remotes::Wholly)).await;
        self.deliver(Patience::Whole(LAST_DELIVERIES));
        outcomes.unwrap_or(Ok(Vec::new()))
    }

    async fn run_due(&mut self, remotes: Remotes) -> Result<Vec<JobOutcome>> {
        self.deliver(Patience::Brief);
        let Self { scheduler, config, store, parts, .. } = self;
        let jobs = scheduler.pending_jobs(&config.suites, store, &parts.machine, remotes).await?;
        for note in scheduler.take_notes() {
            parts.observer.event(&Event::Note(&note));
        }
        if let Some(job) = scheduler.take_twin() {
            let was_copied = parts.machine.take_another_number(&self.folder);
            was_copied.map_err(|source| Error::Write { path: self.folder.clone(), source })?;
            parts.observer.event(&Event::Note(&format!(
                "{job} was begun by another machine that has this one's number: the file `machine` \
                 in {} was copied. This machine has a number of its own from now on",
                self.folder
            )));
        }
        self.run_jobs(jobs).await
    }

    /// Runs everything that is due, again and again, until it is asked to stop.
    ///
    /// # Errors
    /// Never: what goes wrong is noted, and tried again.
    pub async fn watch(&mut self) -> Result<()> {
        let stop = self.parts.stop.clone();
        self.end_all_leftovers();
        let mut retry = FIRST_RETRY;
        while !stop.is_asked() {
            let ran = or_stopped(&stop, self.run_due(Remotes::Briefly)).await;
            let now = self.parts.clock.now();
            let mut latest = now.checked_add(AT_LEAST).unwrap_or(Timestamp::MAX);
            let failed = matches!(ran, Some(Err(_)));
            if let Some(Err(error)) = ran {
                let why = error.with_causes();
                let note = format!("{why}; trying again in {} s", retry.as_secs());
                self.parts.observer.event(&Event::Note(&note));
                latest = now.checked_add(retry).unwrap_or(Timestamp::MAX);
                retry = (retry * 2).min(AT_LEAST);
            } else {
                retry = FIRST_RETRY;
            }
            let next = match or_stopped(&stop, self.next_moment()).await {
                Some(Ok(Some(next))) if !failed => next,
                _ => latest,
            };
            // Never at once, whatever went wrong.
            let soon = now.checked_add(LOCK_LOOK).unwrap_or(Timestamp::MAX);
            self.parts.clock.wait(next.clamp(soon, latest), &stop);
        }
        Ok(())
    }

    /// When there is something to do again, as far as is known.
    ///
    /// # Errors
    /// If the store refuses.
    pub async fn next_moment(&mut self) -> Result<Option<Timestamp>> {
        let moment = self.scheduler.next_moment(&self.config.suites, &mut self.store).await?;
        let letter = self.store.next_letter_at().await?;
        Ok(moment.into_iter().chain(letter).min())
    }

    /// Runs suites now, whatever their schedules say.
    ///
    /// # Errors
    /// If the store refuses.
    pub async fn run_now(
        &mut self,
        suites: &[String],
        runs: Option<u32>,
    ) -> Result<Vec<JobOutcome>> {
        self.end_all_leftovers();
        let mut jobs = Vec::new();
        let unfinished = self.store.unfinished_jobs().await?;
        for suite in self.config.suites.iter().filter(|suite| suites.contains(&suite.name)) {
            let draft = JobDraft {
                suite: suite.name.clone(),
                cause: Cause::Asked,
                due_at: self.parts.clock.now(),
                commit: None,
                runs_wanted: runs.unwrap_or(suite.runs),
            };
            // One that was asked for and stopped here is gone on with.
            let was_left = |job: &Job| {
                job.machine.as_deref() == Some(&self.parts.machine.id)
                    && JobLock::was_left(&self.job_folder(job.id))
            };
            let stopped = unfinished.iter().find(|job| {
                job.suite == draft.suite
                    && job.cause == Cause::Asked
                    && job.runs_wanted == draft.runs_wanted
                    && (job.state == JobState::Pending || was_left(job))
            });
            match stopped {
                Some(job) => jobs.push(job.clone()),
                None => {
                    let id = self.store.plan_job(&draft).await?;
                    jobs.extend(self.store.job(id).await?);
                }
            }
        }
        let stop = self.parts.stop.clone();
        let outcomes = or_stopped(&stop, self.run_jobs(jobs)).await;
        self.deliver(Patience::Whole(LAST_DELIVERIES));
        outcomes.unwrap_or(Ok(Vec::new()))
    }

    async fn run_jobs(&mut self, jobs: Vec<Job>) -> Result<Vec<JobOutcome>> {
        let mut outcomes = Vec::new();
        for job in jobs {
            if self.parts.stop.is_asked() {
                break;
            }
            let outcome = self.run_job(&job).await;
            self.steward.release();
            outcomes.extend(outcome?);
            self.deliver(Patience::Brief);
        }
        Ok(outcomes)
    }

    /// Ends what programs left that are gone, whatever job it was of: it would disturb every other.
    fn end_all_leftovers(&mut self) {
        let entries = self.folder.read_dir_utf8().into_iter().flatten().flatten();
        let noted = entries.map(|entry| entry.into_path()).filter(|path| path.join(MARK).exists());
        // Somebody may be at one of these jobs.
        let left: Vec<(Utf8PathBuf, JobLock)> = noted
            .filter_map(|path| JobLock::try_take(&path).ok()?.map(|lock| (path, lock)))
            .collect();
        let folders: Vec<&Utf8Path> = left.iter().map(|(path, _)| path.as_path()).collect();
        self.end_leftovers(&folders);
    }

    fn end_leftovers(&mut self, jobs: &[&Utf8Path]) {
        let Parts { runner, observer, .. } = &mut self.parts;
        runner.end_leftovers(jobs, &mut |text| observer.event(&Event::Note(text)));
    }

    /// One job from its beginning, or from where it was left, to its end. Nothing comes back if
    /// it was stopped or put off, or belongs to another machine.
    async fn run_job(&mut self, job: &Job) -> Result<Option<JobOutcome>> {
        let Some(_machine) = self.take_lock()? else { return Ok(None) };
        let folder = self.job_folder(job.id);
        std::fs::create_dir_all(&folder)
            .map_err(|source| Error::Write { path: folder.clone(), source })?;
        // Another process that has the same folder may be at it.
        let taken = JobLock::try_take(&folder)
            .map_err(|source| Error::Write { path: folder.clone(), source })?;
        let Some(_at_job) = taken else { return Ok(None) };
        self.end_leftovers(&[&folder]);
        let now = self.parts.clock.now();
        if !self.store.claim_job(job, &self.parts.machine, now).await? {
            return Ok(None);
        }
        let lost = self.parts.stop.narrower();
        self.steward.hold(job.id, &self.parts.machine.id, &lost);
        let suite = self.config.suites.iter().find(|suite| suite.name == job.suite).cloned();
        let executed = match suite {
            Some(suite) => self.run_benchmark_suite(&suite, job, &folder, &lost).await?,
            None => {
                let why = format!("the file of suites has no suite `{}` now", job.suite);
                Executed::Failed(why, Blame::Suite)
            }
        };
        let outcome = match executed {
            Executed::Stopped if self.parts.stop.is_asked() => {
                self.parts.observer.event(&Event::Stopped);
                return Ok(None);
            }
            Executed::Stopped => {
                let note = format!("{} was taken over by another machine", job.id);
                self.parts.observer.event(&Event::Stopped);
                self.parts.observer.event(&Event::Note(&note));
                return Ok(None);
            }
            Executed::Failed(why, Blame::Surroundings) if may_be_put_off(job) => {
                return self.put_off(job, &why).await.map(|()| None);
            }
            Executed::Failed(failure, _) => self.conclude_failure(job, failure).await?,
            Executed::Measured { suite, runs, environment } => {
                self.conclude(job, &suite, &runs, &environment).await?
            }
        };
        self.tidy(job);
        self.parts.observer.event(&Event::JobEnded(&outcome));
        Ok(Some(outcome))
    }

    /// Has the job of a commit wait for better times, because nobody else will ask for it.
    async fn put_off(&mut self, job: &Job, why: &str) -> Result<()> {
        let wait = FIRST_PUT_OFF
            .checked_mul(4_i32.saturating_pow(job.put_off))
            .unwrap_or(LONGEST_PUT_OFF)
            .min(LONGEST_PUT_OFF);
        let until = self.parts.clock.now().checked_add(wait).unwrap_or(Timestamp::MAX);
        self.store.put_off_job(job.id, &self.parts.machine.id, until, why).await?;
        let note = format!(
            "suite {}: {} is put off until {}: {why}",
            job.suite,
            job.id,
            until.strftime("%Y-%m-%d %H:%M UTC")
        );
        self.parts.observer.event(&Event::Stopped);
        self.parts.observer.event(&Event::Note(&note));
        Ok(())
    }

    /// Has the steward deliver what is due, and hands on what it says.
    fn deliver(&mut self, patience: Patience) {
        for news in self.steward.deliver(patience, &self.parts.stop) {
            match &news {
                News::Tried(attempt) => self.parts.observer.event(&Event::Tried(attempt)),
                News::Note(text) => self.parts.observer.event(&Event::Note(text)),
            }
        }
    }

    fn take_lock(&mut self) -> Result<Option<MachineLock>> {
        let parts = &mut self.parts;
        let mut said = false;
        loop {
            let taken = MachineLock::try_take(&parts.lock)
                .map_err(|source| Error::Write { path: parts.lock.clone(), source })?;
            if taken.is_some() || parts.stop.is_asked() {
                return Ok(taken);
            }
            if !said {
                parts.observer.event(&Event::Waiting);
                said = true;
            }
            let look = parts.clock.now().checked_add(LOCK_LOOK).unwrap_or(Timestamp::MAX);
            parts.clock.wait(look, &parts.stop);
        }
    }

    fn job_folder(&self, job: JobId) -> Utf8PathBuf {
        job.folder_in(&self.folder)
    }

    /// Removes what is in the store, and folders of old jobs. Failing at that harms nobody.
    fn tidy(&self, Job { id: job, suite, .. }: &Job) {
        self.reporter.forget_pages(suite, job.0 - KEPT_JOBS);
        for entry in self.job_folder(*job).read_dir_utf8().into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        for entry in self.folder.read_dir_utf8().into_iter().flatten().flatten() {
            let number = entry.file_name().strip_prefix("job-").and_then(|text| text.parse().ok());
            if number.is_some_and(|number: i64| number <= job.0 - KEPT_JOBS) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// Whether a job that failed through no fault of its code is tried again: that of a commit, for
/// which no schedule asks again.
fn may_be_put_off(job: &Job) -> bool {
    job.cause == Cause::Commit && job.put_off < MOST_PUT_OFF
}

/// What comes of something that waits for the store, or nothing if somebody asked to stop and it
/// takes longer than a moment then. What was begun there is undone.
async fn or_stopped<T>(stop: &Stop, work: impl Future<Output = T>) -> Option<T> {
    let stopped = async {
        stop.asked().await;
        tokio::time::sleep(stop.farewell()).await;
    };
    tokio::select! {
        biased;
        done = work => Some(done),
        () = stopped => None,
    }
}

/// How long `duration` is, for a sentence.
fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// The last lines of a log, for whoever reads why a run failed.
fn tail(log: &Utf8Path) -> String {
    const LINES: usize = 5;
    const BYTES: u64 = 4096;
    use std::io::{Read, Seek, SeekFrom};
    let read = || {
        let mut file = std::fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
        let mut bytes = Vec::new();
        file.take(BYTES).read_to_end(&mut bytes)?;
        std::io::Result::Ok(bytes)
    };
    let text = String::from_utf8_lossy(&read().unwrap_or_default()).into_owned();
    let text = anstream::adapter::strip_str(&text).to_string();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join(" | ")
}
