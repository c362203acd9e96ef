//! Running the command of a suite as often as a job wants, and reading what it left.

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;

use super::{ContinuousBenchmark, spoken, tail};
use crate::continuous::job::{Job, JobRun};
use crate::continuous::lock::JobLock;
use crate::continuous::observer::Event;
use crate::continuous::runner::{Ending, Order};
use crate::continuous::suites::BenchmarkSuite;
use crate::environment::Environment;
use crate::error::Result;
use crate::ingest::criterion::{self, Wanted};
use crate::ingest::{ImportBatch, RunDraft, format};
use crate::model::RunId;
use crate::store::Destination;

/// How far a job came.
pub(super) enum Executed {
    /// Another host has it.
    NotMine,
    /// Somebody asked to stop.
    Stopped,
    /// There are no results, for this reason.
    Failed(String),
    /// Its results are stored.
    Measured { suite: Box<BenchmarkSuite>, runs: Vec<RunId>, environment: Box<Environment> },
}

impl ContinuousBenchmark {
    pub(super) async fn begin(&mut self, job: &Job, revision: &str) -> Result<Option<Vec<JobRun>>> {
        let now = self.parts.clock.now();
        let begun = self.store.begin_job(job.id, &self.parts.host, revision, now).await?;
        if begun.is_some() {
            // Without it, others only cannot tell whether this process is still at it.
            self.at_job = JobLock::take(&self.job_folder(job.id)).ok();
        }
        Ok(begun)
    }

    /// Runs the suite's command until the job has its runs, and stores the results as one set.
    pub(super) async fn run_benchmark_suite(
        &mut self,
        suite: &BenchmarkSuite,
        job: &Job,
        folder: &Utf8Path,
    ) -> Result<Executed> {
        let measured_in = match &job.commit {
            Some(commit) => {
                let checkout = self.folder.join("checkouts").join(&suite.name);
                self.parts.repository.check_out(&suite.folder, commit, &checkout)
            }
            None => Ok(suite.folder.clone()),
        };
        let measured_in = match measured_in {
            Ok(folder) => folder,
            Err(reason) => {
                let began = self.begin(job, "").await?;
                let why = format!(
                    "commit {} cannot be checked out: {reason}",
                    job.commit.as_deref().unwrap_or_default()
                );
                return Ok(if began.is_some() { Executed::Failed(why) } else { Executed::NotMine });
            }
        };
        let mut environment = self.parts.runner.environment(&measured_in);
        environment.now = self.parts.clock.now();
        let revision = format!("{:?}", environment.revision);
        let Some(mut done) = self.begin(job, &revision).await? else {
            return Ok(Executed::NotMine);
        };
        let usual = self.store.usual_run_time(&suite.name).await?;
        self.parts.observer.event(&Event::JobBegan { job, usual });
        for number in 1..=job.runs_wanted {
            if done.iter().any(|run| run.number == number) {
                continue;
            }
            self.parts.observer.event(&Event::RunBegan { number });
            match self.run_once(suite, &measured_in, folder, number)? {
                Ran::Well(run) => {
                    self.store.note_job_run(job.id, &run).await?;
                    done.push(run);
                    self.parts.observer.event(&Event::RunEnded { number });
                }
                Ran::Badly(why) => return Ok(Executed::Failed(format!("run {number} {why}"))),
                Ran::Stopped => return Ok(Executed::Stopped),
            }
        }
        environment.now = self.parts.clock.now();
        let runs = match self.store_results(suite, folder, &done, &environment).await? {
            Ok(runs) => runs,
            Err(why) => return Ok(Executed::Failed(why)),
        };
        self.parts.observer.event(&Event::Stored);
        Ok(Executed::Measured {
            suite: Box::new(suite.clone()),
            runs,
            environment: Box::new(environment),
        })
    }

    pub(super) fn run_once(
        &self,
        suite: &BenchmarkSuite,
        measured_in: &Utf8Path,
        folder: &Utf8Path,
        number: u32,
    ) -> Result<Ran> {
        let results = results_folder(folder, number);
        // What a run that was cut off left is no result.
        let _ = std::fs::remove_dir_all(&results);
        let log = folder.join(format!("run-{number}.log"));
        let order = Order {
            command: suite.command.clone(),
            folder: measured_in.to_owned(),
            environment: suite.environment.clone(),
            timeout: suite.timeout,
            log: log.clone(),
            criterion: results.clone(),
            mark: folder.join("process.json"),
        };
        for file in &suite.results {
            // A file of an earlier run must not be taken for one of this.
            let _ = std::fs::remove_file(measured_in.join(file));
        }
        let started_at = self.parts.clock.now();
        let ending = self.parts.runner.run(&order, &self.parts.stop);
        let finished_at = self.parts.clock.now();
        Ok(match ending {
            Ok(Ending::Succeeded) => match keep_results(suite, measured_in, &results) {
                Ok(()) => Ran::Well(JobRun { number, started_at, finished_at }),
                Err(why) => Ran::Badly(why),
            },
            Ok(Ending::Failed(status)) => {
                Ran::Badly(format!("ended with {status}; {log} ends with: {}", tail(&log)))
            }
            Ok(Ending::TimedOut) => Ran::Badly(format!(
                "took longer than {} and was ended; {log} ends with: {}",
                spoken(suite.timeout),
                tail(&log)
            )),
            Ok(Ending::Stopped) => Ran::Stopped,
            Err(error) => {
                let program = suite.command.first().map(String::as_str).unwrap_or_default();
                Ran::Badly(format!("could not start `{program}` in {measured_in}: {error}"))
            }
        })
    }

    /// Stores all runs as one set, or says why there is nothing to store.
    async fn store_results(
        &mut self,
        suite: &BenchmarkSuite,
        folder: &Utf8Path,
        done: &[JobRun],
        environment: &Environment,
    ) -> Result<Result<Vec<RunId>, String>> {
        // A crash may have come between storing and concluding.
        let stored = self.store.runs_from(folder.as_str()).await?;
        if !stored.is_empty() {
            return Ok(Ok(stored));
        }
        let mut batch = ImportBatch::default();
        for run in done {
            let read = read_results(suite, &results_folder(folder, run.number), environment);
            match read {
                Ok(drafts) => batch.runs.extend(drafts.into_iter().map(|draft| RunDraft {
                    measured_at: run.started_at,
                    group: None,
                    revision: environment.revision.clone(),
                    ..draft
                })),
                Err(error) => return Ok(Err(format!("run {}: {error}", run.number))),
            }
        }
        let now: Timestamp = environment.now;
        self.store.import(&batch, &Destination::NewSet, now).await?;
        let stored = self.store.runs_from(folder.as_str()).await?;
        Ok(if stored.is_empty() {
            Err("the results are those of an earlier job: the command measured nothing anew"
                .to_owned())
        } else {
            Ok(stored)
        })
    }
}

/// How one run of a command ended.
pub(super) enum Ran {
    Well(JobRun),
    Badly(String),
    Stopped,
}

pub(super) fn results_folder(folder: &Utf8Path, number: u32) -> Utf8PathBuf {
    folder.join(format!("run-{number}"))
}

/// Brings the files that the command wrote where the next run does not overwrite them, and sees
/// that there are results at all.
fn keep_results(
    suite: &BenchmarkSuite,
    measured_in: &Utf8Path,
    results: &Utf8Path,
) -> Result<(), String> {
    if suite.results.is_empty() {
        return if results.is_dir() {
            Ok(())
        } else {
            Err("succeeded, but left nothing where CRITERION_HOME points: a suite that does not \
                 use Criterion has to name its `results`"
                .to_owned())
        };
    }
    std::fs::create_dir_all(results).map_err(|error| format!("cannot keep results: {error}"))?;
    for (index, file) in suite.results.iter().enumerate() {
        let name = file.file_name().unwrap_or("results");
        std::fs::copy(measured_in.join(file), results.join(format!("{index}-{name}")))
            .map_err(|error| format!("succeeded, but {file} cannot be read: {error}"))?;
    }
    Ok(())
}

pub(super) fn read_results(
    suite: &BenchmarkSuite,
    results: &Utf8Path,
    environment: &Environment,
) -> Result<Vec<RunDraft>> {
    if suite.results.is_empty() {
        let found = criterion::read(results, Wanted::Current, environment)?;
        // One process wrote the folder, however long it took.
        return Ok(found.runs);
    }
    let mut runs = Vec::new();
    for (index, file) in suite.results.iter().enumerate() {
        let name = file.file_name().unwrap_or("results");
        let path = results.join(format!("{index}-{name}"));
        runs.extend(format::read(&path, None, environment)?.runs);
    }
    Ok(runs)
}
