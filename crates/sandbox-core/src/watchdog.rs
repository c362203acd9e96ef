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

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::call::seat;
use crate::sys::fork;
use crate::sys::interrupt::{self, REASON, ThreadNumber};
use crate::sys::{barrier, cpu_time};

/// How often calls in progress are looked at: the precision of deadlines. Two milliseconds cost about a
/// thousandth of one core, and only while guests run.
const TICK: Duration = Duration::from_millis(2);

/// After that time a call counts as long whatever its thread did.
const LONG: Duration = Duration::from_millis(20);

/// After how many ticks without a call an instance is no longer watched.
const IDLE_TICKS: u32 = 50;

/// In nanoseconds more than five centuries.
const UNLIMITED: u64 = u64::MAX;

/// What stands where the turn in progress would: no call is.
const IDLE: u64 = 0;

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
    /// The turn whose call is in progress, or [`IDLE`]. Only the thread that runs the call writes to it.
    running: AtomicU64,
    /// The turn, shifted by eight, and the reason to stop or zero. A request to stop that comes after the turn's end
    /// does not find the turn in it, and has no effect.
    stop: AtomicU64,
    /// Whether the watchdog has the instance on its list.
    listed: AtomicBool,
    /// How long a call had been running when it was last seen, if it kept its thread busy for a tick; in nanoseconds.
    outlasted_nanos: AtomicU64,
    /// Whether that thread is one of the caller's that can hand its other tasks over.
    seated: AtomicBool,
    wall_clock: Option<Duration>,
    /// The limit of the current turn, in nanoseconds; [`UNLIMITED`] is none.
    limit_nanos: AtomicU64,
    /// The turn whose call the watchdog saw last, and since when it knows it.
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
            running: AtomicU64::new(IDLE),
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
        CallNumber(self.running.load(Ordering::Relaxed))
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
        let running = self.running.load(Ordering::Relaxed);
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Some(match seen {
            Some((turn, since)) if turn == running => limit.saturating_sub(since.elapsed()),
            // Not seen yet, so it began less than a tick ago.
            _ => limit,
        })
    }

    /// Notes a call that the watchdog had not seen before.
    fn saw(&self, turn: u64, now: Instant) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((turn, now));
    }

    /// Begins a new turn: from now on only requests to stop this turn count.
    #[inline]
    pub(crate) fn begin_turn(&self) -> Turn {
        let turn = (self.stop.load(Ordering::Relaxed) >> 8).wrapping_add(1);
        self.limit_nanos.store(nanos(self.wall_clock), Ordering::Relaxed);
        self.outlasted_nanos.store(0, Ordering::Relaxed);
        self.stop.store(turn << 8, Ordering::Release);
        Turn(turn)
    }

    /// Asks that the given turn stop, unless it is over or already has a reason to.
    pub(crate) fn request_stop(&self, turn: Turn, reason: StopReason) {
        if self.request(turn, reason)
            && let Some(watchdog) = Watchdog::global()
        {
            watchdog.poke();
        }
    }

    /// Returns whether the turn had not ended, nor a reason to stop.
    fn request(&self, turn: Turn, reason: StopReason) -> bool {
        let unstopped = turn.0 << 8;
        let wanted = unstopped | reason as u64;
        let set =
            self.stop.compare_exchange(unstopped, wanted, Ordering::AcqRel, Ordering::Relaxed);
        if set.is_ok() {
            self.stopped.notify_waiters();
        }
        set.is_ok()
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
    #[inline]
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
        if !self.has_outlasted_tick() {
            return None;
        }
        Some(Duration::from_nanos(self.outlasted_nanos.swap(0, Ordering::Relaxed)))
    }

    /// Whether there is something to take.
    #[inline]
    pub(crate) fn has_outlasted_tick(&self) -> bool {
        self.outlasted_nanos.load(Ordering::Relaxed) != 0
    }

    /// Runs the guest code of the current turn under watch. The clock of the wall-clock limit starts here.
    #[inline]
    pub(crate) fn watch<T>(self: &Arc<Self>, run: impl FnOnce() -> T) -> T {
        self.thread.store(ThreadNumber::of_this_thread().to_bits(), Ordering::Relaxed);
        self.seated.store(seat::is_taken(), Ordering::Relaxed);
        let turn = self.stop.load(Ordering::Relaxed) >> 8;
        self.running.store(turn, Ordering::Release);
        // Either the watchdog sees the call after this, or we see that we are not listed.
        barrier::light();
        if !self.listed.load(Ordering::Relaxed)
            && let Some(watchdog) = Watchdog::global()
        {
            watchdog.enlist(self);
        }
        let _ended = Ended(&self.running);
        run()
    }
}

/// Marks the end of a call, also when the host panics in it.
struct Ended<'a>(&'a AtomicU64);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(IDLE, Ordering::Release);
    }
}

/// What the watchdog remembers of an instance from tick to tick.
struct Entry {
    control: Arc<CallControl>,
    /// The turn that was in progress when it last looked.
    seen: u64,
    since: Instant,
    /// The processor time of the turn's thread at that moment.
    cpu_time: Option<Duration>,
    idle_ticks: u32,
}

/// Something small to be done by the watchdog's thread.
pub(crate) type Chore = Box<dyn FnOnce() + Send>;

/// Has something small done at the next tick, if there is to be one: nobody is woken for it.
///
/// # Errors
/// The chore, if the watchdog sleeps.
pub(crate) fn at_next_tick(chore: Chore) -> std::result::Result<(), Chore> {
    match Watchdog::global() {
        Some(watchdog) => watchdog.take_on(chore),
        None => Err(chore),
    }
}

/// The thread that watches, and its list.
struct Watchdog {
    entries: Mutex<Vec<Entry>>,
    wake: Condvar,
    /// What is to be done at the next tick. Only locked by who has locked the list, and holds something only while
    /// that does.
    chores: Mutex<Vec<Chore>>,
}

impl Watchdog {
    /// The one watchdog, or nothing where the operating system gives us no thread for it.
    fn global() -> Option<&'static Self> {
        static WATCHDOG: OnceLock<Option<&'static Watchdog>> = OnceLock::new();
        *WATCHDOG.get_or_init(|| {
            barrier::prepare();
            let watchdog: &'static Self = Box::leak(Box::new(Self {
                entries: Mutex::default(),
                wake: Condvar::new(),
                chores: Mutex::default(),
            }));
            std::thread::Builder::new()
                .name("sandbox-watchdog".to_owned())
                .spawn(move || watchdog.run())
                .is_ok()
                .then_some(watchdog)
        })
    }

    fn enlist(&self, control: &Arc<CallControl>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let sleeps = entries.is_empty();
        if !control.listed.swap(true, Ordering::SeqCst) {
            let seen = control.running.load(Ordering::Relaxed);
            let (control, since) = (Arc::clone(control), Instant::now());
            control.saw(seen, since);
            let cpu_time = control.cpu_time();
            entries.push(Entry { control, seen, since, cpu_time, idle_ticks: 0 });
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

    fn take_on(&self, chore: Chore) -> std::result::Result<(), Chore> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.is_empty() {
            return Err(chore);
        }
        self.chores.lock().unwrap_or_else(PoisonError::into_inner).push(chore);
        Ok(())
    }

    fn run(&self) -> ! {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now = Instant::now();
            entries.retain_mut(|entry| entry.tick(now));
            let chores =
                std::mem::take(&mut *self.chores.lock().unwrap_or_else(PoisonError::into_inner));
            if !chores.is_empty() {
                drop(entries);
                for chore in chores {
                    // Whatever becomes of it, guests have to be watched.
                    let _ = catch_unwind(AssertUnwindSafe(chore));
                }
                entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            }
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
        let turn = control.running.load(Ordering::Acquire);
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
            self.since = now;
            self.cpu_time = control.cpu_time();
            control.saw(turn, now);
        }
        if control.wall_clock().is_some_and(|limit| now.duration_since(self.since) >= limit) {
            control.request(Turn(turn), StopReason::Timeout);
        }
        if control.stop_reason().is_some() {
            control.send_signal();
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
        self.control.listed.store(false, Ordering::SeqCst);
        // A call may have started between the two: it saw `listed` and relies on us.
        let may_have_started =
            !barrier::heavy() || self.control.running.load(Ordering::SeqCst) != IDLE;
        if may_have_started {
            self.control.listed.store(true, Ordering::SeqCst);
            self.idle_ticks = 0;
        }
        may_have_started
    }
}

impl CallControl {
    /// Has the caller's thread hand over its worker, if the call runs on one.
    fn nudge(&self) {
        if self.seated.load(Ordering::Relaxed) {
            self.send_signal();
        }
    }

    /// Sends the signal whose meaning the stop word decides to the thread that runs the call.
    ///
    /// If the call has ended meanwhile, the signal hits nothing, or another call, whose own stop word then decides.
    fn send_signal(&self) {
        interrupt::interrupt(self.thread());
    }

    fn thread(&self) -> ThreadNumber {
        ThreadNumber::from_bits(self.thread.load(Ordering::Relaxed))
    }

    /// How much processor time the thread that runs the call has used.
    fn cpu_time(&self) -> Option<Duration> {
        cpu_time::of_thread(self.thread())
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
    fn a_chore_is_done_at_a_tick_and_one_that_panics_stops_nobody() {
        let control = control(None);
        control.begin_turn();
        let (done, told) = std::sync::mpsc::channel();
        control.watch(|| {
            at_next_tick(Box::new(|| panic!("a chore went wrong"))).ok().unwrap();
            at_next_tick(Box::new(move || done.send(()).unwrap())).ok().unwrap();
            told.recv_timeout(Duration::from_secs(10)).unwrap();
        });
        let overdue = self::control(Some(Duration::from_millis(1)));
        overdue.begin_turn();
        overdue.watch(|| while overdue.stop_reason().is_none() {});
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
