//! Which handlers are installed, and whose were there before.

use std::cell::Cell;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::super::full_files;
use super::{SIGNALS, call, ours};

/// A handler that ours took the place of.
pub(super) struct Replaced {
    action: libc::sigaction,
    /// Handler that had been there before that one.
    before: *const Replaced,
}

/// For each of [`SIGNALS`] what ours replaced last. Never freed: a handler may be on its way through them.
static REPLACED: [AtomicPtr<Replaced>; SIGNALS.len()] =
    [const { AtomicPtr::new(ptr::null_mut()) }; SIGNALS.len()];

/// Wasmer's handler of memory faults, which is also that of its other faults.
static WASMERS: OnceLock<libc::sigaction> = OnceLock::new();

/// Has another thread take over what waits for this one, from within a handler.
pub(super) static HAND_OVER: OnceLock<fn()> = OnceLock::new();

/// Whose turn it is to change handlers.
static CHANGE: Mutex<()> = Mutex::new(());

thread_local! {
    /// Number of others' handlers that this thread is in and that ours called, for each of [`SIGNALS`].
    static PASSED_ON: [Cell<u8>; SIGNALS.len()] = const { [const { Cell::new(0) }; SIGNALS.len()] };
}

/// Prepares the process for guests that trap and are interrupted. `hand_over` has other tasks of a thread go on elsewhere, and is
/// called in a handler, while the thread is in a guest's own code. Returns whether the process could be prepared.
pub(crate) fn install(hand_over: fn()) -> bool {
    HAND_OVER.get_or_init(|| hand_over);
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        // Wasmer installs its handlers only once too.
        wasmer::sys::vm::init_traps();
        let Some(wasmers) = current(libc::SIGSEGV) else { return false };
        if wasmers.sa_flags & libc::SA_SIGINFO == 0 {
            return false;
        }
        WASMERS.get_or_init(|| wasmers);
        full_files::survive();
        let _turn = CHANGE.lock().unwrap_or_else(PoisonError::into_inner);
        SIGNALS.into_iter().all(|signal| match current(signal) {
            Some(before) => put_ours(signal, before),
            None => false,
        })
    })
}

/// Puts our handlers back where others were installed in their place, and has them call those.
///
/// Who saved ours as the handler to go on with is called once by ours and calls ours once; what comes then is what ours
/// had called before.
pub(crate) fn look_after_handlers() {
    if REPLACED[0].load(Ordering::Acquire).is_null() {
        return;
    }
    for signal in SIGNALS {
        if current(signal).is_none_or(|action| is_ours(&action)) {
            continue;
        }
        let _turn = CHANGE.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have done it.
        let Some(theirs) = current(signal).filter(|action| !is_ours(action)) else { continue };
        if is_known(signal, &theirs) {
            // Somebody who looks after his handler too. It is called already, and once is enough.
            put_back(signal);
            continue;
        }
        let is_handler =
            theirs.sa_sigaction != libc::SIG_IGN && theirs.sa_sigaction != libc::SIG_DFL;
        tracing::warn!(
            signal,
            is_handler,
            "somebody changed what happens on a signal that guests are stopped by or trap with; the sandbox's handler \
             was put back, and calls the other one for all that is no guest's"
        );
        put_ours(signal, theirs);
    }
}

/// Whether ours took the place of that handler last.
fn is_known(signal: libc::c_int, action: &libc::sigaction) -> bool {
    let replaced = place_of(signal).map(|place| REPLACED[place].load(Ordering::Acquire));
    // SAFETY: what is in the list is never freed.
    let last = replaced.and_then(|replaced| unsafe { replaced.as_ref() });
    last.is_some_and(|last| last.action.sa_sigaction == action.sa_sigaction)
}

/// Action that is taken on that signal now.
fn current(signal: libc::c_int) -> Option<libc::sigaction> {
    // SAFETY: all-zero bytes are a `sigaction`, and the pointer is to a live one.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        (libc::sigaction(signal, ptr::null(), &raw mut action) == 0).then_some(action)
    }
}

fn is_ours(action: &libc::sigaction) -> bool {
    SIGNALS.iter().any(|signal| ours(*signal) as usize == action.sa_sigaction)
}

/// Installs our handler in the place of another.
fn put_ours(signal: libc::c_int, replaced: libc::sigaction) -> bool {
    let Some(place) = place_of(signal) else { return false };
    let before = REPLACED[place].load(Ordering::Acquire);
    let replaced = Box::into_raw(Box::new(Replaced { action: replaced, before }));
    // Before our handler is there, which reads it.
    REPLACED[place].store(replaced, Ordering::Release);
    put_back(signal)
}

/// Installs our handler, which was installed before. May be called in a handler.
pub(super) fn put_back(signal: libc::c_int) -> bool {
    // SAFETY: all-zero bytes are a `sigaction`, and our handlers are of the type that SA_SIGINFO asks for.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = ours(signal) as usize;
        // On the alternative stack, because the guest's may be used up; Wasmer gives each thread that enters a guest
        // one of at least 64 KiB. Interrupted system calls of host functions go on. Not blocked meanwhile: a fault
        // within a handler is for whoever handles those of the host, and a thread that the handler starts must be
        // reachable too, and would inherit that.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART | libc::SA_NODEFER;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(signal, &raw const action, ptr::null_mut()) == 0
    }
}

fn place_of(signal: libc::c_int) -> Option<usize> {
    SIGNALS.iter().position(|known| *known == signal)
}

/// Wasmer's handler.
pub(super) fn wasmers() -> Option<&'static libc::sigaction> {
    WASMERS.get()
}

/// Calls the handler that ours took the place of. If that calls ours again, the one before it.
///
/// Returns what was found there if it is no handler, but the kernel's default or nothing.
///
/// # Safety
/// The arguments are those that the kernel gave to our handler.
pub(super) unsafe fn pass_on(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) -> Option<&'static libc::sigaction> {
    let place = place_of(signal)?;
    let depth = PASSED_ON.with(|passed_on| passed_on[place].get());
    let mut replaced: *const Replaced = REPLACED[place].load(Ordering::Acquire);
    for _ in 0..depth {
        // SAFETY: what is in the list is never freed.
        replaced = unsafe { replaced.as_ref() }.map_or(ptr::null(), |replaced| replaced.before);
    }
    // SAFETY: as above.
    let action = &unsafe { replaced.as_ref() }?.action;
    if action.sa_sigaction == libc::SIG_DFL || action.sa_sigaction == libc::SIG_IGN {
        return Some(action);
    }
    PASSED_ON.with(|passed_on| passed_on[place].set(depth.saturating_add(1)));
    // SAFETY: our caller's contract.
    unsafe { call(action, signal, info, context) };
    PASSED_ON.with(|passed_on| passed_on[place].set(depth));
    None
}
