//! When calls are sampled.

use std::fmt;
use std::time::{Duration, Instant};

use crate::sync::watched::IDLE;

/// Somebody who wants samples of the calls of some instances.
pub(crate) trait Sampled: fmt::Debug + Send + Sync {
    /// Time between two samples of a call.
    fn interval(&self) -> Duration;

    /// Hears that so many samples were to be taken.
    fn count_asked(&self, samples: u64);

    /// Whether there is little room for more of them.
    fn is_full(&self) -> bool;

    /// Makes room for more. This may take a while.
    fn make_room(&self);
}

/// When the call of one instance is sampled next.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    next: Option<Instant>,
    /// The turn that was in progress at the last look, and before that.
    turn: u64,
    turn_before: u64,
}

impl Schedule {
    /// Looks at the turn that is in progress. Returns when to look next, and how many samples should have been taken since the last
    /// one: none if it is not time, several if this comes late.
    pub(super) fn look(&mut self, now: Instant, interval: Duration, turn: u64) -> (Instant, u64) {
        self.turn_before = std::mem::replace(&mut self.turn, turn);
        let Some(due) = self.next else { return (self.put_off(now, interval), 0) };
        if due > now {
            return (due, 0);
        }
        let late = now.duration_since(due).as_nanos() / interval.as_nanos().max(1);
        // The phase is kept, so that calls that take a fixed time are not always met at the same place.
        let (next, wanted) = match u32::try_from(late) {
            Ok(late) => (due + interval * (late + 1), u64::from(late) + 1),
            Err(_) => (now + interval, 1),
        };
        self.next = Some(next);
        let wanted = match turn {
            IDLE => 0,
            // It is not known since when there is that call.
            _ if self.is_new_turn() => 1,
            _ => wanted,
        };
        (next, wanted)
    }

    /// Whether another turn was in progress at the last look than before.
    pub(super) fn is_new_turn(&self) -> bool {
        self.turn != self.turn_before
    }

    fn put_off(&mut self, now: Instant, interval: Duration) -> Instant {
        *self.next.insert(now + interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(1);

    #[test]
    fn a_call_is_sampled_each_interval_and_what_comes_late_counts_as_often_as_it_should_have_come()
    {
        let start = Instant::now();
        let at = |micros: u64| start + Duration::from_micros(micros);
        let mut schedule = Schedule::default();
        assert_eq!(schedule.look(at(0), INTERVAL, 7), (at(1000), 0));
        assert_eq!(schedule.look(at(400), INTERVAL, 7), (at(1000), 0));
        assert_eq!(schedule.look(at(1100), INTERVAL, 7), (at(2000), 1));
        assert_eq!(schedule.look(at(5500), INTERVAL, 7), (at(6000), 4));
        // Another call: only that it is there is known of it.
        assert_eq!(schedule.look(at(9100), INTERVAL, 8), (at(10_000), 1));
        assert!(schedule.is_new_turn());
        assert_eq!(schedule.look(at(10_000), INTERVAL, IDLE), (at(11_000), 0));
        assert_eq!(schedule.look(at(50_000), INTERVAL, IDLE), (at(51_000), 0));
        assert!(!schedule.is_new_turn());
    }
}
