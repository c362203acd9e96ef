//! A farm compiles modules in one place and runs them in others, which can load what it made and make nothing themselves.
//!
//! The two halves share a folder and a public key; in a real farm they are processes on different machines.
//!
//! `cargo run -p sandbox-core --example farm`

use std::path::Path;

use sandbox_core::{
    ArtifactRejection, KeyRing, Module, SandboxError, SealingKey, SecurityPolicy, VerifyingKey,
    WasmSandbox,
};

const PLUGINS: [(&str, i32); 3] = [("one", 1), ("two", 2), ("three", 3)];

/// The half that compiles: it has the secret, and runs nothing.
fn compile(folder: &Path, secret: &SealingKey) -> Result<(), Box<dyn std::error::Error>> {
    for (name, number) in PLUGINS {
        let text = format!(r#"(module (func (export "number") (result i32) i32.const {number}))"#);
        let module = Module::compile(&wat::parse_str(text)?, &SecurityPolicy::strict())?;
        std::fs::write(folder.join(name), module.seal(secret)?)?;
    }
    Ok(())
}

/// The half that runs: it compiles nothing, and what it has does not let anybody forge a module.
async fn run(folder: &Path, public: [u8; 32]) -> Result<(), Box<dyn std::error::Error>> {
    // In a ring there is room for the next key, before the farm begins to use it.
    let keys = KeyRing::from(&VerifyingKey::from_bytes(public));
    for (name, number) in PLUGINS {
        let policy = SecurityPolicy::strict();
        let module = Module::load_file_async(folder.join(name), &policy, &keys).await?;
        let sandbox = WasmSandbox::builder().module(&module).build().await?;
        assert_eq!(sandbox.call::<i32>("number", ()).await?, number);
    }
    Ok(())
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let secret = SealingKey::generate()?;
    compile(folder.path(), &secret)?;
    run(folder.path(), secret.verifying_key().to_bytes()).await?;

    // What somebody else sealed is refused, and says for which key it is.
    let other = SealingKey::generate()?;
    compile(folder.path(), &other)?;
    let sealed = std::fs::read(folder.path().join("one"))?;
    let refused = Module::load(&sealed, &SecurityPolicy::strict(), &secret.verifying_key());
    let Err(SandboxError::ArtifactRejected(ArtifactRejection::ForeignKey)) = refused else {
        panic!("{refused:?}");
    };
    println!("refused: sealed with the key {}", Module::inspect(&sealed)?.key_id);
    Ok(())
}
