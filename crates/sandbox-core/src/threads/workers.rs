//! Worker threads: their number, and for whom they are.
//!
//! A call on a worker thread takes one of so many *slots*. A guest that waits for a host function computes nothing
//! meanwhile, and what it waits for may need a slot itself: another call, or whatever else of the host makes one. Had
//! guests that wait kept all slots, they would wait for each other for ever. So a guest gives its slot back while
//! it waits, and a call out of a host function never waits for one. What there is of threads beyond the slots is
//! limited too, and a call that would need one more fails.
//!
//! A guest that sleeps computes nothing either, and gives its slot back. How many sleep is up to guests, so they get no
//! more than half of the threads beyond the slots.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{NestingFault, Result, SandboxError};

/// The most calls on worker threads that compute at once, as far as it is up to us: some beyond that may, which
/// waited for a host function a moment ago.
const MOST_SLOTS: usize = 512;
/// The most threads of guests that wait for host functions, and of calls out of host functions.
const MOST_BEYOND: usize = 3584;
/// Threads for other work: looking up names, putting instances back.
const OTHERS: usize = 128;

/// The most worker threads.
pub(crate) const MOST_THREADS: usize = MOST_SLOTS + MOST_BEYOND + OTHERS;

static WORKERS: Workers = Workers::new(MOST_SLOTS, MOST_BEYOND);

thread_local! {
    /// Of the call that this thread runs.
    static SLOT: Cell<Option<Slot>> = const { Cell::new(None) };
}

/// The threads that may run calls.
pub(crate) struct Workers {
    slots: Semaphore,
    beyond: AtomicUsize,
    most_beyond: usize,
}

/// One call's right to a thread.
pub(crate) enum Slot {
    Own(&'static Workers, SemaphorePermit<'static>),
    Beyond(Beyond),
}

/// One thread beyond the slots.
pub(crate) struct Beyond(&'static Workers);

impl Drop for Beyond {
    fn drop(&mut self) {
        self.0.beyond.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Workers {
    const fn new(slots: usize, most_beyond: usize) -> Self {
        Self { slots: Semaphore::const_new(slots), beyond: AtomicUsize::new(0), most_beyond }
    }

    fn slot_now(&'static self) -> Option<Slot> {
        Some(Slot::Own(self, self.slots.try_acquire().ok()?))
    }

    /// A thread beyond the slots, if fewer than that are in use.
    fn beyond(&'static self, most: usize) -> Option<Beyond> {
        let before = self.beyond.fetch_add(1, Ordering::AcqRel);
        let one_more = Beyond(self);
        (before < most).then_some(one_more)
    }

    async fn slot(&'static self, function: &str) -> Result<Slot> {
        if let Some(slot) = self.slot_now() {
            return Ok(slot);
        }
        if super::nesting::is_guest_here() {
            return self.beyond(self.most_beyond).map(Slot::Beyond).ok_or_else(|| {
                SandboxError::NestedCall {
                    function: function.to_owned(),
                    fault: NestingFault::NoThreadLeft { waiting: self.most_beyond },
                }
            });
        }
        let permit = self.slots.acquire().await.expect("the semaphore is never closed");
        Ok(Slot::Own(self, permit))
    }
}

/// Waits for a slot, in the order of asking. A call out of a host function gets one at once.
///
/// # Errors
/// [`SandboxError::NestedCall`] if a call out of a host function would have to wait.
pub(crate) async fn slot(function: &str) -> Result<Slot> {
    WORKERS.slot(function).await
}

impl Slot {
    /// Does the work that the slot is for, on a thread of its own.
    pub(crate) fn fill<T>(self, work: impl FnOnce() -> T) -> T {
        /// Gives the slot back, also after a panic.
        struct Emptied;
        impl Drop for Emptied {
            fn drop(&mut self) {
                SLOT.take();
            }
        }
        SLOT.set(Some(self));
        let _emptied = Emptied;
        work()
    }
}

/// Waits on this thread for something of the host, while its slot is another's.
pub(crate) fn without_slot<T>(wait: impl FnOnce() -> T) -> T {
    give_slot_up(|workers| workers.most_beyond, wait)
}

/// Waits on this thread for what the guest chose itself.
pub(crate) fn asleep<T>(wait: impl FnOnce() -> T) -> T {
    give_slot_up(|workers| workers.most_beyond / 2, wait)
}

/// Gives the slot to others until the wait is over, unless so many threads are beyond the slots already.
fn give_slot_up<T>(most_beyond: impl Fn(&Workers) -> usize, wait: impl FnOnce() -> T) -> T {
    let given_up = SLOT.take().map(|slot| match slot {
        Slot::Own(workers, permit) => match workers.beyond(most_beyond(workers)) {
            Some(beyond) => {
                drop(permit);
                Slot::Beyond(beyond)
            }
            None => Slot::Own(workers, permit),
        },
        beyond @ Slot::Beyond(_) => beyond,
    });
    let value = wait();
    SLOT.set(given_up.map(|slot| match slot {
        Slot::Beyond(Beyond(workers)) => workers.slot_now().unwrap_or(slot),
        own @ Slot::Own(..) => own,
    }));
    value
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    fn workers(slots: usize, beyond: usize) -> &'static Workers {
        Box::leak(Box::new(Workers::new(slots, beyond)))
    }

    fn free(workers: &Workers) -> (usize, usize) {
        (workers.slots.available_permits(), workers.beyond.load(Ordering::Relaxed))
    }

    #[test]
    fn a_guest_that_waits_leaves_its_slot_to_another() {
        let workers = workers(1, 1);
        workers.slot_now().unwrap().fill(|| {
            assert!(workers.slot_now().is_none());
            without_slot(|| {
                let other = workers.slot_now().unwrap();
                assert_eq!(free(workers), (0, 1));
                // As many as may wait do, so this one keeps its slot.
                other.fill(|| without_slot(|| assert!(workers.slot_now().is_none())));
            });
            assert_eq!(free(workers), (0, 0), "it has its slot again, as nobody else has");
        });
        assert_eq!(free(workers), (1, 0));
    }

    #[test]
    fn guests_that_sleep_leave_threads_to_those_that_wait_for_the_host() {
        let workers = workers(3, 2);
        let sleeping = |then: &dyn Fn()| workers.slot_now().unwrap().fill(|| asleep(then));
        sleeping(&|| {
            assert_eq!(free(workers), (3, 1));
            sleeping(&|| {
                assert_eq!(free(workers), (2, 1), "it keeps its slot");
                let other = workers.slot_now().unwrap();
                other.fill(|| without_slot(|| assert_eq!(free(workers), (2, 2))));
            });
        });
        assert_eq!(free(workers), (3, 0));
    }

    #[test]
    fn a_slot_is_free_again_after_a_panic() {
        let workers = workers(1, 1);
        for wait in [false, true] {
            let slot = workers.slot_now().unwrap();
            let work = || if wait { without_slot(|| panic!("waiting")) } else { panic!("working") };
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| slot.fill(work))).unwrap_err();
            assert_eq!(free(workers), (1, 0));
        }
    }

    #[test]
    fn only_a_call_out_of_a_host_function_gets_a_thread_beyond_the_slots() {
        let workers = workers(1, 1);
        let _taken = workers.slot_now().unwrap();
        let poll = || {
            let mut slot = std::pin::pin!(workers.slot("f"));
            slot.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
        };
        assert!(poll().is_pending(), "it waits its turn");
        super::super::nesting::in_a_host_function(|| {
            let Poll::Ready(Ok(beyond)) = poll() else { panic!("it waits") };
            let Poll::Ready(Err(error)) = poll() else { panic!("there are too many") };
            assert!(matches!(error, SandboxError::NestedCall { .. }), "{error}");
            drop(beyond);
            assert!(matches!(poll(), Poll::Ready(Ok(Slot::Beyond(_)))));
        });
    }
}
