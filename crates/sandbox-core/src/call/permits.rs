//! How many callers may have an instance at once.
//!
//! Taken and given up without anybody waiting, a permit costs one atomic exchange each, and nothing else that the
//! cores share.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::queue::Queue;

/// So many callers at once, and the others wait in the order of asking.
#[derive(Debug)]
pub(crate) struct Permits {
    most: usize,
    left: AtomicUsize,
    queue: Queue,
}

impl Permits {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, left: AtomicUsize::new(most), queue: Queue::new() }
    }

    /// Whether anybody has a permit or waits for one.
    pub(crate) fn are_in_use(&self) -> bool {
        self.left.load(Ordering::Relaxed) < self.most || self.queue.has_waiters()
    }

    /// Takes a permit, if one can be had at once. Each has to be [given up](Self::give_up).
    #[inline]
    #[must_use]
    pub(crate) fn try_take(&self) -> bool {
        !self.queue.is_orderly() && self.take()
    }

    /// Waits for a permit, which has to be [given up](Self::give_up).
    ///
    /// # Cancel safety
    /// A caller that is dropped while it waits has no permit.
    pub(crate) async fn wait(&self) {
        if !self.try_take() {
            self.queue.wait(|| self.take()).await;
        }
    }

    #[inline]
    pub(crate) fn give_up(&self) {
        self.left.fetch_add(1, Ordering::SeqCst);
        self.queue.wake();
    }

    #[inline]
    fn take(&self) -> bool {
        let one_less = |left: usize| left.checked_sub(1);
        self.left.try_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_have_one_than_may_and_all_get_one() {
        const MOST: usize = 2;
        const EACH: usize = 2_000;
        let permits = Permits::new(MOST);
        let having = AtomicUsize::new(0);
        let had = AtomicUsize::new(0);
        let have_one = || {
            assert!(having.fetch_add(1, Ordering::SeqCst) < MOST);
            had.fetch_add(1, Ordering::SeqCst);
            having.fetch_sub(1, Ordering::SeqCst);
            permits.give_up();
        };
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..EACH {
                        pollster::block_on(permits.wait());
                        have_one();
                    }
                });
                scope.spawn(|| {
                    for _ in 0..EACH {
                        // Given up while it waits, at every stage of waiting.
                        let waits = std::pin::pin!(permits.wait());
                        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                        if waits.poll(&mut context).is_ready() {
                            permits.give_up();
                        }
                    }
                });
            }
        });
        assert_eq!(had.load(Ordering::SeqCst), 3 * EACH);
        assert!(!permits.are_in_use());
    }

    #[test]
    fn what_is_taken_cannot_be_taken() {
        let permits = Permits::new(1);
        assert!(!permits.are_in_use());
        assert!(permits.try_take() && permits.are_in_use() && !permits.try_take());
        permits.give_up();
        assert!(permits.try_take());
    }
}
