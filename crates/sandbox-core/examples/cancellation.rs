//! Three ways to stop a guest that runs: by dropping the call, by a time limit, and by a handle from anywhere.
//!
//! `cargo run -p sandbox-core --example cancellation`

use std::time::Duration;

use sandbox_core::{CancelHandle, Result, SandboxError, SecurityPolicy, WasmSandbox};

const GUEST: &str = r#"(module
    (func (export "spin") (loop $again br $again))
    (func (export "answer") (result i32) i32.const 42))"#;

#[tokio::main]
pub(crate) async fn main() -> Result<()> {
    let wasm = wat::parse_str(GUEST).expect("the text is valid");
    // A policy that sets no limit of time.
    let policy = SecurityPolicy::permissive();
    let sandbox =
        WasmSandbox::builder().source_bytes(&wasm).security_policy(policy).build().await?;

    // A timeout of tokio's drops the call, and that stops the guest.
    let spin = sandbox.call::<()>("spin", ());
    let timed_out = tokio::time::timeout(Duration::from_millis(20), spin).await;
    assert!(timed_out.is_err());

    // A time limit for some calls works under any executor, and without one.
    let hurried = sandbox.with_time_limit(Duration::from_millis(20));
    let outcome = hurried.call::<()>("spin", ()).await;
    assert!(matches!(outcome, Err(SandboxError::Timeout { .. })));

    // A handle stops calls from any thread.
    let handle = CancelHandle::new();
    let cancellable = sandbox.with_cancel_handle(&handle);
    let call = std::thread::spawn(move || cancellable.call_blocking::<()>("spin", ()));
    std::thread::sleep(Duration::from_millis(20));
    handle.cancel();
    let outcome = call.join().expect("the thread does not panic");
    assert!(matches!(outcome, Err(SandboxError::Cancelled { .. })));

    // After each of them, the sandbox is as good as new.
    let answer: i32 = sandbox.call("answer", ()).await?;
    assert_eq!(answer, 42);
    Ok(())
}
