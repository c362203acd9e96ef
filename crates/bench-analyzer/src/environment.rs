//! The circumstances of an import, captured once at the edge of the program and passed along:
//! nothing below asks for the time, the machine or the environment by itself.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;

use crate::model::{Fingerprint, Revision};

/// Where, when and on what an import takes place.
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    /// The present.
    pub now: Timestamp,
    /// The folder that relative defaults start from.
    pub working_dir: Utf8PathBuf,
    /// What `CRITERION_HOME` says.
    pub criterion_home: Option<Utf8PathBuf>,
    /// What `CARGO_TARGET_DIR` says.
    pub cargo_target_dir: Option<Utf8PathBuf>,
    /// This machine and its compiler.
    pub fingerprint: Fingerprint,
    /// The source code checked out in the working folder.
    pub revision: Revision,
    /// When that commit was made.
    pub committed_at: Option<Timestamp>,
}

impl Environment {
    /// Looks around: asks `git` and `rustc`, both of which may be missing.
    pub fn capture(working_dir: &Utf8Path) -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (revision, committed_at) = checked_out(working_dir);
        Self {
            now: Timestamp::now(),
            working_dir: working_dir.to_owned(),
            criterion_home: variable("CRITERION_HOME").map(Utf8PathBuf::from),
            cargo_target_dir: variable("CARGO_TARGET_DIR").map(Utf8PathBuf::from),
            fingerprint: this_machine(working_dir),
            revision,
            committed_at,
        }
    }

    /// The revision of results that were measured at `time`: the one checked out now, unless it
    /// did not exist yet.
    pub fn revision_at(&self, time: Timestamp) -> Revision {
        match self.committed_at {
            Some(committed_at) if committed_at > time => Revision::default(),
            _ => self.revision.clone(),
        }
    }
}

/// Who works here: the user of git, else of the system.
pub fn user(dir: &Utf8Path) -> Option<String> {
    let git = output(Command::new("git").arg("-C").arg(dir).args(["config", "user.name"]));
    git.into_iter()
        .chain(["USER", "USERNAME"].iter().filter_map(|name| std::env::var(name).ok()))
        .find(|name| !name.is_empty())
}

/// The newest tag that the commit checked out in `dir` descends from, with the commit it names.
pub fn newest_tag(dir: &Utf8Path) -> Option<(String, String)> {
    let git = |arguments: &[&str]| output(Command::new("git").arg("-C").arg(dir).args(arguments));
    let name = git(&["describe", "--tags", "--abbrev=0"])?;
    let sha = git(&["rev-list", "-n", "1", &name, "--"])?;
    Some((name, sha))
}

fn checked_out(dir: &Utf8Path) -> (Revision, Option<Timestamp>) {
    let git = |arguments: &[&str]| output(Command::new("git").arg("-C").arg(dir).args(arguments));
    let Some(head) = git(&["log", "-1", "--format=%H %ct"]) else {
        return (Revision::default(), None);
    };
    let (commit, seconds) = head.split_once(' ').unwrap_or((&head, ""));
    let branch = git(&["symbolic-ref", "--quiet", "--short", "HEAD"]);
    // Files that git does not know are no part of the commit, but rarely part of the program.
    let status = git(&["status", "--porcelain", "--untracked-files=no"]);
    let revision = Revision {
        commit: Some(commit.to_owned()),
        branch: branch.filter(|branch| !branch.is_empty()),
        dirty: status.map(|status| !status.is_empty()),
    };
    let committed_at = seconds.parse().ok().and_then(|at| Timestamp::from_second(at).ok());
    (revision, committed_at)
}

fn this_machine(dir: &Utf8Path) -> Fingerprint {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let rustc = output(Command::new(rustc).arg("--version").current_dir(dir));
    let cores = std::thread::available_parallelism()
        .ok()
        .and_then(|cores| u32::try_from(cores.get()).ok())
        .unwrap_or(1);
    Fingerprint {
        cpu: cpu_model().unwrap_or_else(|| "unknown".to_owned()),
        cores,
        os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        rustc: rustc.unwrap_or_else(|| "unknown".to_owned()),
        profile: "bench".to_owned(),
    }
}

#[cfg(target_os = "linux")]
fn cpu_model() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    // x86 says `model name`, others `Processor` or `cpu model`, and 64-bit Arm only numbers.
    ["model name", "Processor", "cpu model", "CPU part"].iter().find_map(|key| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    })
}

#[cfg(target_os = "macos")]
fn cpu_model() -> Option<String> {
    output(Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"]))
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn cpu_model() -> Option<String> {
    std::env::var("PROCESSOR_IDENTIFIER").ok()
}

/// How long a command may take: a repository or a compiler may be on a disk that is gone.
const LIMIT: Duration = Duration::from_secs(20);

/// The trimmed standard output of a command that exists, and succeeds in time. It learns nothing of
/// the store.
fn output(command: &mut Command) -> Option<String> {
    let of_the_store = |name: &str| name == "BENCH_ANALYZER_DB" || name.starts_with("PG");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(of_the_store) {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let mut stdout = child.stdout.take()?;
    let (tell, said) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // Nobody listens any more if it took too long.
        let _ = stdout.read_to_end(&mut bytes).map(|_| tell.send(bytes));
    });
    let began = Instant::now();
    let said = said.recv_timeout(LIMIT).ok();
    let status = loop {
        match child.try_wait().ok()? {
            Some(status) => break status,
            None if said.is_none() || began.elapsed() >= LIMIT => {
                child.kill().ok()?;
                return None;
            }
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let text = String::from_utf8(said?).ok()?;
    status.success().then(|| text.trim().to_owned())
}
