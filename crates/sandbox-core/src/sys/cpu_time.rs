//! The processor time of threads.
#![expect(unsafe_code, reason = "a system call that the standard library does not offer")]

use std::time::Duration;

use super::thread::ThreadNumber;

/// The processor time that the calling thread has used so far; nothing where the system cannot tell.
pub(crate) fn of_this_thread() -> Option<Duration> {
    of_clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Returns the processor time of another thread of this process, or `None` if there is no such thread any more.
#[cfg(target_os = "linux")]
pub(crate) fn of_thread(thread: ThreadNumber) -> Option<Duration> {
    /// Linux's `CPUCLOCK_SCHED`, and the bit that makes it a thread's.
    const OF_ONE_THREAD: libc::clockid_t = 2 | 4;
    of_clock(!thread.to_bits() << 3 | OF_ONE_THREAD)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn of_thread(_: ThreadNumber) -> Option<Duration> {
    None
}

fn of_clock(clock: libc::clockid_t) -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live, writable `timespec`, which is all that the call asks for.
    let status = unsafe { libc::clock_gettime(clock, &raw mut time) };
    if status != 0 {
        return None;
    }
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_grows_with_work() {
        let Some(before) = of_this_thread() else { return };
        let mut work = 0u64;
        while of_this_thread().unwrap() == before {
            work = std::hint::black_box(work + 1);
        }
    }

    #[test]
    fn another_thread_has_the_time_that_it_says_it_has() {
        let Some(before) = of_this_thread() else { return };
        let this = ThreadNumber::of_this_thread();
        let seen = std::thread::spawn(move || of_thread(this)).join().unwrap();
        assert!(seen.is_none_or(|seen| seen >= before && seen <= of_this_thread().unwrap()));
    }
}
