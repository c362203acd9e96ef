//! The runtime of whoever made the call that a thread runs.

use std::cell::RefCell;

use tokio::runtime::{Handle, RuntimeFlavor};

use super::runtime;
use crate::error::Result;

thread_local! {
    /// The runtime of whoever made the call that this thread runs.
    static CALLERS: RefCell<Option<Handle>> = const { RefCell::new(None) };
}

/// Puts the runtime back that was there before.
pub(crate) struct Restore(Option<Handle>);

impl Drop for Restore {
    fn drop(&mut self) {
        CALLERS.set(self.0.take());
    }
}

/// Says whose call this thread runs from now on.
pub(crate) fn for_caller(runtime: Option<Handle>) -> Restore {
    Restore(CALLERS.replace(runtime))
}

/// Says that this thread runs a call of its own, unless it is known whose.
///
/// A runtime with only one thread is not taken: that thread would wait here for what only it can do.
pub(crate) fn for_this_thread() -> Restore {
    let known = CALLERS.with_borrow(Clone::clone);
    let own = || {
        let current = Handle::try_current().ok()?;
        (current.runtime_flavor() != RuntimeFlavor::CurrentThread).then_some(current)
    };
    for_caller(known.or_else(own))
}

/// The runtime that futures are polled in: the caller's, or the library's.
pub(crate) fn get() -> Result<Handle> {
    match CALLERS.with_borrow(Clone::clone) {
        Some(callers) => Ok(callers),
        None => runtime::get().cloned(),
    }
}
