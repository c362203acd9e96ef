//! The exports that every guest has, and the import of those that call their host. The only unsafe code of this
//! crate: attributes that give functions their names in the module, and calls of what the linker and the
//! host provide.
#![expect(unsafe_code, reason = "exporting a function under a fixed name is unsafe")]

use crate::runtime;

// SAFETY: the names are the ABI's own, and nothing else in a guest defines them.
#[unsafe(no_mangle)]
extern "C" fn sandbox_exchange() -> usize {
    runtime::exchange_address()
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn sandbox_reserve(capacity: usize) -> usize {
    runtime::reserve(capacity)
}

/// Makes the module a WASI reactor: a library that its host initialises once, before any call.
///
/// Rust does not define this for a `cdylib`, and without it the linker wraps every export into a
/// function that runs all constructors again.
// SAFETY: the name is WASI's own, and Rust defines it for no crate type that exports this crate.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: the linker defines this function in every module, with this signature.
    unsafe extern "C" {
        safe fn __wasm_call_ctors();
    }
    __wasm_call_ctors();
    crate::panics::report_to_host();
}

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
