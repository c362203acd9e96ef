//! A command of a Wasmer package runs like any program: under a policy, with the folders that its package brings.
//!
//! `cargo run -p sandbox-core --example packages`

use sandbox_core::{Package, RunRequest, SandboxError, SecurityPolicy, WasmSandbox};

#[path = "support/guests.rs"]
mod guests;

const MANIFEST: &str = r#"
    [package]
    name = "example/report"
    version = "0.1.0"

    [[module]]
    name = "report"
    source = "report.wasm"

    [[command]]
    name = "report"
    module = "report"
    runner = "https://webc.org/runner/wasi"

    [command.annotations.wasi]
    atom = "report"
    env = ["LANG=C"]
    main-args = ["--short"]
"#;

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A package as others build it: of a folder, into a file.
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("wasmer.toml"), MANIFEST)?;
    std::fs::copy(guests::guest("wasi_command"), folder.path().join("report.wasm"))?;

    // From a file or from memory it is `Package::from_file` and `Package::from_bytes`.
    let package = Package::from_folder(folder.path())?;
    let command = package.entrypoint().ok_or("the package has one command")?;
    let sandbox = WasmSandbox::builder()
        .package_command(command)
        .security_policy(SecurityPolicy::strict())
        .build()
        .await?;
    let output = sandbox.run(RunRequest::new().argument("today")).await?;
    assert_eq!(output.stdout, b"argument --short\nargument today\nvariable LANG=C\n");

    // What is no package, or one that was made to do harm, is an error.
    let error = Package::from_bytes(&b"\0webc003 and nothing else"[..]).err();
    assert!(matches!(error, Some(SandboxError::InvalidPackage { .. })));
    Ok(())
}
