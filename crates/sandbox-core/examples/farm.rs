//! A farm compiles modules in one place and runs them in others, which can load what it made and make nothing themselves.
//!
//! The two halves are processes, which share a folder and a public key.
//!
//! `cargo run -p sandbox-core --example farm`

use std::env;
use std::path::Path;
use std::process::Command;

use sandbox_core::{
    ArtifactRejection, KeyRing, Module, ModuleOrigin, SandboxError, SealingKey, SecurityPolicy,
    VerifyingKey, WasmSandbox,
};

type Failure = Box<dyn std::error::Error>;

const PLUGINS: [(&str, i32); 3] = [("one", 1), ("two", 2), ("three", 3)];

/// Variables that tell the half that runs where the modules are, and with which key they are loaded.
const FOLDER: &str = "FARM_FOLDER";
const PUBLIC_KEY: &str = "FARM_PUBLIC_KEY";

/// The half that compiles: it has the secret, and runs nothing.
fn compile(folder: &Path, secret: &SealingKey) -> Result<(), Failure> {
    for (name, number) in PLUGINS {
        let text = format!(r#"(module (func (export "number") (result i32) i32.const {number}))"#);
        let module = Module::compile(&wat::parse_str(text)?, &SecurityPolicy::strict())?;
        std::fs::write(folder.join(name), module.seal(secret)?)?;
    }
    Ok(())
}

/// The half that runs: it compiles nothing, and what it has does not let anybody forge a module.
fn run(folder: &Path, public: VerifyingKey) -> Result<(), Failure> {
    // In a ring there is room for the next key, before the farm begins to use it.
    let keys = KeyRing::from(&public);
    for (name, number) in PLUGINS {
        let module = Module::load_file(folder.join(name), &SecurityPolicy::strict(), &keys)?;
        assert_eq!(module.origin(), ModuleOrigin::Precompiled);
        let sandbox = WasmSandbox::builder().module(&module).build_blocking()?;
        assert_eq!(sandbox.call_blocking::<i32>("number", ())?, number);
    }
    Ok(())
}

/// Starts this program once more, as the half that runs.
fn run_elsewhere(folder: &Path, public: VerifyingKey) -> Result<bool, Failure> {
    let output = Command::new(env::current_exe()?)
        // For the test of this example; the example itself takes no arguments.
        .args(["--exact", "examples::farm"])
        .env(FOLDER, folder)
        .env(PUBLIC_KEY, serde_json::to_string(&public.to_bytes())?)
        .output()?;
    Ok(output.status.success())
}

pub(crate) fn main() -> Result<(), Failure> {
    if let Ok(key) = env::var(PUBLIC_KEY) {
        let folder = env::var_os(FOLDER).ok_or("no folder")?;
        return run(Path::new(&folder), VerifyingKey::from_bytes(serde_json::from_str(&key)?));
    }
    let folder = tempfile::tempdir()?;
    let secret = SealingKey::generate()?;
    compile(folder.path(), &secret)?;
    assert!(run_elsewhere(folder.path(), secret.verifying_key())?);

    // What somebody else sealed is refused, there as here, and says for which key it is.
    let other = SealingKey::generate()?;
    assert!(!run_elsewhere(folder.path(), other.verifying_key())?);
    let sealed = std::fs::read(folder.path().join("one"))?;
    let refused = Module::load(&sealed, &SecurityPolicy::strict(), &other.verifying_key());
    let Err(SandboxError::ArtifactRejected(ArtifactRejection::ForeignKey)) = refused else {
        panic!("{refused:?}");
    };
    println!("refused: sealed with the key {}", Module::inspect(&sealed)?.key_id);
    Ok(())
}
