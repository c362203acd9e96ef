//! Calls that host functions make while a guest waits for them.
//!
//! A host function may call sandboxes. What it must not do is wait for an instance that waits for it. Calls that
//! are made on the thread of the guest are recognised here; those that it makes through other threads are not, and
//! end with the wall clock limit of the outer call.

use std::cell::RefCell;

/// Deepest nesting of calls on one thread. Each level needs some of the thread's own stack, and the depth is up to
/// guests where two of them can call each other.
pub(crate) const MOST_LEVELS: usize = 16;

thread_local! {
    /// The addresses of the bindings whose guests run on this thread, the innermost last.
    static RUNNING: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// A guest with host functions runs on this thread, until this is dropped.
pub(crate) struct Level {
    _private: (),
}

impl Level {
    /// Begins a level for a guest with that binding. Returns `None` if there are too many.
    pub(crate) fn begin(address: usize) -> Option<Self> {
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

/// Whether this thread is in a host function that some guest called.
pub(crate) fn is_guest_here() -> bool {
    RUNNING.with_borrow(|running| !running.is_empty())
}

/// Does something as if a guest had called it.
#[cfg(test)]
pub(crate) fn in_a_host_function<T>(run: impl FnOnce() -> T) -> T {
    let _level = Level::begin(0).expect("the test nests nothing");
    run()
}

/// Whether this thread is in a host function that a guest with that binding called.
pub(crate) fn is_running_here(address: usize) -> bool {
    RUNNING.with_borrow(|running| running.contains(&address))
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
