//! Whether the process is well after what was done to it.

use std::sync::LazyLock;

use sandbox_core::{SandboxError, SecurityPolicy, WasmSandbox};

/// A sandbox that was there before, and has to be well after everything.
static WITNESS: LazyLock<WasmSandbox> = LazyLock::new(|| {
    let wasm = wat::parse_str(
        r#"(module
            (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)
            (func (export "abort") unreachable))"#,
    )
    .expect("the text is valid");
    WasmSandbox::builder()
        .source_bytes(wasm)
        .security_policy(
            SecurityPolicy::strict().with_wall_clock(std::time::Duration::from_secs(60)),
        )
        .build_blocking()
        .expect("a sandbox can be made here")
});

/// Calls the witness, which computes and traps.
///
/// # Panics
/// If it does not do so any more.
pub(crate) fn assert_well() {
    let sum = WITNESS.call_blocking::<i32>("add", (20, 22));
    assert!(matches!(sum, Ok(42)), "{sum:?}");
    let abort = WITNESS.call_blocking::<()>("abort", ());
    assert!(matches!(abort, Err(SandboxError::Trap { .. })), "{abort:?}");
}

/// Lets typed errors pass, but none that says that the host panicked.
///
/// # Panics
/// If it did.
pub(crate) fn assert_typed(error: &SandboxError) {
    assert!(!matches!(error, SandboxError::HostPanic { .. }), "{error}");
    // Whatever is in it can be shown.
    let shown = error.to_string();
    assert!(shown.len() < 100_000, "an error of {} bytes", shown.len());
}
