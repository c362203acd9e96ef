//! Refusals: what a guest asked for and did not get.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::DeniedCapability;

/// Remembers what a guest asked for and did not get.
///
/// A refused `memory.grow` or `table.grow` only returns -1 to the guest, which then aborts in its own way. With this the
/// trap that follows can be told as what it is. What notes the growth of memories and tables allocates nothing and takes no
/// lock, since it is called on the guest's stack.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    /// By how much a memory was to grow.
    memory_bytes: AtomicU64,
    /// The size of a table in the lower half, and above it its index, one more than that. Zero is none.
    table: AtomicU64,
    /// Whether it was the system that gave no memory.
    by_system: AtomicBool,
    /// Number of exceptions that the instance may still make. They are kept as long as it is.
    exceptions_left: AtomicU32,
    /// Whether it wanted more.
    too_many_exceptions: AtomicBool,
    /// Whether there is a capability that was denied.
    denied: AtomicBool,
    capability: Mutex<Option<DeniedCapability>>,
}

/// A table that was refused to grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RefusedTable {
    pub(crate) index: u32,
    /// Number of elements that it would have had.
    pub(crate) elements: u32,
}

impl Refusals {
    /// For an instance that may make so many exceptions.
    pub(crate) fn new(most_exceptions: u32) -> Self {
        Self { exceptions_left: AtomicU32::new(most_exceptions), ..Self::default() }
    }

    /// Forgets what an earlier call was refused.
    #[inline]
    pub(crate) fn forget(&self) {
        // The checks are cheaper than the stores, and there is nearly never anything to forget.
        for refused in [&self.memory_bytes, &self.table] {
            if refused.load(Ordering::Relaxed) != 0 {
                refused.store(0, Ordering::Relaxed);
            }
        }
        if self.by_system.load(Ordering::Relaxed) {
            self.by_system.store(false, Ordering::Relaxed);
        }
        if self.denied.load(Ordering::Relaxed) {
            self.take_capability();
        }
    }

    /// Remembers a capability that the guest was denied.
    pub(crate) fn deny(&self, capability: DeniedCapability) {
        tracing::debug!(%capability, "a guest was denied what its policy does not grant");
        *self.capability.lock().unwrap_or_else(PoisonError::into_inner) = Some(capability);
        self.denied.store(true, Ordering::Relaxed);
    }

    /// The capability that was denied last since this was last asked.
    pub(crate) fn take_capability(&self) -> Option<DeniedCapability> {
        if !self.denied.swap(false, Ordering::Relaxed) {
            return None;
        }
        self.capability.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Remembers by how much the guest wanted a memory to grow, since the instance was made, in bytes.
    pub(super) fn refuse_memory(&self, bytes: u64) {
        self.memory_bytes.fetch_max(bytes, Ordering::Relaxed);
    }

    /// The largest growth of a memory that was refused since this was last asked, in bytes.
    pub(crate) fn take_memory(&self) -> Option<u64> {
        match self.memory_bytes.swap(0, Ordering::Relaxed) {
            0 => None,
            bytes => Some(bytes),
        }
    }

    /// Remembers that the system gave no memory, within the limits of the policy.
    pub(super) fn note_system(&self) {
        self.by_system.store(true, Ordering::Relaxed);
    }

    /// Whether the system gave no memory since this was last asked.
    pub(crate) fn take_system(&self) -> bool {
        self.by_system.swap(false, Ordering::Relaxed)
    }

    /// Whether the guest may make one more exception. Otherwise that is remembered.
    pub(super) fn allow_exception(&self) -> bool {
        let left = self.exceptions_left.load(Ordering::Relaxed);
        // Only the thread that runs the guest changes it.
        self.exceptions_left.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 0 {
            self.too_many_exceptions.store(true, Ordering::Relaxed);
        }
        left > 0
    }

    /// Whether the guest wanted to make more exceptions than it may, since this was last asked.
    pub(crate) fn take_exceptions(&self) -> bool {
        self.too_many_exceptions.swap(false, Ordering::Relaxed)
    }

    /// Remembers how large a table the guest wanted.
    pub(super) fn refuse_table(&self, refused: RefusedTable) {
        let packed = (u64::from(refused.index) + 1) << 32 | u64::from(refused.elements);
        self.table.store(packed, Ordering::Relaxed);
    }

    /// The table that was refused to grow last since this was last asked.
    pub(crate) fn take_table(&self) -> Option<RefusedTable> {
        let packed = self.table.swap(0, Ordering::Relaxed);
        let index = u32::try_from((packed >> 32).checked_sub(1)?).ok()?;
        let elements = u32::try_from(packed & u64::from(u32::MAX)).ok()?;
        Some(RefusedTable { index, elements })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_told_once() {
        let refusals = Refusals::default();
        assert_eq!((refusals.take_table(), refusals.take_memory()), (None, None));
        for refused in [
            RefusedTable { index: 0, elements: 0 },
            RefusedTable { index: u32::MAX - 1, elements: u32::MAX },
        ] {
            refusals.refuse_table(refused);
            assert_eq!(refusals.take_table(), Some(refused));
            assert_eq!(refusals.take_table(), None);
            refusals.refuse_table(refused);
            refusals.refuse_memory(1);
            refusals.note_system();
            refusals.forget();
            assert_eq!((refusals.take_table(), refusals.take_memory()), (None, None));
            assert!(!refusals.take_system());
        }
    }
}
