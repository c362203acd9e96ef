//! Files that have grown as large as the system allows.
#![expect(unsafe_code, reason = "installs a signal handler")]

use std::mem;
use std::ptr;
use std::sync::Once;

/// Has writes beyond the largest size that the system allows for files (`RLIMIT_FSIZE`) fail with an error number, where
/// the kernel would end the process: a guest decides how much it writes. A handler that is there is left alone.
pub(crate) fn survive() {
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
