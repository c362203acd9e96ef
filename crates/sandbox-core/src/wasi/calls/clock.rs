//! `clock_time_get` and `clock_res_get`.

use std::cell::{Cell, OnceCell};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Context, Errno, store};
use crate::policy::Clock;

/// The step of a coarse clock: a thousand times what timing a cache takes.
const COARSE: Duration = Duration::from_millis(1);
const STEP_NANOSECONDS: u64 = 1_000_000;

/// WASI's numbers of the clocks.
const REALTIME: u32 = 0;
const THREAD_CPU_TIME: u32 = 3;

/// What a guest's clocks show.
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
            (REALTIME, Clock::CoarseMonotonic) => Some(Duration::ZERO),
            (REALTIME, _) => {
                Some(self.rounded(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))
            }
            (..=THREAD_CPU_TIME, _) => {
                Some(self.rounded(self.origin.get_or_init(Instant::now).elapsed()))
            }
            _ => None,
        }
    }

    /// The time of a file as the guest may see it.
    pub(super) fn file_time(&self, nanoseconds: u64) -> u64 {
        match self.clock {
            Clock::CoarseMonotonic => 0,
            Clock::Real | Clock::Coarse => {
                in_nanoseconds(self.rounded(Duration::from_nanos(nanoseconds)))
            }
        }
    }

    fn rounded(&self, time: Duration) -> Duration {
        match self.clock {
            Clock::Real => time,
            Clock::Coarse | Clock::CoarseMonotonic => {
                time - Duration::from_nanos(u64::from(time.subsec_nanos()) % STEP_NANOSECONDS)
            }
        }
    }

    fn resolution(&self) -> Duration {
        match self.clock {
            Clock::Real => Duration::from_nanos(1),
            Clock::Coarse | Clock::CoarseMonotonic => COARSE,
        }
    }
}

fn in_nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

pub(super) fn time_get(context: Context<'_>, id: u32, _precision: i64, out: u32) -> i32 {
    let now = context.data().clock.now(id).ok_or(Errno::Inval);
    Errno::of(now.and_then(|now| store(&context, out, 0, &in_nanoseconds(now).to_le_bytes())))
}

pub(super) fn res_get(context: Context<'_>, id: u32, out: u32) -> i32 {
    let clock = &context.data().clock;
    let resolution = clock.now(id).map(|_| in_nanoseconds(clock.resolution())).ok_or(Errno::Inval);
    Errno::of(
        resolution.and_then(|nanoseconds| store(&context, out, 0, &nanoseconds.to_le_bytes())),
    )
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
        assert_eq!(clock.file_time(1_700_000_000_000_000_000), 0);
    }
}
