//! Permits, which bound how many callers may have an instance at once.
//!
//! Permits are divided among the cores. Taken and given up without anybody waiting, one costs an atomic exchange each,
//! of a word that other cores leave alone as long as there are enough for all.

use super::primitives::{AtomicUsize, Ordering};
use super::queue::Queue;
use super::shards::{Shard, Shards};

/// So many callers at once, and the others wait in the order of asking.
#[derive(Debug)]
pub(crate) struct Permits {
    shards: Shards<Share>,
    queue: Queue,
}

/// A core's share of the permits. Each goes back to where it was taken from.
#[derive(Debug)]
struct Share {
    left: AtomicUsize,
    most: usize,
}

/// Where a permit was taken from. Each has to be [given up](Permits::give_up), once.
#[derive(Debug)]
#[must_use]
pub(crate) struct Permit(Shard);

impl Permits {
    pub(crate) fn new(most: usize) -> Self {
        let share = |number, count| {
            let most = most / count + usize::from(number < most % count);
            Share { left: AtomicUsize::new(most), most }
        };
        Self { shards: Shards::new(share), queue: Queue::new() }
    }

    /// Whether anybody has a permit or waits for one. If not, all who had one when this was called have given it up.
    pub(crate) fn are_in_use(&self) -> bool {
        self.queue.has_waiters()
            || self.shards.iter().any(|share| share.left.load(Ordering::SeqCst) < share.most)
    }

    /// Takes a permit, if one can be had at once.
    #[inline]
    pub(crate) fn try_take(&self) -> Option<Permit> {
        if self.queue.is_orderly() { None } else { self.take() }
    }

    /// Waits for a permit.
    ///
    /// # Cancel safety
    /// A caller that is dropped while it waits has no permit.
    pub(crate) async fn wait(&self) -> Permit {
        match self.try_take() {
            Some(permit) => permit,
            None => self.queue.wait(|| self.take()).await,
        }
    }

    #[inline]
    pub(crate) fn give_up(&self, permit: Permit) {
        let Permit(shard) = permit;
        self.shards[shard].left.fetch_add(1, Ordering::SeqCst);
        self.queue.wake();
    }

    #[inline]
    fn take(&self) -> Option<Permit> {
        let one_less = |left: usize| left.checked_sub(1);
        let is_taken = |share: &Share| {
            share.left.try_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok()
        };
        let mut shares = self.shards.favourite_first();
        shares.find(|(_, share)| is_taken(share)).map(|(shard, _)| Permit(shard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_have_one_than_may_and_all_get_one() {
        const MOST: usize = 2;
        const EACH: usize = if cfg!(miri) { 20 } else { 2_000 };
        let permits = Permits::new(MOST);
        let having = AtomicUsize::new(0);
        let had = AtomicUsize::new(0);
        let have = |permit| {
            assert!(having.fetch_add(1, Ordering::SeqCst) < MOST);
            had.fetch_add(1, Ordering::SeqCst);
            having.fetch_sub(1, Ordering::SeqCst);
            permits.give_up(permit);
        };
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..EACH {
                        have(pollster::block_on(permits.wait()));
                    }
                });
                scope.spawn(|| {
                    for _ in 0..EACH {
                        // Given up while it waits, at every stage of waiting.
                        let waits = std::pin::pin!(permits.wait());
                        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                        if let std::task::Poll::Ready(permit) = waits.poll(&mut context) {
                            permits.give_up(permit);
                        }
                    }
                });
            }
        });
        assert_eq!(had.load(Ordering::SeqCst), 3 * EACH);
        assert!(!permits.are_in_use());
    }

    #[test]
    fn there_are_exactly_so_many() {
        for most in [1, 2, 3, 64, if cfg!(miri) { 65 } else { 1000 }] {
            let permits = Permits::new(most);
            assert!(!permits.are_in_use());
            let mut taken: Vec<Permit> = std::iter::from_fn(|| permits.try_take()).collect();
            assert_eq!(taken.len(), most);
            while let Some(permit) = taken.pop() {
                assert!(permits.are_in_use());
                permits.give_up(permit);
            }
            assert!(!permits.are_in_use());
        }
    }
}
