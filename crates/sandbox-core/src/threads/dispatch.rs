//! On which thread a call runs.
//!
//! Handing a call to another thread and waiting for it costs a few hundred times what a short call costs.
//! A long call on the caller's thread would hold up every other task there, and the caller's own timeouts.
//! So each function is watched: it starts on worker threads, and runs on the caller's thread once it has
//! been quick many times in a row, if that thread has a [place](super::callers_thread). A function that is then caught running
//! for a whole tick of the watchdog goes back to the workers and has to be quick for longer to return.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::error::Result;

/// A call shorter than this is quick: as long as an async task may go on without a point at which others get
/// their turn, by the rule of thumb of tokio's authors (10 to 100 microseconds). It is also four times the price of a
/// worker thread, so a function that is just not quick loses a fifth of its speed to the change of threads.
const QUICK: Duration = Duration::from_micros(100);

/// Number of quick calls in a row that bring a function to the caller's thread.
const TRUSTED_AFTER: u32 = 8;

/// The most quick calls in a row that a function which broke its trust has to show.
const TRUSTED_AFTER_MOST: u32 = 1 << 20;

/// Record of how quick a function has been so far.
#[derive(Debug)]
pub(crate) struct Profile {
    quick_in_a_row: AtomicU32,
    trusted_after: AtomicU32,
    /// Time that a call takes, in nanoseconds: an average of those that were timed, the later ones counting for more.
    average_nanos: AtomicU32,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            quick_in_a_row: AtomicU32::new(0),
            trusted_after: AtomicU32::new(TRUSTED_AFTER),
            average_nanos: AtomicU32::new(0),
        }
    }
}

impl Profile {
    /// Whether the next call runs on the caller's thread.
    #[inline]
    pub(crate) fn is_trusted(&self) -> bool {
        self.quick_in_a_row.load(Ordering::Relaxed) >= self.trusted_after.load(Ordering::Relaxed)
    }

    /// Whether so many calls together are as quick as one call may be.
    pub(crate) fn is_quick_for(&self, calls: usize) -> bool {
        let average = Duration::from_nanos(self.average_nanos.load(Ordering::Relaxed).into());
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        average.checked_mul(calls).is_some_and(|all| all <= QUICK)
    }

    /// Learns from a call that was timed. Of a function that is trusted, a long one is left to the watchdog: it may
    /// just have been interrupted by others on the same core.
    pub(crate) fn record(&self, took: Duration) {
        let nanos = u32::try_from(took.as_nanos()).unwrap_or(u32::MAX);
        let average = self.average_nanos.load(Ordering::Relaxed);
        let next = if average == 0 { nanos } else { average - average / 8 + nanos / 8 };
        self.average_nanos.store(next, Ordering::Relaxed);
        if self.is_trusted() {
            return;
        }
        if took > QUICK {
            self.quick_in_a_row.store(0, Ordering::Relaxed);
        } else {
            self.quick_in_a_row.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Learns that a call on the caller's thread outlasted a tick.
    pub(crate) fn break_trust(&self) {
        self.quick_in_a_row.store(0, Ordering::Relaxed);
        let longer = self.trusted_after.load(Ordering::Relaxed).saturating_mul(8);
        self.trusted_after.store(longer.min(TRUSTED_AFTER_MOST), Ordering::Relaxed);
    }
}

/// Runs `work` on a worker thread, for a call of that function.
///
/// # Errors
/// An error if there are no worker threads. A panic in `work` goes on in the caller.
pub(crate) async fn on_worker<T: Send + 'static>(
    function: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let callers = tokio::runtime::Handle::try_current().ok();
    let span = tracing::Span::current();
    let slot = super::workers::slot(function).await?;
    let work = move || {
        let _caller = super::callers_runtime::for_caller(callers);
        slot.fill(|| span.in_scope(work))
    };
    match super::runtime::spawn_blocking(work)?.await {
        Ok(value) => Ok(value),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(crate::SandboxError::Instantiation { message: error.to_string() }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_is_earned_by_being_quick_in_a_row() {
        let profile = Profile::default();
        for _ in 0..TRUSTED_AFTER - 1 {
            profile.record(QUICK);
        }
        profile.record(QUICK * 2);
        assert!(!profile.is_trusted());
        for _ in 0..TRUSTED_AFTER {
            profile.record(QUICK);
        }
        assert!(profile.is_trusted());
    }

    #[test]
    fn a_batch_is_quick_if_its_calls_together_are() {
        let profile = Profile::default();
        for _ in 0..100 {
            profile.record(QUICK / 100);
        }
        assert!(profile.is_quick_for(100));
        assert!(!profile.is_quick_for(200));
        assert!(!profile.is_quick_for(usize::MAX));
    }

    #[test]
    fn broken_trust_takes_longer_to_earn() {
        let profile = Profile::default();
        profile.break_trust();
        for _ in 0..TRUSTED_AFTER {
            profile.record(Duration::ZERO);
        }
        assert!(!profile.is_trusted());
        for _ in 0..100 {
            profile.break_trust();
        }
        assert_eq!(profile.trusted_after.load(Ordering::Relaxed), TRUSTED_AFTER_MOST);
    }
}
