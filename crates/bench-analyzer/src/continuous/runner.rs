//! Running commands: the only part that touches processes, so that a test can put another in its
//! place.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process_group, test_kill_process_group, waitid,
};

use super::clock::Stop;
use super::leftover::{ProcessMark, groups_writing_into};
use crate::environment::Environment;

/// One run of a suite, as the runner is told to do it.
#[derive(Debug, Clone)]
pub struct Order {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Where it runs.
    pub folder: Utf8PathBuf,
    /// Variables that are set for it.
    pub environment: BTreeMap<String, String>,
    /// How long it may take.
    pub timeout: Duration,
    /// Where its output goes.
    pub log: Utf8PathBuf,
    /// Where its results are expected, told to it as `CRITERION_HOME`.
    pub criterion: Utf8PathBuf,
    /// Where the running process is noted, for whoever comes after a crash.
    pub mark: Utf8PathBuf,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The command succeeded.
    Succeeded,
    /// It did not, and this is what its system said.
    Failed(String),
    /// It took too long, and its whole process group was ended.
    TimedOut,
    /// Somebody asked to stop, and its whole process group was ended.
    Stopped,
}

/// Runs commands and looks at the folders they run in.
pub trait Runner: Send + Sync {
    /// Runs one command to its end.
    ///
    /// # Errors
    /// If it cannot be started.
    fn run(&self, order: &Order, stop: &Stop) -> std::io::Result<Ending>;

    /// The machine, and the source code that is checked out in a folder.
    fn environment(&self, folder: &Utf8Path) -> Environment;

    /// Ends what an earlier process of this program left running: the process that is marked, and
    /// those that write into `logs`, a folder of this program's own.
    fn end_leftover(&self, mark: &Utf8Path, logs: &Utf8Path);
}

/// Runs commands as processes of this machine.
#[derive(Debug, Clone, Copy)]
pub struct CommandRunner {
    /// How long a process group may take to end when it is asked to, before it is killed.
    pub grace: Duration,
}

impl Default for CommandRunner {
    fn default() -> Self {
        Self { grace: Duration::from_secs(5) }
    }
}

/// How often a running command is looked at. A benchmark is not disturbed by ten looks a second.
const LOOK: Duration = Duration::from_millis(100);

impl Runner for CommandRunner {
    fn run(&self, order: &Order, stop: &Stop) -> std::io::Result<Ending> {
        let log = File::create(&order.log)?;
        let (program, arguments) = order.command.split_first().ok_or_else(|| {
            std::io::Error::new(std::io::ErrorKind::InvalidInput, "there is no command")
        })?;
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(&order.folder)
            .env("CRITERION_HOME", &order.criterion)
            .envs(&order.environment)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A group of its own, so that everything it starts can be ended with it.
            .process_group(0)
            .spawn()?;
        let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
            return Err(std::io::Error::other("the system gave a process an impossible number"));
        };
        // Without it, what a crash leaves is known by its log only.
        let _ = ProcessMark::of(pid).write(&order.mark);
        let ending = self.attend(pid, order.timeout, stop);
        // Before its number is free for others: what it left behind would disturb the next run.
        let _ = kill_process_group(pid, Signal::KILL);
        let status = child.wait()?;
        let _ = std::fs::remove_file(&order.mark);
        Ok(match ending {
            Some(forced) => forced,
            None if status.success() => Ending::Succeeded,
            None => Ending::Failed(status.to_string()),
        })
    }

    fn environment(&self, folder: &Utf8Path) -> Environment {
        Environment::capture(folder)
    }

    fn end_leftover(&self, mark: &Utf8Path, logs: &Utf8Path) {
        let marked = ProcessMark::read(mark).and_then(|mark| mark.still_running());
        // A crash may have come between the start of the command and the mark.
        for group in marked.into_iter().chain(groups_writing_into(logs)) {
            self.end(group, || group_is_gone(group));
        }
        let _ = std::fs::remove_file(mark);
    }
}

impl CommandRunner {
    /// Waits until the process has ended, without reaping it; ends it if it must not go on.
    fn attend(&self, pid: Pid, timeout: Duration, stop: &Stop) -> Option<Ending> {
        let started = Instant::now();
        let mut look = Duration::from_millis(1);
        while !has_ended(pid) {
            let forced = if stop.is_asked() {
                Some(Ending::Stopped)
            } else if started.elapsed() >= timeout {
                Some(Ending::TimedOut)
            } else {
                None
            };
            if forced.is_some() {
                self.end(pid, || has_ended(pid));
                return forced;
            }
            std::thread::sleep(look);
            look = (look * 2).min(LOOK);
        }
        None
    }

    /// Asks a group to end, and kills it if it does not.
    fn end(&self, pid: Pid, ended: impl Fn() -> bool) {
        let _ = kill_process_group(pid, Signal::TERM);
        let asked = Instant::now();
        while !ended() && asked.elapsed() < self.grace {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// Whether a child has ended; it stays a zombie, so that its number stays taken.
fn has_ended(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    !matches!(waitid(WaitId::Pid(pid), options), Ok(None))
}

fn group_is_gone(pid: Pid) -> bool {
    test_kill_process_group(pid).is_err()
}

/// A short command whose output is wanted, such as `git`; ended if it takes too long.
pub(super) fn output_of(command: &mut Command, timeout: Duration) -> Result<String, String> {
    output_with_input(command, Stdio::null(), timeout)
}

/// [`output_of`], with something to read.
pub(super) fn output_with_input(
    command: &mut Command,
    input: Stdio,
    timeout: Duration,
) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child: Child = command
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("`{name}` cannot be started: {error}"))?;
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
        return Err(format!("`{name}` has an impossible number"));
    };
    let read = |stream: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(stream) = stream {
                use std::io::Read;
                let _ = stream.take(1 << 20).read_to_end(&mut text);
            }
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let out = read(child.stdout.take().map(|stream| Box::new(stream) as _));
    let err = read(child.stderr.take().map(|stream| Box::new(stream) as _));
    let forced = CommandRunner { grace: Duration::from_secs(1) }.attend(pid, timeout, &Stop::new());
    let _ = kill_process_group(pid, Signal::KILL);
    let status = child.wait().map_err(|error| format!("`{name}` is lost: {error}"))?;
    let (out, err) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
    if forced.is_some() {
        return Err(format!("`{name}` took longer than {} s", timeout.as_secs()));
    }
    if !status.success() {
        let line = err.lines().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        return Err(format!("`{name}` ended with {status}: {line}"));
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
