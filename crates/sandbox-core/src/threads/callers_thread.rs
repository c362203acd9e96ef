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

/// Time that a thread waits for another to take over: several times what waking or starting a thread takes. If none
/// has come by then, the next tick tries again, for twice as long: on a busy machine threads start late.
const PATIENCE: Duration = Duration::from_millis(1);

/// The longest that it waits. So much later may a guest be stopped.
const MOST_PATIENCE: Duration = Duration::from_millis(16);

thread_local! {
    /// Time that the next try to hand this thread over may take, if it is a worker that can be handed over, while it
    /// runs a call.
    static PATIENCE_LEFT: Cell<Option<Duration>> = const { Cell::new(None) };
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
        OnCallersThread { taken: PATIENCE_LEFT.replace(self.is_worker.then_some(PATIENCE)) }
    }
}

/// Restores what was before, since a host function may itself make a call.
pub(crate) struct OnCallersThread {
    taken: Option<Duration>,
}

impl Drop for OnCallersThread {
    #[inline]
    fn drop(&mut self) {
        PATIENCE_LEFT.set(self.taken);
    }
}

/// Whether the calling thread is a worker that can be handed over, and runs a call.
pub(crate) fn can_be_handed_over() -> bool {
    PATIENCE_LEFT.get().is_some()
}

/// Waits in a host function, while another thread has the worker that this thread is, if it is one.
///
/// The worker is there for others until the wait is over, however long it takes a thread to come for it.
pub(crate) fn while_waiting<T>(wait: impl FnOnce() -> T) -> T {
    let Some(patience) = PATIENCE_LEFT.get() else { return wait() };
    let Some(task) = Handle::try_current().ok().and_then(|runtime| LeftTask::spawn(&runtime))
    else {
        return wait();
    };
    let value = tokio::task::block_in_place(wait);
    PATIENCE_LEFT.set((!task.tells_of_another_thread()).then_some(patience));
    value
}

/// Hands the worker that this thread is over to another thread, if it is one.
///
/// Called by a signal handler, in the guest's code: there nothing of tokio's or of this module's is in use. The guest goes on
/// on this thread, so the wait for another is short; where none comes, the next tick tries again.
pub(crate) fn hand_over() {
    let Some(patience) = PATIENCE_LEFT.get() else { return };
    // A panic is not expected, and must not leave a signal handler.
    let handed_over = catch_unwind(AssertUnwindSafe(|| {
        let Ok(runtime) = Handle::try_current() else { return true };
        let Some(task) = LeftTask::spawn(&runtime) else { return true };
        tokio::task::block_in_place(|| {
            let started = Instant::now();
            while !task.has_run() && started.elapsed() < patience {
                thread::sleep(Duration::from_micros(20));
            }
        });
        task.tells_of_another_thread()
    }));
    let is_done = handed_over.unwrap_or(true);
    PATIENCE_LEFT.set((!is_done).then_some((patience * 2).min(MOST_PATIENCE)));
}

/// A task that is left with a worker, to find out whether another thread runs it.
///
/// tokio does not tell, and takes the worker back if nobody has come for it when a block ends. Where the task runs, there is
/// another thread for tasks; if on the worker of the same index, it is ours.
struct LeftTask {
    index: usize,
    ran_on: Arc<AtomicUsize>,
}

impl LeftTask {
    const NOWHERE: usize = usize::MAX;

    /// Leaves a task with the worker that this thread is. Returns `None` if this thread is no worker.
    fn spawn(runtime: &Handle) -> Option<Self> {
        let index = tokio::runtime::worker_index()?;
        let ran_on = Arc::new(AtomicUsize::new(Self::NOWHERE));
        let noted = Arc::clone(&ran_on);
        drop(runtime.spawn(async move {
            let index = tokio::runtime::worker_index().unwrap_or(Self::NOWHERE - 1);
            noted.store(index, Ordering::Release);
        }));
        Some(Self { index, ran_on })
    }

    fn has_run(&self) -> bool {
        self.ran_on.load(Ordering::Acquire) != Self::NOWHERE
    }

    /// Whether another thread is known to run the worker. To be asked before this thread runs tasks again.
    fn tells_of_another_thread(&self) -> bool {
        self.ran_on.load(Ordering::Acquire) == self.index
    }
}
