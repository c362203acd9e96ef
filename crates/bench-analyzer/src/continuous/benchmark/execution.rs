//! Running the command of a suite as often as a job wants, and reading what it left.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, mpsc};
use std::thread;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::{SignedDuration, Timestamp};

use super::{ContinuousBenchmark, Parts, spoken, tail};
use crate::clock::{SLICE, Stop};
use crate::continuous::observer::Event;
use crate::continuous::runner::{Ending, MARK, Order};
use crate::continuous::suites::BenchmarkSuite;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::ingest::criterion::Wanted;
use crate::ingest::{self, ImportBatch, Reading, RunDraft};
use crate::jobs::job::{Job, JobRun};
use crate::store::Destination;
use bench_stats::model::RunId;

/// How far a job came.
pub(super) enum Executed {
    /// Somebody asked to stop, or another machine has it.
    Stopped,
    /// There are no results, for this reason.
    Failed(String, Blame),
    /// Its results are stored.
    Measured { suite: Box<BenchmarkSuite>, runs: Vec<RunId>, environment: Box<Environment> },
}

/// Whose fault it is that there are no results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// The command's, or the suite's: the same would come of it again.
    Suite,
    /// That of what surrounds it, such as a disk or a repository: it may work later.
    Surroundings,
}

impl ContinuousBenchmark {
    /// Runs the suite's command until the job has its runs, and stores the results as one set.
    pub(super) async fn run_benchmark_suite(
        &mut self,
        suite: &BenchmarkSuite,
        job: &Job,
        folder: &Utf8Path,
        stop: &Stop,
    ) -> Result<Executed> {
        let measured_in = match &job.commit {
            Some(commit) => {
                let checkout = self.folder.join("checkouts").join(&suite.name);
                self.parts.repository.check_out(&suite.folder, commit, &checkout, stop)
            }
            None => Ok(suite.folder.clone()),
        };
        let measured_in = match measured_in {
            Ok(folder) => folder,
            Err(_) if stop.is_asked() => return Ok(Executed::Stopped),
            Err(reason) => {
                let commit = job.commit.as_deref().unwrap_or_default();
                let why = format!("commit {commit} cannot be checked out: {reason}");
                return Ok(Executed::Failed(why, Blame::Surroundings));
            }
        };
        let Some(mut environment) = self.look_around(&measured_in, stop) else {
            return Ok(Executed::Stopped);
        };
        environment.now = self.parts.clock.now();
        // A crash may have come between storing and concluding.
        let stored = self.store.results_of_job(job.id).await?;
        if !stored.is_empty() {
            return Ok(measured(suite, stored, environment));
        }
        let revision = format!("{:?}", environment.revision);
        let mut done = self.store.runs_of_job(job.id, &revision).await?;
        done.retain(|run| results_folder(folder, run.number).is_dir());
        let usual = self.store.usual_run_time(&suite.name).await?;
        self.parts.observer.event(&Event::JobBegan { job, usual });
        for number in 1..=job.runs_wanted {
            if done.iter().any(|run| run.number == number) {
                continue;
            }
            self.parts.observer.event(&Event::RunBegan { number });
            match self.run_once(suite, &measured_in, folder, number, stop) {
                Ran::Well(run) => {
                    self.store.note_job_run(job.id, &run).await?;
                    done.push(run);
                    self.parts.observer.event(&Event::RunEnded { number });
                }
                Ran::Badly(why, blame) => {
                    return Ok(Executed::Failed(format!("run {number} {why}"), blame));
                }
                Ran::Stopped => return Ok(Executed::Stopped),
            }
        }
        environment.now = self.parts.clock.now();
        let runs = match self.store_results(suite, job, folder, &done, &environment).await? {
            Ok(runs) => runs,
            Err((why, blame)) => return Ok(Executed::Failed(why, blame)),
        };
        self.parts.observer.event(&Event::Stored);
        Ok(measured(suite, runs, environment))
    }

    /// The machine and what is checked out, unless somebody asks to stop before that is known: Git
    /// and the compiler may hang.
    pub(super) fn look_around(&self, folder: &Utf8Path, stop: &Stop) -> Option<Environment> {
        let (tell, seen) = mpsc::channel();
        let (runner, seen_from) = (Arc::clone(&self.parts.runner), folder.to_owned());
        let looking = thread::Builder::new().spawn(move || {
            // Nobody listens any more after a stop.
            let _ = tell.send(runner.environment(&seen_from));
        });
        if looking.is_err() {
            return Some(self.parts.runner.environment(folder));
        }
        loop {
            match seen.recv_timeout(SLICE) {
                Ok(environment) => return Some(environment),
                Err(mpsc::RecvTimeoutError::Timeout) if !stop.is_asked() => {}
                Err(_) => return None,
            }
        }
    }

    pub(super) fn run_once(
        &mut self,
        suite: &BenchmarkSuite,
        measured_in: &Utf8Path,
        folder: &Utf8Path,
        number: u32,
        stop: &Stop,
    ) -> Ran {
        let results = results_folder(folder, number);
        // What a run that was cut off left is no result, and neither are files of an earlier one.
        let earlier = suite.results.iter().map(|file| measured_in.join(file));
        for path in earlier.chain([results.clone()]) {
            if let Err(error) = remove(&path) {
                let why = format!("cannot begin: {path} is of an earlier run and stays: {error}");
                return Ran::Badly(why, Blame::Surroundings);
            }
        }
        let log = folder.join(format!("run-{number}.log"));
        let order = Order {
            command: suite.command.clone(),
            folder: measured_in.to_owned(),
            environment: suite.environment.clone(),
            inherits: suite.inherits.clone(),
            confidential: Arc::clone(&self.config.confidential),
            timeout: suite.timeout,
            log: log.clone(),
            criterion: results.clone(),
            mark: folder.join(MARK),
        };
        let (began, started_at) = (self.parts.clock.passed(), self.parts.clock.now());
        let Parts { runner, observer, .. } = &mut self.parts;
        let ending = runner.run(&order, stop, &mut |text| observer.event(&Event::Note(text)));
        // The calendar may have jumped meanwhile.
        let took = self.parts.clock.passed().saturating_sub(began);
        let took = SignedDuration::try_from(took).unwrap_or(SignedDuration::MAX);
        let finished_at = started_at.checked_add(took).unwrap_or(started_at);
        let said = || self.config.confidential.redact(&tail(&log));
        match ending {
            Ok(Ending::Succeeded) => match keep_results(suite, measured_in, &results) {
                Ok(()) => Ran::Well(JobRun { number, started_at, finished_at }),
                Err(why) => Ran::Badly(why, Blame::Suite),
            },
            Ok(Ending::Failed(status)) => {
                let why = format!("ended with {status}; {log} ends with: {}", said());
                Ran::Badly(why, Blame::Suite)
            }
            Ok(Ending::Killed(status)) => {
                let why = format!("was killed by somebody ({status}); {log} ends with: {}", said());
                Ran::Badly(why, Blame::Surroundings)
            }
            Ok(Ending::TimedOut) => {
                let limit = spoken(suite.timeout);
                let why =
                    format!("took longer than {limit} and was ended; {log} ends with: {}", said());
                Ran::Badly(why, Blame::Suite)
            }
            Ok(Ending::Stopped) => Ran::Stopped,
            Err(error) => {
                let program = suite.command.first().map(String::as_str).unwrap_or_default();
                let why = format!("could not start `{program}` in {measured_in}: {error}");
                Ran::Badly(why, Blame::Surroundings)
            }
        }
    }

    /// Stores all runs as one set, or says why there is nothing to store.
    async fn store_results(
        &mut self,
        suite: &BenchmarkSuite,
        job: &Job,
        folder: &Utf8Path,
        done: &[JobRun],
        environment: &Environment,
    ) -> Result<Result<Vec<RunId>, (String, Blame)>> {
        let mut batch = ImportBatch::default();
        for run in done {
            let read = read_results(suite, &results_folder(folder, run.number), environment);
            // What a job measured is its own, also where another measured the same to the byte.
            let owner = format!("{}-{}-{}", self.parts.machine.id, job.id.0, run.number);
            match read {
                Ok(drafts) => batch.runs.extend(drafts.into_iter().map(|draft| RunDraft {
                    measured_at: run.started_at,
                    group: None,
                    revision: environment.revision.clone(),
                    measurements: draft.measurements.of_owner(&owner),
                    ..draft
                })),
                Err(error @ Error::Read { .. }) => {
                    let why = format!("run {}: {error}", run.number);
                    return Ok(Err((why, Blame::Surroundings)));
                }
                Err(error) => {
                    return Ok(Err((format!("run {}: {error}", run.number), Blame::Suite)));
                }
            }
        }
        let now: Timestamp = environment.now;
        let stored = self.store.import(&batch, &Destination::Job(job.id), now).await?.runs;
        Ok(if stored.is_empty() {
            Err(("the results hold no measurement".to_owned(), Blame::Suite))
        } else {
            Ok(stored)
        })
    }
}

fn measured(suite: &BenchmarkSuite, runs: Vec<RunId>, environment: Environment) -> Executed {
    Executed::Measured { suite: Box::new(suite.clone()), runs, environment: Box::new(environment) }
}

/// How one run of a command ended.
pub(super) enum Ran {
    Well(JobRun),
    Badly(String, Blame),
    Stopped,
}

pub(super) fn results_folder(folder: &Utf8Path, number: u32) -> Utf8PathBuf {
    folder.join(format!("run-{number}"))
}

/// Removes a file or folder, if there is one.
fn remove(path: &Utf8Path) -> std::io::Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
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
            only_files(results)
        } else {
            Err("succeeded, but left nothing where CRITERION_HOME points: a suite that does not \
                 use Criterion has to name its `results`"
                .to_owned())
        };
    }
    std::fs::create_dir_all(results).map_err(|error| format!("cannot keep results: {error}"))?;
    for (index, file) in suite.results.iter().enumerate() {
        let name = file.file_name().unwrap_or("results");
        copy(&measured_in.join(file), &results.join(format!("{index}-{name}")))
            .map_err(|error| format!("succeeded, but {file} cannot be read: {error}"))?;
    }
    Ok(())
}

/// Copies a regular file. A pipe would be waited for, a device would never end.
fn copy(from: &Utf8Path, to: &Utf8Path) -> std::io::Result<()> {
    let no_wait = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut file = OpenOptions::new().read(true).custom_flags(no_wait).open(from)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    std::io::copy(&mut file, &mut File::create(to)?).map(drop)
}

/// Sees that a folder holds nothing that would be waited for.
fn only_files(folder: &Utf8Path) -> Result<(), String> {
    let unreadable = |error: std::io::Error| format!("left results that cannot be read: {error}");
    for entry in folder.read_dir_utf8().map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.into_path();
        // Of a link, what it leads to counts.
        let found = path.metadata().map_err(unreadable)?;
        let is_link = path.is_symlink();
        if found.is_dir() && !is_link {
            only_files(&path)?;
        } else if !found.is_file() {
            return Err(format!("left {path}, which is no regular file"));
        }
    }
    Ok(())
}

pub(super) fn read_results(
    suite: &BenchmarkSuite,
    results: &Utf8Path,
    environment: &Environment,
) -> Result<Vec<RunDraft>> {
    let files = suite.results.iter().enumerate().map(|(index, file)| {
        let name = file.file_name().unwrap_or("results");
        results.join(format!("{index}-{name}"))
    });
    let paths: Vec<Utf8PathBuf> =
        if suite.results.is_empty() { vec![results.to_owned()] } else { files.collect() };
    // One process wrote a Criterion folder, however long it took.
    let reading = Reading { wanted: Wanted::Current, ..Reading::everything() };
    Ok(ingest::read(&paths, &reading, environment, &mut || {})?.runs)
}
