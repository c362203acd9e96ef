//! Numbers go into a guest in Wasm registers. Any module with numeric exports will do; it need not know of this crate.
//!
//! `cargo run -p sandbox-core --example numbers`

use sandbox_core::{Result, SandboxError, WasmSandbox};

const GUEST: &str = r#"(module
    (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)
    (func (export "hypotenuse") (param f64 f64) (result f64)
        (f64.sqrt (f64.add
            (f64.mul (local.get 0) (local.get 0))
            (f64.mul (local.get 1) (local.get 1)))))
    (func (export "divide") (param i64 i64) (result i64 i64)
        (i64.div_s (local.get 0) (local.get 1))
        (i64.rem_s (local.get 0) (local.get 1))))"#;

#[tokio::main]
pub(crate) async fn main() -> Result<()> {
    let wasm = wat::parse_str(GUEST).expect("the text is valid");
    let sandbox = WasmSandbox::builder().source_bytes(&wasm).build().await?;

    // One value for each parameter, as a tuple; one result, or a tuple of several.
    let sum: i32 = sandbox.call("add", (42i32, 24i32)).await?;
    assert_eq!(sum, 66);
    let long: f64 = sandbox.call("hypotenuse", (3.0, 4.0)).await?;
    assert_eq!(long, 5.0);
    let (quotient, rest): (i64, i64) = sandbox.call("divide", (17i64, 5i64)).await?;
    assert_eq!((quotient, rest), (3, 2));

    // Smaller and unsigned types fit if their value does.
    let sum: u8 = sandbox.call("add", (200u8, 50u16)).await?;
    assert_eq!(sum, 250);
    let misfit = sandbox.call::<u8>("add", (200i32, 100i32)).await;
    assert!(matches!(misfit, Err(SandboxError::SignatureMismatch { .. })));
    Ok(())
}
