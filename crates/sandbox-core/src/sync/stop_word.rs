//! The word by which a call is told to stop, and by which a request that comes too late hits no other call.

use super::primitives::{AtomicU64, Notify, Ordering};

/// The bits of the word that hold a reason to stop. None of them is set while nobody wants that.
const REASON: u64 = 0xff;

/// Why a call was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// The caller dropped the call, or cancelled it.
    Cancelled = 1,
    /// The wall-clock limit passed.
    Timeout = 2,
    /// Too much output.
    OutputLimit = 3,
}

impl StopReason {
    fn from_bits(bits: u64) -> Option<Self> {
        match bits & REASON {
            1 => Some(Self::Cancelled),
            2 => Some(Self::Timeout),
            3 => Some(Self::OutputLimit),
            _ => None,
        }
    }
}

/// Identifies one use of an instance, so that a late request to stop cannot hit a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TurnId(pub(crate) u64);

/// The turn in progress, shifted by eight, and the reason to stop or zero. A request to stop that comes after the turn's
/// end does not find the turn in it, and has no effect.
#[derive(Debug)]
pub(crate) struct StopWord {
    word: AtomicU64,
    stopped: Notify,
}

impl StopWord {
    /// Before the first turn.
    pub(crate) fn new() -> Self {
        Self { word: AtomicU64::new(0), stopped: Notify::new() }
    }

    /// Begins a new turn: from now on only requests to stop this turn count. Only called by who has the instance.
    #[inline]
    pub(crate) fn begin_turn(&self) -> TurnId {
        let turn = (self.word.load(Ordering::Relaxed) >> 8).wrapping_add(1);
        self.word.store(turn << 8, Ordering::Release);
        TurnId(turn)
    }

    /// The turn in progress, for who has the instance.
    #[inline]
    pub(crate) fn own_turn(&self) -> TurnId {
        TurnId(self.word.load(Ordering::Relaxed) >> 8)
    }

    /// The turn in progress, for others.
    pub(crate) fn turn(&self) -> TurnId {
        TurnId(self.word.load(Ordering::Acquire) >> 8)
    }

    /// Asks that the turn stop. Returns whether it had not ended, nor a reason to stop.
    pub(crate) fn request(&self, turn: TurnId, reason: StopReason) -> bool {
        let unstopped = turn.0 << 8;
        let wanted = unstopped | reason as u64;
        let set =
            self.word.compare_exchange(unstopped, wanted, Ordering::AcqRel, Ordering::Relaxed);
        if set.is_ok() {
            self.stopped.notify_waiters();
        }
        set.is_ok()
    }

    /// Whether the turn is to stop. Does nothing that the handler of a signal may not do.
    #[inline]
    pub(crate) fn has_reason(&self) -> bool {
        self.word.load(Ordering::Acquire) & REASON != 0
    }

    /// Why the current turn is to stop, if it is.
    #[inline]
    pub(crate) fn reason(&self) -> Option<StopReason> {
        StopReason::from_bits(self.word.load(Ordering::Acquire))
    }

    /// Completes when the current turn is asked to stop.
    pub(crate) async fn requested(&self) {
        let mut notified = std::pin::pin!(self.stopped.notified());
        // Enabled before the check, or a request between the two would be lost.
        notified.as_mut().enable();
        if self.reason().is_none() {
            notified.await;
        }
    }
}
