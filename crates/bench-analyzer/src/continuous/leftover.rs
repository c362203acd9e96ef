//! Processes as `/proc` shows them, and how one is known again after this program crashed and came
//! back.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use crate::environment::boot;

/// Facts about a process from `/proc/PID/stat`.
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

/// A process as it is known again: numbers are used again, so the moment of its start, in ticks since
/// the system started, belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Noted {
    pub(super) pid: i32,
    pub(super) started: u64,
}

impl Noted {
    pub(super) fn is(&self, pid: i32, stat: &Stat) -> bool {
        self.pid == pid && self.started == stat.started
    }
}

/// What is known of those that a program left which is gone, beside their marks.
#[derive(Debug, Default)]
pub(super) struct Traces {
    /// Process groups.
    pub(super) groups: HashSet<Pid>,
    /// Processes that were noted.
    pub(super) processes: Vec<Noted>,
    /// Folders of control groups that were noted.
    pub(super) control_groups: Vec<Utf8PathBuf>,
}

impl Traces {
    /// Adds others.
    pub(super) fn add(&mut self, others: Self) {
        self.groups.extend(others.groups);
        self.processes.extend(others.processes);
        self.control_groups.extend(others.control_groups);
    }
}

/// What a run has started, noted for whoever comes after a crash: the process that leads its group,
/// everything that was seen to come from it, and its control group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProcessMark {
    pid: i32,
    started: String,
    /// Identity of the system's present life, from start to shutdown.
    boot: String,
    #[serde(default)]
    seen: Vec<Noted>,
    #[serde(default)]
    control_group: Option<String>,
}

impl ProcessMark {
    pub(super) fn of(pid: Pid, control_group: Option<&Utf8Path>) -> Self {
        let pid = pid.as_raw_nonzero().get();
        Self {
            pid,
            started: started(pid).unwrap_or_default(),
            boot: boot().unwrap_or_default(),
            seen: Vec::new(),
            control_group: control_group.map(|folder| folder.to_string()),
        }
    }

    /// Writes it, whole or not at all.
    pub(super) fn write(&self, path: &Utf8Path) -> io::Result<()> {
        let made = Utf8PathBuf::from(format!("{path}.tmp"));
        std::fs::write(&made, serde_json::to_vec(self)?)?;
        std::fs::rename(made, path)
    }

    pub(super) fn read(path: &Utf8Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// What may still be there of it: nothing after the system was started anew.
    pub(super) fn traces(self) -> Traces {
        if boot().is_none_or(|boot| boot != self.boot) {
            return Traces::default();
        }
        let same = !self.started.is_empty() && started(self.pid) == Some(self.started);
        let leader = Pid::from_raw(self.pid).filter(|_| same);
        Traces {
            groups: leader.into_iter().collect(),
            processes: self.seen,
            control_groups: self.control_group.into_iter().map(Utf8PathBuf::from).collect(),
        }
    }
}

/// Keeps the note about a run true while it runs.
#[derive(Debug)]
pub(super) struct Notebook<'n> {
    path: &'n Utf8Path,
    mark: ProcessMark,
    looked: Instant,
}

/// How often somebody looks whom a run has started. What leaves its parents, its session and its
/// environment within less, where there are no control groups, is not known after a crash.
const SIGHTING: Duration = Duration::from_millis(500);

impl<'n> Notebook<'n> {
    /// Notes who leads. Without a note, what a crash leaves is known by its marks and its log only.
    pub(super) fn open(path: &'n Utf8Path, mark: ProcessMark) -> Self {
        let _ = mark.write(path);
        Self { path, mark, looked: Instant::now() }
    }

    /// Notes who has come, if it is time to look. `strays` tells who lost their parents.
    pub(super) fn look(&mut self, strays: impl Fn() -> Vec<i32>) {
        if self.looked.elapsed() < SIGHTING {
            return;
        }
        self.looked = Instant::now();
        let seen = descendants(strays().into_iter().chain([self.mark.pid]));
        if seen != self.mark.seen {
            self.mark.seen = seen;
            let _ = self.mark.write(self.path);
        }
    }
}

/// Who descends from some processes, and those themselves: by the lists of children that the kernel
/// keeps, since looking at all processes takes long enough to be measured.
fn descendants(roots: impl IntoIterator<Item = i32>) -> Vec<Noted> {
    let mut found = BTreeMap::new();
    let mut next: Vec<i32> = roots.into_iter().collect();
    while let Some(pid) = next.pop() {
        let Some(stat) = Stat::of(pid).filter(|stat| !stat.is_over()) else { continue };
        if found.insert(pid, stat.started).is_none() {
            next.extend(children(pid));
        }
    }
    found.into_iter().map(|(pid, started)| Noted { pid, started }).collect()
}

/// The children of all threads of a process.
pub(super) fn children(pid: i32) -> Vec<i32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|text| text.split(' ').filter_map(|one| one.parse().ok()).collect::<Vec<i32>>())
        .collect()
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
