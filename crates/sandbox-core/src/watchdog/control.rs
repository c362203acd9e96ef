//! The switch by which the calls of one instance are watched and stopped.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::Watchdog;
use super::sampling::Sampled;
use crate::context::Brought;
use crate::error::{Result, SandboxError, SystemNeed};
use crate::sync::stop_word::{StopReason, TurnId};
use crate::sync::watched::Watched;
use crate::sys::samples::{Requests, Sampler};
use crate::sys::signals::{self, Deafness};
use crate::sys::thread::ThreadNumber;
use crate::sys::{barrier, cpu_time, fork};
use crate::threads::callers_thread;

/// In nanoseconds more than five centuries.
const UNLIMITED: u64 = u64::MAX;

/// Identifies one call of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallNumber(u64);

/// The switch by which one instance's calls are watched and stopped.
#[derive(Debug)]
pub(crate) struct CallControl {
    /// The thread that runs the call.
    thread: AtomicI32,
    /// Whether a call is in progress, and on the watchdog's list.
    pub(super) watched: Watched,
    /// Whether the turn is to stop, and whether a sample of it is wanted.
    requests: Requests,
    /// Recipient of samples, if there is a profiler.
    sampled: OnceLock<Arc<dyn Sampled>>,
    /// Time that a call had been running when it was last seen, if it kept its thread busy for a tick; in
    /// nanoseconds.
    pub(super) outlasted_nanos: AtomicU64,
    /// Whether that thread is one of the caller's that can hand its other tasks over.
    on_callers_worker: AtomicBool,
    /// Where the code of the instance lies.
    code: OnceLock<Range<usize>>,
    wall_clock: Option<Duration>,
    /// The limit of the current turn, in nanoseconds; [`UNLIMITED`] is none.
    limit_nanos: AtomicU64,
    /// The turn whose call the watchdog saw last, and since when it knows it.
    seen: Mutex<Option<(u64, Instant)>>,
    /// Whether the caller of some turn brought something. Most bring nothing, and nobody locks anything then.
    has_brought: AtomicBool,
    /// Context value and sink that the caller of a turn brought along.
    brought: Mutex<Option<(TurnId, Arc<Brought>)>>,
}

impl CallControl {
    /// The control of a new instance.
    ///
    /// # Errors
    /// [`SandboxError::SystemRefused`] if there is no watchdog or no way to interrupt a guest, and so nobody to stop it.
    pub(crate) fn new(wall_clock: Option<Duration>) -> Result<Arc<Self>> {
        let refused = |need, error| SandboxError::SystemRefused { need, error };
        if !fork::settle() || !signals::install(callers_thread::hand_over) {
            return Err(refused(SystemNeed::Interrupts, io::ErrorKind::Unsupported.into()));
        }
        signals::look_after_handlers();
        Watchdog::global().map_err(|error| refused(SystemNeed::Thread, error))?;
        Ok(Arc::new(Self {
            thread: AtomicI32::new(0),
            watched: Watched::new(),
            requests: Requests::new(),
            sampled: OnceLock::new(),
            outlasted_nanos: AtomicU64::new(0),
            on_callers_worker: AtomicBool::new(false),
            code: OnceLock::new(),
            wall_clock,
            limit_nanos: AtomicU64::new(nanos(wall_clock)),
            seen: Mutex::new(None),
            has_brought: AtomicBool::new(false),
            brought: Mutex::new(None),
        }))
    }

    /// Says where the code of the instance lies.
    pub(crate) fn note_code(&self, code: Range<usize>) {
        let _ = self.code.set(code);
    }

    /// The call that is in progress.
    pub(crate) fn call_number(&self) -> CallNumber {
        CallNumber(self.watched.running())
    }

    /// Time that the current turn may take.
    pub(crate) fn wall_clock(&self) -> Option<Duration> {
        match self.limit_nanos.load(Ordering::Relaxed) {
            UNLIMITED => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// Keeps what the caller of a turn brings along, until it is [left](Self::leave) or the next turn.
    pub(super) fn bring(&self, turn: TurnId, brought: &Arc<Brought>) {
        *self.lock_brought() = Some((turn, Arc::clone(brought)));
        self.has_brought.store(true, Ordering::Release);
    }

    /// Forgets what the caller of a turn brought along.
    pub(super) fn leave(&self, turn: TurnId) {
        let mut brought = self.lock_brought();
        if brought.as_ref().is_some_and(|(of, _)| *of == turn) {
            self.has_brought.store(false, Ordering::Release);
            // Dropping it may run code of the host's, which may call this instance.
            let left = brought.take();
            drop(brought);
            drop(left);
        }
    }

    /// Returns what the caller of the current turn brought along.
    pub(crate) fn brought(&self) -> Option<Arc<Brought>> {
        if !self.has_brought.load(Ordering::Acquire) {
            return None;
        }
        let now = self.requests.stop.turn();
        let brought = self.lock_brought();
        brought.as_ref().filter(|(turn, _)| *turn == now).map(|(_, brought)| Arc::clone(brought))
    }

    fn lock_brought(&self) -> MutexGuard<'_, Option<(TurnId, Arc<Brought>)>> {
        self.brought.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shortens how long the current turn may take. It must not run yet.
    pub(crate) fn limit_turn(&self, limit: Duration) {
        self.limit_nanos.fetch_min(nanos(Some(limit)), Ordering::Relaxed);
    }

    /// Time that the call in progress has left of the limit, to a tick; `None` if there is no limit.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        let limit = self.wall_clock()?;
        let running = self.watched.running();
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Some(match seen {
            Some((turn, since)) if turn == running => limit.saturating_sub(since.elapsed()),
            // Not seen yet, so it began less than a tick ago.
            _ => limit,
        })
    }

    /// Notes a call that the watchdog had not seen before.
    pub(super) fn saw(&self, turn: u64, now: Instant) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((turn, now));
    }

    /// Begins a new turn: from now on only requests to stop this turn count.
    #[inline]
    pub(crate) fn begin_turn(&self) -> TurnId {
        self.limit_nanos.store(nanos(self.wall_clock), Ordering::Relaxed);
        self.outlasted_nanos.store(0, Ordering::Relaxed);
        self.requests.stop.begin_turn()
    }

    /// Begins the turn of initialisation, which may take that long, or as long as a call.
    pub(crate) fn begin_initialisation(&self, limit: Option<Duration>) -> TurnId {
        let turn = self.begin_turn();
        if let Some(limit) = limit {
            self.limit_nanos.store(nanos(Some(limit)), Ordering::Relaxed);
        }
        turn
    }

    /// Asks that the given turn stop, unless it is over or already has a reason to.
    pub(crate) fn request_stop(&self, turn: TurnId, reason: StopReason) {
        if self.request(turn, reason)
            && let Ok(watchdog) = Watchdog::global()
        {
            watchdog.poke();
        }
    }

    /// Returns whether the turn had not ended, nor a reason to stop.
    pub(super) fn request(&self, turn: TurnId, reason: StopReason) -> bool {
        self.requests.stop.request(turn, reason)
    }

    /// Asks that whatever turn is in progress stop.
    pub(crate) fn request_stop_now(&self, reason: StopReason) {
        self.request_stop(self.requests.stop.turn(), reason);
    }

    /// Returns the requests that [`within`](crate::sys::interrupt::within) has the guest heed.
    pub(crate) fn requests(&self) -> &Requests {
        &self.requests
    }

    /// Has the calls of the instance sampled from now on.
    pub(crate) fn sample_for(&self, sampled: Arc<dyn Sampled>, sampler: Sampler) {
        if self.sampled.set(sampled).is_ok() {
            self.requests.set_sampler(sampler);
        }
    }

    /// Returns what has the calls of the instance sampled.
    pub(super) fn sampled(&self) -> Option<(&Arc<dyn Sampled>, &Sampler)> {
        self.sampled.get().zip(self.requests.sampler())
    }

    /// Why the current turn is to stop, if it is.
    #[inline]
    pub(crate) fn stop_reason(&self) -> Option<StopReason> {
        self.requests.stop.reason()
    }

    /// Completes when the current turn is asked to stop.
    pub(crate) async fn stop_requested(&self) {
        self.requests.stop.requested().await;
    }

    /// Takes the time of a call, to a tick, if one outlasted a tick since this was last asked.
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
        self.on_callers_worker.store(callers_thread::can_be_handed_over(), Ordering::Relaxed);
        if !self.watched.begin(self.requests.stop.own_turn().0, barrier::light)
            && let Ok(watchdog) = Watchdog::global()
        {
            watchdog.enlist(self);
        }
        let _ended = Ended(&self.watched);
        run()
    }
}

/// Marks the end of a call, also when the host panics in it.
struct Ended<'a>(&'a Watched);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl CallControl {
    /// Has the caller's thread hand over its worker, if the call runs on one.
    pub(super) fn nudge(&self) {
        if self.on_callers_worker.load(Ordering::Relaxed) {
            self.send_signal();
        }
    }

    /// Sends the signal whose meaning the stop word decides to the thread that runs the call.
    ///
    /// If the call has ended meanwhile, the signal hits nothing, or another call, whose own stop word then decides.
    pub(super) fn send_signal(&self) {
        signals::interrupt(self.thread());
    }

    /// Does more than that, where several had no effect.
    pub(super) fn escalate(&self) {
        let code = self.code.get().cloned().unwrap_or_default();
        let (deafness, is_stopped) = signals::escalate(self.thread(), &code);
        let thread = self.thread().to_bits();
        match (deafness, is_stopped) {
            (Deafness::Unknown, _) => {}
            (_, true) => tracing::warn!(
                ?deafness,
                thread,
                "no signal reaches a guest that is to stop, because its thread blocks SIGURG or the system does not let \
                 it be sent; it is stopped without one, which takes longer"
            ),
            (_, false) => tracing::error!(
                ?deafness,
                thread,
                "a guest that is to stop cannot be reached: its thread blocks SIGURG since it first entered a guest, or \
                 the system no longer lets it be sent"
            ),
        }
    }

    fn thread(&self) -> ThreadNumber {
        ThreadNumber::from_bits(self.thread.load(Ordering::Relaxed))
    }

    /// Processor time that the thread that runs the call has used.
    pub(super) fn cpu_time(&self) -> Option<Duration> {
        cpu_time::of_thread(self.thread())
    }
}

pub(super) fn nanos(limit: Option<Duration>) -> u64 {
    limit.map_or(UNLIMITED, |limit| u64::try_from(limit.as_nanos()).unwrap_or(UNLIMITED))
}
