//! How a process is known again after this program crashed and came back.

use std::collections::HashSet;
use std::io;

use camino::Utf8Path;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

/// A process that leads a group. Numbers of processes are used again, so the moment of its start
/// and of the system's belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProcessMark {
    pid: i32,
    /// In ticks since the system started; field 22 of `/proc/PID/stat`.
    started: String,
    /// What the system calls its present life.
    boot: String,
}

impl ProcessMark {
    pub(super) fn of(pid: Pid) -> Self {
        let pid = pid.as_raw_nonzero().get();
        Self { pid, started: started(pid).unwrap_or_default(), boot: boot().unwrap_or_default() }
    }

    pub(super) fn write(&self, path: &Utf8Path) -> io::Result<()> {
        std::fs::write(path, serde_json::to_vec(self)?)
    }

    pub(super) fn read(path: &Utf8Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// The process, if it is still the one that was marked.
    pub(super) fn still_running(&self) -> Option<Pid> {
        let same = boot()? == self.boot && started(self.pid)? == self.started;
        if same && !self.started.is_empty() { Pid::from_raw(self.pid) } else { None }
    }
}

/// The groups of all processes whose output goes into a file in `folder`, except this one's.
pub(super) fn groups_writing_into(folder: &Utf8Path) -> HashSet<Pid> {
    // As the system names it.
    let Ok(folder) = folder.canonicalize() else { return HashSet::new() };
    let writes = |pid: &i32| {
        [1, 2].into_iter().any(|output| {
            let file = std::fs::read_link(format!("/proc/{pid}/fd/{output}"));
            file.is_ok_and(|file| file.starts_with(&folder))
        })
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let own = rustix::process::getpgrp();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(writes)
        .filter_map(|pid| Pid::from_raw(field(pid, GROUP)?.parse().ok()?))
        .filter(|group| *group != own)
        .collect()
}

fn started(pid: i32) -> Option<String> {
    field(pid, STARTED)
}

/// Of the fields of `/proc/PID/stat` that follow the name, counted from 0.
const GROUP: usize = 2;
const STARTED: usize = 19;

fn field(pid: i32, number: usize) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; the state is the first field after it.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(number).map(str::to_owned)
}

fn boot() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}
