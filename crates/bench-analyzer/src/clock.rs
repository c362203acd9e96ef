//! Time, so that a test can pass a day in a second.
//!
//! There are two times. That of the calendar says when something was, and may jump either way when
//! somebody sets the clock. The other one only says how much passed, and cannot jump: whatever is to
//! happen after a while goes by that.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Says what time it is, and waits.
pub trait Clock: Send + Sync {
    /// The present, by the calendar.
    fn now(&self) -> Timestamp;

    /// How much time has passed since some moment, whatever happened to the calendar.
    fn passed(&self) -> Duration;

    /// Returns at `until`, or soon after `stop` was asked for. May return early, and does not wait
    /// longer than it was to `until` when it began.
    fn wait(&self, until: Timestamp, stop: &Stop);
}

/// A wish to end, which signal handlers and threads may express.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    own: Arc<AtomicBool>,
    /// Another wish that counts for this one.
    wider: Option<Arc<AtomicBool>>,
    /// When somebody first saw that it was asked for.
    seen: Arc<OnceLock<Instant>>,
}

impl Stop {
    /// A wish that nobody has expressed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A wish to end something that ends with this one too.
    #[must_use]
    pub fn narrower(&self) -> Self {
        Self { wider: Some(Arc::clone(&self.own)), ..Self::default() }
    }

    /// Asks to end.
    pub fn ask(&self) {
        self.own.store(true, Ordering::Release);
    }

    /// Whether somebody asked.
    pub fn is_asked(&self) -> bool {
        let asked = |flag: &AtomicBool| flag.load(Ordering::Acquire);
        let is_asked = asked(&self.own) || self.wider.as_deref().is_some_and(asked);
        if is_asked {
            self.seen.get_or_init(Instant::now);
        }
        is_asked
    }

    /// How long what is under way may still take: all of it together, since somebody asked.
    pub fn farewell(&self) -> Duration {
        let since = self.seen.get().map(Instant::elapsed).unwrap_or_default();
        FAREWELL.saturating_sub(since)
    }

    /// The flag itself, for what sets flags by itself.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.own)
    }

    /// Returns soon after somebody asked.
    pub async fn asked(&self) {
        while !self.is_asked() {
            tokio::time::sleep(SLICE).await;
        }
    }
}

/// How long everything together may take that is under way when somebody asks to stop. With what the
/// system takes it is a second.
const FAREWELL: Duration = Duration::from_millis(700);

/// How long a wish to end may go unheard.
pub(crate) const SLICE: Duration = Duration::from_millis(50);

/// The time of the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// Since the system started, sleep included.
    fn passed(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
        let seconds = text.split(' ').next().and_then(|text| text.parse().ok());
        let uptime = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        uptime.unwrap_or_else(|| START.get_or_init(Instant::now).elapsed())
    }

    fn wait(&self, until: Timestamp, stop: &Stop) {
        let Ok(wait) = Duration::try_from(until.duration_since(self.now())) else { return };
        let began = Instant::now();
        while !stop.is_asked() && self.now() < until {
            let left = wait.saturating_sub(began.elapsed());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(SLICE));
        }
    }
}

/// A time that only moves when somebody waits or moves it. Clones share it.
#[derive(Debug, Clone)]
pub struct SimulatedClock {
    now: Arc<AtomicI64>,
    passed: Arc<AtomicI64>,
}

impl SimulatedClock {
    /// A clock that stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self { now: Arc::new(AtomicI64::new(start.as_millisecond())), passed: Arc::default() }
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.now.fetch_add(by, Ordering::AcqRel);
        self.passed.fetch_add(by, Ordering::AcqRel);
    }

    /// Sets the calendar, as somebody may who has no time to pass.
    pub fn set(&self, now: Timestamp) {
        self.now.store(now.as_millisecond(), Ordering::Release);
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now.load(Ordering::Acquire)).unwrap_or(Timestamp::MAX)
    }

    fn passed(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.passed.load(Ordering::Acquire)).unwrap_or(0))
    }

    fn wait(&self, until: Timestamp, _stop: &Stop) {
        if let Ok(wait) = Duration::try_from(until.duration_since(self.now())) {
            self.advance(wait);
        }
    }
}
