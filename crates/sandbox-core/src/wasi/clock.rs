//! The clocks of a guest.

use std::cell::{Cell, OnceCell};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::policy::Clock;

/// The step of a coarse clock: a thousand times what timing a cache takes.
const COARSE: Duration = Duration::from_millis(1);
const STEP_NANOSECONDS: u64 = 1_000_000;

/// WASI's numbers of the clocks.
pub(super) const REALTIME: u32 = 0;
const THREAD_CPU_TIME: u32 = 3;

/// Clocks of a guest.
#[derive(Debug)]
pub(super) struct ClockSource {
    clock: Clock,
    /// When one of the clocks that tell no date was first looked at: they begin there, so an instance that
    /// waited for its caller cannot be told from a new one.
    origin: OnceCell<Instant>,
    /// Whether the guest was told any time.
    told: Cell<bool>,
}

impl ClockSource {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, origin: OnceCell::new(), told: Cell::new(false) }
    }

    /// Lets the clocks that tell no date begin anew.
    pub(super) fn restart(&mut self) {
        self.origin = OnceCell::new();
    }

    /// Whether the guest has looked at a clock since it was made.
    pub(super) fn has_told(&self) -> bool {
        self.told.get()
    }

    /// The time on that clock, or nothing if there is no such clock.
    pub(super) fn now(&self, id: u32) -> Option<Duration> {
        self.told.set(true);
        match (id, self.clock) {
            (REALTIME, clock) => Some(date(clock)),
            (..=THREAD_CPU_TIME, _) => {
                let elapsed = self.origin.get_or_init(Instant::now).elapsed();
                // Some libraries take zero for a clock that does not work.
                Some(rounded(self.clock, elapsed) + self.resolution())
            }
            _ => None,
        }
    }

    /// The time of a file as the guest may see it.
    pub(super) fn file_time(&self, nanoseconds: u64) -> u64 {
        match self.clock {
            Clock::CoarseMonotonic => 0,
            Clock::Real | Clock::Coarse => {
                in_nanoseconds(rounded(self.clock, Duration::from_nanos(nanoseconds)))
            }
        }
    }

    /// The step of the clocks.
    pub(super) fn resolution(&self) -> Duration {
        match self.clock {
            Clock::Real => Duration::from_nanos(1),
            Clock::Coarse | Clock::CoarseMonotonic => COARSE,
        }
    }
}

/// The date that a guest with that clock sees.
pub(super) fn date(clock: Clock) -> Duration {
    match clock {
        Clock::CoarseMonotonic => Duration::ZERO,
        Clock::Real | Clock::Coarse => {
            rounded(clock, SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
        }
    }
}

fn rounded(clock: Clock, time: Duration) -> Duration {
    match clock {
        Clock::Real => time,
        Clock::Coarse | Clock::CoarseMonotonic => {
            time - Duration::from_nanos(u64::from(time.subsec_nanos()) % STEP_NANOSECONDS)
        }
    }
}

/// The time as WASI writes it.
pub(super) fn in_nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coarse_clocks_show_whole_milliseconds() {
        let clock = ClockSource::new(Clock::Coarse);
        for id in 0..=3 {
            assert_eq!(clock.now(id).unwrap().subsec_nanos() % 1_000_000, 0);
        }
        assert!(clock.now(REALTIME).unwrap() > Duration::from_secs(1_700_000_000));
        assert_eq!(clock.file_time(1_700_000_000_123_456_789), 1_700_000_000_123_000_000);
    }

    #[test]
    fn there_are_four_clocks() {
        assert!(ClockSource::new(Clock::Real).now(4).is_none());
    }

    #[test]
    fn the_monotonic_clock_alone_does_not_tell_the_date() {
        let clock = ClockSource::new(Clock::CoarseMonotonic);
        assert_eq!(clock.now(REALTIME), Some(Duration::ZERO));
        assert!(clock.now(1).unwrap() < Duration::from_secs(60));
        assert!(clock.now(1).unwrap() >= Duration::from_millis(1), "it is never zero");
        assert_eq!(clock.file_time(1_700_000_000_000_000_000), 0);
    }
}
