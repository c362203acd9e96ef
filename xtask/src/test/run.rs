//! Running the programs of a stage.

use std::io::{BufRead as _, BufReader, IsTerminal as _, Read, Write as _};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use camino::Utf8PathBuf;
use fs_err as fs;
use fs_err::File;

use super::closing;
use crate::progress::Progress;

/// Time between two signs of life of a program that takes long, where there is no terminal.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// Result of a stage.
pub(super) enum Outcome {
    Passed {
        /// Last lines of the programs.
        closing: Vec<String>,
    },
    Failed {
        /// All that a person needs to see.
        report: String,
    },
}

impl<T> From<Result<T>> for Outcome {
    fn from(result: Result<T>) -> Self {
        match result {
            Ok(_) => Self::Passed { closing: Vec::new() },
            Err(error) => Self::Failed { report: format!("error: {error:#}") },
        }
    }
}

/// Where the programs of a stage write to.
pub(super) struct Log {
    path: Utf8PathBuf,
}

impl Log {
    /// Starts an empty log.
    pub(super) fn new(path: Utf8PathBuf) -> Result<Self> {
        fs::write(&path, "")?;
        Ok(Self { path })
    }

    /// Runs programs one after the other, until one fails.
    pub(super) fn run(&self, title: &str, commands: Vec<Command>) -> Result<Outcome> {
        let file = Mutex::new(File::create(&self.path)?);
        let progress = Progress::quiet_spinner(title);
        for mut command in commands {
            if !run(&mut command, &file, &progress)? {
                drop(progress);
                return Ok(Outcome::Failed { report: self.read()? });
            }
        }
        drop(progress);
        Ok(Outcome::Passed { closing: closing::lines(&self.read()?) })
    }

    fn read(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.path)?).into_owned())
    }
}

/// Runs a program, with both of its streams into the log as they come. Returns whether it succeeded.
fn run(command: &mut Command, log: &Mutex<File>, progress: &Progress) -> Result<bool> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("failed to start {name}"))?;
    let stdout = child.stdout.take().context("failed to read from a program")?;
    let stderr = child.stderr.take().context("failed to read from a program")?;
    thread::scope(|scope| {
        let other = scope.spawn(|| copy(stdout, log, progress));
        copy(stderr, log, progress)?;
        match other.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })?;
    let status = child.wait().with_context(|| format!("failed to wait for {name}"))?;
    Ok(status.success())
}

fn copy(stream: impl Read, log: &Mutex<File>, progress: &Progress) -> Result<()> {
    let is_watched = std::io::stderr().is_terminal();
    let mut last_heard = Instant::now();
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).context("failed to read from a program")? > 0 {
        log.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).write_all(&line)?;
        let text = String::from_utf8_lossy(&line);
        progress.detail(text.trim());
        if !is_watched && last_heard.elapsed() > HEARTBEAT {
            last_heard = Instant::now();
            eprintln!("        ... {}", text.trim());
        }
        line.clear();
    }
    Ok(())
}
