//! Memory barriers whose price the rare side pays.
//!
//! Two threads that each write one word and then read the other's need a full barrier between the two, or both may
//! read what was there before. One side here is every call of a guest, and the other the watchdog, a few times a
//! second. So calls keep only the compiler from changing the order, and the watchdog has the kernel make all threads
//! of the process pass a full barrier (`membarrier`, Linux 4.14). Where the kernel does not offer that, and until it is ready
//! for it, both sides pay.
#![expect(unsafe_code, reason = "a system call that the standard library does not offer")]

use std::sync::atomic::{AtomicBool, Ordering, compiler_fence, fence};

/// Of Linux's `linux/membarrier.h`.
const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;
const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;

/// Whether the kernel is ready for [`heavy`] barriers.
static READY: AtomicBool = AtomicBool::new(false);

/// Whether [`heavy`] makes up for what [`light`] leaves out.
static ASYMMETRIC: AtomicBool = AtomicBool::new(false);

/// Has the kernel get ready for [`heavy`] barriers. In a process with several threads it waits until each core has come
/// by, ten milliseconds and more. So this is for a thread that nobody waits for.
pub(crate) fn get_ready() {
    if membarrier(REGISTER_PRIVATE_EXPEDITED) {
        READY.store(true, Ordering::Release);
    }
}

/// Has [`light`] barriers rely on heavy ones from now on, if the kernel is ready for those.
///
/// Only the thread that calls [`heavy`] may call this: a heavy barrier of another, under way just then, would be none against
/// a light one that relies on it.
pub(crate) fn rely_on_heavy() {
    if READY.load(Ordering::Acquire) {
        ASYMMETRIC.store(true, Ordering::SeqCst);
    }
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

/// The side that is run rarely. Returns whether it was a barrier against every [`light`] one.
#[must_use]
pub(crate) fn heavy() -> bool {
    fence(Ordering::SeqCst);
    !ASYMMETRIC.load(Ordering::Relaxed) || membarrier(PRIVATE_EXPEDITED)
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
        // The kernel gets ready while the sides do what they do.
        let mut ready = Some(std::thread::spawn(get_ready));
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
            for round in 0..ROUNDS {
                if round == ROUNDS / 2
                    && let Some(ready) = ready.take()
                {
                    ready.join().unwrap();
                }
                rely_on_heavy();
                ours.store(0, Ordering::Relaxed);
                theirs.store(0, Ordering::Relaxed);
                start.wait();
                theirs.store(1, Ordering::Relaxed);
                let full = heavy();
                let seen_by_heavy = ours.load(Ordering::Relaxed);
                end.wait();
                let seen = seen_by_light.load(Ordering::Relaxed) + seen_by_heavy;
                assert!(!full || seen > 0, "neither side saw the other");
            }
        });
    }
}
