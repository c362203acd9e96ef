//! From bytes to a sandbox, and all that can be wrong with the bytes.

use sandbox_core::{Module, SandboxError, SecurityPolicy, WasmSandbox};

use crate::modules::{self, NUMBERS};

#[tokio::test]
async fn a_file_is_loaded_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("numbers.wasm");
    std::fs::write(&path, modules::wasm(NUMBERS)).unwrap();
    let sandbox = WasmSandbox::builder().source(&path).build().await.unwrap();
    assert_eq!(sandbox.call::<i32>("add", (1i32, 2i32)).await.unwrap(), 3);
}

#[tokio::test]
async fn a_missing_file_is_named() {
    let error = WasmSandbox::builder().source("no/such.wasm").build().await.unwrap_err();
    assert!(matches!(error, SandboxError::SourceUnreadable { .. }), "{error}");
    assert!(error.to_string().contains("no/such.wasm"), "{error}");
}

#[tokio::test]
async fn a_builder_without_a_source_says_how_to_give_one() {
    let error = WasmSandbox::builder().build().await.unwrap_err();
    assert!(matches!(error, SandboxError::NoSource), "{error}");
}

#[tokio::test]
async fn an_unknown_format_is_named_with_those_there_are() {
    let builder = modules::builder(NUMBERS).serialization_format("yaml");
    let error = builder.build().await.unwrap_err();
    assert!(matches!(error, SandboxError::UnknownFormat(_)), "{error}");
    assert!(error.to_string().contains("messagepack"), "{error}");
}

#[test]
fn a_module_cut_off_anywhere_is_an_error_with_an_offset() {
    let wasm = modules::wasm(NUMBERS);
    let mut refused = 0;
    for len in 0..wasm.len() {
        match Module::compile(&wasm[..len], &SecurityPolicy::basic()) {
            Err(SandboxError::InvalidModule { offset, .. }) => {
                assert!(offset <= len, "{len}: {offset}");
                refused += 1;
            }
            // A cut between two sections can leave a smaller module that is whole.
            Ok(_) => (),
            Err(error) => panic!("{len}: {error}"),
        }
    }
    assert!(refused > wasm.len() - 10, "{refused} of {} refused", wasm.len());
}

#[tokio::test]
async fn a_file_over_the_size_limit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.wasm");
    std::fs::write(&path, vec![0; 5000]).unwrap();
    let policy = SecurityPolicy::strict().with_module_limit(4096);
    let builder = WasmSandbox::builder().source(&path).security_policy(policy);
    let error = builder.build().await.unwrap_err();
    assert!(
        matches!(error, SandboxError::ModuleTooLarge { size_bytes: 5000, limit_bytes: 4096, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn unknown_imports_are_refused_by_name_with_the_reason() {
    let cases = [
        (r#"(module (import "env" "magic" (func)))"#, "host_function"),
        (r#"(module (import "wasix_32v1" "proc_fork" (func)))"#, "processes"),
        (r#"(module (import "wasi" "thread-spawn" (func)))"#, "threads"),
        (r#"(module (import "wasi_snapshot_preview1" "no_such_call" (func)))"#, "WASI preview 1"),
        (r#"(module (import "env" "memory" (memory 1)))"#, "its own memory"),
    ];
    for (text, reason) in cases {
        let error = modules::builder(text).build().await.unwrap_err();
        assert!(matches!(error, SandboxError::UnknownImport { .. }), "{text}: {error}");
        assert!(error.to_string().contains(reason), "{text}: {error}");
    }
}

#[tokio::test]
async fn an_import_of_another_type_is_refused() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "random_get" (func (param f64)))
        (memory (export "memory") 1))"#;
    let error = modules::builder(text).build().await.unwrap_err();
    assert!(matches!(error, SandboxError::IncompatibleImport { .. }), "{error}");
}

#[tokio::test]
async fn a_compiled_module_serves_sandboxes_with_different_limits() {
    let wasm = modules::wasm(modules::MEMORY);
    let module = Module::compile(&wasm, &SecurityPolicy::basic()).unwrap();
    for pages in [2u64, 7] {
        let builder = WasmSandbox::builder().module(&module).memory_limit(pages * 65536);
        let sandbox = builder.build().await.unwrap();
        let fits = i32::try_from(pages).unwrap() - 1;
        assert_eq!(sandbox.call::<i32>("grow", fits).await.unwrap(), 1);
        assert_eq!(sandbox.call::<i32>("grow", 1i32).await.unwrap(), -1);
    }
}

#[tokio::test]
async fn with_and_without_the_cache_a_module_works_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for enable in [true, false, true] {
        let builder = modules::builder(NUMBERS).cache_dir(folder.path()).enable_cache(enable);
        let sandbox = builder.build().await.unwrap();
        assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 1);
    }
    let sandbox = modules::builder(NUMBERS).disable_cache().build().await.unwrap();
    assert_eq!(sandbox.call::<i32>("add", (1i32, 2i32)).await.unwrap(), 3);
}

#[tokio::test]
async fn a_trap_in_the_start_function_is_an_error_of_build() {
    let error =
        modules::builder("(module (func $f unreachable) (start $f))").build().await.unwrap_err();
    assert!(matches!(error, SandboxError::Trap { .. }), "{error}");
}

#[tokio::test]
async fn data_outside_memory_is_an_error_of_build() {
    let text = r#"(module (memory 1) (data (i32.const 65535) "four"))"#;
    let error = modules::builder(text).build().await.unwrap_err();
    assert!(matches!(error, SandboxError::Trap { .. }), "{error}");
}

#[test]
fn a_module_brings_the_limits_along_that_it_was_compiled_under_and_grants_nothing() {
    let strict = SecurityPolicy::strict();
    let granting = strict.clone().with_environment("KEY", "value").with_argument("argument");
    let module = Module::compile(&modules::wasm(modules::MEMORY), &granting).unwrap();
    let sandbox = WasmSandbox::builder().module(&module).build_blocking().unwrap();
    assert_eq!(*sandbox.policy(), strict);
    // The same module out of a sandbox, and after the best code of it is there.
    let again = WasmSandbox::builder().module(sandbox.module()).build_blocking().unwrap();
    assert_eq!(*again.policy(), strict);
    let best = pollster::block_on(sandbox.optimised());
    let best = WasmSandbox::builder().module(&best).build_blocking().unwrap();
    assert_eq!(*best.policy(), strict);
    // Whoever wants another policy says so.
    let basic = SecurityPolicy::basic();
    let other = WasmSandbox::builder().module(&module).security_policy(basic.clone());
    assert_eq!(*other.build_blocking().unwrap().policy(), basic);
}

#[test]
fn the_memory_limit_of_a_builder_lowers_the_limit_of_the_policy_and_never_raises_it() {
    let limit = |policy: SecurityPolicy, bytes| {
        let builder = modules::builder(modules::MEMORY).security_policy(policy);
        builder.memory_limit(bytes).build_blocking().unwrap().policy().memory_limit_bytes
    };
    assert_eq!(limit(SecurityPolicy::strict(), 128 << 20), Some(64 << 20));
    assert_eq!(limit(SecurityPolicy::strict(), 1 << 20), Some(1 << 20));
    assert_eq!(limit(SecurityPolicy::permissive(), 128 << 20), Some(128 << 20));
    assert_eq!(SecurityPolicy::strict().with_wall_clock(None).wall_clock, None);
}
