//! Calls that host functions make while a guest waits for them.
//!
//! A host function may call sandboxes. What it must not do is wait for an instance that waits for it. Calls that
//! are made on the thread of the guest are recognised here; those that it makes through other threads are not, and
//! end with the wall clock limit of the outer call.

use std::cell::RefCell;
use std::sync::Arc;

use super::binding::HostBinding;

/// How deep calls may be nested on one thread. Each level needs some of the thread's own stack, and the depth is up
/// to guests where two of them can call each other.
const MOST_LEVELS: usize = 16;

thread_local! {
    /// The addresses of the bindings whose guests run on this thread, the innermost last.
    static RUNNING: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// A guest with host functions runs on this thread, until this is dropped.
pub(crate) struct Level {
    _private: (),
}

impl Level {
    /// Begins a level; nothing if there are too many.
    fn begin(address: usize) -> Option<Self> {
        RUNNING.with_borrow_mut(|running| {
            if running.len() >= MOST_LEVELS {
                return None;
            }
            running.push(address);
            Some(Self { _private: () })
        })
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        RUNNING.with_borrow_mut(Vec::pop);
    }
}

impl HostBinding {
    /// Notes that a guest of this sandbox runs on this thread.
    ///
    /// # Errors
    /// A message if calls are nested too deep.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Level, String> {
        Level::begin(self.address()).ok_or_else(|| {
            format!(
                "calls out of host functions are nested {MOST_LEVELS} deep, and this is one more"
            )
        })
    }

    /// Whether this thread is in a host function that a guest of this sandbox called.
    pub(crate) fn is_running_here(self: &Arc<Self>) -> bool {
        !self.is_empty() && RUNNING.with_borrow(|running| running.contains(&self.address()))
    }

    fn address(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_end_and_their_number_is_limited() {
        let mut levels: Vec<_> = (0..MOST_LEVELS).map(|at| Level::begin(at).unwrap()).collect();
        assert!(Level::begin(0).is_none());
        levels.pop();
        assert!(Level::begin(0).is_some());
        drop(levels);
        assert!(RUNNING.with_borrow(Vec::is_empty));
    }
}
