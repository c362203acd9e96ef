//! A thread that waits for a future of the host while its guest does.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tokio::runtime::{Handle, RuntimeFlavor};

use super::background;
use crate::error::Result;
use crate::watchdog::CallControl;

thread_local! {
    /// The runtime of whoever made the call that this thread runs.
    static CALLERS: RefCell<Option<Handle>> = const { RefCell::new(None) };
}

/// Puts the runtime back that was there before.
pub(crate) struct Restore(Option<Handle>);

impl Drop for Restore {
    fn drop(&mut self) {
        CALLERS.set(self.0.take());
    }
}

/// Says whose call this thread runs from now on.
pub(crate) fn for_caller(runtime: Option<Handle>) -> Restore {
    Restore(CALLERS.replace(runtime))
}

/// Says that this thread runs a call of its own, unless it is known whose.
///
/// A runtime with only one thread is not taken: that thread would wait here for what only it can do.
pub(crate) fn for_this_thread() -> Restore {
    let known = CALLERS.with_borrow(Clone::clone);
    let own = || {
        let current = Handle::try_current().ok()?;
        (current.runtime_flavor() != RuntimeFlavor::CurrentThread).then_some(current)
    };
    for_caller(known.or_else(own))
}

/// The runtime that futures are polled in: the caller's, or the library's.
pub(crate) fn runtime() -> Result<Handle> {
    match CALLERS.with_borrow(Clone::clone) {
        Some(callers) => Ok(callers),
        None => background::runtime().cloned(),
    }
}

/// Blocks the thread until the future is ready. Nothing if the call is to stop before that; the future is dropped then.
pub(crate) fn until_stopped<F: Future>(control: &CallControl, future: F) -> Option<F::Output> {
    let woken = Arc::new(Unpark { thread: thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    let (mut stopped, mut future) = (pin!(control.stop_requested()), pin!(future));
    loop {
        if stopped.as_mut().poll(&mut context).is_ready() {
            return None;
        }
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        // What the future does when it is polled may park the thread too and take our permit to go on.
        while !woken.woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}
