//! Running commands: the only part that touches processes, so that a test can put another in its
//! place.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::family::{Family, Leader, Reach, Survivor, adopted, end_orphans};
use super::leftover::{Notebook, ProcessMark, Traces, groups_writing_into};
use super::log::Log;
use crate::clock::Stop;
use crate::environment::Environment;
use crate::secret::Confidential;

/// One run of a suite, as the runner is told to do it.
#[derive(Debug, Clone)]
pub struct Order {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Where it runs.
    pub folder: Utf8PathBuf,
    /// Variables that are set for it.
    pub environment: BTreeMap<String, String>,
    /// The only variables that it inherits, where they are named.
    pub inherits: Option<Vec<String>>,
    /// What it must not know, and its log must not say.
    pub confidential: Arc<Confidential>,
    /// How long it may take.
    pub timeout: Duration,
    /// Where its output goes.
    pub log: Utf8PathBuf,
    /// Where its results are expected, told to it as `CRITERION_HOME`.
    pub criterion: Utf8PathBuf,
    /// Where is noted what it started, for whoever comes after a crash.
    pub mark: Utf8PathBuf,
}

/// What the note about a run is called in the folder of its job.
pub(super) const MARK: &str = "process.json";

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The command succeeded.
    Succeeded,
    /// It did not, and this is what its system said.
    Failed(String),
    /// It was killed by somebody else, such as a system that is out of memory.
    Killed(String),
    /// It took too long, and all that it started was ended.
    TimedOut,
    /// Somebody asked to stop, and all that it started was ended.
    Stopped,
}

/// Runs commands and looks at the folders they run in.
pub trait Runner: Send + Sync {
    /// Runs one command to its end, and ends what it leaves. `say` hears what takes long and what
    /// could not be ended.
    ///
    /// # Errors
    /// If it cannot be started.
    fn run(&self, order: &Order, stop: &Stop, say: &mut dyn FnMut(&str))
    -> std::io::Result<Ending>;

    /// The machine, and the source code that is checked out in a folder.
    fn environment(&self, folder: &Utf8Path) -> Environment;

    /// Ends what earlier processes of this program left running: whatever bears the mark of one that
    /// is gone or is in its control group, and of jobs, by their folders, what was noted there or
    /// writes into the logs there.
    fn end_leftovers(&self, jobs: &[&Utf8Path], say: &mut dyn FnMut(&str));
}

/// Runs commands as processes of this machine.
#[derive(Debug, Clone, Copy)]
pub struct CommandRunner {
    /// How long processes may take to end when they are asked to, before they are killed.
    pub grace: Duration,
}

impl Default for CommandRunner {
    fn default() -> Self {
        Self { grace: Duration::from_secs(5) }
    }
}

/// How often a running command is looked at. A benchmark is not disturbed by ten looks a second.
const LOOK: Duration = Duration::from_millis(100);

/// How long what a short command printed is waited for once it has ended. Only a process that could
/// not be ended holds it back for longer.
const READING: Duration = Duration::from_millis(500);

/// Of what a short command prints nobody needs more.
const MOST_SAID: usize = 1 << 20;

impl Runner for CommandRunner {
    fn run(
        &self,
        order: &Order,
        stop: &Stop,
        say: &mut dyn FnMut(&str),
    ) -> std::io::Result<Ending> {
        let mut log = Log::create(&order.log)?;
        let (program, arguments) = order.command.split_first().ok_or_else(|| {
            std::io::Error::new(std::io::ErrorKind::InvalidInput, "there is no command")
        })?;
        let mut command = order.confidential.command(program, order.inherits.as_deref());
        command
            .args(arguments)
            .current_dir(&order.folder)
            .env("CRITERION_HOME", &order.criterion)
            .envs(&order.environment)
            .stdin(Stdio::null())
            .stdout(log.for_command()?)
            .stderr(log.for_command()?);
        let family = Family::new();
        let leader = family.start(&mut command)?;
        drop(command);
        let mut notebook = Notebook::open(&order.mark, ProcessMark::of(leader.pid, family.group()));
        let forced = attend(leader.pid, order.timeout, stop, &mut || {
            log.look();
            notebook.look(adopted);
        });
        // Before its number is free for others: what it left behind would disturb the next run.
        let left = family.end(Reach::Adopted, self.grace, say);
        // What could not be looked into, such as another user's process, may still obey.
        let _ = kill_process_group(leader.pid, Signal::KILL);
        let status = leader.reap()?;
        let _ = std::fs::remove_file(&order.mark);
        report_survivors(&left, say);
        log.close(|text| order.confidential.redact(text));
        Ok(match (forced, status) {
            (Some(Forced::Stopped), _) => Ending::Stopped,
            (Some(Forced::TimedOut), _) => Ending::TimedOut,
            (None, Some(status)) if status.success() => Ending::Succeeded,
            (None, Some(status)) if was_killed(status) => Ending::Killed(status.to_string()),
            (None, Some(status)) => Ending::Failed(status.to_string()),
            (None, None) => Ending::Killed("no status".to_owned()),
        })
    }

    fn environment(&self, folder: &Utf8Path) -> Environment {
        Environment::capture(folder)
    }

    fn end_leftovers(&self, jobs: &[&Utf8Path], say: &mut dyn FnMut(&str)) {
        let mut traces = Traces::default();
        for folder in jobs {
            if let Some(mark) = ProcessMark::read(&folder.join(MARK)) {
                traces.add(mark.traces());
            }
            // A crash may have come between the start of the command and the note.
            traces.groups.extend(groups_writing_into(folder));
        }
        let left = end_orphans(&traces, self.grace, say);
        report_survivors(&left, say);
        if left.is_empty() {
            jobs.iter().for_each(|folder| drop(std::fs::remove_file(folder.join(MARK))));
        }
    }
}

fn report_survivors(left: &[Survivor], say: &mut dyn FnMut(&str)) {
    for Survivor { pid, name } in left {
        say(&format!(
            "process {pid} (`{name}`) could not be ended and may disturb what is measured: end it \
             by hand"
        ));
    }
}

/// Whether somebody else killed it: a system that is out of memory does.
fn was_killed(status: std::process::ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(Signal::KILL.as_raw())
}

/// Why a command was ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forced {
    Stopped,
    TimedOut,
}

/// Waits until a process has ended, without reaping it, and looks at something meanwhile. Comes back
/// at once if it must not go on.
fn attend(pid: Pid, timeout: Duration, stop: &Stop, look: &mut dyn FnMut()) -> Option<Forced> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    while !has_ended(pid) {
        if stop.is_asked() {
            return Some(Forced::Stopped);
        }
        if started.elapsed() >= timeout {
            return Some(Forced::TimedOut);
        }
        look();
        std::thread::sleep(pause);
        pause = (pause * 2).min(LOOK);
    }
    None
}

/// Whether a child has ended; it stays a zombie, so that its number stays taken.
fn has_ended(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    !matches!(waitid(WaitId::Pid(pid), options), Ok(None))
}

/// How a short command is run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms<'t> {
    /// How long it may take.
    pub(super) limit: Duration,
    /// When it is to end at once.
    pub(super) stop: &'t Stop,
    /// What it must not know, and what nobody is to read in what it says.
    pub(super) confidential: &'t Confidential,
}

/// How long a short command may take to end when it is asked to.
const SHORT_GRACE: Duration = Duration::from_millis(500);

/// Runs a short command whose output is wanted, such as `git`. It is ended, with all that it
/// started, when its time is over or somebody asks to stop.
pub(super) fn output_of(
    command: &mut Command,
    input: Stdio,
    terms: Terms<'_>,
) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let family = Family::new();
    let mut leader: Leader =
        family.start(command).map_err(|error| format!("`{name}` cannot be started: {error}"))?;
    let out = Said::read(leader.child.stdout.take());
    let err = Said::read(leader.child.stderr.take());
    let forced = attend(leader.pid, terms.limit, terms.stop, &mut || {});
    family.end(Reach::Marked, SHORT_GRACE, &mut |_| {});
    let _ = kill_process_group(leader.pid, Signal::KILL);
    let status = leader.reap().map_err(|error| format!("`{name}` is lost: {error}"))?;
    let (out, err) = (out.text(), err.text());
    match forced {
        Some(Forced::TimedOut) => {
            return Err(format!("`{name}` took longer than {} s", terms.limit.as_secs()));
        }
        Some(Forced::Stopped) => return Err(format!("`{name}` was stopped")),
        None => {}
    }
    let Some(status) = status else { return Err(format!("`{name}` cannot be ended")) };
    if !status.success() {
        let line = err.lines().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        let line: String = line.chars().take(500).collect();
        return Err(terms.confidential.redact(&format!("`{name}` ended with {status}: {line}")));
    }
    Ok(out)
}

/// Output of a command, as far as it was read.
struct Said {
    text: Arc<Mutex<Vec<u8>>>,
    over: mpsc::Receiver<()>,
}

impl Said {
    /// Reads on a thread of its own: the other end may stay open in a process that nobody knows.
    fn read(stream: Option<impl Read + Send + 'static>) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let (done, over) = mpsc::channel();
        let kept = Arc::clone(&text);
        // Without a thread nothing is read, and a command that says much ends with its pipe.
        let _ = thread::Builder::new().spawn(move || {
            let Some(mut stream) = stream else { return };
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                // More is read and forgotten, so that nobody waits for a full pipe.
                let room = MOST_SAID.saturating_sub(kept.len()).min(count);
                kept.extend_from_slice(&buffer[..room]);
            }
            drop(done);
        });
        Self { text, over }
    }

    /// All of it, or what came in time.
    fn text(self) -> String {
        // The other end goes away when everything is read.
        let _ = self.over.recv_timeout(READING);
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&text).into_owned()
    }
}

#[cfg(test)]
mod tests;
