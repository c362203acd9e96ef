//! What `run` and `watch` share: this machine, its signals, and the progress that people see.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bench_analyzer::clock::{Stop, SystemClock};
use bench_analyzer::continuous::observer::{Event, Observer};
use bench_analyzer::continuous::repository::Git;
use bench_analyzer::continuous::runner::CommandRunner;
use bench_analyzer::continuous::{BenchmarkConfig, Parts, family};
use bench_analyzer::jobs::letter::LetterFate;
use bench_analyzer::jobs::lock::MachineLock;
use bench_analyzer::jobs::machine::Machine;
use bench_analyzer::secret::Secret;
use bench_analyzer::store::Store;
use camino::Utf8PathBuf;
use clap::Args;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::output::Output;

/// Where the suites are described.
#[derive(Debug, Args)]
pub(crate) struct SuitesFile {
    /// The file of suites [default: suites.toml here or above]
    #[arg(long = "suites", value_name = "FILE")]
    pub(crate) suites_file: Option<Utf8PathBuf>,

    /// What this machine is, for suites that say what they run on: --labels x86,quiet
    #[arg(long, value_name = "LABELS", value_delimiter = ',', env = "BENCH_ANALYZER_LABELS")]
    pub(crate) labels: Vec<String>,
}

/// Everything real. What `db` and the environment hold of secrets is added to those of the suites.
pub(super) fn parts(
    suites: &mut BenchmarkConfig,
    store: &Store,
    labels: Vec<String>,
    db: Option<&str>,
    output: &Output,
) -> anyhow::Result<Parts> {
    // All that this program starts is its own to end, wherever it went.
    family::become_guardian();
    let confidential = Arc::make_mut(&mut suites.confidential);
    let password = std::env::var("PGPASSWORD").ok().map(Secret::new);
    for secret in db.and_then(Secret::password_in).into_iter().chain(password) {
        confidential.add(secret);
    }
    let stop = stop_on_signals()?;
    let lock = std::env::var("BENCH_ANALYZER_LOCK").ok().filter(|path| !path.is_empty());
    let folder = store.folder().join("continuous");
    Ok(Parts {
        clock: Arc::new(SystemClock),
        runner: Arc::new(CommandRunner::default()),
        repository: Arc::new(Git { confidential: Arc::clone(&suites.confidential) }),
        observer: Box::new(Progress { output: *output, bar: None }),
        stop,
        lock: lock.map_or_else(MachineLock::default_path, Into::into),
        machine: Machine::of(&folder, host(), labels)
            .with_context(|| format!("failed to keep the number of this machine in {folder}"))?,
    })
}

/// A wish to end that SIGINT and SIGTERM express. The second one ends this process at once; what it
/// left is cleaned up by the next.
pub(super) fn stop_on_signals() -> anyhow::Result<Stop> {
    let stop = Stop::new();
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, stop.flag())
            .and_then(|_| signal_hook::flag::register(signal, stop.flag()))
            .context("failed to listen to signals")?;
    }
    Ok(stop)
}

/// How long a program that was asked to stop may go on computing, or waiting for a disk.
const LEAVING: Duration = Duration::from_millis(900);

/// Ends this process in time once it was asked to stop, whatever it is at: the next one goes on with
/// that, as after a crash. Only the end of what a run started is waited for.
///
/// # Errors
/// If there is no thread for it.
pub(super) fn leave_in_time(stop: Stop) -> std::io::Result<()> {
    let leaving = move || {
        while !stop.is_asked() {
            std::thread::sleep(LOOK);
        }
        std::thread::sleep(LEAVING);
        while family::is_at_work() {
            std::thread::sleep(LOOK);
        }
        std::process::exit(0)
    };
    std::thread::Builder::new().spawn(leaving).map(drop)
}

const LOOK: Duration = Duration::from_millis(20);

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// A bar on a terminal, and lines that are worth keeping in a log.
struct Progress {
    output: Output,
    bar: Option<ProgressBar>,
}

impl Progress {
    fn say(&self, text: &str) {
        self.beside_bar(|| self.output.message(text));
    }

    fn note(&self, text: &str) {
        self.beside_bar(|| self.output.note(text));
    }

    fn beside_bar(&self, speak: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(speak),
            None => speak(),
        }
    }
}

impl Observer for Progress {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Waiting => {
                self.say("another bench-analyzer measures on this machine: waiting for it");
            }
            Event::JobBegan { job, usual } => {
                let commit = job.commit.as_deref().map(|sha| sha.get(..10).unwrap_or(sha));
                let commit = commit.map(|sha| format!(", commit {sha}")).unwrap_or_default();
                self.say(&format!(
                    "{}: {} begins, run {} of {}{commit}",
                    job.suite,
                    job.id,
                    job.runs_done + 1,
                    job.runs_wanted
                ));
                let left = usual.map(|usual| usual * job.runs_wanted.saturating_sub(job.runs_done));
                let bar = ProgressBar::new(u64::from(job.runs_wanted));
                bar.set_style(style(left));
                bar.set_message(job.suite.clone());
                bar.set_position(u64::from(job.runs_done));
                bar.enable_steady_tick(Duration::from_millis(500));
                self.bar = Some(bar);
            }
            Event::RunBegan { number } => {
                if let Some(bar) = &self.bar {
                    bar.set_position(u64::from(number.saturating_sub(1)));
                }
            }
            Event::RunEnded { number } => {
                if let Some(bar) = &self.bar {
                    bar.set_position(u64::from(*number));
                }
            }
            Event::Stored | Event::Stopped => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
            }
            Event::JobEnded(outcome) => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
                let at = outcome.report_at.as_deref().unwrap_or_default();
                let word = if outcome.failure.is_some() { "failed: " } else { "" };
                self.say(&format!("{}: {word}{} ({at})", outcome.suite, outcome.summary));
            }
            Event::Tried(attempt) => match &attempt.fate {
                LetterFate::Delivered => {}
                LetterFate::TryAgain { at, error } => self.note(&format!(
                    "alert `{}` did not arrive ({error}); trying again at {}",
                    attempt.channel,
                    at.strftime("%H:%M:%S UTC")
                )),
                LetterFate::GivenUp { error } => {
                    self.note(&format!("alert `{}` is given up ({error})", attempt.channel));
                }
            },
            Event::Note(text) => self.note(text),
        }
    }
}

fn style(left: Option<Duration>) -> ProgressStyle {
    let template = "{msg} [{bar:24}] {pos} of {len} runs, {elapsed} so far{left}";
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    style.with_key("left", move |state: &ProgressState, writer: &mut dyn fmt::Write| {
        let Some(left) = left else { return };
        let left = left.saturating_sub(state.elapsed()).as_secs();
        let _ = if left >= 120 {
            write!(writer, ", about {} min left", left.div_ceil(60))
        } else {
            write!(writer, ", about {left} s left")
        };
    })
}
