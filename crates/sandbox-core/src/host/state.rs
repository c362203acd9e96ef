//! State of the host functions in one instance: what they know and leave behind.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use wasmer::RuntimeError;

use crate::context::Context;
use crate::module::Module;
use crate::sys::entry::Reentry;
use crate::sys::refusals::Refusals;
use crate::watchdog::CallControl;

/// Means to enter the guest of an instance again.
#[derive(Debug)]
pub(super) struct Reentrance {
    pub(super) entry: Reentry,
    pub(super) module: Module,
    pub(super) refusals: Arc<Refusals>,
    /// By which calls of this sandbox's guests are told from others.
    pub(super) address: usize,
}

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
    /// Of a guest that has been started.
    pub(super) reentrance: OnceLock<Box<Reentrance>>,
    /// Why the guest was ended in a call that a host function made of it. It is ended as a whole when that returns.
    failure: Mutex<Option<RuntimeError>>,
    has_failed: AtomicBool,
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
            reentrance: OnceLock::new(),
            failure: Mutex::default(),
            has_failed: AtomicBool::new(false),
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

    /// Notes that the guest cannot go on.
    pub(super) fn fail(&self, error: RuntimeError) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        self.has_failed.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// Why the guest cannot go on, if that is so. One thread at a time runs the guest.
    pub(super) fn take_failure(&self) -> Option<RuntimeError> {
        if !self.has_failed() {
            return None;
        }
        self.has_failed.store(false, Ordering::Relaxed);
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
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
