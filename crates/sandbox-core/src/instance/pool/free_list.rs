//! Where things lie ready, without a lock that all cores share.

use crate::sync::primitives::{Mutex, MutexGuard, PoisonError, TryLockError};
use crate::sync::shards::Shards;

/// Several stacks of things that are all alike. A thread takes from its favourite one and puts there; it goes to the
/// others only when that one is empty or busy.
pub(super) struct FreeList<T>(Shards<Stack<T>>);

struct Stack<T>(Mutex<Vec<T>>);

impl<T> FreeList<T> {
    /// Empty stacks, as many as there are cores.
    pub(super) fn new() -> Self {
        Self(Shards::new(|_, _| Stack(Mutex::new(Vec::new()))))
    }

    /// Takes something, if there is anything.
    pub(super) fn take(&self) -> Option<T> {
        let stacks = || self.0.favourite_first().map(|(_, stack)| stack);
        stacks()
            .find_map(|stack| stack.try_lock()?.pop())
            // Somebody may have been at the only stack that had something.
            .or_else(|| stacks().find_map(|stack| stack.lock().pop()))
    }

    /// Puts something there.
    pub(super) fn put(&self, thing: T) {
        let free = self.0.favourite_first().find_map(|(_, stack)| stack.try_lock());
        free.unwrap_or_else(|| self.0.favourite().lock()).push(thing);
    }
}

impl<T> Stack<T> {
    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Vec<T>>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_taken_once_from_any_thread() {
        let stacks = FreeList::new();
        for number in 0..100 {
            stacks.put(number);
        }
        let mut taken: Vec<i32> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| std::iter::from_fn(|| stacks.take()).collect::<Vec<_>>()))
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        taken.sort_unstable();
        assert_eq!(taken, (0..100).collect::<Vec<_>>());
    }
}
