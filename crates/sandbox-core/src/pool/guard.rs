//! A caller's sole use of a sandbox.

use std::ops::Deref;
use std::sync::Arc;

use super::places::{Lease, Places};
use crate::call::background;
use crate::sandbox::{Condition, WasmSandbox};

/// A sandbox of a pool, for its holder alone until this is dropped.
///
/// All methods of [`WasmSandbox`] are there. A clone of the sandbox, or a [`Function`](crate::Function) of it, goes
/// on working when this is gone, but then its calls take turns with those of the next holder.
pub struct PooledSandbox {
    /// Nothing once it is given back.
    held: Option<Held>,
    /// The same sandbox, under the conditions of the caller.
    sandbox: WasmSandbox,
}

/// What has to go back to the pool.
pub(super) struct Held {
    pub(super) sandbox: WasmSandbox,
    pub(super) module: usize,
    /// How many calls had failed in a row before this holder's.
    pub(super) failures_in_a_row: u32,
    pub(super) lease: Lease,
}

impl PooledSandbox {
    pub(super) fn new(held: Held, sandbox: WasmSandbox) -> Self {
        Self { held: Some(held), sandbox }
    }
}

impl Deref for PooledSandbox {
    type Target = WasmSandbox;

    fn deref(&self) -> &WasmSandbox {
        &self.sandbox
    }
}

impl Drop for PooledSandbox {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else { return };
        if held.sandbox.condition() != Condition::Busy {
            return Places::give_back(held);
        }
        // The call was dropped and its guest is being stopped. Until then its place is taken.
        if let Ok(runtime) = background::runtime() {
            runtime.spawn(async move {
                held.sandbox.settled().await;
                Places::give_back(held);
            });
        }
    }
}

impl std::fmt::Debug for PooledSandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PooledSandbox").field(&self.sandbox).finish()
    }
}

impl Held {
    pub(super) fn places(&self) -> Arc<Places> {
        self.lease.places()
    }
}
