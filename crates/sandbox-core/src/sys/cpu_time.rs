//! The processor time of the calling thread.
#![expect(unsafe_code, reason = "a system call that the standard library does not offer")]

use std::time::Duration;

/// The processor time that the calling thread has used so far; nothing where the system cannot tell.
pub(crate) fn of_this_thread() -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live, writable `timespec`, which is all that the call asks for.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
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
}
