//! State of the host functions in one instance: what they know and leave behind.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::context::Context;
use crate::watchdog::CallControl;

/// The host functions' state of one instance.
#[derive(Debug)]
pub(super) struct HostState {
    pub(super) context: Context,
    pub(super) control: Arc<CallControl>,
    /// Largest value that the guest may pass, in bytes.
    pub(super) value_limit_bytes: u64,
    /// Only the thread that runs the guest writes to it.
    calls: AtomicU64,
    /// Memory was given out as a slice, so that other threads than the guest's may have written to it.
    lent: AtomicBool,
    /// The output of a function of values that the guest had no room for.
    pub(super) held: Mutex<Vec<u8>>,
}

impl HostState {
    pub(super) fn new(
        context: Context,
        control: Arc<CallControl>,
        value_limit_bytes: u64,
    ) -> Arc<Self> {
        Arc::new(Self {
            context,
            control,
            value_limit_bytes,
            calls: AtomicU64::new(0),
            lent: AtomicBool::new(false),
            held: Mutex::default(),
        })
    }

    /// Counts a call. One thread at a time runs the guest, so this needs no exchange.
    pub(super) fn count_call(&self, weight: u64) {
        let calls = self.calls.load(Ordering::Relaxed).wrapping_add(weight);
        self.calls.store(calls, Ordering::Relaxed);
    }

    pub(super) fn take_calls(&self) -> u64 {
        self.calls.swap(0, Ordering::Relaxed)
    }

    pub(super) fn has_calls(&self) -> bool {
        self.calls.load(Ordering::Relaxed) != 0
    }

    pub(super) fn take_lent(&self) -> bool {
        self.lent.load(Ordering::Relaxed) && self.lent.swap(false, Ordering::Relaxed)
    }

    pub(super) fn lend(&self) {
        self.lent.store(true, Ordering::Relaxed);
    }

    pub(super) fn forget_output(&self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
