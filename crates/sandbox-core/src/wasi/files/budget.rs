//! Counts what a guest keeps in memory before it is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use virtual_fs::FsError;

/// How much may be kept, and how much is.
#[derive(Debug)]
pub(super) struct Budget {
    limit_bytes: u64,
    used_bytes: AtomicU64,
}

impl Budget {
    pub(super) fn new(limit_bytes: u64) -> Arc<Self> {
        Arc::new(Self { limit_bytes, used_bytes: AtomicU64::new(0) })
    }

    /// Takes a share, which is given back when it is dropped.
    pub(super) fn charge(self: &Arc<Self>, bytes: u64) -> Result<Charge, FsError> {
        let mut charge = Charge { budget: Arc::clone(self), bytes: 0 };
        charge.resize(bytes)?;
        Ok(charge)
    }
}

/// A share of a budget.
#[derive(Debug)]
pub(super) struct Charge {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Charge {
    /// Changes the share; nothing changes if the budget does not allow it.
    pub(super) fn resize(&mut self, bytes: u64) -> Result<(), FsError> {
        let Budget { limit_bytes, used_bytes } = &*self.budget;
        used_bytes
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                (used - self.bytes).checked_add(bytes).filter(|total| total <= limit_bytes)
            })
            .map_err(|_| FsError::StorageFull)?;
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.used_bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_the_limit_and_come_back() {
        let budget = Budget::new(10);
        let mut first = budget.charge(6).unwrap();
        assert_eq!(budget.charge(5).unwrap_err(), FsError::StorageFull);
        assert_eq!(first.resize(11).unwrap_err(), FsError::StorageFull);
        let second = budget.charge(4).unwrap();
        drop(second);
        first.resize(10).unwrap();
        assert_eq!(first.resize(u64::MAX).unwrap_err(), FsError::StorageFull);
        drop(first);
        assert!(budget.charge(10).is_ok());
    }
}
