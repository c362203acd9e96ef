//! Limits and errors: a guest that takes too much or fails ends in a typed error, and the next call goes well.
//!
//! `cargo run -p sandbox-core --example limits_and_errors`

use std::time::Duration;

use sandbox_core::{Result, SandboxError, SecurityPolicy, TrapCode, WasmSandbox};

const GUEST: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "spin") (loop $again br $again))
    (func (export "hoard") (if (i32.eq (memory.grow (i32.const 10000)) (i32.const -1))
        (then unreachable)))
    (func $descend (export "descend") call $descend)
    (func $check (param i32) (if (i32.eqz (local.get 0)) (then unreachable)))
    (func (export "check") (param i32) (call $check (local.get 0)))
    (func (export "answer") (result i32) i32.const 42))"#;

#[tokio::main]
pub(crate) async fn main() -> Result<()> {
    let wasm = wat::parse_str(GUEST).expect("the text is valid");
    let policy = SecurityPolicy::strict()
        .with_wall_clock(Duration::from_millis(100))
        .with_memory_limit(1024 * 1024);
    let builder = WasmSandbox::builder().source_bytes(&wasm).security_policy(policy);
    let sandbox = builder.build().await?;

    let error = sandbox.call::<()>("spin", ()).await.expect_err("it never returns");
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");

    let error = sandbox.call::<()>("hoard", ()).await.expect_err("it takes too much");
    assert!(matches!(error, SandboxError::MemoryLimit { limit_bytes: 1_048_576, .. }), "{error}");

    let error = sandbox.call::<()>("descend", ()).await.expect_err("it never returns");
    assert!(matches!(error, SandboxError::Trap { code: TrapCode::StackOverflow, .. }), "{error}");

    // A trap tells where: the guest's own functions, innermost first.
    let error = sandbox.call::<()>("check", 0i32).await.expect_err("zero is refused");
    let SandboxError::Trap { backtrace, code: TrapCode::Unreachable, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(backtrace.first().map(String::as_str), Some("check"));

    // One word for logs and metrics, a sentence for people.
    assert_eq!(error.kind(), "trap");
    assert!(error.to_string().starts_with("the guest trapped in `check`"));

    let answer: i32 = sandbox.call("answer", ()).await?;
    assert_eq!(answer, 42);
    Ok(())
}
