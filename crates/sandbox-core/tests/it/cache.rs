//! Compiled modules in memory, on disk, and on their way to other machines.

mod processes;
mod shipping;

use std::path::{Path, PathBuf};

use sandbox_core::{Compiler, Compilers, ModuleOrigin, SandboxError, Tiering, WasmSandbox};

use crate::modules::{self, NUMBERS};
use crate::warnings::warnings;
use processes::{build_elsewhere, wasm_of};

/// The only entry in a cache folder.
fn entry(folder: &Path) -> PathBuf {
    let files = std::fs::read_dir(folder).unwrap().map(|item| item.unwrap().path());
    let entries: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "module")).collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries[0].clone()
}

/// A sandbox whose module is kept in that folder; its one function returns the number.
fn cached(number: i32, folder: &Path) -> WasmSandbox {
    let builder = WasmSandbox::builder().source_bytes(wasm_of(number)).cache_dir(folder);
    let sandbox = builder.build_blocking().unwrap();
    assert_eq!(sandbox.call_blocking::<i32>("number", ()).unwrap(), number);
    sandbox
}

#[test]
fn a_module_comes_from_the_compiler_then_from_memory() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(cached(100, folder.path()).module().origin(), ModuleOrigin::Compiled);
    assert_eq!(cached(100, folder.path()).module().origin(), ModuleOrigin::MemoryCache);
}

#[test]
fn a_module_that_another_process_compiled_is_read_from_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(build_elsewhere(101, folder.path()), "Compiled");
    let (sandbox, warnings) = warnings(|| cached(101, folder.path()));
    assert_eq!(sandbox.module().origin(), ModuleOrigin::DiskCache);
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn a_module_whose_good_code_is_in_the_folder_has_no_first_tier() {
    let folder = tempfile::tempdir().unwrap();
    build_elsewhere(108, folder.path());
    let builder = WasmSandbox::builder().source_bytes(wasm_of(108)).cache_dir(folder.path());
    let sandbox = builder.tiering(Tiering::Auto).build_blocking().unwrap();
    assert_eq!(sandbox.module().compiler(), Compiler::Cranelift);
    assert_eq!(sandbox.module().origin(), ModuleOrigin::DiskCache);
}

#[test]
fn a_guest_from_the_folder_traps_and_times_out_like_a_compiled_one() {
    let folder = tempfile::tempdir().unwrap();
    let policy =
        modules::strict_and_persistent().with_wall_clock(std::time::Duration::from_secs(600));
    assert_eq!(processes::run("numbers", folder.path()), "Compiled");
    let builder = || modules::builder(NUMBERS).security_policy(policy.clone());
    let sandbox = builder().cache_dir(folder.path()).build_blocking().unwrap();
    assert_eq!(sandbox.module().origin(), ModuleOrigin::DiskCache);
    let compiled = builder().disable_cache().build_blocking().unwrap();

    let hurried = sandbox.with_time_limit(std::time::Duration::from_millis(50));
    let error = hurried.call_blocking::<i32>("spin", ()).unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
    for (name, arguments) in [("divide", (1i32, 0i32)), ("add", (1, 2))] {
        let outcome = |sandbox: &WasmSandbox| {
            sandbox.call_blocking::<i32>(name, arguments).map_err(|error| error.to_string())
        };
        assert_eq!(outcome(&sandbox), outcome(&compiled), "{name}");
    }
    let recursed = |sandbox: &WasmSandbox| {
        sandbox.call_blocking::<i32>("recurse", ()).unwrap_err().to_string()
    };
    assert_eq!(recursed(&sandbox), recursed(&compiled));
}

#[test]
fn a_tampered_entry_is_said_compiled_anew_and_repaired() {
    let folder = tempfile::tempdir().unwrap();
    build_elsewhere(102, folder.path());
    let entry = entry(folder.path());
    let mut content = std::fs::read(&entry).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    std::fs::write(&entry, content).unwrap();

    let (sandbox, warnings) = warnings(|| cached(102, folder.path()));
    assert_eq!(sandbox.module().origin(), ModuleOrigin::Compiled);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("changed after it was sealed"), "{warnings:?}");
    assert!(warnings[0].contains(entry.to_str().unwrap()), "{warnings:?}");
    assert_eq!(build_elsewhere(102, folder.path()), "DiskCache");
}

#[test]
fn a_folder_that_cannot_be_had_is_said_and_fails_nothing() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let below_a_file = file.path().join("modules");
    let (sandbox, warnings) = warnings(|| cached(103, &below_a_file));
    assert_eq!(sandbox.module().origin(), ModuleOrigin::Compiled);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains(below_a_file.to_str().unwrap()), "{warnings:?}");
}

#[test]
fn a_folder_that_others_may_write_to_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let everybody = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(folder.path(), everybody).unwrap();
    let (sandbox, warnings) = warnings(|| cached(104, folder.path()));
    assert_eq!(sandbox.module().origin(), ModuleOrigin::Compiled);
    assert!(warnings[0].contains("others may write"), "{warnings:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_disabled_cache_is_neither_read_nor_written() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let builder = WasmSandbox::builder().source_bytes(wasm_of(105)).cache_dir(folder.path());
        let sandbox = builder.disable_cache().build_blocking().unwrap();
        assert_eq!(sandbox.module().origin(), ModuleOrigin::Compiled);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_folder_stays_within_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    cached(106, folder.path());
    let bytes = std::fs::metadata(entry(folder.path())).unwrap().len();
    let builder = WasmSandbox::builder().source_bytes(wasm_of(107)).cache_dir(folder.path());
    builder.cache_limit(bytes + bytes / 2).build_blocking().unwrap();
    assert_eq!(build_elsewhere(107, folder.path()), "DiskCache");
    assert_eq!(build_elsewhere(106, folder.path()), "Compiled");
}

#[test]
fn guests_do_the_same_whatever_compiled_them() {
    for &compiler in modules::COMPILERS {
        let policy = modules::strict_and_persistent()
            .with_wall_clock(std::time::Duration::from_secs(600))
            .with_compilers(Compilers::Any);
        let builder = modules::builder(NUMBERS).compiler(compiler).security_policy(policy);
        let sandbox = builder.build_blocking().unwrap();
        let call = |name, arguments: (i32, i32)| sandbox.call_blocking::<i32>(name, arguments);
        assert_eq!(call("add", (42, 24)).unwrap(), 66, "{compiler}");
        assert!(matches!(call("divide", (1, 0)).unwrap_err(), SandboxError::Trap { .. }));
        let failed =
            |sandbox: &WasmSandbox, name| sandbox.call_blocking::<i32>(name, ()).unwrap_err();
        let hurried = sandbox.with_time_limit(std::time::Duration::from_millis(50));
        assert!(matches!(failed(&hurried, "spin"), SandboxError::Timeout { .. }), "{compiler}");
        assert!(matches!(failed(&sandbox, "recurse"), SandboxError::Trap { .. }), "{compiler}");
        assert_eq!(call("add", (1, 2)).unwrap(), 3, "{compiler}");
    }
}

#[tokio::test]
async fn a_guest_in_rust_runs_from_the_folder_with_each_compiler() {
    let folder = tempfile::tempdir().unwrap();
    let data: Vec<u8> = (0..100_000).map(|at| (at % 251) as u8).collect();
    for (guest, compiler) in
        [("guest", Compiler::Cranelift), ("guest_singlepass", Compiler::Singlepass)]
    {
        assert_eq!(processes::run(guest, folder.path()), "Compiled", "{compiler}");
        let builder = WasmSandbox::builder().source(modules::guest("memory_ops"));
        let builder = builder.compiler(compiler).cache_dir(folder.path());
        let sandbox = builder.build().await.unwrap();
        assert_eq!(sandbox.module().origin(), ModuleOrigin::DiskCache, "{compiler}");
        let copied: Vec<u8> = sandbox.call("copy_memory", &data).await.unwrap();
        assert!(copied == data, "{compiler}");
    }
}
