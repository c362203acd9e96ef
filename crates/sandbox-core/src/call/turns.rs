//! Who goes next, where so many may go at once and no more.
//!
//! A turn is taken for a call, and calls can be shorter than what a general asynchronous lock costs. Taken and given
//! up without anybody waiting, a turn costs one atomic exchange each. Whoever has to wait does so in a queue of a
//! well-known lock; only the head of the queue looks at the turns, so there is no more than one to be woken.
//!
//! Callers that come while the head of the queue is being woken may go first, or every turn would cost a change of
//! threads. A head that has waited for [`PATIENCE`] ends that until it has had its turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How long callers may go before the one that waits longest.
const PATIENCE: Duration = Duration::from_micros(500);

/// So many turns that can be taken at once.
#[derive(Debug)]
pub(crate) struct Turns {
    free: AtomicUsize,
    at_once: usize,
    /// Nobody may go before the head of the queue.
    orderly: AtomicBool,
    waiting: AtomicUsize,
    queue: async_lock::Mutex<()>,
    given_up: Notify,
}

impl Turns {
    pub(crate) fn new(at_once: usize) -> Self {
        Self {
            free: AtomicUsize::new(at_once),
            at_once,
            orderly: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            queue: async_lock::Mutex::new(()),
            given_up: Notify::new(),
        }
    }

    /// Takes a turn if it can be had at once; says whether it did. Who has one gives it [up](Self::give_up).
    #[inline]
    pub(crate) fn try_take(&self) -> bool {
        !self.orderly.load(Ordering::Relaxed) && self.take_free()
    }

    /// Waits for a turn. Who drops the future has none.
    pub(crate) async fn take(&self) {
        if self.try_take() {
            return;
        }
        let _waiter = Waiter::new(&self.waiting);
        let _head = self.queue.lock().await;
        let _order = Order(&self.orderly);
        let since = Instant::now();
        while !self.take_free() {
            if since.elapsed() >= PATIENCE {
                self.orderly.store(true, Ordering::Relaxed);
            }
            // One that was given up between the two has left a notification.
            self.given_up.notified().await;
        }
    }

    /// Gives a turn up that was taken.
    #[inline]
    pub(crate) fn give_up(&self) {
        // An exchange, so that either a waiter sees it or is seen.
        self.free.fetch_add(1, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.given_up.notify_one();
        }
    }

    /// Whether somebody has a turn, or waits for one.
    pub(crate) fn is_wanted(&self) -> bool {
        self.free.load(Ordering::SeqCst) < self.at_once || self.waiting.load(Ordering::SeqCst) > 0
    }

    /// As [`Self::try_take`], for as long as what it returns lives.
    pub(crate) fn try_take_ticket(self: &Arc<Self>) -> Option<Ticket> {
        self.try_take().then(|| Ticket(Arc::clone(self)))
    }

    /// As [`Self::take`], for as long as what it returns lives.
    pub(crate) async fn take_ticket(self: &Arc<Self>) -> Ticket {
        self.take().await;
        Ticket(Arc::clone(self))
    }

    #[inline]
    fn take_free(&self) -> bool {
        let one_less = |free: usize| free.checked_sub(1);
        self.free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok()
    }
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Ticket(Arc<Turns>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.give_up();
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

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};
    use std::thread;

    use super::*;

    #[test]
    fn so_many_have_one_and_all_get_one() {
        const EACH: usize = 2_000;
        const AT_ONCE: usize = 2;
        let turns = Arc::new(Turns::new(AT_ONCE));
        let (holders, had) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let hold = |ticket: Ticket| {
            assert!(holders.fetch_add(1, Ordering::SeqCst) < AT_ONCE);
            had.fetch_add(1, Ordering::SeqCst);
            holders.fetch_sub(1, Ordering::SeqCst);
            drop(ticket);
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    (0..EACH).for_each(|_| hold(pollster::block_on(turns.take_ticket())));
                });
            }
            // Given up while it waits, at every stage of waiting.
            scope.spawn(|| {
                for _ in 0..EACH {
                    let waits = std::pin::pin!(turns.take_ticket());
                    let polled = waits.poll(&mut Context::from_waker(Waker::noop()));
                    if let Poll::Ready(ticket) = polled {
                        drop(ticket);
                    }
                }
            });
        });
        assert_eq!(had.into_inner(), 4 * EACH);
        assert!(!turns.is_wanted());
        assert_eq!(turns.free.load(Ordering::SeqCst), AT_ONCE);
    }

    #[test]
    fn one_who_has_waited_long_goes_first() {
        let turns = Turns::new(1);
        assert!(turns.try_take());
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                pollster::block_on(turns.take());
                turns.give_up();
            });
            while turns.waiting.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            thread::sleep(2 * PATIENCE + Duration::from_millis(1));
            turns.give_up();
            // Until the waiter has looked again it may be overtaken; from then on no more.
            while !waiter.is_finished() {
                if turns.try_take() {
                    turns.give_up();
                }
            }
        });
        assert!(!turns.orderly.load(Ordering::SeqCst));
        assert!(turns.try_take());
    }

    #[test]
    fn turns_are_wanted_while_somebody_has_or_awaits_one() {
        let turns = Arc::new(Turns::new(1));
        assert!(!turns.is_wanted());
        let ticket = turns.try_take_ticket();
        assert!(ticket.is_some() && turns.try_take_ticket().is_none() && turns.is_wanted());
        let mut waits = Box::pin(turns.take_ticket());
        let mut context = Context::from_waker(Waker::noop());
        assert!(waits.as_mut().poll(&mut context).is_pending());
        drop(ticket);
        assert!(turns.is_wanted(), "somebody waits");
        drop(waits);
        assert!(!turns.is_wanted());
    }
}
