//! Where a call runs that its caller's thread runs itself, and how other tasks get on meanwhile.
//!
//! On a worker thread of a multi-threaded tokio runtime, the tasks that share it can go on elsewhere:
//! `block_in_place` hands the worker over to another thread. Doing that before each call would cost more than
//! most calls. So it is done when a call turns out to be long: the watchdog sees a call that outlasts a tick and
//! nudges its thread, which hands the worker over and goes on with the guest. A guest that is about to
//! sleep hands it over by itself.
//!
//! Elsewhere nothing can be handed over. A thread on which tokio blocks on one future has no other tasks; it is
//! sat on. Single-threaded runtimes, local tasks and executors that are not tokio's are not: there a call
//! goes to the worker threads, unless the sandbox was told otherwise.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};

/// Which thread runs a call that an async task makes.
///
/// Whatever is chosen, guests run under the same limits, and a call that must not block its task's own
/// `select` or timeout can be given a [time limit](crate::WasmSandbox::with_time_limit) or a
/// [cancel handle](crate::CancelHandle).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallPlacement {
    /// A function that has proven quick runs on the caller's thread where that can hold up no other task for long:
    /// on a multi-threaded tokio runtime. Everything else runs on worker threads. The default.
    ///
    /// A thread without a task that is in the context of such a runtime counts as one that blocks on this call alone
    /// (`Runtime::block_on`). Another executor whose threads enter that context, as compatibility layers have them do,
    /// cannot be told from it: choose [`Workers`](Self::Workers) there.
    #[default]
    Adaptive,
    /// Every call runs on a worker thread, which costs some tens of microseconds. Then no guest ever runs on a
    /// thread of the caller's runtime, and dropping or timing out the call's future always works at once.
    Workers,
    /// A function that has proven quick runs on the caller's thread, whatever executor that belongs to. For
    /// single-threaded runtimes that would rather be held up by a guest until its wall clock limit than pay for
    /// the change of threads.
    CallersThread,
}

/// How long a thread waits for another to take over: several times what waking or starting a thread takes. If none
/// has come by then, the next tick tries again.
const PATIENCE: Duration = Duration::from_millis(1);

thread_local! {
    /// Whether this thread is a worker that can be handed over, while it runs a call.
    static CAN_BE_HANDED_OVER: Cell<bool> = const { Cell::new(false) };
}

/// The caller's thread, which may run the call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallersThread {
    /// It is a worker that can be handed over.
    is_worker: bool,
}

impl CallersThread {
    /// The calling thread's seat, if calls may run on it.
    #[inline]
    pub(crate) fn of_this_thread(placement: CallPlacement) -> Option<Self> {
        if placement == CallPlacement::Workers {
            return None;
        }
        let is_multi_threaded = Handle::try_current()
            .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
        if is_multi_threaded && tokio::runtime::worker_index().is_some() {
            return Some(Self { is_worker: true });
        }
        // Not a worker. With a task it is a local one or a thread for blocking; without, it blocks on one future.
        let alone = is_multi_threaded && tokio::task::try_id().is_none();
        let may_sit = alone || placement == CallPlacement::CallersThread;
        may_sit.then_some(Self { is_worker: false })
    }

    /// Sits down until the guard is dropped: calls on this thread can be nudged.
    #[inline]
    pub(crate) fn enter(self) -> OnCallersThread {
        OnCallersThread { taken: CAN_BE_HANDED_OVER.replace(self.is_worker) }
    }
}

/// Restores what was before, since a host function may itself make a call.
pub(crate) struct OnCallersThread {
    taken: bool,
}

impl Drop for OnCallersThread {
    #[inline]
    fn drop(&mut self) {
        CAN_BE_HANDED_OVER.set(self.taken);
    }
}

/// Whether the calling thread is a worker that can be handed over, and runs a call.
pub(crate) fn can_be_handed_over() -> bool {
    CAN_BE_HANDED_OVER.get()
}

/// Hands the worker that this thread is over to another thread, if it is one.
///
/// To be called before the thread blocks in a call. Also called by a signal handler, in the guest's code: there
/// nothing of tokio's or of this module's is in use.
pub(crate) fn hand_over() {
    if !CAN_BE_HANDED_OVER.get() {
        return;
    }
    // A panic is not expected, and must not leave a signal handler.
    let handed_over = catch_unwind(AssertUnwindSafe(|| {
        Handle::try_current().ok().is_none_or(|runtime| hand_over_to(&runtime))
    }));
    CAN_BE_HANDED_OVER.set(!handed_over.unwrap_or(true));
}

/// Returns whether another thread is known to run this thread's worker.
///
/// tokio does not tell, and takes the worker back if nobody has come for it when the block ends. So a task is left
/// with it. Where that runs, there is another thread for tasks; if on the worker of the same index, it is ours.
fn hand_over_to(runtime: &Handle) -> bool {
    const NOWHERE: usize = usize::MAX;
    let Some(index) = tokio::runtime::worker_index() else { return true };
    let ran_on = Arc::new(AtomicUsize::new(NOWHERE));
    let left = Arc::clone(&ran_on);
    drop(runtime.spawn(async move {
        left.store(tokio::runtime::worker_index().unwrap_or(NOWHERE - 1), Ordering::Release);
    }));
    tokio::task::block_in_place(|| {
        let started = Instant::now();
        while ran_on.load(Ordering::Acquire) == NOWHERE && started.elapsed() < PATIENCE {
            thread::sleep(Duration::from_micros(20));
        }
    });
    ran_on.load(Ordering::Acquire) == index
}
