//! Any WASI preview 1 command runs from its `main` to its exit code.
//!
//! `cargo run -p sandbox-core --example wasi_command`

use sandbox_core::{Result, RunRequest, SecurityPolicy, WasmSandbox};

#[path = "support/guests.rs"]
mod guests;

#[tokio::main]
pub(crate) async fn main() -> Result<()> {
    // It prints its arguments, its environment and its input, and exits with the code it is told.
    let sandbox = WasmSandbox::builder()
        .source(guests::guest("wasi_command"))
        .security_policy(SecurityPolicy::strict())
        .build()
        .await?;
    let request =
        RunRequest::new().argument("--verbose").environment("EXIT_CODE", "3").stdin("one\ntwo\n");
    let output = sandbox.run(request).await?;

    assert_eq!(output.exit_code, 3);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let expected = "argument --verbose\nvariable EXIT_CODE=3\ninput one\ninput two\n";
    assert_eq!(stdout, expected);
    assert!(output.stderr.is_empty());
    Ok(())
}
