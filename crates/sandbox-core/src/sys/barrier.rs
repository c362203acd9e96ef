//! Memory barriers whose price the rare side pays.
//!
//! Two threads that each write one word and then read the other's need a full barrier between the two, or both may
//! read what was there before. One side here is every call of a guest, and the other the watchdog, a few times a
//! second, or a caller that has to wait for its turn anyway. So calls keep only the compiler from changing the order,
//! and the others have the kernel make all threads of the process pass a full barrier (`membarrier`, Linux 4.14).
//! Where the kernel does not offer that, both sides pay.
#![expect(unsafe_code, reason = "a system call that the standard library does not offer")]

use std::sync::atomic::{AtomicBool, Ordering, compiler_fence, fence};
use std::time::Duration;

/// Of Linux's `linux/membarrier.h`.
const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;
const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;

/// Whether [`heavy`] makes up for what [`light`] leaves out.
static ASYMMETRIC: AtomicBool = AtomicBool::new(false);

/// A processor has made visible what a thread wrote, and what was waiting to be, long before this is over.
const SETTLED: Duration = Duration::from_millis(1);

/// Asks the kernel for [`heavy`] barriers, without which [`light`] ones are full barriers. Once for a process.
pub(crate) fn prepare() {
    let registered = membarrier(REGISTER_PRIVATE_EXPEDITED);
    ASYMMETRIC.store(registered, Ordering::SeqCst);
}

/// The side that is run often.
#[inline]
pub(crate) fn light() {
    if ASYMMETRIC.load(Ordering::Relaxed) {
        compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

/// The side that is run rarely: a barrier against every [`light`] one. A system call.
pub(crate) fn heavy() {
    fence(Ordering::SeqCst);
    if ASYMMETRIC.load(Ordering::SeqCst) && !membarrier(PRIVATE_EXPEDITED) {
        // The process has lost the right to make that call, as one does that filters its own system calls. From now
        // on both sides pay, and a light barrier that has just been passed is given time.
        ASYMMETRIC.store(false, Ordering::SeqCst);
        std::thread::sleep(SETTLED);
        fence(Ordering::SeqCst);
    }
}

#[cfg(target_os = "linux")]
fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: the call takes numbers only, and changes nothing but the order in which memory is seen.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn membarrier(_: libc::c_int) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[test]
    fn of_two_sides_one_sees_the_other() {
        const ROUNDS: usize = 2_000;
        prepare();
        let (ours, theirs) = (AtomicU32::new(0), AtomicU32::new(0));
        let (start, end) = (Barrier::new(2), Barrier::new(2));
        let seen_by_light = AtomicU32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    start.wait();
                    ours.store(1, Ordering::Relaxed);
                    light();
                    seen_by_light.store(theirs.load(Ordering::Relaxed), Ordering::Relaxed);
                    end.wait();
                }
            });
            for _ in 0..ROUNDS {
                ours.store(0, Ordering::Relaxed);
                theirs.store(0, Ordering::Relaxed);
                start.wait();
                theirs.store(1, Ordering::Relaxed);
                heavy();
                let seen_by_heavy = ours.load(Ordering::Relaxed);
                end.wait();
                let seen = seen_by_light.load(Ordering::Relaxed) + seen_by_heavy;
                assert!(seen > 0, "neither side saw the other");
            }
        });
    }
}
