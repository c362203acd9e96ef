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
    /// Time that a manual clock showed then.
    manual_origin: OnceCell<Duration>,
    /// Whether the guest was told any time.
    told: Cell<bool>,
}

impl ClockSource {
    pub(super) fn new(clock: Clock) -> Self {
        let (origin, manual_origin) = (OnceCell::new(), OnceCell::new());
        Self { clock, origin, manual_origin, told: Cell::new(false) }
    }

    /// Lets the clocks that tell no date begin anew.
    pub(super) fn restart(&mut self) {
        self.origin = OnceCell::new();
        self.manual_origin = OnceCell::new();
    }

    /// Whether the guest has looked at a clock since it was made.
    pub(super) fn has_told(&self) -> bool {
        self.told.get()
    }

    /// The time on that clock, or nothing if there is no such clock.
    pub(super) fn now(&self, id: u32) -> Option<Duration> {
        self.told.set(true);
        match id {
            REALTIME => Some(date(&self.clock)),
            // Some libraries take zero for a clock that does not work.
            1..=THREAD_CPU_TIME => Some(rounded(&self.clock, self.elapsed()) + self.resolution()),
            _ => None,
        }
    }

    /// The time since one of the clocks that tell no date was first looked at.
    fn elapsed(&self) -> Duration {
        match &self.clock {
            Clock::Fixed { .. } => Duration::ZERO,
            Clock::Manual(clock) => {
                let now = clock.since_1970();
                now.saturating_sub(*self.manual_origin.get_or_init(|| now))
            }
            _ => self.origin.get_or_init(Instant::now).elapsed(),
        }
    }

    /// The time of a file as the guest may see it.
    pub(super) fn file_time(&self, nanoseconds: u64) -> u64 {
        match &self.clock {
            Clock::CoarseMonotonic => 0,
            Clock::Fixed { since_1970 } => in_nanoseconds(*since_1970),
            clock => in_nanoseconds(rounded(clock, Duration::from_nanos(nanoseconds))),
        }
    }

    /// The step of the clocks.
    pub(super) fn resolution(&self) -> Duration {
        match self.clock {
            Clock::Coarse | Clock::CoarseMonotonic => COARSE,
            Clock::Real | Clock::Fixed { .. } | Clock::Manual(_) => Duration::from_nanos(1),
        }
    }
}

/// The date that a guest with that clock sees.
pub(super) fn date(clock: &Clock) -> Duration {
    match clock {
        Clock::CoarseMonotonic => Duration::ZERO,
        Clock::Fixed { since_1970 } => *since_1970,
        Clock::Manual(clock) => clock.since_1970(),
        Clock::Real | Clock::Coarse => {
            rounded(clock, SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
        }
    }
}

fn rounded(clock: &Clock, time: Duration) -> Duration {
    match clock {
        Clock::Real | Clock::Fixed { .. } | Clock::Manual(_) => time,
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
    fn clocks_of_the_host_show_what_it_sets() {
        let date = Duration::new(1_000, 7);
        let fixed = ClockSource::new(Clock::Fixed { since_1970: date });
        assert_eq!((fixed.now(REALTIME), fixed.file_time(5)), (Some(date), 1_000_000_000_007));
        assert_eq!(fixed.now(1), fixed.now(1));
        let manual = crate::policy::ManualClock::new(date);
        let clock = ClockSource::new(Clock::Manual(manual.clone()));
        let before = clock.now(1).unwrap();
        manual.advance(Duration::from_secs(5));
        assert_eq!(clock.now(REALTIME), Some(date + Duration::from_secs(5)));
        assert_eq!(clock.now(1), Some(before + Duration::from_secs(5)));
        assert!(!before.is_zero());
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
