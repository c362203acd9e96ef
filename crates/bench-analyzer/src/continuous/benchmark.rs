//! The whole loop: what is due is run, analysed, reported, stored and told.

use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::{SignedDuration, Timestamp};

use super::alert::Transition;
use super::clock::{Clock, Stop};
use super::job::{Cause, Job, JobDraft, JobId};
use super::lock::{JobLock, MachineLock};
use super::observer::{Event, Observer};
use super::outbox::deliver_due;
use super::reporter::BenchmarkReporter;
use super::repository::Repository;
use super::runner::Runner;
use super::scheduler::BenchmarkScheduler;
use super::suites::{BenchmarkConfig, BenchmarkSuite};
use crate::analyzer::AnalysisReport;
use crate::detect::settings::Settings;
use crate::error::{Error, Result};
use crate::store::Store;

mod conclusion;
mod execution;
mod until_decided;

use execution::Executed;
pub use until_decided::{Decision, Question};

/// What a [`ContinuousBenchmark`] works with; a test gives it others.
pub struct Parts {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What runs commands.
    pub runner: Arc<dyn Runner>,
    /// What knows commits.
    pub repository: Arc<dyn Repository>,
    /// Who watches.
    pub observer: Box<dyn Observer>,
    /// A wish to end.
    pub stop: Stop,
    /// The file that is locked while something is measured.
    pub lock: Utf8PathBuf,
    /// What this machine is called in the store.
    pub host: String,
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
    /// Held from the beginning of a job to its end.
    at_job: Option<JobLock>,
    parts: Parts,
}

/// What became of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobOutcome {
    /// The job.
    pub job: JobId,
    /// The suite.
    pub suite: String,
    /// What it found; none if it failed.
    pub report: Option<AnalysisReport>,
    /// Why it failed.
    pub failure: Option<String>,
    /// Where its report lies.
    pub report_at: Option<String>,
    /// What there is to tell.
    pub transitions: Vec<Transition>,
    /// In a sentence.
    pub summary: String,
}

/// How often the outside is looked at even if nothing is due.
const AT_LEAST: SignedDuration = SignedDuration::from_secs(60);
/// How long to wait for another process that measures, before looking again.
const LOCK_LOOK: SignedDuration = SignedDuration::from_secs(1);
/// Folders of older jobs are removed; their results are in the store.
const KEPT_JOBS: i64 = 200;

impl ContinuousBenchmark {
    /// Keeps its folders in that of the store.
    pub fn new(config: BenchmarkConfig, settings: Settings, store: Store, parts: Parts) -> Self {
        let folder = store.folder().join("continuous");
        Self {
            scheduler: BenchmarkScheduler::new(Arc::clone(&parts.repository)),
            reporter: BenchmarkReporter::new(
                &folder,
                config.report_folder.clone(),
                config.report_url.clone(),
            ),
            config,
            settings,
            store,
            folder,
            at_job: None,
            parts,
        }
    }

    /// The store, to look at what happened.
    pub fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Ends, and closes the store.
    ///
    /// # Errors
    /// If the store's last writes fail.
    pub async fn close(self) -> Result<()> {
        self.store.close().await
    }

    /// Runs everything that is due now and sends what waits.
    ///
    /// # Errors
    /// If the store refuses. Suites that fail are no errors, but outcomes.
    pub async fn run_scheduled_benchmarks(&mut self) -> Result<Vec<JobOutcome>> {
        self.deliver().await?;
        let now = self.parts.clock.now();
        let Self { scheduler, config, store, parts, .. } = self;
        let jobs = scheduler.pending_jobs(&config.suites, store, &parts.host, now).await?;
        for note in scheduler.take_notes() {
            parts.observer.event(&Event::Note(&note));
        }
        self.run_jobs(jobs).await
    }

    /// Runs everything that is due, again and again, until it is asked to stop.
    ///
    /// # Errors
    /// Never: what goes wrong is noted, and tried again.
    pub async fn watch(&mut self) -> Result<()> {
        while !self.parts.stop.is_asked() {
            if let Err(error) = self.run_scheduled_benchmarks().await {
                let note = format!("{error}; trying again in a minute");
                self.parts.observer.event(&Event::Note(&note));
            }
            let now = self.parts.clock.now();
            let latest = now.checked_add(AT_LEAST).unwrap_or(Timestamp::MAX);
            let until = self.next_moment(now).await.unwrap_or(None).unwrap_or(latest).min(latest);
            self.parts.clock.wait(until, &self.parts.stop);
        }
        Ok(())
    }

    /// When there is something to do again, as far as is known.
    ///
    /// # Errors
    /// If the store refuses.
    pub async fn next_moment(&mut self, now: Timestamp) -> Result<Option<Timestamp>> {
        let moment = self.scheduler.next_moment(&self.config.suites, &mut self.store, now).await?;
        // One that is due already is delivered by another process, or was just queued.
        let soon = now.checked_add(LOCK_LOOK).unwrap_or(Timestamp::MAX);
        let letter = self.store.next_letter_at().await?.map(|at| at.max(soon));
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
        let mut jobs = Vec::new();
        let unfinished = self.store.unfinished_jobs(&self.parts.host).await?;
        for suite in self.config.suites.iter().filter(|suite| suites.contains(&suite.name)) {
            let draft = JobDraft {
                suite: suite.name.clone(),
                cause: Cause::Asked,
                due_at: self.parts.clock.now(),
                commit: None,
                runs_wanted: runs.unwrap_or(suite.runs),
            };
            // One that was asked for and stopped is gone on with.
            let stopped = unfinished.iter().find(|job| {
                job.suite == draft.suite
                    && job.cause == Cause::Asked
                    && job.runs_wanted == draft.runs_wanted
            });
            match stopped {
                Some(job) => jobs.push(job.clone()),
                None => {
                    let id = self.store.plan_job(&draft).await?;
                    jobs.extend(self.store.job(id).await?);
                }
            }
        }
        self.run_jobs(jobs).await
    }

    async fn run_jobs(&mut self, jobs: Vec<Job>) -> Result<Vec<JobOutcome>> {
        let mut outcomes = Vec::new();
        for job in jobs {
            if self.parts.stop.is_asked() {
                break;
            }
            let outcome = self.run_job(&job).await;
            self.at_job = None;
            outcomes.extend(outcome?);
            self.deliver().await?;
        }
        Ok(outcomes)
    }

    /// One job from its beginning, or from where it was left, to its end. Nothing comes back if
    /// it was stopped, or belongs to another host.
    async fn run_job(&mut self, job: &Job) -> Result<Option<JobOutcome>> {
        let Some(_lock) = self.take_lock()? else { return Ok(None) };
        let folder = self.job_folder(job.id);
        std::fs::create_dir_all(&folder)
            .map_err(|source| Error::Write { path: folder.clone(), source })?;
        self.parts.runner.end_leftover(&folder.join("process.json"), &folder);
        let suite = self.config.suites.iter().find(|suite| suite.name == job.suite).cloned();
        let executed = match suite {
            Some(suite) => self.run_benchmark_suite(&suite, job, &folder).await?,
            None => {
                let began = self.begin(job, "").await?;
                let why = format!("the file of suites has no suite `{}` now", job.suite);
                if began.is_some() { Executed::Failed(why) } else { Executed::NotMine }
            }
        };
        let outcome = match executed {
            Executed::NotMine => return Ok(None),
            Executed::Stopped => {
                self.parts.observer.event(&Event::Stopped);
                return Ok(None);
            }
            Executed::Failed(failure) => self.conclude_failure(job, failure).await?,
            Executed::Measured { suite, runs, environment } => {
                self.conclude(job, &suite, &runs, &environment).await?
            }
        };
        self.tidy(job);
        self.parts.observer.event(&Event::JobEnded(&outcome));
        Ok(Some(outcome))
    }

    async fn deliver(&mut self) -> Result<()> {
        let Self { store, config, parts, .. } = self;
        for attempt in deliver_due(store, &config.channels, &*parts.clock).await? {
            parts.observer.event(&Event::Tried(&attempt));
        }
        Ok(())
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
