//! A handle looks the function up once and fixes its types. The cheapest way to call it often.
//!
//! `cargo run -p sandbox-core --example handles`

use sandbox_core::{Function, Result, SandboxError, WasmSandbox};

#[path = "support/guests.rs"]
mod guests;

const GUEST: &str = r#"(module
    (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))"#;

pub(crate) fn main() -> Result<()> {
    let wasm = wat::parse_str(GUEST).expect("the text is valid");
    // Everything has a blocking form, for programs without an async runtime.
    let sandbox = WasmSandbox::builder().source_bytes(&wasm).build_blocking()?;

    let add: Function<(i32, i32), i32> = sandbox.function("add")?;
    let sum = (1..=100).try_fold(0, |sum, number| add.call_blocking((sum, number)))?;
    assert_eq!(sum, 5050);

    // A name that is not there is found out now, not at the first call.
    let error = sandbox.function::<(), ()>("substract").expect_err("there is no such function");
    assert!(matches!(error, SandboxError::NoSuchFunction { .. }));
    assert!(error.to_string().contains("it exports add"), "{error}");
    // Nor are types that cannot fit.
    let error = sandbox.function::<(i32, f64), i32>("add").expect_err("it takes no float");
    assert!(matches!(error, SandboxError::SignatureMismatch { .. }), "{error}");

    // A handle for `&str` takes any `&str`, and output can be read where it lies.
    let probe = WasmSandbox::builder().source(guests::guest("abi_probe")).build_blocking()?;
    let shout: Function<&'static str, String> = probe.function("shout")?;
    for word in ["one", "two"] {
        let short_lived = word.repeat(2);
        assert_eq!(shout.call_blocking(&short_lived)?, short_lived.to_uppercase());
        assert_eq!(shout.call_with_blocking(&short_lived, <[u8]>::len)?, 6);
    }
    Ok(())
}
