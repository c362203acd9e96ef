//! A batch is many calls in one turn: nobody comes between, and a change of threads is paid for once.
//!
//! `cargo run -p sandbox-core --example batches`

use sandbox_core::{Result, SandboxError, WasmSandbox};

const GUEST: &str = r#"(module
    (func (export "divide") (param i32 i32) (result i32) local.get 0 local.get 1 i32.div_s))"#;

#[tokio::main]
pub(crate) async fn main() -> Result<()> {
    let wasm = wat::parse_str(GUEST).expect("the text is valid");
    let sandbox = WasmSandbox::builder().source_bytes(&wasm).build().await?;

    let arguments = (0..1000i32).map(|i| (10 * i, 10i32));
    let quotients = sandbox.call_batch::<i32>("divide", arguments).await?;
    assert_eq!(quotients.into_values()?, (0..1000).collect::<Vec<_>>());

    // A call that fails leaves the others alone.
    let mixed = sandbox.call_batch::<i32>("divide", [(6i32, 2i32), (1, 0), (8, 2)]).await?;
    let mixed: Vec<Result<i32>> = mixed.into_iter().collect();
    assert!(matches!(mixed[..], [Ok(3), Err(SandboxError::Trap { .. }), Ok(4)]));
    Ok(())
}
