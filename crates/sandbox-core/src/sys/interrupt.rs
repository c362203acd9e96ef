//! Unwinds a guest from another thread, and only where that is safe.
//!
//! The watchdog sends a signal to the thread that runs the guest ([`signals`](super::signals)). The handler looks where that
//! thread is. In the module's own code, and if the call that runs there has been told to stop, it unwinds the guest
//! to where it was entered. Everywhere else, in a host function, in Wasmer's own code that grows a memory, or in a
//! call that nobody wants to stop, it does nothing, and the watchdog tries again at its next tick: Rust code that is
//! unwound in the middle of an allocation would leave the allocator locked for ever.
//!
//! The same signal reaches a guest that is not to stop and only takes long on its caller's thread. There, in the
//! module's own code, the handler lets another thread have the caller's other tasks (by what [`install`](super::signals::install) was given), and
//! the guest goes on. That code calls nothing and holds no lock of the host, so the handler may do what any host
//! function may that the guest could have called there instead, allocating included.
//!
//! And it reaches guests of which a [sample](super::samples) is wanted, wherever they are.
//!
//! A signal that comes too late, or from somebody else, therefore does no harm.
#![expect(unsafe_code, reason = "follows a pointer to what runs on this thread")]

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{Ordering, compiler_fence};

use backtrace::Backtrace;
use wasmer::sys::vm::{Trap, TrapCode, raise_lib_trap};

use super::code::Code;
use super::direct::{self, Ended, Entry};
use super::frames;
use super::refusals::Refusals;
use super::samples::{Requests, Sampler};
use super::stack::{self, Bounds};

/// State of a guest that signal handlers and functions which it calls need to know.
pub(super) struct Running {
    code: *const Code,
    /// Requests to its instance.
    requests: *const Requests,
    /// Refusals to its instance.
    refusals: *const Refusals,
    /// Known as soon as the guest is entered.
    stack: Cell<Bounds>,
    /// Bytes that its first memory is known to have.
    known_bytes: Cell<u64>,
    /// How it was entered, if not by Wasmer; else null.
    direct: Cell<*const Entry>,
}

impl Running {
    pub(super) fn code(&self) -> &Code {
        // SAFETY: what a `Running` points to outlives it (see `within`).
        unsafe { &*self.code }
    }

    pub(super) fn is_told_to_stop(&self) -> bool {
        // SAFETY: as above.
        unsafe { (*self.requests).stop.has_reason() }
    }

    /// Returns what takes samples of the guest, if it is sampled.
    pub(super) fn sampler(&self) -> Option<&Sampler> {
        // SAFETY: as above.
        unsafe { (*self.requests).sampler() }
    }

    pub(super) fn refusals(&self) -> &Refusals {
        // SAFETY: as above.
        unsafe { &*self.refusals }
    }

    pub(super) fn stack(&self) -> Bounds {
        self.stack.get()
    }

    pub(super) fn known_bytes(&self) -> u64 {
        self.known_bytes.get()
    }

    /// Returns how the guest was entered, if not by Wasmer.
    pub(super) fn direct(&self) -> Option<&Entry> {
        // SAFETY: it is null, or lives as long as the guest is in there (see `directly`).
        unsafe { self.direct.get().as_ref() }
    }

    pub(super) fn know_bytes(&self, bytes: u64) {
        self.known_bytes.set(bytes);
    }
}

thread_local! {
    /// The guest that this thread runs, or null. Has no destructor and is initialised at compile time, so the signal
    /// handler may read it; and it is one word, so that the handler sees it old or new, but never in between.
    static RUNNING: Cell<*const Running> = const { Cell::new(ptr::null()) };
    /// The size of the stacks that this thread entered a guest on last, or zero before it did.
    static STACK: Cell<usize> = const { Cell::new(0) };
}

/// Runs a guest that has that code; from then on until it returns, an interrupt unwinds it as soon as it is requested to stop and
/// takes the samples that are wanted, and what functions of Wasmer refuse to it is noted.
///
/// A guest within a guest, which a host function of the outer one called, is the one that runs until it returns.
#[inline]
pub(crate) fn within<T>(
    code: &Code,
    requests: &Requests,
    refusals: &Refusals,
    run: impl FnOnce() -> T,
) -> T {
    /// The pointer in `Running` is gone before the reference that it came from.
    struct Restore(*const Running);
    impl Drop for Restore {
        fn drop(&mut self) {
            compiler_fence(Ordering::SeqCst);
            RUNNING.set(self.0);
        }
    }
    let (stack, known_bytes) = (Cell::new(Bounds::default()), Cell::new(0));
    let direct = Cell::new(ptr::null());
    let running = Running { code, requests, refusals, stack, known_bytes, direct };
    let _restore = Restore(RUNNING.replace(&raw const running));
    compiler_fence(Ordering::SeqCst);
    run()
}

/// Enters the guest that this thread runs, as [`Entry::call`] does.
///
/// # Safety
/// As for that; and this is called within [`within`], for a guest that may be entered so (see [`direct`](mod@super::direct)).
#[inline]
pub(super) unsafe fn directly(
    stack_top: usize,
    function: unsafe extern "C-unwind" fn(*mut u8),
    argument: *mut u8,
) -> Ended {
    let entry = Entry::new();
    with_running(|running| running.direct.set(&raw const entry));
    compiler_fence(Ordering::SeqCst);
    // SAFETY: our caller's contract.
    let ended = unsafe { entry.call(stack_top, function, argument) };
    compiler_fence(Ordering::SeqCst);
    with_running(|running| running.direct.set(ptr::null()));
    ended
}

/// Calls a function for a guest where there is more stack than the guest's: on the stack of who entered it.
///
/// # Safety
/// Called by a guest, and the function unwinds nobody.
pub(super) unsafe fn on_host_stack<T>(function: impl FnOnce() -> T) -> T {
    // SAFETY: what it points to lives as long as the call (see `within`), in which this thread is.
    let entry = unsafe { RUNNING.get().as_ref() }.and_then(Running::direct);
    // SAFETY: our caller's contract; it is the guest that was entered so that called this.
    unsafe { direct::on_host_stack(entry, function) }
}

/// Does something with the guest that this thread runs, if it runs one.
#[inline]
pub(super) fn with_running<T>(look: impl FnOnce(&Running) -> T) -> Option<T> {
    // SAFETY: what it points to lives as long as the call (see `within`), in which this thread is.
    unsafe { RUNNING.get().as_ref() }.map(look)
}

/// Keeps the samples that found the guest in the function of the host that calls this as it ends, if the guest is sampled.
#[inline]
pub(crate) fn settle(requests: &Requests) {
    if let Some(sampler) = requests.sampler() {
        with_running(|running| sampler.settle(running.code()));
    }
}

/// Whether this thread runs a guest, which another one called if it is asked to run one now.
#[inline]
pub(super) fn is_guest_here() -> bool {
    !RUNNING.get().is_null()
}

/// Notes the stack on which the guest is entered, which is one of that size at least.
#[inline]
pub(super) fn note_stack(bounds: Bounds, size: usize) {
    STACK.set(size);
    with_running(|running| running.stack.set(bounds));
}

/// Whether this thread has a stack for guests that is large enough: it keeps the one that it had last.
pub(super) fn has_stack() -> bool {
    STACK.get() == stack::size()
}

/// Unwinds the guest that this thread runs if there is too little of its stack left for a function of the host.
///
/// # Safety
/// As for [`raise_lib_trap`]: there is guest code on the stack, and nothing above it that has to be dropped.
#[inline]
pub(super) unsafe fn unwind_without_room() {
    if with_running(|running| running.stack.get().have_room()) == Some(false) {
        // SAFETY: the same contract.
        unsafe { unwind_for(TrapCode::StackOverflow) }
    }
}

/// Unwinds the guest that this thread runs if its call has been told to stop.
///
/// # Safety
/// As [`unwind_without_room`].
#[inline]
pub(super) unsafe fn unwind_if_told() {
    if with_running(Running::is_told_to_stop) == Some(true) {
        // SAFETY: the same contract.
        unsafe { raise(TrapCode::HostInterrupt) }
    }
}

/// Notes where the guest is that this thread runs, in case that it traps, by the frame of a function that it called.
///
/// # Safety
/// As for [`frames::note_callers`].
pub(super) unsafe fn note_callers(frame: usize) {
    with_running(|running| {
        // SAFETY: our caller's contract.
        unsafe { frames::note_callers(frame, running.code(), running.stack()) }
    });
}

/// Notes where the guest is that this thread runs, before an exception is thrown that nobody may catch.
///
/// # Safety
/// Called by the guest.
pub(super) unsafe fn note_where() {
    with_running(|running| {
        let (code, reason) = (running.code(), TrapCode::StackOverflow);
        // SAFETY: a guest that this thread runs called this.
        unsafe { frames::note_call(code, reason, running.direct()) }
    });
}

/// Unwinds the guest that this thread runs, and notes where it was.
///
/// # Safety
/// As [`unwind_without_room`].
#[cold]
pub(super) unsafe fn unwind_for(reason: TrapCode) -> ! {
    with_running(|running| {
        // SAFETY: our caller's contract.
        unsafe { frames::note_call(running.code(), reason, running.direct()) }
    });
    // SAFETY: the same contract.
    unsafe { raise(reason) }
}

/// Unwinds the guest that this thread runs, from anywhere in its own code.
///
/// # Safety
/// As [`unwind_without_room`].
pub(super) unsafe fn give_up() -> ! {
    // SAFETY: the same contract.
    unsafe { raise(TrapCode::HostInterrupt) }
}

/// Unwinds the guest. Wasmer's own way to make such a trap walks the stack, all of it and on the guest's; this one does
/// not, so it allocates nothing and takes no lock.
///
/// # Safety
/// As [`unwind_without_room`].
unsafe fn raise(trap_code: TrapCode) -> ! {
    // SAFETY: what it points to lives as long as the call (see `within`), in which this thread is.
    if let Some(entry) = unsafe { RUNNING.get().as_ref() }.and_then(Running::direct) {
        // SAFETY: our caller's contract.
        unsafe { entry.leave(trap_code) }
    }
    // SAFETY: our caller's contract is that of the function.
    unsafe { raise_lib_trap(Trap::Lib { trap_code, backtrace: Backtrace::from(Vec::new()) }) }
}
