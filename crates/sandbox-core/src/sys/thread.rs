//! The thread that runs a guest: its number, and where it is.
#![expect(unsafe_code, reason = "asks the kernel for the number")]

use std::cell::Cell;

thread_local! {
    /// The number by which the kernel knows this thread, or zero before it was asked for.
    static THREAD: Cell<libc::pid_t> = const { Cell::new(0) };
}

/// A thread, as far as it can be interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ThreadNumber(libc::pid_t);

impl ThreadNumber {
    #[inline]
    pub(crate) fn of_this_thread() -> Self {
        let known = THREAD.get();
        if known != 0 {
            return Self(known);
        }
        THREAD.set(number());
        Self(THREAD.get())
    }

    pub(crate) const fn from_bits(bits: i32) -> Self {
        Self(bits)
    }

    pub(crate) const fn to_bits(self) -> i32 {
        self.0
    }
}

/// The number by which the kernel knows the calling thread.
#[cfg(target_os = "linux")]
fn number() -> libc::pid_t {
    // SAFETY: the call has no preconditions.
    unsafe { libc::gettid() }
}

/// No guest runs where threads have no numbers.
#[cfg(not(target_os = "linux"))]
fn number() -> libc::pid_t {
    1
}

/// Where a guest was when a signal came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Registers {
    /// The program counter.
    pub(super) counter: usize,
    /// The stack pointer.
    pub(super) stack: usize,
    /// The frame pointer.
    pub(super) frame: usize,
    /// Where the function returns to, if a register holds that.
    pub(super) return_address: Option<usize>,
}
