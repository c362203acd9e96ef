//! Services that the operating system may refuse, asked for where others take for granted that it does not.
#![expect(unsafe_code, reason = "maps memory")]

use std::io;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use super::memory::page_bytes;
use super::stack;
use crate::error::{Result, SandboxError, SystemNeed};

/// Tries whether memory that was written to may be made executable, as Wasmer does with native code.
///
/// # Errors
/// [`SandboxError::SystemRefused`] where it may not.
pub(crate) fn try_executable_memory() -> Result<()> {
    executable_memory()
        .map_err(|error| SandboxError::SystemRefused { need: SystemNeed::ExecutableMemory, error })
}

fn executable_memory() -> io::Result<()> {
    /// The address of a page that nobody writes to. It is kept, because each module that is loaded asks, and a new mapping takes
    /// longer than all else here.
    static PAGE: Mutex<Option<usize>> = Mutex::new(None);
    let len = page_bytes();
    let (written, executed) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::PROT_READ | libc::PROT_EXEC);
    let mut kept = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists. What follows is done to that
    // mapping, which nobody else knows, while the lock is held.
    unsafe {
        let page = match kept.take() {
            Some(address) => ptr::with_exposed_provenance_mut(address),
            None => {
                let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
                libc::mmap(ptr::null_mut(), len, written, flags, -1, 0)
            }
        };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let status = libc::mprotect(page, len, executed);
        let result = if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
        // As it was, so that it is asked again next time.
        if libc::mprotect(page, len, written) == 0 {
            *kept = Some(page.expose_provenance());
        } else {
            libc::munmap(page, len);
        }
        result
    }
}

/// Tries whether there may be one more thread.
///
/// # Errors
/// [`SandboxError::SystemRefused`] where there may not.
pub(crate) fn try_thread() -> Result<()> {
    let refused = |error| SandboxError::SystemRefused { need: SystemNeed::Thread, error };
    // Rust ends the process where a new thread gets no memory for its signals.
    stack::try_to_make().map_err(refused)?;
    let thread = std::thread::Builder::new().name("sandbox-try".to_owned());
    let tried = thread.spawn(|| ()).map_err(refused)?;
    // It does nothing that could panic.
    let _ = tried.join();
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
