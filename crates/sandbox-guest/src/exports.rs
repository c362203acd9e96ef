//! The exports that every guest has.
#![expect(
    unsafe_code,
    reason = "exports functions under fixed names, and calls what the linker provides"
)]

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
