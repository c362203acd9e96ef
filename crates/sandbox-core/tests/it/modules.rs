//! Small modules, written in the WebAssembly text format.

use std::path::PathBuf;

use sandbox_core::{Compiler, InstanceMode, SecurityPolicy, WasmSandbox, WasmSandboxBuilder};

/// Numbers in every shape.
pub(crate) const NUMBERS: &str = r#"(module
    (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)
    (func (export "mixed") (param i32 i64 f32 f64) (result f64)
        local.get 0 f64.convert_i32_s
        local.get 1 f64.convert_i64_s f64.add
        local.get 2 f64.promote_f32 f64.add
        local.get 3 f64.add)
    (func (export "pair") (param i32) (result i32 i64) local.get 0 local.get 0 i64.extend_i32_s)
    (func (export "nothing"))
    (global $count (mut i32) (i32.const 0))
    (func (export "count") (result i32)
        (global.set $count (i32.add (global.get $count) (i32.const 1)))
        global.get $count)
    (func (export "divide") (param i32 i32) (result i32) local.get 0 local.get 1 i32.div_s)
    (func (export "abort") unreachable)
    (func $spin (export "spin") (result i32) (loop $again br $again) unreachable)
    (func $recurse (export "recurse") (result i32) (i32.add (call $recurse) (i32.const 1))))"#;

/// Memory that grows.
pub(crate) const MEMORY: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "grow") (param i32) (result i32) local.get 0 memory.grow)
    (func (export "grow_or_abort") (param i32)
        (if (i32.eq (memory.grow (local.get 0)) (i32.const -1)) (then unreachable)))
    (func (export "read") (param i32) (result i32) local.get 0 i32.load))"#;

/// All compilers that this build has: `--features llvm` tests LLVM too.
pub(crate) const COMPILERS: &[Compiler] = &[
    Compiler::Cranelift,
    Compiler::Singlepass,
    #[cfg(feature = "llvm")]
    Compiler::Llvm,
];

/// The bytes of a module in text form.
pub(crate) fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// The strict policy, but with one instance for all calls: for tests of what lives on from call to call.
pub(crate) fn strict_and_persistent() -> SecurityPolicy {
    SecurityPolicy::strict().with_instances(InstanceMode::Persistent)
}

/// A builder for a module in text form.
pub(crate) fn builder(text: &str) -> WasmSandboxBuilder {
    WasmSandbox::builder().source_bytes(wasm(text))
}

/// A sandbox for a module in text form.
pub(crate) async fn sandbox(text: &str, policy: SecurityPolicy) -> WasmSandbox {
    builder(text).security_policy(policy).build().await.unwrap()
}

/// The file of a guest that `cargo xtask build-guests` built.
pub(crate) fn guest(name: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("../../target/guests").join(name).with_extension("wasm");
    assert!(path.exists(), "{name} is not built: run `cargo xtask build-guests`");
    path
}
