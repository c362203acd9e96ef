//! Whether this is still the process that sandboxes were first used in.
//!
//! A process that forks leaves its threads behind: in the child there is neither a watchdog to stop guests nor a worker to
//! run them. A guest there would run without limits, so none is started. What tells is a page of memory that
//! the kernel empties in a child; to ask costs two loads.
#![expect(unsafe_code, reason = "maps a page that a child process does not inherit")]

use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

use crate::error::{Result, SandboxError};

/// Byte that is written in the page, unless it was emptied.
const HOME: u8 = 1;

/// The page. Null before there is one; never unmapped.
static MARK: AtomicPtr<AtomicU8> = AtomicPtr::new(ptr::null_mut());

/// Makes this process the one that sandboxes are used in, unless one already is; says whether it could be done.
pub(crate) fn settle() -> bool {
    static SETTLED: OnceLock<bool> = OnceLock::new();
    *SETTLED.get_or_init(|| match wiped_on_fork().or_else(unmarked_by_fork) {
        Some(mark) => {
            MARK.store(mark, Ordering::Release);
            true
        }
        None => false,
    })
}

/// Refuses to go on in a process that was forked from the one that sandboxes were first used in.
///
/// # Errors
/// [`SandboxError::Forked`].
#[inline]
pub(crate) fn check() -> Result<()> {
    let mark = MARK.load(Ordering::Acquire);
    // SAFETY: it is null or points to a byte that is never freed.
    let is_home = mark.is_null() || unsafe { (*mark).load(Ordering::Relaxed) } == HOME;
    if is_home { Ok(()) } else { Err(SandboxError::Forked) }
}

/// A page with the mark, which the children of this process find empty.
#[cfg(target_os = "linux")]
fn wiped_on_fork() -> Option<*mut AtomicU8> {
    let len = super::memory::page_bytes();
    let (protection, flags) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists. The advice and
    // the write are to that mapping, which nobody else knows yet.
    unsafe {
        let page = libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0);
        if page == libc::MAP_FAILED {
            return None;
        }
        if libc::madvise(page, len, libc::MADV_WIPEONFORK) != 0 {
            libc::munmap(page, len);
            return None;
        }
        let mark = page.cast::<AtomicU8>();
        mark.write(AtomicU8::new(HOME));
        Some(mark)
    }
}

#[cfg(not(target_os = "linux"))]
fn wiped_on_fork() -> Option<*mut AtomicU8> {
    None
}

/// A mark that is taken away in children, for kernels that empty no pages. It misses children that were not made by
/// `fork` of the C library.
fn unmarked_by_fork() -> Option<*mut AtomicU8> {
    extern "C" fn in_the_child() {
        let mark = MARK.load(Ordering::Relaxed);
        // SAFETY: as in `check`.
        if let Some(mark) = unsafe { mark.as_ref() } {
            mark.store(0, Ordering::Relaxed);
        }
    }
    // SAFETY: the handler only stores a byte, which may be done after a fork.
    let status = unsafe { libc::pthread_atfork(None, None, Some(in_the_child)) };
    (status == 0).then(|| Box::into_raw(Box::new(AtomicU8::new(HOME))))
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
