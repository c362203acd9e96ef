//! A pool serves many callers over a bounded number of sandboxes.
//!
//! `cargo run -p sandbox-core --example pool`

use std::time::Duration;

use sandbox_core::{Result, SandboxError, SandboxPool, WasmSandbox};

const ARITHMETIC: &str = r#"(module
    (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)
    (func (export "divide") (param i32 i32) (result i32) local.get 0 local.get 1 i32.div_s))"#;

const COUNTER: &str = r#"(module
    (global $count (mut i32) (i32.const 0))
    (func (export "count") (result i32)
        (global.set $count (i32.add (global.get $count) (i32.const 1)))
        global.get $count))"#;

#[tokio::main]
pub(crate) async fn main() -> Result<()> {
    let builder = |text| {
        let wasm = wat::parse_str(text).expect("the text is valid");
        WasmSandbox::builder().source_bytes(wasm)
    };
    let pool = SandboxPool::builder()
        .named("arithmetic", builder(ARITHMETIC))
        .named("counter", builder(COUNTER))
        .size(2)
        .max_waiting(1000)
        .wait_limit(Duration::from_secs(60))
        .build()
        .await?;

    // A hundred callers, and never more than two guests at once.
    let callers: Vec<_> = (0..100i32)
        .map(|i| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.call::<i32>("add", (i, i)).await })
        })
        .collect();
    for (i, caller) in (0..).zip(callers) {
        assert_eq!(caller.await.expect("the task does not panic")?, 2 * i);
    }

    // One sandbox for several calls in a row.
    let counter = pool.module("counter")?.acquire().await?;
    assert_eq!(counter.call::<i32>("count", ()).await?, 1);
    assert_eq!(counter.call::<i32>("count", ()).await?, 2);
    drop(counter);

    // A guest that trapped is not given to the next caller.
    assert!(pool.call::<i32>("divide", (1i32, 0i32)).await.is_err());
    let status = pool.status();
    assert_eq!((status.replaced, status.usage.failed_calls, status.usage.calls), (1, 1, 103));

    pool.close().await;
    let late = pool.call::<i32>("add", (1i32, 1i32)).await;
    assert!(matches!(late, Err(SandboxError::PoolClosed)));
    Ok(())
}
