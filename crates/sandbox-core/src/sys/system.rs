//! Services that the operating system may refuse, asked for where others take for granted that it does not.
#![expect(unsafe_code, reason = "maps memory, and installs a signal handler")]

use std::io;
use std::mem;
use std::ptr;
use std::sync::Once;

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
    let len = page_bytes();
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let (written, executed) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::PROT_READ | libc::PROT_EXEC);
    // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists. What follows is done to that
    // mapping, which nobody else knows.
    unsafe {
        let page = libc::mmap(ptr::null_mut(), len, written, flags, -1, 0);
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let status = libc::mprotect(page, len, executed);
        let result = if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
        libc::munmap(page, len);
        result
    }
}

/// Has writes beyond the largest size that the system allows for files (`RLIMIT_FSIZE`) fail with an error number, where
/// the kernel would end the process: a guest decides how much it writes. A handler that is there is left alone.
pub(crate) fn survive_full_files() {
    extern "C" fn do_nothing(_: libc::c_int) {}
    static DONE: Once = Once::new();
    // SAFETY: all-zero bytes are a `sigaction`, the pointers are to live ones, and the handler is of the type for one
    // without SA_SIGINFO. A handler, and not SIG_IGN, which programs that this process starts would inherit.
    DONE.call_once(|| unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        if libc::sigaction(libc::SIGXFSZ, ptr::null(), &raw mut action) != 0
            || action.sa_sigaction != libc::SIG_DFL
        {
            return;
        }
        action.sa_sigaction = do_nothing as *const () as usize;
        action.sa_flags = libc::SA_ONSTACK | libc::SA_RESTART;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(libc::SIGXFSZ, &raw const action, ptr::null_mut());
    });
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
