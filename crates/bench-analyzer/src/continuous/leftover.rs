//! Processes as `/proc` shows them, and how one is known again after this program crashed and came
//! back.

use std::collections::{BTreeMap, HashSet};
use std::io;

use camino::Utf8Path;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

/// What `/proc/PID/stat` says of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) name: String,
    state: char,
    pub(super) parent: i32,
    pub(super) group: i32,
    /// In ticks since the system started.
    pub(super) started: u64,
}

impl Stat {
    pub(super) fn of(pid: i32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold anything.
        let (start, fields) = text.rsplit_once(')')?;
        let (_, name) = start.split_once('(')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        Some(Self {
            name: name.to_owned(),
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }

    /// Whether it has ended and only waits to be reaped.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// All processes that can be seen, by number.
pub(super) fn processes() -> BTreeMap<i32, Stat> {
    let numbers = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    numbers
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, Stat::of(pid)?)))
        .collect()
}

/// A process that leads a group. Numbers of processes are used again, so the moment of its start
/// and of the system's belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProcessMark {
    pid: i32,
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
    let own = rustix::process::getpgrp();
    processes()
        .into_iter()
        .filter(|(pid, _)| writes(pid))
        .filter_map(|(_, stat)| Pid::from_raw(stat.group))
        .filter(|group| *group != own)
        .collect()
}

fn started(pid: i32) -> Option<String> {
    Some(Stat::of(pid)?.started.to_string())
}

/// What the system calls its present life.
pub(super) fn boot() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}
