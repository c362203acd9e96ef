//! Where a guest's time and randomness come from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Clocks that a guest sees.
///
/// The monotonic clock starts at zero with each instance, so that it does not tell how long the host has
/// been up. The clocks of processor time show the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Clock {
    /// The time, in nanoseconds.
    Real,
    /// The time, in steps of a millisecond: too coarse to tell a cache hit from a miss.
    Coarse,
    /// The monotonic clock in steps of a millisecond. The real-time clock and the times of files stand
    /// still at the beginning of 1970, so that a guest cannot tell when it runs.
    CoarseMonotonic,
    /// All clocks stand still, the real-time clock and the times of files at that date. With
    /// [seeded](Randomness::Seeded) random bytes and [canonical](super::NanBits::Canonical) NaNs, the same run twice gives the
    /// same bytes. A guest that sleeps waits in real time, and one that waits for a later time by asking again and again
    /// does so until it is stopped.
    Fixed {
        /// The date, as the time since the beginning of 1970.
        since_1970: Duration,
    },
    /// All clocks show what the host sets. A guest that sleeps waits in real time.
    Manual(ManualClock),
}

/// A clock that moves when the host says so. Clones are the same clock.
///
/// ```
/// use std::time::Duration;
/// use sandbox_core::{Clock, ManualClock, SecurityPolicy};
///
/// let clock = ManualClock::new(Duration::from_secs(1_000_000_000));
/// let policy = SecurityPolicy::strict().with_clock(Clock::Manual(clock.clone()));
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.since_1970(), Duration::from_secs(1_000_000_060));
/// # let _ = policy;
/// ```
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock that shows that time since the beginning of 1970, to a nanosecond. It ends in the year 2554.
    pub fn new(since_1970: Duration) -> Self {
        Self(Arc::new(AtomicU64::new(nanoseconds(since_1970))))
    }

    /// Moves the clock on.
    pub fn advance(&self, time: Duration) {
        let add = |now: u64| Some(now.saturating_add(nanoseconds(time)));
        // It always adds, so there is no failure.
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, add);
    }

    /// The time that it shows, since the beginning of 1970.
    pub fn since_1970(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Acquire))
    }
}

/// Clocks are equal if they are one and the same.
impl PartialEq for ManualClock {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ManualClock {}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Source of a guest's random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Randomness {
    /// The operating system's, fit for keys.
    Secure,
    /// Equal bytes for each instance that has this seed. Good for tests, and not secret.
    Seeded(u64),
    /// There are none: the guest gets an error. Standard libraries that need some for their hash maps
    /// abort then.
    Denied,
}
