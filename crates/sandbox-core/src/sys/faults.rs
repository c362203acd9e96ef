//! Whether a thread caused page faults.
//!
//! The first write to a page that is mapped copy-on-write is a page fault of the thread that writes, whether guest
//! code, host code or the kernel on its behalf does it. So a thread that caused no page fault wrote to no new page.
//! What other threads wrote is not seen, which is why memory that a host function was lent counts as written. Nor is what
//! a process did that locks all its memory (`mlockall`): that makes pages private before anybody writes to them.
#![expect(unsafe_code, reason = "a system call that the standard library does not offer")]

use std::cell::Cell;
use std::marker::PhantomData;

thread_local! {
    /// Number of page faults that this thread had caused when that was last looked at.
    static LAST_SEEN: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Begins to watch the calling thread. Costs nothing: what was seen last stands for now.
pub(crate) fn watch() -> Watch {
    Watch { before: LAST_SEEN.get(), _of_one_thread: PhantomData }
}

/// A watch over the thread that began it.
#[derive(Debug)]
pub(crate) struct Watch {
    before: Option<u64>,
    _of_one_thread: PhantomData<*const ()>,
}

impl Watch {
    /// Whether the thread certainly caused no page fault since the watch began. False may also mean that it
    /// cannot be told.
    pub(crate) fn none_since(self) -> bool {
        let now = of_this_thread();
        LAST_SEEN.set(now);
        now.is_some() && now == self.before
    }
}

#[cfg(target_os = "linux")]
fn of_this_thread() -> Option<u64> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the pointer is to writable memory of the right type, which the call fills if it returns zero.
    let usage = unsafe {
        if libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) != 0 {
            return None;
        }
        usage.assume_init()
    };
    Some((usage.ru_minflt as u64).wrapping_add(usage.ru_majflt as u64))
}

#[cfg(not(target_os = "linux"))]
fn of_this_thread() -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_first_write_is_seen_and_a_second_is_not() {
        let mut pages = vec![0u8; 64 << 20];
        watch().none_since();
        let first = watch();
        pages[33 << 20] = 1;
        assert!(!first.none_since());
        let quiet = (0..1000).any(|_| {
            let second = watch();
            pages[33 << 20] = std::hint::black_box(2);
            second.none_since()
        });
        assert!(quiet);
        std::hint::black_box(&pages);
    }
}
