//! Everything that one command started, whatever it did to get away.
//!
//! A process keeps the environment that it was started with when it changes its session, its group
//! or its parent. So every command gets a *mark* in its environment, and its family is whoever
//! bears the mark, with their children. What empties its environment as well is held in a
//! control group, where this program may make one, and is caught by this
//! program as a *guardian*: the kernel makes it the parent of all its descendants that lose theirs
//! (`PR_SET_CHILD_SUBREAPER`). After a crash there is no guardian any more: then the groups tell
//! who is left, and the processes that were noted while it lived.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, set_child_subreaper,
    waitpid,
};

use camino::{Utf8Path, Utf8PathBuf};

use super::leftover::{Stat, Traces, children, processes};
use crate::environment::boot;
use crate::sys;
use control_group::ControlGroup;

mod control_group;

/// The variable that bears the mark.
const VARIABLE: &str = "BENCH_ANALYZER_FAMILY";

/// How long a process may take to disappear once it was killed: one that waits for a disk that
/// is gone never does.
const KILL_PATIENCE: Duration = Duration::from_secs(2);

/// The processes that one command started.
#[derive(Debug)]
pub(super) struct Family {
    mark: String,
    group: Option<ControlGroup>,
}

/// How far the end of a family reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// To those that bear its mark, and their children.
    Marked,
    /// Also to the orphans that this program adopted as a guardian, unless they belong to another
    /// family that is still at work.
    Adopted,
}

/// A process that could not be ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survivor {
    /// Its number.
    pub pid: i32,
    /// Name.
    pub name: String,
}

/// What this process started and has not reaped, and the families that are at work.
#[derive(Debug, Default)]
struct Registry {
    children: BTreeSet<i32>,
    marks: BTreeSet<String>,
}

static REGISTRY: Mutex<Registry> =
    Mutex::new(Registry { children: BTreeSet::new(), marks: BTreeSet::new() });
static GUARDIAN: AtomicBool = AtomicBool::new(false);

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes this process the parent of every descendant that loses its own. Only for programs that
/// start all their children through this crate: others would be taken for orphans.
pub fn become_guardian() {
    // A kernel that refuses leaves the marks.
    GUARDIAN.store(set_child_subreaper(Some(rustix::process::getpid())).is_ok(), Ordering::Release);
}

/// Whether something that this program started is still being ended, or works.
pub fn is_at_work() -> bool {
    !registry().marks.is_empty()
}

/// Below which control group those of commands are made.
///
/// # Errors
/// If this process may make none, which only costs certainty: see [the module](self).
pub fn groups_are_made_in() -> io::Result<Utf8PathBuf> {
    control_group::tried()
}

impl Family {
    /// A family that nobody belongs to yet.
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mark = format!("{}.{number}", Home::own().text());
        registry().marks.insert(mark.clone());
        let group = ControlGroup::make(&mark).ok();
        Self { mark, group }
    }

    /// Where its control group is, if it has one.
    pub(super) fn group(&self) -> Option<&Utf8Path> {
        self.group.as_ref().map(ControlGroup::folder)
    }

    /// Starts the command that founds the family, in a process group of its own.
    pub(super) fn start(&self, command: &mut Command) -> io::Result<Leader> {
        if let Some(members) = self.group.as_ref().and_then(|group| group.entrance().ok()) {
            sys::join_group(command, members);
        }
        // Until it is noted, it would look like an orphan.
        let mut registry = registry();
        let child = command.env(VARIABLE, &self.mark).process_group(0).spawn()?;
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| io::Error::other("the system gave a process an impossible number"))?;
        registry.children.insert(pid.as_raw_nonzero().get());
        Ok(Leader { child, pid })
    }

    /// Asks all members to end, kills those that do not within `grace`, and says which could not
    /// be ended. `say` is told how many there are, if there are any.
    pub(super) fn end(
        &self,
        reach: Reach,
        grace: Duration,
        say: &mut dyn FnMut(&str),
    ) -> Vec<Survivor> {
        let groups = self.group.as_slice();
        let found = || {
            let held = held_in(groups);
            members(&mut |pid, mark| mark == Some(&self.mark) || held.contains(&pid), reach)
        };
        end(&found, groups, grace, say)
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        registry().marks.remove(&self.mark);
        if let Some(group) = &self.group {
            group.remove();
        }
    }
}

/// The numbers of those whom this program adopted as a guardian.
pub(super) fn adopted() -> Vec<i32> {
    if !GUARDIAN.load(Ordering::Acquire) {
        return Vec::new();
    }
    let registry = registry();
    let mut children = children(rustix::process::getpid().as_raw_nonzero().get());
    children.retain(|pid| !registry.children.contains(pid));
    children
}

/// The process that a family began with.
#[derive(Debug)]
pub(super) struct Leader {
    pub(super) child: Child,
    pub(super) pid: Pid,
}

impl Leader {
    /// Reaps it once it was ended. Nothing comes back from one that cannot be ended, which is
    /// reaped whenever it does.
    pub(super) fn reap(mut self) -> io::Result<Option<ExitStatus>> {
        let began = Instant::now();
        let number = self.pid.as_raw_nonzero().get();
        loop {
            if let Some(status) = self.child.try_wait()? {
                registry().children.remove(&number);
                return Ok(Some(status));
            }
            if began.elapsed() >= KILL_PATIENCE {
                // Without a thread it is reaped when this process ends.
                let _ = std::thread::Builder::new().spawn(move || {
                    let _ = self.child.wait();
                    registry().children.remove(&number);
                });
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Ends what programs like this one started that are gone, and what left traces.
pub(super) fn end_orphans(
    traces: &Traces,
    grace: Duration,
    say: &mut dyn FnMut(&str),
) -> Vec<Survivor> {
    let mut alive: BTreeMap<String, bool> = BTreeMap::new();
    let mut is_left = |mark: &str| {
        let Some((home, _)) = mark.rsplit_once('.') else { return false };
        !*alive
            .entry(home.to_owned())
            .or_insert_with(|| Home::parse(home).is_none_or(|home| home.is_there()))
    };
    let mut control_groups = ControlGroup::left(&mut is_left);
    control_groups.extend(traces.control_groups.iter().filter_map(|one| ControlGroup::noted(one)));
    let own = std::process::id();
    // Whoever ends a group must not be in it.
    control_groups
        .retain(|group| i32::try_from(own).is_ok_and(|own| !group.members().contains(&own)));
    let is_left = std::cell::RefCell::new(is_left);
    let found = || {
        let mut is_left = is_left.borrow_mut();
        let held = held_in(&control_groups);
        let mut found = members(
            &mut |pid, mark| held.contains(&pid) || mark.is_some_and(&mut *is_left),
            Reach::Marked,
        );
        let traced = |pid: i32, stat: &Stat| {
            Pid::from_raw(stat.group).is_some_and(|group| traces.groups.contains(&group))
                || traces.processes.iter().any(|one| one.is(pid, stat))
        };
        let all = processes().into_iter();
        found.extend(all.filter(|(pid, stat)| !stat.is_over() && traced(*pid, stat)));
        found
    };
    let left = end(&found, &control_groups, grace, say);
    control_groups.iter().for_each(ControlGroup::remove);
    left
}

type Members = BTreeMap<i32, Stat>;

fn held_in(groups: &[ControlGroup]) -> HashSet<i32> {
    groups.iter().flat_map(ControlGroup::members).collect()
}

/// Those who are wanted, by number and mark, and are not over.
fn members(wanted: &mut dyn FnMut(i32, Option<&str>) -> bool, reach: Reach) -> Members {
    let registry = registry();
    let all = processes();
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let adopts = reach == Reach::Adopted && GUARDIAN.load(Ordering::Acquire);
    let mut members = Members::new();
    let mut zombies = Vec::new();
    for (&pid, stat) in all.iter().filter(|(pid, _)| **pid != own) {
        let mark = mark_of(pid);
        let marked = wanted(pid, mark.as_deref());
        let orphan = adopts && stat.parent == own && !registry.children.contains(&pid);
        let of_others = mark.is_some_and(|mark| !marked && registry.marks.contains(&mark));
        if stat.is_over() {
            if orphan {
                zombies.push(pid);
            }
        } else if marked || (orphan && !of_others) {
            members.insert(pid, stat.clone());
        }
    }
    with_descendants(&mut members, &all, own);
    // What was adopted is nobody else's to reap.
    for pid in zombies.into_iter().filter_map(Pid::from_raw) {
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
    members
}

/// Adds the children of members, also those that emptied their environment.
fn with_descendants(members: &mut Members, all: &Members, own: i32) {
    loop {
        let more: Vec<(i32, Stat)> = all
            .iter()
            .filter(|(pid, stat)| {
                !members.contains_key(pid)
                    && members.contains_key(&stat.parent)
                    && !stat.is_over()
                    && **pid != own
            })
            .map(|(pid, stat)| (*pid, stat.clone()))
            .collect();
        if more.is_empty() {
            return;
        }
        members.extend(more);
    }
}

fn mark_of(pid: i32) -> Option<String> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let start = format!("{VARIABLE}=");
    let found =
        environment.split(|byte| *byte == 0).find(|one| one.starts_with(start.as_bytes()))?;
    String::from_utf8(found[start.len()..].to_vec()).ok()
}

fn end(
    members: &dyn Fn() -> Members,
    groups: &[ControlGroup],
    grace: Duration,
    say: &mut dyn FnMut(&str),
) -> Vec<Survivor> {
    let began = Instant::now();
    let mut asked: HashSet<(i32, u64)> = HashSet::new();
    let mut pause = Duration::from_millis(2);
    let mut said = false;
    loop {
        let left = members();
        if left.is_empty() {
            return Vec::new();
        }
        let waited = began.elapsed();
        if !said && waited > Duration::from_millis(100) {
            let count = left.len();
            let (what, verb) = if count == 1 { ("process", "is") } else { ("processes", "are") };
            say(&format!(
                "{count} {what} that a command left {verb} asked to end, and killed after {} s",
                grace.as_secs()
            ));
            said = true;
        }
        if waited >= grace {
            groups.iter().for_each(ControlGroup::kill);
        }
        for (&pid, stat) in &left {
            if waited >= grace {
                signal(pid, stat, Signal::KILL);
            } else if asked.insert((pid, stat.started)) {
                signal(pid, stat, Signal::TERM);
            }
        }
        if waited >= grace + KILL_PATIENCE {
            let survivor = |(pid, stat): (i32, Stat)| Survivor { pid, name: stat.name };
            return left.into_iter().map(survivor).collect();
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Signals a process if its number still is its own.
fn signal(pid: i32, stat: &Stat, signal: Signal) {
    let Some(number) = Pid::from_raw(pid) else { return };
    let Ok(process) = pidfd_open(number, PidfdFlags::empty()) else { return };
    if Stat::of(pid).is_some_and(|now| now.started == stat.started) {
        let _ = pidfd_send_signal(process, signal);
    }
}

/// The program that started a family: its number, when it started, and where such numbers hold.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Home {
    pid: i32,
    started: u64,
    place: String,
}

impl Home {
    fn own() -> Self {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        let started = Stat::of(pid).map(|stat| stat.started).unwrap_or_default();
        Self { pid, started, place: place() }
    }

    fn text(&self) -> String {
        format!("{}.{}.{}", self.pid, self.started, self.place)
    }

    fn parse(text: &str) -> Option<Self> {
        let (pid, rest) = text.split_once('.')?;
        let (started, place) = rest.split_once('.')?;
        Some(Self { pid: pid.parse().ok()?, started: started.parse().ok()?, place: place.into() })
    }

    /// Whether the program runs, as far as can be seen from here: of another container nothing
    /// can.
    fn is_there(&self) -> bool {
        self.place != place() || Stat::of(self.pid).is_some_and(|one| one.started == self.started)
    }
}

/// Where numbers of processes mean the same: this start of the system, and this container.
fn place() -> String {
    let container = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let boot = boot().unwrap_or_default();
    let digits = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    format!("{}-{}", digits(&boot), digits(&container.to_string_lossy()))
}

#[cfg(test)]
mod tests;
