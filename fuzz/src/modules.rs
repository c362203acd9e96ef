//! Module bytes through building, calling, resetting and dropping.

use std::time::Duration;

use arbitrary::{Arbitrary as _, Unstructured};
use sandbox_core::{Compiler, Compilers, InstanceMode, SandboxError, SecurityPolicy, WasmSandbox};
use wasm_smith::Config;

use crate::generated::{self, bounded, exports};
use crate::numbers::Numbers;
use crate::well::{assert_typed, assert_well};

/// Imports that a module may have: some of WASI, so that it has more to do than to compute.
const IMPORTS: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_close" (func (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_readdir" (func (param i32 i32 i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))))"#;

/// Takes bytes, and panics if the promise is broken.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let _ = scene(&mut input);
    assert_well();
}

/// Bytes to begin with.
pub fn seeds() -> Vec<Vec<u8>> {
    generated::seeds()
}

fn policy(input: &mut Unstructured<'_>) -> arbitrary::Result<SecurityPolicy> {
    let preset = match input.int_in_range(0..=3u8)? {
        0 => SecurityPolicy::permissive(),
        1 => SecurityPolicy::basic(),
        2 => SecurityPolicy::strict(),
        _ => SecurityPolicy::paranoid(),
    };
    let mode = if input.arbitrary()? { InstanceMode::Fresh } else { InstanceMode::Persistent };
    let policy = preset.with_instances(mode).with_wall_clock(Duration::from_millis(100));
    // A quarter of them: fuel changes the code of every function.
    Ok(if input.ratio(1, 4)? { policy.with_fuel(50_000) } else { policy })
}

fn scene(input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let policy = policy(input)?.with_compilers(Compilers::Any).with_memory_limit(16 << 20);
    let compiler = if input.arbitrary()? { Compiler::Cranelift } else { Compiler::Singlepass };
    let changes: u8 = if input.ratio(1, 3)? { input.int_in_range(1..=6)? } else { 0 };
    let places: Vec<(u16, u8)> = (0..changes)
        .map(|_| Ok((input.arbitrary()?, input.arbitrary()?)))
        .collect::<Result<_, _>>()?;
    let mut config = bounded(Config::arbitrary(input)?);
    config.available_imports = if input.arbitrary()? { wat::parse_str(IMPORTS).ok() } else { None };
    if config.available_imports.is_none() && input.ratio(3, 4)? {
        config.max_imports = 0;
        config.min_imports = 0;
    }
    let Ok(module) = wasm_smith::Module::new(config, input) else { return Ok(()) };
    let mut wasm = module.to_bytes();
    let exports = exports(&wasm);
    for (place, byte) in &places {
        let at = usize::from(*place) % wasm.len();
        wasm[at] = *byte;
    }
    let builder = WasmSandbox::builder().source_bytes(&wasm).security_policy(policy);
    let sandbox = match builder.compiler(compiler).disable_cache().build_blocking() {
        Ok(sandbox) => sandbox,
        Err(error) => {
            assert_typed(&error);
            let is_invalid = matches!(error, SandboxError::InvalidModule { .. });
            assert!(changes > 0 || !is_invalid, "a valid module was called invalid: {error}");
            return Ok(());
        }
    };
    for export in exports.iter().take(6) {
        let arguments = export.parameters.iter().filter_map(|ty| generated::number(*ty, input));
        let arguments = Numbers(arguments.collect());
        for _ in 0..2 {
            if let Err(error) = sandbox.call_blocking::<Numbers>(&export.name, &arguments) {
                assert_typed(&error);
            }
        }
    }
    Ok(())
}
