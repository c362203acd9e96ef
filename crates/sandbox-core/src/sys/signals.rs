//! The signals by which guests trap and are stopped, and what the process has to leave to us for that.
//!
//! A guest that divides by zero or reads outside its memory is noticed by a fault of the processor, which the kernel
//! reports as a signal. One that is to stop gets [`libc::SIGURG`] from the watchdog: processes that do not ask for that
//! ignore it, so one that comes before there is a handler is harmless.
//!
//! All of that can be broken by the process that embeds us: a thread that blocks the signals, another handler in place
//! of ours, a filter of system calls. Then no limit of time would hold, and a trap would end the process. So nothing is
//! taken for granted:
//!
//! - Each thread that enters a guest is [admitted](admit) first: the signals are unblocked, one is sent to try
//!   whether it arrives, and the memory that a stack takes is asked for. That is done once for each thread, but for the look at
//!   what it blocks, which is repeated several times a second. Whoever blocks the signals pays for two system calls in each
//!   call of a guest.
//! - Handlers are looked at again whenever an instance is made, while guests run, and when an interrupt remains without
//!   effect. What somebody put in place of ours is called by ours from then on, for all that is no guest's.
//! - Where a signal sent to try does not arrive, no guest runs. Where one later does not, there is a [way](restart)
//!   without signals.
#![expect(unsafe_code, reason = "installs signal handlers, and changes signal masks")]

mod admission;
mod handlers;
#[cfg_attr(not(all(target_arch = "x86_64", target_env = "gnu")), path = "signals/no_restart.rs")]
mod restart;
mod sending;
mod traps;
mod urgent;

pub(crate) use admission::{
    Reopened, admit, forget_admissions, look_at_mask_again, look_at_masks_again,
};
pub(crate) use handlers::{install, look_after_handlers};
pub(crate) use sending::{Deafness, escalate, interrupt};

/// The signal by which guests are interrupted.
const INTERRUPT: libc::c_int = libc::SIGURG;

/// The signals that guests and the watchdog cause, and with them the ones that must not be blocked while a guest runs.
const SIGNALS: [libc::c_int; 5] =
    [libc::SIGSEGV, libc::SIGILL, libc::SIGFPE, libc::SIGBUS, INTERRUPT];

/// The type of a handler that was installed with `SA_SIGINFO`.
type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// Our handler of a signal.
fn ours(signal: libc::c_int) -> Handler {
    if signal == INTERRUPT { urgent::on_signal } else { traps::on_fault }
}

/// Calls somebody else's handler, if there is one.
///
/// # Safety
/// The arguments are those that the kernel gave to our handler.
unsafe fn call(
    action: &libc::sigaction,
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    if action.sa_sigaction == libc::SIG_DFL || action.sa_sigaction == libc::SIG_IGN {
        return;
    }
    // SAFETY: the flag says which of the two types the handler has.
    unsafe {
        if action.sa_flags & libc::SA_SIGINFO != 0 {
            std::mem::transmute::<usize, Handler>(action.sa_sigaction)(signal, info, context);
        } else {
            type Plain = extern "C" fn(libc::c_int);
            std::mem::transmute::<usize, Plain>(action.sa_sigaction)(signal);
        }
    }
}

#[cfg(test)]
mod tests;
