//! Compiling takes the longest by far, so it is done once: for this process, for all processes of this user, or
//! before the program is shipped.
//!
//! `cargo run -p sandbox-core --example compiled_modules`

use sandbox_core::{Module, ModuleOrigin, SecurityPolicy, SigningKey, WasmSandbox};

const GUEST: &str = r#"(module (func (export "answer") (result i32) i32.const 42))"#;

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wasm = wat::parse_str(GUEST)?;
    let policy = SecurityPolicy::strict();

    // The same bytes are compiled once in a process. A folder makes that once for all processes.
    let folder = tempfile::tempdir()?;
    let build = || WasmSandbox::builder().source_bytes(&wasm).cache_dir(folder.path()).build();
    assert_eq!(build().await?.module().origin(), ModuleOrigin::Compiled);
    assert_eq!(build().await?.module().origin(), ModuleOrigin::MemoryCache);

    // One module serves any number of sandboxes with policies of their own.
    let module = Module::compile(&wasm, &policy)?;
    let sandbox = WasmSandbox::builder().module(&module).build().await?;
    assert_eq!(sandbox.call::<i32>("answer", ()).await?, 42);

    // Compiled here, loaded there. Whoever has the key can make code that is accepted: keep it secret.
    let key = SigningKey::generate()?;
    let artifact = Module::precompile(&wasm, &policy, &key)?;
    let module = Module::load(&artifact, &policy, &key)?;
    let sandbox = WasmSandbox::builder().module(&module).build().await?;
    assert_eq!(sandbox.call::<i32>("answer", ()).await?, 42);

    // What was changed on its way is refused.
    let mut forged = artifact;
    let middle = forged.len() / 2;
    forged[middle] ^= 1;
    assert!(Module::load(&forged, &policy, &key).is_err());
    Ok(())
}
