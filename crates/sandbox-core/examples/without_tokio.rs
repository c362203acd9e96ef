//! A sandbox brings its own threads, so any executor will do, and none.
//!
//! `cargo run -p sandbox-core --example without_tokio`

use sandbox_core::{Result, WasmSandbox};

const GUEST: &str = r#"(module
    (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))"#;

pub(crate) fn main() -> Result<()> {
    let wasm = wat::parse_str(GUEST).expect("the text is valid");

    // Without an executor, on this thread.
    let sandbox = WasmSandbox::builder().source_bytes(&wasm).build_blocking()?;
    assert_eq!(sandbox.call_blocking::<i32>("add", (1i32, 2i32))?, 3);

    // With one that is not tokio's.
    futures::executor::block_on(async {
        let sandbox = WasmSandbox::builder().source_bytes(&wasm).build().await?;
        let calls = (0..10i32).map(|i| sandbox.call::<i32>("add", (i, i)));
        let sums = futures::future::try_join_all(calls).await?;
        assert_eq!(sums.iter().sum::<i32>(), 90);
        Ok(())
    })
}
