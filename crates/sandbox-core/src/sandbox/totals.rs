//! Totals of what all calls of a sandbox used.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::policy::FuelUnits;
use crate::sync::shards::Shards;
use crate::sys::cpu_time;
use crate::usage::ResourceUsage;

/// Reading clocks takes about as long as a short call. So of the calls of trusted functions on their callers'
/// threads, one in so many is timed, and stands for the others.
const TIMED_ONE_IN: u64 = 1024;

/// Sums that are read while calls go on. Each is exact by itself; together they need not be of one moment.
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// By cores, since they count each call.
    calls: Shards<AtomicU64>,
    calls_in_turn: InTurn,
    failed_calls: AtomicU64,
    wall_nanos: AtomicU64,
    /// Plus one, since zero means that nothing is known.
    cpu_nanos: AtomicU64,
    /// Plus one, since zero means that nothing is metered.
    fuel: AtomicU64,
    memory_high_water_bytes: AtomicU64,
    host_calls: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

/// Count of what is done by one after the other, each in its turn. As there is only one to write to it, that takes no atomic exchange,
/// which would be a tenth of a short call.
#[derive(Debug, Default)]
struct InTurn {
    /// Never goes back.
    count: AtomicU64,
    /// The part of it that was taken.
    taken: Mutex<u64>,
}

impl InTurn {
    /// Counts one, for who has the turn; returns how many there were.
    #[inline]
    fn add_one(&self) -> u64 {
        let before = self.count.load(Ordering::Relaxed);
        self.count.store(before.wrapping_add(1), Ordering::Relaxed);
        before
    }

    /// Returns those that were not taken.
    fn read(&self) -> u64 {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        self.count.load(Ordering::Relaxed).wrapping_sub(*taken)
    }

    /// Takes them.
    fn take(&self) -> u64 {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = self.count.load(Ordering::Relaxed);
        count.wrapping_sub(std::mem::replace(&mut *taken, count))
    }
}

/// One call as it is being measured.
#[derive(Debug)]
pub(super) struct Meter {
    started: Option<(Instant, Option<Duration>)>,
    stands_for: u32,
}

impl Meter {
    /// Measures a call exactly.
    pub(super) fn exact() -> Self {
        Self { started: Some((Instant::now(), cpu_time::of_this_thread())), stands_for: 1 }
    }

    /// Whether the call is being timed.
    pub(super) fn is_timed(&self) -> bool {
        self.started.is_some()
    }

    /// Number of calls that this one stands for.
    pub(super) fn stands_for(&self) -> u32 {
        self.stands_for
    }

    /// Resources that the call used, as far as they are times.
    pub(super) fn read(&self) -> ResourceUsage {
        let Some((started, cpu_before)) = self.started else { return ResourceUsage::default() };
        let cpu_after = cpu_time::of_this_thread();
        ResourceUsage {
            wall_time: started.elapsed(),
            cpu_time: cpu_after.zip(cpu_before).map(|(after, before)| after - before),
            ..ResourceUsage::default()
        }
    }
}

impl Totals {
    /// Counts calls that begin together, and measures them if they are among those that are.
    #[inline]
    pub(super) fn begin_sampled(&self, calls: u64) -> Meter {
        // Those are timed whose number, on this core, is a multiple.
        Self::sampled(self.calls.favourite().fetch_add(calls, Ordering::Relaxed), calls)
    }

    /// Counts a call that begins, of who has the turn of the sandbox's one instance, and measures it if it is among those that are.
    #[inline]
    pub(super) fn begin_in_turn(&self) -> Meter {
        Self::sampled(self.calls_in_turn.add_one(), 1)
    }

    #[inline]
    fn sampled(before: u64, calls: u64) -> Meter {
        let last = before + calls.saturating_sub(1);
        if before.is_multiple_of(TIMED_ONE_IN) || before / TIMED_ONE_IN != last / TIMED_ONE_IN {
            let stands_for = u32::try_from(TIMED_ONE_IN / calls.max(1)).unwrap_or(1).max(1);
            Meter { stands_for, ..Meter::exact() }
        } else {
            Meter { started: None, stands_for: 0 }
        }
    }

    /// Takes calls back that were counted and not made.
    pub(super) fn forget(&self, calls: u64) {
        if calls > 0 {
            self.calls.favourite().fetch_sub(calls, Ordering::Relaxed);
        }
    }

    /// Counts a call that begins, and measures it.
    pub(super) fn begin_exact(&self) -> Meter {
        self.calls.favourite().fetch_add(1, Ordering::Relaxed);
        Meter::exact()
    }

    /// Adds what a call used, its time for so many calls; the call itself was counted at its beginning.
    pub(super) fn add(&self, usage: &ResourceUsage, stands_for: u32) {
        if !usage.wall_time.is_zero() {
            self.add_time(usage.wall_time * stands_for);
        }
        if let Some(cpu_time) = usage.cpu_time {
            let known = self.cpu_nanos.load(Ordering::Relaxed) > 0;
            let added = nanos(cpu_time * stands_for) + u64::from(!known);
            self.cpu_nanos.fetch_add(added, Ordering::Relaxed);
        }
        if let Some(FuelUnits(fuel)) = usage.fuel {
            let known = self.fuel.load(Ordering::Relaxed) > 0;
            self.fuel.fetch_add(fuel.saturating_add(u64::from(!known)), Ordering::Relaxed);
        }
        raise(&self.memory_high_water_bytes, usage.memory_high_water_bytes);
        let counts = [
            (&self.host_calls, usage.host_calls),
            (&self.bytes_in, usage.bytes_in),
            (&self.bytes_out, usage.bytes_out),
        ];
        for (total, added) in counts {
            if added > 0 {
                total.fetch_add(added, Ordering::Relaxed);
            }
        }
    }

    /// Adds the time of a call that was not timed and turned out to be long.
    pub(super) fn add_time(&self, wall_time: Duration) {
        self.wall_nanos.fetch_add(nanos(wall_time), Ordering::Relaxed);
    }

    /// Counts a call that returned an error.
    pub(super) fn count_failure(&self) {
        self.count_failures(1);
    }

    /// Counts calls that returned errors.
    pub(super) fn count_failures(&self, calls: u64) {
        if calls > 0 {
            self.failed_calls.fetch_add(calls, Ordering::Relaxed);
        }
    }

    /// Totals that were counted so far.
    pub(super) fn read(&self) -> ResourceUsage {
        let in_turn = self.calls_in_turn.read();
        self.read_with(in_turn, |total| total.load(Ordering::Relaxed))
    }

    /// Returns the totals, and begins anew at zero.
    pub(super) fn take(&self) -> ResourceUsage {
        let in_turn = self.calls_in_turn.take();
        self.read_with(in_turn, |total| total.swap(0, Ordering::Relaxed))
    }

    fn read_with(&self, in_turn: u64, read: impl Fn(&AtomicU64) -> u64) -> ResourceUsage {
        ResourceUsage {
            calls: self.calls.iter().map(&read).fold(in_turn, u64::wrapping_add),
            failed_calls: read(&self.failed_calls),
            wall_time: Duration::from_nanos(read(&self.wall_nanos)),
            cpu_time: read(&self.cpu_nanos).checked_sub(1).map(Duration::from_nanos),
            fuel: read(&self.fuel).checked_sub(1).map(FuelUnits),
            memory_high_water_bytes: read(&self.memory_high_water_bytes),
            host_calls: read(&self.host_calls),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
        }
    }
}

/// Memory nearly never grows, and a comparison is cheaper than an exchange.
fn raise(mark: &AtomicU64, to: u64) {
    if mark.load(Ordering::Relaxed) < to {
        mark.fetch_max(to, Ordering::Relaxed);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn used(memory_high_water_bytes: u64) -> ResourceUsage {
        ResourceUsage {
            wall_time: Duration::from_millis(2),
            cpu_time: Some(Duration::from_millis(1)),
            fuel: Some(FuelUnits(7)),
            memory_high_water_bytes,
            host_calls: 3,
            bytes_in: 10,
            bytes_out: 20,
            ..ResourceUsage::default()
        }
    }

    #[test]
    fn exact_calls_add_up() {
        let totals = Totals::default();
        assert_eq!(totals.read(), ResourceUsage::default());
        for memory in [100, 300, 200] {
            let meter = totals.begin_exact();
            totals.add(&used(memory), meter.stands_for());
        }
        totals.count_failure();
        let expected = ResourceUsage {
            calls: 3,
            failed_calls: 1,
            wall_time: Duration::from_millis(6),
            cpu_time: Some(Duration::from_millis(3)),
            fuel: Some(FuelUnits(21)),
            memory_high_water_bytes: 300,
            host_calls: 9,
            bytes_in: 30,
            bytes_out: 60,
        };
        assert_eq!(totals.take(), expected);
        assert_eq!(totals.read(), ResourceUsage::default());
    }

    #[test]
    fn what_is_counted_in_turn_is_counted_once_while_others_take_it() {
        const CALLS: u64 = 100_000;
        let (totals, is_over) = (Totals::default(), AtomicBool::new(false));
        let taken = std::thread::scope(|scope| {
            scope.spawn(|| {
                (0..CALLS).for_each(|_| {
                    totals.begin_in_turn();
                });
                is_over.store(true, Ordering::Release);
            });
            let takers = [(); 2].map(|()| {
                scope.spawn(|| {
                    let mut taken = 0;
                    while !is_over.load(Ordering::Acquire) {
                        taken += totals.take().calls;
                    }
                    taken
                })
            });
            takers.map(|taker| taker.join().unwrap()).into_iter().sum::<u64>()
        });
        assert_eq!(taken + totals.take().calls, CALLS);
        assert_eq!(totals.read().calls, 0);
    }

    #[test]
    fn a_timed_call_stands_for_those_that_are_not() {
        let totals = Totals::default();
        for _ in 0..2 * TIMED_ONE_IN {
            let meter = totals.begin_sampled(1);
            let mut usage = used(1);
            if !meter.is_timed() {
                usage.wall_time = Duration::ZERO;
                usage.cpu_time = None;
            }
            totals.add(&usage, meter.stands_for());
        }
        let total = totals.read();
        assert_eq!(total.calls, 2 * TIMED_ONE_IN);
        assert_eq!(total.wall_time, Duration::from_millis(2 * 2 * TIMED_ONE_IN));
        assert_eq!(total.bytes_in, 20 * TIMED_ONE_IN);
    }
}
