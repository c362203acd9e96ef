//! A guest sees a private folder in memory, and those of the host that it is granted.
//!
//! `cargo run -p sandbox-core --example folders`

use sandbox_core::{Access, SandboxError, SecurityPolicy, WasmSandbox};

#[path = "support/guests.rs"]
mod guests;

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (assets, results) = (tempfile::tempdir()?, tempfile::tempdir()?);
    std::fs::write(assets.path().join("motto"), "festina lente")?;
    let policy = SecurityPolicy::strict()
        .with_folder(assets.path(), "/assets", Access::ReadOnly)
        .with_folder(results.path(), "/results", Access::ReadWrite);
    let sandbox = WasmSandbox::builder()
        .source(guests::guest("abi_probe"))
        .security_policy(policy)
        .build()
        .await?;

    // In the guest: fn read_file(path: &str) -> Result<Vec<u8>, io::Error>, and so on.
    let motto: Vec<u8> = sandbox.call("read_file", "/assets/motto").await?;
    assert_eq!(motto, b"festina lente");
    let () = sandbox.call("write_file", ("/results/answer", "42")).await?;
    assert_eq!(std::fs::read_to_string(results.path().join("answer"))?, "42");

    // What is read-only stays as it is, and no path leads out.
    for path in ["/assets/motto", "/results/../../escaped", "/etc/passwd"] {
        let outcome = sandbox.call::<()>("write_file", (path, "x")).await;
        assert!(matches!(outcome, Err(SandboxError::GuestError { .. })), "{path}: {outcome:?}");
    }
    Ok(())
}
