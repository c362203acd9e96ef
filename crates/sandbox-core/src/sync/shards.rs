//! One of something for each core, so that cores need not write to the same places.

use std::cell::Cell;
use std::num::NonZero;
use std::ops::Index;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most shards, a power of two: whoever needs all of them visits each, and sandboxes have several.
const MOST: usize = 8;

/// Several of the same. A thread has a favourite one, so what a core used last is what it uses next.
#[derive(Debug)]
pub(crate) struct Shards<T>(Box<[OnOwnLine<T>]>);

/// A shard's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard(usize);

/// On a cache line of its own.
#[derive(Debug)]
#[repr(align(64))]
struct OnOwnLine<T>(T);

impl<T> Shards<T> {
    /// At least as many as there are cores, made from their numbers and how many there will be.
    pub(crate) fn new(make: impl Fn(usize, usize) -> T) -> Self {
        // Asked once, because it takes long.
        static CORES: LazyLock<usize> =
            LazyLock::new(|| std::thread::available_parallelism().map_or(1, NonZero::get));
        let count = (*CORES).next_power_of_two().min(MOST);
        Self((0..count).map(|number| OnOwnLine(make(number, count))).collect())
    }

    /// All of them, beginning with the calling thread's favourite.
    #[inline]
    pub(crate) fn favourite_first(&self) -> impl Iterator<Item = (Shard, &T)> {
        let first = self.number_of_favourite();
        let numbers = (first..self.0.len()).chain(0..first);
        numbers.map(|number| (Shard(number), &self.0[number].0))
    }

    /// The calling thread's favourite.
    #[inline]
    pub(crate) fn favourite(&self) -> &T {
        &self.0[self.number_of_favourite()].0
    }

    /// There are a power of two, so that no division is needed.
    #[inline]
    fn number_of_favourite(&self) -> usize {
        favourite() & (self.0.len() - 1)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|shard| &shard.0)
    }
}

impl<T: Default> Default for Shards<T> {
    fn default() -> Self {
        Self::new(|_, _| T::default())
    }
}

impl<T> Index<Shard> for Shards<T> {
    type Output = T;

    #[inline]
    fn index(&self, shard: Shard) -> &T {
        &self.0[shard.0].0
    }
}

/// The number of the calling thread's favourite, given out in turn.
#[inline]
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
