//! Who runs this process.
#![expect(unsafe_code, reason = "the standard library does not say")]

/// The effective user of this process: who will own the files that it creates.
pub(crate) fn effective_user() -> u32 {
    // SAFETY: takes no argument, touches no memory, and cannot fail.
    unsafe { libc::geteuid() }
}
