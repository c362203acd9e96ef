//! Sending of a signal from the watchdog to the thread of a guest, and what is done if it has no effect.

use std::io;
use std::mem;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::thread::ThreadNumber;
use super::{INTERRUPT, SIGNALS, forget_admissions, look_after_handlers, restart};

/// Who sent a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// Our watchdog, or we ourselves to try whether it arrives.
    Watchdog,
    /// This process, by a system call that anybody may use and that the watchdog has to use here.
    PerhapsWatchdog,
    /// Somebody else.
    Other,
}

/// By its address the signals are known that we send.
static MARK: u8 = 0;

/// The system does not let a thread send signals that carry a mark.
static UNMARKED: AtomicBool = AtomicBool::new(false);

/// A `siginfo_t` of a signal that was queued with a value.
#[repr(C)]
struct QueuedInfo {
    signal: libc::c_int,
    error: libc::c_int,
    code: libc::c_int,
    padding: libc::c_int,
    process: libc::pid_t,
    user: libc::uid_t,
    value: usize,
    rest: [usize; 12],
}

const _: () = assert!(mem::size_of::<QueuedInfo>() == mem::size_of::<libc::siginfo_t>());

fn mark() -> usize {
    (&raw const MARK).addr()
}

/// Sends the signal to a thread of this process: its handler looks what it means there. If the thread is gone by now,
/// nobody or a thread that does not care gets it.
pub(crate) fn interrupt(thread: ThreadNumber) {
    send(thread);
}

/// Returns whether the system let it be sent, as far as there is a thread of that number.
pub(super) fn send(thread: ThreadNumber) -> bool {
    let is_gone = || io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH);
    if !UNMARKED.load(Ordering::Relaxed) {
        if send_marked(thread) || is_gone() {
            return true;
        }
        UNMARKED.store(true, Ordering::Relaxed);
    }
    // SAFETY: the call takes numbers only.
    let status =
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread.to_bits(), INTERRUPT) };
    status == 0 || is_gone()
}

fn send_marked(thread: ThreadNumber) -> bool {
    // SAFETY: the calls have no preconditions.
    let (process, user) = unsafe { (libc::getpid(), libc::getuid()) };
    let (error, padding, rest, value) = (0, 0, [0; 12], mark());
    let code = libc::SI_QUEUE;
    let info = QueuedInfo { signal: INTERRUPT, error, code, padding, process, user, value, rest };
    // SAFETY: the pointer is to a live structure with the layout of the kernel's.
    unsafe {
        let call = libc::SYS_rt_tgsigqueueinfo;
        libc::syscall(call, process, thread.to_bits(), INTERRUPT, &raw const info) == 0
    }
}

/// Who sent the signal that the kernel describes so.
pub(super) fn sender_of(info: &libc::siginfo_t) -> Sender {
    // SAFETY: the fields are those of a signal that a process sent, or are not looked at.
    let (process, value) = unsafe { (info.si_pid(), info.si_value().sival_ptr.addr()) };
    // SAFETY: the call has no preconditions.
    let is_own = process == unsafe { libc::getpid() };
    match info.si_code {
        libc::SI_QUEUE if is_own && value == mark() => Sender::Watchdog,
        libc::SI_TKILL if is_own && UNMARKED.load(Ordering::Relaxed) => Sender::PerhapsWatchdog,
        // What the kernel says when it had no memory for more.
        libc::SI_USER if process == 0 => Sender::PerhapsWatchdog,
        _ => Sender::Other,
    }
}

/// Why an interrupt has no effect on a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deafness {
    /// The thread blocks the signal.
    Blocked,
    /// The system does not let it be sent.
    Denied,
    /// No known obstacle keeps the signal away: the guest is in a function of the host, or the next one will do.
    Unknown,
}

/// Does what can be done for a thread on which interrupts have no effect, whose guest has its code there.
///
/// Handlers are put back. Where that is not it, each thread is admitted anew before it enters its next guest, and this guest
/// is stopped without a signal. Returns why it would be needed and whether it could be done.
pub(crate) fn escalate(thread: ThreadNumber, code: &Range<usize>) -> (Deafness, bool) {
    look_after_handlers();
    let deafness = if !send(thread) {
        Deafness::Denied
    } else {
        match blocks_signals(thread) {
            Some(true) => Deafness::Blocked,
            Some(false) => return (Deafness::Unknown, true),
            // It may.
            None => Deafness::Unknown,
        }
    };
    // Before the guest is stopped, since what is begun for its thread is forgotten as that is admitted.
    forget_admissions();
    (deafness, restart::restart(thread, code))
}

/// Whether that thread blocks a signal that a guest needs. `None` where the system does not tell.
pub(super) fn blocks_signals(thread: ThreadNumber) -> Option<bool> {
    let path = format!("/proc/self/task/{}/status", thread.to_bits());
    let status = std::fs::read_to_string(path).ok()?;
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"))?;
    let mask = u64::from_str_radix(blocked.trim(), 16).ok()?;
    Some(SIGNALS.iter().any(|signal| mask & (1 << (signal - 1)) != 0))
}
