//! How a call and the thread that watches calls agree on whether that thread has the instance on its list.

use super::primitives::{AtomicBool, AtomicU64, Ordering};

/// Number in the place of the turn in progress while there is none.
pub(crate) const IDLE: u64 = 0;

/// Whether a call is in progress, and whether somebody looks at that.
#[derive(Debug)]
pub(crate) struct Watched {
    /// The turn whose call is in progress, or [`IDLE`]. Only the thread that runs the call writes to it.
    running: AtomicU64,
    /// Whether the watchdog has the instance on its list.
    listed: AtomicBool,
}

impl Watched {
    pub(crate) fn new() -> Self {
        Self { running: AtomicU64::new(IDLE), listed: AtomicBool::new(false) }
    }

    /// Notes that a call begins. Returns whether the instance is on the list; if not, it has to be [put there](Self::enlist).
    ///
    /// `barrier` is the light side of a barrier whose heavy side is the one of [`Self::may_go`].
    #[inline]
    #[must_use]
    pub(crate) fn begin(&self, turn: u64, barrier: impl FnOnce()) -> bool {
        self.running.store(turn, Ordering::Release);
        // Either the watchdog sees the call after this, or we see that we are not listed.
        barrier();
        self.listed.load(Ordering::Relaxed)
    }

    /// Notes that the call is over.
    #[inline]
    pub(crate) fn end(&self) {
        self.running.store(IDLE, Ordering::Release);
    }

    /// The turn whose call is in progress, or [`IDLE`].
    #[inline]
    pub(crate) fn running(&self) -> u64 {
        self.running.load(Ordering::Acquire)
    }

    /// Whether the caller is the one who has to put it on the list.
    pub(crate) fn enlist(&self) -> bool {
        !self.listed.swap(true, Ordering::SeqCst)
    }

    /// Whether the instance can be taken off the list, because no call of it is in progress that relies on being on it.
    ///
    /// `barrier` returns whether it was one against every light one.
    pub(crate) fn may_go(&self, barrier: impl FnOnce() -> bool) -> bool {
        self.listed.store(false, Ordering::SeqCst);
        // A call may have started between the two: it saw that it is listed and relies on us.
        let may_have_started = !barrier() || self.running.load(Ordering::SeqCst) != IDLE;
        if may_have_started {
            self.listed.store(true, Ordering::SeqCst);
        }
        !may_have_started
    }

    /// Whether it is on the list.
    #[cfg(test)]
    pub(crate) fn is_listed(&self) -> bool {
        self.listed.load(Ordering::SeqCst)
    }
}
