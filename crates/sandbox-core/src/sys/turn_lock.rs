//! The lock by which callers take turns on an instance.
//!
//! It is held for a call, and calls can be shorter than what a general asynchronous lock costs. Taken and given up
//! without anybody waiting, this one costs one atomic exchange each. Whoever has to wait does so in a [`Queue`].
#![expect(unsafe_code, reason = "gives out what it guards")]

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::sync::primitives::{AtomicBool, Ordering, block_on};
use crate::sync::queue::Queue;

/// Something that one caller at a time may use.
pub(crate) struct TurnLock<T> {
    taken: AtomicBool,
    queue: Queue,
    value: UnsafeCell<T>,
}

// SAFETY: it gives out the value to one thread at a time, and only exclusively.
unsafe impl<T: Send> Sync for TurnLock<T> {}

impl<T> TurnLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { taken: AtomicBool::new(false), queue: Queue::new(), value: UnsafeCell::new(value) }
    }

    /// A turn, if it can be had at once.
    #[inline]
    pub(crate) fn try_lock(&self) -> Option<TurnGuard<'_, T>> {
        if self.queue.is_orderly() || !self.take() {
            return None;
        }
        Some(TurnGuard { lock: self })
    }

    /// Waits for a turn.
    pub(crate) async fn lock(&self) -> TurnGuard<'_, T> {
        if let Some(guard) = self.try_lock() {
            return guard;
        }
        self.queue.wait(|| self.take().then_some(())).await;
        TurnGuard { lock: self }
    }

    /// Waits for a turn, blocking the thread.
    pub(crate) fn lock_blocking(&self) -> TurnGuard<'_, T> {
        self.try_lock().unwrap_or_else(|| block_on(self.lock()))
    }

    /// As [`Self::try_lock`], independent of a borrow.
    pub(crate) fn try_lock_arc(self: &Arc<Self>) -> Option<KeptTurn<T>> {
        self.try_lock().map(|guard| guard.keep(self))
    }

    /// As [`Self::lock`], independent of a borrow.
    pub(crate) async fn lock_arc(self: &Arc<Self>) -> KeptTurn<T> {
        self.lock().await.keep(self)
    }

    #[inline]
    fn take(&self) -> bool {
        self.taken.compare_exchange(false, true, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    #[inline]
    fn give_up(&self) {
        self.taken.swap(false, Ordering::SeqCst);
        self.queue.wake();
    }
}

/// A turn, until it is dropped.
pub(crate) struct TurnGuard<'a, T> {
    lock: &'a TurnLock<T>,
}

// SAFETY: it stands for a `&mut T`.
unsafe impl<T: Send> Send for TurnGuard<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for TurnGuard<'_, T> {}

impl<T> TurnGuard<'_, T> {
    fn keep(self, lock: &Arc<TurnLock<T>>) -> KeptTurn<T> {
        std::mem::forget(self);
        KeptTurn { lock: Arc::clone(lock) }
    }
}

impl<T> Deref for TurnGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: whoever has the turn is the only one with access.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for TurnGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: whoever has the turn is the only one with access.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for TurnGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.give_up();
    }
}

/// A turn that may move to another thread, until it is dropped.
pub(crate) struct KeptTurn<T> {
    lock: Arc<TurnLock<T>>,
}

// SAFETY: it stands for a `&mut T`, as `TurnGuard` does.
unsafe impl<T: Sync + Send> Sync for KeptTurn<T> {}

impl<T> Deref for KeptTurn<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: whoever has the turn is the only one with access.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for KeptTurn<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: whoever has the turn is the only one with access.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for KeptTurn<T> {
    fn drop(&mut self) {
        self.lock.give_up();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sync::queue::PATIENCE;

    #[test]
    fn one_at_a_time_has_it_and_all_get_it() {
        const EACH: usize = if cfg!(miri) { 20 } else { 2_000 };
        let lock = Arc::new(TurnLock::new(0usize));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..EACH).for_each(|_| *lock.lock_blocking() += 1));
                scope.spawn(|| {
                    pollster::block_on(async {
                        for _ in 0..EACH {
                            *lock.lock_arc().await += 1;
                        }
                    });
                });
                scope.spawn(|| {
                    for _ in 0..EACH {
                        // Given up while it waits, at every stage of waiting.
                        let waits = std::pin::pin!(lock.lock());
                        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                        if let std::task::Poll::Ready(mut guard) = waits.poll(&mut context) {
                            *guard += 1;
                            *guard -= 1;
                        }
                    }
                });
            }
        });
        assert_eq!(*lock.lock_blocking(), 4 * EACH);
        assert!(!lock.queue.has_waiters());
    }

    #[test]
    fn one_who_has_waited_long_goes_first() {
        let lock = TurnLock::new(());
        let first = lock.lock_blocking();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| drop(lock.lock_blocking()));
            while !lock.queue.has_waiters() {
                std::thread::yield_now();
            }
            std::thread::sleep(2 * PATIENCE + Duration::from_millis(1));
            drop(first);
            // Until the waiter has looked again it may be overtaken; from then on no more.
            while !waiter.is_finished() {
                drop(lock.try_lock());
            }
        });
        assert!(!lock.queue.is_orderly());
        assert!(lock.try_lock().is_some());
    }

    #[test]
    fn what_is_taken_cannot_be_taken() {
        let lock = Arc::new(TurnLock::new(()));
        let kept = lock.try_lock_arc();
        assert!(kept.is_some() && lock.try_lock().is_none() && lock.try_lock_arc().is_none());
        drop(kept);
        assert!(lock.try_lock().is_some());
    }
}
