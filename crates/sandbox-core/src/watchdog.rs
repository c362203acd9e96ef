//! Stops guests: at their deadline, when a caller drops the call, when a limit says so.
//!
//! Guest code runs at full speed with no checks in its loops. One thread for the whole process looks at
//! the calls in progress every [`TICK`]; where one has to stop, it interrupts the guest by a signal,
//! again each tick until the guest has really stopped (a single interrupt misses a guest that is just
//! entering or leaving Wasm, or in a host function).
//!
//! A call pays two atomic exchanges for this, one when it starts and one when it ends. The first call
//! after a pause also enlists its instance; an instance that has been idle for [`IDLE_TICKS`] is dropped
//! from the list, and with an empty list the thread sleeps.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::call::seat;
use crate::sys::fork;
use crate::sys::interrupt::{self, REASON, ThreadNumber};

/// How often calls in progress are looked at: the precision of deadlines. Two milliseconds cost about a
/// thousandth of one core, and only while guests run.
const TICK: Duration = Duration::from_millis(2);

/// After how many ticks without a call an instance is no longer watched.
const IDLE_TICKS: u32 = 50;

/// The call is in progress.
const RUNNING: u64 = 0b01;
/// The watchdog is interrupting the call, which must not end before that is done: a late time-out would
/// count for the next call of the same instance.
const INTERRUPTING: u64 = 0b10;
/// The step from one call to the next.
const NEXT: u64 = 0b100;

/// In nanoseconds more than five centuries.
const UNLIMITED: u64 = u64::MAX;

/// Why a call was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// The caller dropped the call, or cancelled it.
    Cancelled = 1,
    /// The wall-clock limit passed.
    Timeout = 2,
    /// Too much output.
    OutputLimit = 3,
}

impl StopReason {
    fn from_bits(bits: u64) -> Option<Self> {
        match bits & REASON {
            1 => Some(Self::Cancelled),
            2 => Some(Self::Timeout),
            3 => Some(Self::OutputLimit),
            _ => None,
        }
    }
}

/// Identifies one use of an instance, so that a late request to stop cannot hit a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn(u64);

/// Identifies one call of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallNumber(u64);

/// The switch by which one instance's calls are watched and stopped.
#[derive(Debug)]
pub(crate) struct CallControl {
    /// The thread that runs the call.
    thread: AtomicI32,
    /// Call number and the bits above.
    sequence: AtomicU64,
    /// The turn, shifted by eight, and the reason to stop or zero.
    stop: AtomicU64,
    /// Whether the watchdog has the instance on its list.
    listed: AtomicBool,
    /// How long a call had been running when it was last seen, if that was longer than a tick; in nanoseconds.
    outlasted_nanos: AtomicU64,
    /// Whether that thread is one of the caller's that can hand its other tasks over.
    seated: AtomicBool,
    wall_clock: Option<Duration>,
    /// The limit of the current turn, in nanoseconds; [`UNLIMITED`] is none.
    limit_nanos: AtomicU64,
    /// The call that the watchdog saw last, and since when it knows it.
    seen: Mutex<Option<(u64, Instant)>>,
    stopped: tokio::sync::Notify,
}

impl CallControl {
    /// The control of a new instance; nothing if there is no watchdog or no way to interrupt a guest, and so
    /// nobody to stop it.
    pub(crate) fn new(wall_clock: Option<Duration>) -> Option<Arc<Self>> {
        if !fork::settle() || !interrupt::install() {
            return None;
        }
        Watchdog::global()?;
        Some(Arc::new(Self {
            thread: AtomicI32::new(0),
            sequence: AtomicU64::new(0),
            stop: AtomicU64::new(0),
            listed: AtomicBool::new(false),
            outlasted_nanos: AtomicU64::new(0),
            seated: AtomicBool::new(false),
            wall_clock,
            limit_nanos: AtomicU64::new(nanos(wall_clock)),
            seen: Mutex::new(None),
            stopped: tokio::sync::Notify::new(),
        }))
    }

    /// The call that is in progress.
    pub(crate) fn call_number(&self) -> CallNumber {
        CallNumber(self.sequence.load(Ordering::Relaxed) & !INTERRUPTING)
    }

    /// How long the current turn may take.
    pub(crate) fn wall_clock(&self) -> Option<Duration> {
        match self.limit_nanos.load(Ordering::Relaxed) {
            UNLIMITED => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// Shortens how long the current turn may take. It must not run yet.
    pub(crate) fn limit_turn(&self, limit: Duration) {
        self.limit_nanos.fetch_min(nanos(Some(limit)), Ordering::Relaxed);
    }

    /// How much of the limit the call in progress has left, to a tick; nothing if there is no limit.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        let limit = self.wall_clock()?;
        let running = self.sequence.load(Ordering::Relaxed) & !INTERRUPTING;
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Some(match seen {
            Some((sequence, since)) if sequence == running => limit.saturating_sub(since.elapsed()),
            // Not seen yet, so it began less than a tick ago.
            _ => limit,
        })
    }

    /// Notes a call that the watchdog had not seen before.
    fn saw(&self, sequence: u64, now: Instant) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((sequence, now));
    }

    /// Begins a new turn: from now on only requests to stop this turn count.
    pub(crate) fn begin_turn(&self) -> Turn {
        let turn = (self.stop.load(Ordering::Relaxed) >> 8).wrapping_add(1);
        self.limit_nanos.store(nanos(self.wall_clock), Ordering::Relaxed);
        self.outlasted_nanos.store(0, Ordering::Relaxed);
        self.stop.store(turn << 8, Ordering::Release);
        Turn(turn)
    }

    /// Asks that the given turn stop, unless it is over or already has a reason to.
    pub(crate) fn request_stop(&self, turn: Turn, reason: StopReason) {
        let idle = turn.0 << 8;
        let wanted = idle | reason as u64;
        if self.stop.compare_exchange(idle, wanted, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            self.stopped.notify_waiters();
            if let Some(watchdog) = Watchdog::global() {
                watchdog.poke();
            }
        }
    }

    /// Asks that whatever turn is in progress stop.
    pub(crate) fn request_stop_now(&self, reason: StopReason) {
        self.request_stop(Turn(self.stop.load(Ordering::Acquire) >> 8), reason);
    }

    /// What [`interrupt::within`] looks at to see whether the turn is to stop.
    pub(crate) fn stop_word(&self) -> &AtomicU64 {
        &self.stop
    }

    /// Why the current turn is to stop, if it is.
    pub(crate) fn stop_reason(&self) -> Option<StopReason> {
        StopReason::from_bits(self.stop.load(Ordering::Acquire))
    }

    /// Completes when the current turn is asked to stop.
    pub(crate) async fn stop_requested(&self) {
        let notified = self.stopped.notified();
        tokio::pin!(notified);
        // Enabled before the check, or a request between the two would be lost.
        notified.as_mut().enable();
        if self.stop_reason().is_none() {
            notified.await;
        }
    }

    /// How long a call took, to a tick, if one outlasted a tick since this was last asked.
    pub(crate) fn take_outlasted_tick(&self) -> Option<Duration> {
        // The check is cheaper than the exchange, and nearly never is there anything to take.
        if self.outlasted_nanos.load(Ordering::Relaxed) == 0 {
            return None;
        }
        Some(Duration::from_nanos(self.outlasted_nanos.swap(0, Ordering::Relaxed)))
    }

    /// Runs guest code under watch. The clock of the wall-clock limit starts here.
    pub(crate) fn watch<T>(self: &Arc<Self>, run: impl FnOnce() -> T) -> T {
        self.thread.store(ThreadNumber::of_this_thread().to_bits(), Ordering::Relaxed);
        self.seated.store(seat::is_taken(), Ordering::Relaxed);
        let running = self.sequence.load(Ordering::Relaxed).wrapping_add(NEXT) | RUNNING;
        self.sequence.swap(running, Ordering::SeqCst);
        // After the exchange: either the watchdog sees the call, or we see that we are not listed.
        if !self.listed.load(Ordering::SeqCst)
            && let Some(watchdog) = Watchdog::global()
        {
            watchdog.enlist(self);
        }
        let _ended = Ended { control: self, running };
        run()
    }
}

/// Marks the end of a call, also when the host panics in it.
struct Ended<'a> {
    control: &'a CallControl,
    running: u64,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        let sequence = &self.control.sequence;
        let over = self.running & !RUNNING;
        while sequence
            .compare_exchange_weak(self.running, over, Ordering::SeqCst, Ordering::Relaxed)
            .is_err()
        {
            std::hint::spin_loop();
        }
    }
}

/// What the watchdog remembers of an instance from tick to tick.
struct Entry {
    control: Arc<CallControl>,
    seen: u64,
    since: Instant,
    idle_ticks: u32,
}

/// The thread that watches, and its list.
struct Watchdog {
    entries: Mutex<Vec<Entry>>,
    wake: Condvar,
}

impl Watchdog {
    /// The one watchdog, or nothing where the operating system gives us no thread for it.
    fn global() -> Option<&'static Self> {
        static WATCHDOG: OnceLock<Option<&'static Watchdog>> = OnceLock::new();
        *WATCHDOG.get_or_init(|| {
            let watchdog: &'static Self =
                Box::leak(Box::new(Self { entries: Mutex::new(Vec::new()), wake: Condvar::new() }));
            std::thread::Builder::new()
                .name("sandbox-watchdog".to_owned())
                .spawn(move || watchdog.run())
                .is_ok()
                .then_some(watchdog)
        })
    }

    fn enlist(&self, control: &Arc<CallControl>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if !control.listed.swap(true, Ordering::SeqCst) {
            let seen = control.sequence.load(Ordering::Relaxed);
            let (control, since) = (Arc::clone(control), Instant::now());
            control.saw(seen, since);
            entries.push(Entry { control, seen, since, idle_ticks: 0 });
        }
        drop(entries);
        self.wake.notify_one();
    }

    fn poke(&self) {
        self.wake.notify_one();
    }

    fn run(&self) -> ! {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now = Instant::now();
            entries.retain_mut(|entry| entry.tick(now));
            entries = if entries.is_empty() {
                self.wake.wait(entries).unwrap_or_else(PoisonError::into_inner)
            } else {
                self.wake.wait_timeout(entries, TICK).unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }
}

impl Entry {
    /// Looks at the instance once; false when it need not be watched any longer.
    fn tick(&mut self, now: Instant) -> bool {
        let control = &self.control;
        let sequence = control.sequence.load(Ordering::SeqCst);
        if sequence & RUNNING == 0 {
            return self.stay_listed();
        }
        self.idle_ticks = 0;
        if sequence == self.seen {
            let running = now.duration_since(self.since);
            if running >= TICK {
                control.outlasted_nanos.store(nanos(Some(running)), Ordering::Relaxed);
                control.nudge(sequence);
            }
        } else {
            self.seen = sequence;
            self.since = now;
            control.saw(sequence, now);
        }
        let overdue =
            control.wall_clock().is_some_and(|limit| now.duration_since(self.since) >= limit);
        if overdue || control.stop_reason().is_some() {
            control.interrupt(sequence, overdue);
        }
        true
    }

    fn stay_listed(&mut self) -> bool {
        self.idle_ticks += 1;
        if self.idle_ticks <= IDLE_TICKS {
            return true;
        }
        self.control.listed.store(false, Ordering::SeqCst);
        // A call may have started between the two: it saw `listed` and relies on us.
        let started = self.control.sequence.load(Ordering::SeqCst) & RUNNING != 0;
        if started {
            self.control.listed.store(true, Ordering::SeqCst);
            self.idle_ticks = 0;
        }
        started
    }
}

impl CallControl {
    /// Interrupts the call with that sequence number, if it is still running.
    fn interrupt(&self, sequence: u64, overdue: bool) {
        self.while_running(sequence, || {
            if overdue {
                let idle = self.stop.load(Ordering::Acquire) & !REASON;
                let wanted = idle | StopReason::Timeout as u64;
                let set =
                    self.stop.compare_exchange(idle, wanted, Ordering::AcqRel, Ordering::Relaxed);
                if set.is_ok() {
                    self.stopped.notify_waiters();
                }
            }
            self.send_signal();
        });
    }

    /// Has the caller's thread hand over its worker, if that is what runs the call with that sequence number.
    fn nudge(&self, sequence: u64) {
        if self.seated.load(Ordering::Relaxed) {
            self.while_running(sequence, || self.send_signal());
        }
    }

    /// Sends the signal whose meaning the stop word decides to the thread that runs the call.
    fn send_signal(&self) {
        interrupt::interrupt(ThreadNumber::from_bits(self.thread.load(Ordering::Relaxed)));
    }

    /// Does something about the call with that sequence number, which cannot end meanwhile; nothing if it
    /// has ended.
    fn while_running(&self, sequence: u64, act: impl FnOnce()) {
        let marked = sequence | INTERRUPTING;
        let marked =
            self.sequence.compare_exchange(sequence, marked, Ordering::SeqCst, Ordering::Relaxed);
        if marked.is_ok() {
            act();
            self.sequence.store(sequence, Ordering::SeqCst);
        }
    }
}

fn nanos(limit: Option<Duration>) -> u64 {
    limit.map_or(UNLIMITED, |limit| u64::try_from(limit.as_nanos()).unwrap_or(UNLIMITED))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(wall_clock: Option<Duration>) -> Arc<CallControl> {
        CallControl::new(wall_clock).unwrap()
    }

    #[test]
    fn a_request_for_an_earlier_turn_stops_nothing() {
        let control = control(None);
        let earlier = control.begin_turn();
        control.begin_turn();
        control.request_stop(earlier, StopReason::Cancelled);
        assert_eq!(control.stop_reason(), None);
    }

    #[test]
    fn the_first_reason_to_stop_is_kept() {
        let control = control(None);
        let turn = control.begin_turn();
        control.request_stop(turn, StopReason::OutputLimit);
        control.request_stop(turn, StopReason::Cancelled);
        assert_eq!(control.stop_reason(), Some(StopReason::OutputLimit));
    }

    #[test]
    fn an_overdue_call_is_told_to_stop() {
        let control = control(Some(Duration::from_millis(1)));
        control.begin_turn();
        let reason = control.watch(|| {
            loop {
                if let Some(reason) = control.stop_reason() {
                    break reason;
                }
                std::thread::yield_now();
            }
        });
        assert_eq!(reason, StopReason::Timeout);
        assert!(control.take_outlasted_tick().is_some() || control.wall_clock() < Some(TICK));
    }

    #[test]
    fn a_call_after_a_pause_is_watched_again() {
        let control = control(Some(Duration::from_millis(1)));
        for _ in 0..2 {
            control.begin_turn();
            control.watch(|| while control.stop_reason().is_none() {});
            while control.listed.load(Ordering::SeqCst) {
                std::thread::sleep(TICK);
            }
        }
    }
}
