//! Who has a place and who waits for one: whatever becomes of them, the place comes back.

use std::sync::Arc;
use std::time::Instant;

use super::{Places, Turn};
use crate::pool::modules::PoolModule;
use crate::pool::queue::Ticket;
use crate::sandbox::WasmSandbox;

/// A caller that is given a place.
pub(super) struct Call {
    pub(super) turn: Turn,
    pub(super) place: Place,
}

impl Call {
    /// Gives it the place. A caller that is gone gives it up at once.
    pub(super) fn make(self) {
        let _ = self.turn.send(self.place);
    }
}

/// A place that a tenant has. However it is given up, it comes back.
pub(in crate::pool) struct Place {
    pub(super) places: Arc<Places>,
    pub(super) tenant: Arc<str>,
    pub(super) since: Instant,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.state();
        state.in_use -= 1;
        state.queue.give_back(&self.tenant, self.since.elapsed());
        let calls = self.places.call_next(&mut state);
        drop(state);
        self.places.given_back.notify_waiters();
        calls.into_iter().for_each(Call::make);
    }
}

/// A place in use, with the module that it is used for.
pub(super) struct Lease {
    pub(super) place: Place,
    pub(super) module: Arc<PoolModule>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.place.places.state();
        if let Some(in_use) = state.in_use_of.get_mut(&self.module.id) {
            *in_use -= 1;
            if *in_use == 0 {
                state.in_use_of.remove(&self.module.id);
                state.modules.note_unused(&self.module);
            }
        }
    }
}

/// A sandbox for a caller.
pub(in crate::pool) struct Taken {
    pub(in crate::pool) held: Held,
    /// The sandbox under the conditions of the caller.
    pub(in crate::pool) scoped: WasmSandbox,
}

/// Sandbox that has to go back to the pool.
pub(in crate::pool) struct Held {
    pub(in crate::pool) sandbox: WasmSandbox,
    /// Number of calls that had failed in a row before this holder's.
    pub(super) failures_in_a_row: u32,
    pub(super) lease: Lease,
}

/// A caller in the queue.
pub(super) struct Waiting {
    pub(super) places: Arc<Places>,
    pub(super) tenant: Arc<str>,
    pub(super) ticket: Ticket,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.places.state().queue.leave(&self.tenant, self.ticket);
    }
}
