//! Where things lie ready, without a lock that all cores share.

use std::cell::Cell;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError, TryLockError};

/// The most shelves: each is looked at when the others are empty.
const MOST_SHELVES: usize = 16;

/// Several stacks of things that are all alike. A thread has a favourite one, which it takes from and puts to, so
/// what a core used last is what it uses next; it goes to the others only when that one is empty or busy.
pub(super) struct Shelves<T> {
    shelves: Box<[Shelf<T>]>,
}

/// On a cache line of its own.
#[repr(align(128))]
struct Shelf<T>(Mutex<Vec<T>>);

impl<T> Shelves<T> {
    /// Empty shelves, as many as there are cores.
    pub(super) fn new() -> Self {
        // Asked once, because it takes longer than everything else about a stock.
        static CORES: LazyLock<usize> =
            LazyLock::new(|| std::thread::available_parallelism().map_or(1, NonZero::get));
        let shelves = (0..(*CORES).min(MOST_SHELVES)).map(|_| Shelf(Mutex::default())).collect();
        Self { shelves }
    }

    /// Takes something, if there is anything.
    pub(super) fn take(&self) -> Option<T> {
        let favourite = favourite();
        self.from(favourite)
            .find_map(|shelf| shelf.try_lock()?.pop())
            // Somebody may have been at the only shelf that had something.
            .or_else(|| self.from(favourite).find_map(|shelf| shelf.lock().pop()))
    }

    /// Puts something there.
    pub(super) fn put(&self, thing: T) {
        let favourite = favourite();
        match self.from(favourite).find_map(Shelf::try_lock) {
            Some(mut shelf) => shelf.push(thing),
            None => {
                if let Some(shelf) = self.from(favourite).next() {
                    shelf.lock().push(thing);
                }
            }
        }
    }

    /// All shelves, beginning with that one.
    fn from(&self, first: usize) -> impl Iterator<Item = &Shelf<T>> {
        let (before, after) = self.shelves.split_at(first % self.shelves.len());
        after.iter().chain(before)
    }
}

impl<T> Shelf<T> {
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

/// The number of the calling thread's favourite shelf, given out in turn.
fn favourite() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static FAVOURITE: Cell<Option<usize>> = const { Cell::new(None) };
    }
    FAVOURITE.get().unwrap_or_else(|| {
        let favourite = NEXT.fetch_add(1, Ordering::Relaxed);
        FAVOURITE.set(Some(favourite));
        favourite
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_taken_once_from_any_thread() {
        let shelves = Shelves::new();
        for number in 0..100 {
            shelves.put(number);
        }
        let mut taken: Vec<i32> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| std::iter::from_fn(|| shelves.take()).collect::<Vec<_>>()))
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        taken.sort_unstable();
        assert_eq!(taken, (0..100).collect::<Vec<_>>());
    }
}
