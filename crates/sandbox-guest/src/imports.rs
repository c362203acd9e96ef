//! The import of guests that call their host.
#![expect(unsafe_code, reason = "calls what the host provides")]

/// Fetches the host's last output, which is exactly as long as the buffer.
pub(crate) fn take_output(buffer: &mut [u8]) {
    #[link(wasm_import_module = "sandbox_host")]
    unsafe extern "C" {
        #[link_name = "take_output"]
        fn imported(at: *mut u8, len: usize);
    }
    // SAFETY: the host writes to the buffer, all of which is there until it returns, and nowhere else.
    unsafe { imported(buffer.as_mut_ptr(), buffer.len()) }
}
