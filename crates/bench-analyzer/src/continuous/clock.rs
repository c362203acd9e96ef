//! Time, so that a test can pass a day in a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// Says what time it is, and waits.
pub trait Clock: Send + Sync {
    /// The present.
    fn now(&self) -> Timestamp;

    /// Returns at `until`, or soon after `stop` was asked for. May return early.
    fn wait(&self, until: Timestamp, stop: &Stop);
}

/// A wish to end, which signal handlers and threads may express.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A wish that nobody has expressed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks to end.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether somebody asked.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// The flag itself, for what sets flags by itself.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

/// The time of the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn wait(&self, until: Timestamp, stop: &Stop) {
        /// How long a wish to end may go unheard.
        const SLICE: Duration = Duration::from_millis(100);
        loop {
            let left = until.duration_since(self.now());
            let Ok(left) = Duration::try_from(left) else { return };
            if left.is_zero() || stop.is_asked() {
                return;
            }
            std::thread::sleep(left.min(SLICE));
        }
    }
}

/// A time that only moves when somebody waits or moves it. Clones share it.
#[derive(Debug, Clone)]
pub struct SimulatedClock(Arc<AtomicI64>);

impl SimulatedClock {
    /// A clock that stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(start.as_millisecond())))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.0.fetch_add(by, Ordering::AcqRel);
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::Acquire)).unwrap_or(Timestamp::MAX)
    }

    fn wait(&self, until: Timestamp, _stop: &Stop) {
        self.0.fetch_max(until.as_millisecond(), Ordering::AcqRel);
    }
}
