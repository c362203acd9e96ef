//! The line in which callers wait for a turn.
//!
//! Turns are taken and given up elsewhere, by one atomic write each ([`TurnLock`](crate::sys::turn_lock::TurnLock),
//! [`Permits`](super::permits::Permits)). Whoever finds none waits here, in the queue of a well-known lock; only its
//! head looks for turns that are given up, so there is no more than one to be woken.
//!
//! Callers that come while the head of the queue is being woken may go first, or every turn would cost a change of
//! threads. A head that has waited for [`PATIENCE`] ends that until it has had its turn.

use std::time::Duration;

use super::primitives::{AsyncMutex, AtomicBool, AtomicUsize, Instant, Notify, Ordering};

/// Longest time for which callers may go before the one that waits longest.
pub(crate) const PATIENCE: Duration = Duration::from_micros(500);

/// Those who wait.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Nobody may go before the head of the queue.
    orderly: AtomicBool,
    waiting: AtomicUsize,
    head: AsyncMutex<()>,
    given_up: Notify,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            orderly: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            head: AsyncMutex::new(()),
            given_up: Notify::new(),
        }
    }

    /// Whether whoever comes now has to stand in line.
    #[inline]
    pub(crate) fn is_orderly(&self) -> bool {
        self.orderly.load(Ordering::Relaxed)
    }

    /// Whether anybody waits.
    #[inline]
    pub(crate) fn has_waiters(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Waits at the end of the line until `take` takes a turn. It is to try that by a sequentially consistent
    /// exchange, and only the head of the queue calls it.
    pub(crate) async fn wait<T>(&self, take: impl Fn() -> Option<T>) -> T {
        let _waiter = Waiter::new(&self.waiting);
        let _head = self.head.lock().await;
        let _order = Order(&self.orderly);
        let since = Instant::now();
        loop {
            if let Some(taken) = take() {
                return taken;
            }
            if since.elapsed() >= PATIENCE {
                self.orderly.store(true, Ordering::Relaxed);
            }
            // One that was given up between the two has left a notification.
            self.given_up.notified().await;
        }
    }

    /// To be called after a turn was given up by a sequentially consistent exchange: then either a waiter sees the
    /// turn, or is seen here.
    #[inline]
    pub(crate) fn wake(&self) {
        if self.has_waiters() {
            self.given_up.notify_one();
        }
    }
}

/// One who waits, until this is dropped.
struct Waiter<'a>(&'a AtomicUsize);

impl<'a> Waiter<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(waiting)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Ends the order that a head of the queue has asked for.
struct Order<'a>(&'a AtomicBool);

impl Drop for Order<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
