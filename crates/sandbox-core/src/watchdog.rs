//! Stops guests: at their deadline, when a caller drops the call, when a limit says so.
//!
//! Guest code runs at full speed with no checks in its loops. One thread for the whole process looks at
//! the calls in progress every [`TICK`]; where one has to stop, it interrupts the guest by a signal,
//! again each tick until the guest has really stopped (a single interrupt misses a guest that is just
//! entering or leaving Wasm, or in a host function).
//!
//! A call pays a few plain writes for this (see [`barrier`]). The first call after a pause also enlists its
//! instance; an instance that has been idle for [`IDLE_TICKS`] is dropped from the list, and with an empty list the
//! thread sleeps.
//!
//! Where somebody wants to know where guests spend their time, it asks for [samples](sampling) as well, more often than it looks
//! at the rest.

pub(crate) mod cancel_handle;
pub(crate) mod cancellation;
mod control;
pub(crate) mod sampling;
mod waiting;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, mpsc};
use std::time::{Duration, Instant};

use crate::sys::{barrier, signals, stack};

pub(crate) use crate::sync::stop_word::{StopReason, TurnId};
use crate::sync::watched::IDLE;
use control::nanos;
pub(crate) use control::{CallControl, CallNumber};
use sampling::{Sampled, Schedule};

/// Time between two looks at the calls in progress: the precision of deadlines. Two milliseconds cost about a
/// thousandth of one core, and only while guests run.
const TICK: Duration = Duration::from_millis(2);

/// After that time a call counts as long whatever its thread did.
const LONG: Duration = Duration::from_millis(20);

/// After how many ticks without a call an instance is no longer watched.
const IDLE_TICKS: u32 = 50;

/// After how many interrupts without effect it is looked what keeps them from having one, and after how many more again.
/// Functions of the host are not interrupted, so a few without effect mean nothing.
const UNHEEDED: u32 = 8;
const UNHEEDED_AGAIN: u32 = 64;

/// After how many ticks it is looked whether the signal handlers are still there, and what threads block.
const TICKS_OF_HANDLERS: u32 = 64;

/// Memory of the watchdog about an instance, from tick to tick.
struct Entry {
    control: Arc<CallControl>,
    /// The turn that was in progress when it last looked.
    seen: u64,
    since: Instant,
    /// The processor time of the turn's thread at that moment.
    cpu_time: Option<Duration>,
    idle_ticks: u32,
    /// Number of interrupts of the call.
    interrupts: u32,
    /// When it is sampled next, if it is.
    samples: Schedule,
}

/// A small task that the watchdog's thread does at its next tick.
pub(crate) type DeferredTask = Box<dyn FnOnce() + Send>;

/// Has something small done at the next tick, if there is to be one: nobody is woken for it.
///
/// # Errors
/// The task, if the watchdog sleeps.
pub(crate) fn at_next_tick(task: DeferredTask) -> std::result::Result<(), DeferredTask> {
    match Watchdog::global() {
        Ok(watchdog) => watchdog.take_on(task),
        Err(_) => Err(task),
    }
}

/// The thread that watches, and its list.
struct Watchdog {
    entries: Mutex<Vec<Entry>>,
    wake: Condvar,
    /// Tasks for the next tick. Only locked by who has locked the list, and holds something only while that does.
    deferred: Mutex<Vec<DeferredTask>>,
}

impl Watchdog {
    /// The one watchdog. Where the operating system gave no thread for it, it is asked again.
    ///
    /// # Errors
    /// What the operating system says when it gives no thread.
    fn global() -> io::Result<&'static Self> {
        static WATCHDOG: OnceLock<Arc<Watchdog>> = OnceLock::new();
        static BEGINNING: Mutex<()> = Mutex::new(());
        if let Some(watchdog) = WATCHDOG.get() {
            return Ok(watchdog);
        }
        let _turn = BEGINNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watchdog) = WATCHDOG.get() {
            return Ok(watchdog);
        }
        // Rust ends the process where a new thread gets no memory for its signals.
        stack::try_to_make()?;
        let watchdog = Arc::new(Self {
            entries: Mutex::default(),
            wake: Condvar::new(),
            deferred: Mutex::default(),
        });
        let ours = Arc::clone(&watchdog);
        let thread = std::thread::Builder::new().name("sandbox-watchdog".to_owned());
        thread.spawn(move || ours.run())?;
        Ok(WATCHDOG.get_or_init(|| watchdog))
    }

    fn enlist(&self, control: &Arc<CallControl>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let sleeps = entries.is_empty();
        if control.watched.enlist() {
            let seen = control.watched.running();
            let (control, since) = (Arc::clone(control), Instant::now());
            control.saw(seen, since);
            let cpu_time = control.cpu_time();
            let samples = Schedule::default();
            entries.push(Entry {
                control,
                seen,
                since,
                cpu_time,
                idle_ticks: 0,
                interrupts: 0,
                samples,
            });
        }
        drop(entries);
        // With others on the list it looks again within a tick, and to wake it takes longer than all the rest here.
        if sleeps {
            self.wake.notify_one();
        }
    }

    fn poke(&self) {
        self.wake.notify_one();
    }

    fn take_on(&self, task: DeferredTask) -> std::result::Result<(), DeferredTask> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.is_empty() {
            return Err(task);
        }
        self.deferred.lock().unwrap_or_else(PoisonError::into_inner).push(task);
        Ok(())
    }

    fn run(&self) -> ! {
        get_barriers_ready();
        let mut ticks = 0u32;
        let mut next_tick = Instant::now();
        let mut is_woken = true;
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            barrier::rely_on_heavy();
            let now = Instant::now();
            let mut full = Vec::new();
            let schedules = entries.iter_mut();
            let next_sample = schedules.filter_map(|entry| entry.sample(now, &mut full)).min();
            let mut work = Work { full, ..Work::default() };
            if is_woken || now >= next_tick {
                entries.retain_mut(|entry| entry.tick(now, &mut work.unheeded));
                ticks = ticks.wrapping_add(1);
                work.looks_after_signals =
                    ticks.is_multiple_of(TICKS_OF_HANDLERS) || entries.is_empty();
                work.deferred = std::mem::take(
                    &mut *self.deferred.lock().unwrap_or_else(PoisonError::into_inner),
                );
                next_tick = now + TICK;
            }
            if !work.is_nothing() {
                // Not while others wait for the list: what is told of it may be heard by anybody.
                drop(entries);
                work.run();
                entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            }
            entries = if entries.is_empty() {
                is_woken = true;
                self.wake.wait(entries).unwrap_or_else(PoisonError::into_inner)
            } else {
                let rest = next_sample.map_or(TICK, |next_sample| {
                    next_sample.min(next_tick).saturating_duration_since(Instant::now())
                });
                let waited = self.wake.wait_timeout(entries, rest);
                let (entries, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                is_woken = !timeout.timed_out();
                entries
            };
        }
    }
}

/// Work that the watchdog does without holding its list.
#[derive(Default)]
struct Work {
    looks_after_signals: bool,
    /// Those on which interrupts have no effect.
    unheeded: Vec<Arc<CallControl>>,
    deferred: Vec<DeferredTask>,
    /// Those that have many samples.
    full: Vec<Arc<dyn Sampled>>,
}

impl Work {
    fn is_nothing(&self) -> bool {
        !self.looks_after_signals
            && self.unheeded.is_empty()
            && self.deferred.is_empty()
            && self.full.is_empty()
    }

    fn run(self) {
        // Whatever becomes of it, guests have to be watched.
        let undisturbed = |run: &mut dyn FnMut()| drop(catch_unwind(AssertUnwindSafe(run)));
        if self.looks_after_signals {
            undisturbed(&mut signals::look_after_handlers);
            signals::look_at_masks_again();
        }
        for control in self.unheeded {
            undisturbed(&mut || control.escalate());
        }
        for task in self.deferred {
            drop(catch_unwind(AssertUnwindSafe(task)));
        }
        for sampled in self.full {
            undisturbed(&mut || sampled.make_room());
        }
    }
}

/// Has a thread that ends soon wait for the kernel, so that neither the first call of the process nor the watchdog has to.
/// Where there is no such thread, calls go on paying for their barriers themselves.
fn get_barriers_ready() {
    const STACK_BYTES: usize = 64 * 1024;
    let thread = std::thread::Builder::new();
    let thread = thread.name("sandbox-barrier".to_owned()).stack_size(STACK_BYTES);
    let (begins, begun) = mpsc::channel::<()>();
    let get_ready = || {
        drop(begins);
        barrier::get_ready();
    };
    // Rust ends the process where a new thread gets no memory for its signals. So that is tried, and who called goes on when the thread
    // has it: the process may give up further memory then, by a filter for system calls.
    let started = stack::try_to_make().and_then(|()| thread.spawn(get_ready));
    match started {
        Ok(_) => drop(begun.recv()),
        Err(error) => {
            tracing::debug!(%error, "calls have no cheap memory barriers, for want of a thread");
        }
    }
}

impl Entry {
    /// Asks for a sample of the call, if it is time for one. Returns when it will be, if the instance is sampled.
    fn sample(&mut self, now: Instant, full: &mut Vec<Arc<dyn Sampled>>) -> Option<Instant> {
        let (sampled, sampler) = self.control.sampled()?;
        let turn = self.control.watched.running();
        let (next, wanted) = self.samples.look(now, sampled.interval(), turn);
        if self.samples.is_new_turn() {
            sampler.begin_turn();
        }
        if wanted > 0 {
            sampled.count_asked(wanted);
            sampler.ask();
            self.control.send_signal();
            if sampled.is_full() && !full.iter().any(|known| Arc::ptr_eq(known, sampled)) {
                full.push(Arc::clone(sampled));
            }
        }
        Some(next)
    }

    /// Looks at the instance once; false when it need not be watched any longer. Adds it to those on which interrupts have
    /// no effect, if it is one.
    fn tick(&mut self, now: Instant, unheeded: &mut Vec<Arc<CallControl>>) -> bool {
        let control = &self.control;
        let turn = control.watched.running();
        if turn == IDLE {
            return self.stay_listed();
        }
        self.idle_ticks = 0;
        if turn == self.seen {
            let running = now.duration_since(self.since);
            if running >= TICK && self.is_busy(running) {
                control.outlasted_nanos.store(nanos(Some(running)), Ordering::Relaxed);
                control.nudge();
            }
        } else {
            self.seen = turn;
            self.interrupts = 0;
            self.since = now;
            self.cpu_time = control.cpu_time();
            control.saw(turn, now);
        }
        if control.wall_clock().is_some_and(|limit| now.duration_since(self.since) >= limit) {
            control.request(TurnId(turn), StopReason::Timeout);
        }
        if control.stop_reason().is_some() {
            self.interrupts = self.interrupts.saturating_add(1);
            let beyond = self.interrupts.checked_sub(UNHEEDED);
            if beyond.is_some_and(|beyond| beyond.is_multiple_of(UNHEEDED_AGAIN)) {
                unheeded.push(Arc::clone(control));
            } else {
                control.send_signal();
            }
        }
        true
    }

    /// Whether the call, and not somebody else on the same core, has kept its thread busy. A call that waits in the
    /// kernel does not keep it busy either, and holds it up all the same.
    fn is_busy(&self, running: Duration) -> bool {
        if running >= LONG {
            return true;
        }
        match self.control.cpu_time().zip(self.cpu_time) {
            Some((now, before)) => now.saturating_sub(before) >= TICK / 2,
            None => true,
        }
    }

    fn stay_listed(&mut self) -> bool {
        self.idle_ticks += 1;
        if self.idle_ticks <= IDLE_TICKS {
            return true;
        }
        let stays = !self.control.watched.may_go(barrier::heavy);
        if stays {
            self.idle_ticks = 0;
        }
        stays
    }
}

#[cfg(test)]
mod tests;
