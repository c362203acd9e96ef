//! Everything that one command started, whatever it did to get away.
//!
//! A process keeps the environment that it was started with when it changes its session, its group
//! or its parent. So every command gets a *mark* in its environment, and its family is whoever
//! bears the mark, with their children. What empties its environment as well is caught by this
//! program as a *guardian*: the kernel makes it the parent of all its descendants that lose theirs
//! (`PR_SET_CHILD_SUBREAPER`).

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

use super::leftover::{Stat, boot, processes};

/// The variable that bears the mark.
const VARIABLE: &str = "BENCH_ANALYZER_FAMILY";

/// How long a process may take to disappear once it was killed: one that waits for a disk that
/// is gone never does.
const KILL_PATIENCE: Duration = Duration::from_secs(2);

/// The processes that one command started.
#[derive(Debug, Clone)]
pub(super) struct Family {
    mark: String,
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
    /// What it is called.
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

impl Family {
    /// A family that nobody belongs to yet.
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mark = format!("{}.{number}", Home::own().text());
        registry().marks.insert(mark.clone());
        Self { mark }
    }

    /// Starts the command that founds the family, in a process group of its own.
    pub(super) fn start(&self, command: &mut Command) -> io::Result<Leader> {
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
        let wanted = |mark: &str| mark == self.mark;
        end(&|| members(&wanted, reach), grace, say)
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        registry().marks.remove(&self.mark);
    }
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
                std::thread::spawn(move || {
                    let _ = self.child.wait();
                    registry().children.remove(&number);
                });
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Ends what programs like this one started that are gone, and whoever belongs to `groups`.
pub(super) fn end_orphans(
    groups: &HashSet<Pid>,
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
    let found = move || {
        let mut found = members_by(&mut is_left, Reach::Marked);
        let of_group = |stat: &Stat| Pid::from_raw(stat.group).is_some_and(|g| groups.contains(&g));
        found.extend(processes().into_iter().filter(|(_, stat)| of_group(stat)));
        found
    };
    let found = std::cell::RefCell::new(found);
    end(&|| (found.borrow_mut())(), grace, say)
}

type Members = BTreeMap<i32, Stat>;

/// Those who bear a wanted mark and are not over.
fn members(wanted: &dyn Fn(&str) -> bool, reach: Reach) -> Members {
    members_by(&mut |mark| wanted(mark), reach)
}

fn members_by(wanted: &mut dyn FnMut(&str) -> bool, reach: Reach) -> Members {
    let registry = registry();
    let all = processes();
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let adopts = reach == Reach::Adopted && GUARDIAN.load(Ordering::Acquire);
    let mut members = Members::new();
    let mut zombies = Vec::new();
    for (&pid, stat) in all.iter().filter(|(pid, _)| **pid != own) {
        let mark = mark_of(pid);
        let marked = mark.as_deref().is_some_and(&mut *wanted);
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
    // Their children, also those that emptied their environment.
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
            break;
        }
        members.extend(more);
    }
    // What was adopted is nobody else's to reap.
    for pid in zombies.into_iter().filter_map(Pid::from_raw) {
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
    members
}

fn mark_of(pid: i32) -> Option<String> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let start = format!("{VARIABLE}=");
    let found =
        environment.split(|byte| *byte == 0).find(|one| one.starts_with(start.as_bytes()))?;
    String::from_utf8(found[start.len()..].to_vec()).ok()
}

fn end(members: &dyn Fn() -> Members, grace: Duration, say: &mut dyn FnMut(&str)) -> Vec<Survivor> {
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
