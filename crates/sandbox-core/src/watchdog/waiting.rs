//! A thread that waits for a future of the host while its guest does.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use super::CallControl;

impl CallControl {
    /// Blocks the thread until the future is ready. Returns `None` if the call is to stop before that; the future is
    /// dropped then.
    pub(crate) fn wait_unless_stopped<F: Future>(&self, future: F) -> Option<F::Output> {
        let woken = Arc::new(Unpark { thread: thread::current(), woken: AtomicBool::new(false) });
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let (mut stopped, mut future) = (pin!(self.stop_requested()), pin!(future));
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
