//! Whether a thread may enter guests: whether they can trap and be stopped on it.

use std::cell::Cell;
use std::io;
use std::marker::PhantomData;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::interrupt;
use super::super::stack;
use super::super::thread::ThreadNumber;
use super::sending::{self, Sender};
use super::{SIGNALS, look_after_handlers, restart};
use crate::error::{CallResult, SandboxError, SystemNeed};

/// Counts the times since which it has to be found out anew which signals a thread blocks.
static EPOCH: AtomicU32 = AtomicU32::new(1);

/// Counts the times since which nothing that was tried on a thread holds any more.
static TRIALS: AtomicU32 = AtomicU32::new(1);

thread_local! {
    /// The epoch in which this thread was admitted without conditions. Zero is none.
    static ADMITTED: Cell<u32> = const { Cell::new(0) };
    /// When things were tried on this thread, of [`TRIALS`].
    static TRIED: Cell<u32> = const { Cell::new(0) };
    /// Whether a signal arrived that we sent.
    static ARRIVED: Cell<bool> = const { Cell::new(false) };
}

/// Has each thread be admitted anew before it enters its next guest.
pub(crate) fn forget_admissions() {
    TRIALS.fetch_add(1, Ordering::AcqRel);
    look_at_masks_again();
}

/// Has it be found out anew which signals each thread blocks, before it enters its next guest. That is one system call,
/// so it is done several times a second: nobody says when a thread blocks signals that it did not block before.
pub(crate) fn look_at_masks_again() {
    EPOCH.fetch_add(1, Ordering::AcqRel);
}

/// Looks again at the mask of this thread only. Who makes sandboxes as his program starts may block signals next.
pub(crate) fn look_at_mask_again() {
    ADMITTED.set(0);
}

/// Notes a signal, in its handler.
pub(super) fn note_arrival(sender: Sender) {
    if sender != Sender::Other {
        ARRIVED.set(true);
    }
}

/// Sees to it that a guest can trap and be stopped on this thread, until what is returned is dropped.
///
/// On a thread where that is known it is a comparison of two numbers.
///
/// # Errors
/// [`SandboxError::SystemRefused`] where it cannot: then no guest may run.
#[inline]
pub(crate) fn admit() -> CallResult<Option<Reopened>> {
    if interrupt::is_guest_here() {
        try_stack()?;
    }
    if ADMITTED.get() == EPOCH.load(Ordering::Relaxed) {
        return Ok(None);
    }
    admit_now()
}

/// Tries whether there is a stack for a guest within a guest: one more than a thread needs otherwise.
#[cold]
fn try_stack() -> CallResult<()> {
    let refused = |error| SandboxError::SystemRefused { need: SystemNeed::Stack, error };
    Ok(stack::try_to_make().map_err(refused)?)
}

#[cold]
fn admit_now() -> CallResult<Option<Reopened>> {
    let (epoch, trials) = (EPOCH.load(Ordering::Acquire), TRIALS.load(Ordering::Acquire));
    let refused = |need| move |error| Box::new(SandboxError::SystemRefused { need, error });
    let reopened = unblock().map_err(refused(SystemNeed::Interrupts))?;
    if TRIED.get() != trials {
        restart::admit_this_thread();
        try_signal().map_err(refused(SystemNeed::Interrupts))?;
        TRIED.set(trials);
    }
    // The system may have given memory for one a moment ago, and none now.
    let has_stack = interrupt::has_stack();
    if !has_stack {
        stack::prepare().map_err(refused(SystemNeed::Stack))?;
    }
    // Who blocks the signals does so again when the call is over.
    if reopened.is_none() && has_stack {
        ADMITTED.set(epoch);
    }
    Ok(reopened)
}

/// Sends this thread a signal as the watchdog does, and looks whether it arrived.
fn try_signal() -> io::Result<()> {
    let this = ThreadNumber::of_this_thread();
    for _ in 0..2 {
        ARRIVED.set(false);
        let sent = sending::send(this);
        let error =
            if sent { io::ErrorKind::Unsupported.into() } else { io::Error::last_os_error() };
        // It arrives before the system call that sent it returns.
        if ARRIVED.get() {
            return Ok(());
        }
        if !sent {
            return Err(error);
        }
        look_after_handlers();
    }
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "SIGURG does not arrive at a thread that does not block it",
    ))
}

/// Signals that a thread blocked, and does not while a guest runs. They are blocked again when this is dropped.
#[derive(Debug)]
pub(crate) struct Reopened {
    before: libc::sigset_t,
    _of_one_thread: PhantomData<*const ()>,
}

impl Drop for Reopened {
    fn drop(&mut self) {
        // SAFETY: the pointer is to a live set of signals, which is what the thread had.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut())
        };
    }
}

/// Unblocks what guests need, if the thread blocks any of it.
fn unblock() -> io::Result<Option<Reopened>> {
    // SAFETY: all-zero bytes are a set of signals, and the pointers are to live ones.
    unsafe {
        let mut before: libc::sigset_t = mem::zeroed();
        let mut needed: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut needed);
        for signal in SIGNALS {
            libc::sigaddset(&raw mut needed, signal);
        }
        let status = libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const needed, &raw mut before);
        if status != 0 {
            return Err(io::Error::from_raw_os_error(status));
        }
        let was_blocked =
            SIGNALS.iter().any(|signal| libc::sigismember(&raw const before, *signal) == 1);
        Ok(was_blocked.then_some(Reopened { before, _of_one_thread: PhantomData }))
    }
}
