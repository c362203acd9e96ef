//! Guests that make the host hold much without using any linear memory.

use sandbox_core::{CompileMeasure, InstanceMode, Module, SandboxError, SecurityPolicy};

use crate::compile_limits::PRESETS;
use crate::{modules, outsized};

const MIB: u64 = 1 << 20;

fn sandbox_of(
    wasm: &[u8],
    policy: SecurityPolicy,
) -> Result<sandbox_core::WasmSandbox, SandboxError> {
    let builder = sandbox_core::WasmSandbox::builder().source_bytes(wasm).security_policy(policy);
    builder.compiler(sandbox_core::Compiler::Singlepass).build_blocking()
}

#[test]
fn what_an_instance_makes_the_host_hold_counts_under_every_policy() {
    for (name, policy) in PRESETS {
        let limits = policy.compile_limits;
        let policy = policy.with_memory_limit(MIB);
        let most = |measure, most: u32| limits.of(measure).min(most);
        let modules = [
            outsized::exporting_much(900, 1),
            outsized::module(CompileMeasure::Functions, 50_000),
            outsized::exporting(most(CompileMeasure::Exports, 20_000), 50_000, 0),
        ];
        for wasm in modules {
            let error = sandbox_of(&wasm, policy.clone()).unwrap_err();
            let SandboxError::InstanceTooLarge { memory_bytes: 0, held_bytes, limit_bytes, .. } =
                error
            else {
                panic!("{name}: {error}")
            };
            assert_eq!(limit_bytes, MIB, "{name}");
            assert!(held_bytes > 2 * MIB && held_bytes < 64 * MIB, "{name}: {held_bytes}");
            let enough = policy.clone().with_memory_limit(held_bytes);
            assert!(sandbox_of(&wasm, enough).is_ok(), "{name}");
        }
    }
}

#[test]
fn what_the_host_holds_is_taken_from_linear_memory() {
    // Some two MiB of entries, of which one is free.
    let functions = "(func)".repeat(44_000);
    let text = format!(
        r#"(module (memory 1) {functions}
            (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#
    );
    for (name, policy) in PRESETS {
        let policy = policy.with_memory_limit(4 * MIB);
        let sandbox = sandbox_of(&modules::wasm(&text), policy).unwrap();
        let pages = |pages: i32| sandbox.call_blocking::<i32>("grow", pages).unwrap();
        assert_eq!(pages(62), -1, "{name}: all four MiB");
        assert_eq!(pages(40), 1, "{name}: nearly three");
    }
}

#[test]
fn an_ordinary_guest_has_all_of_its_linear_memory() {
    for (name, policy) in PRESETS {
        let policy = policy.with_memory_limit(2 * MIB).with_instances(InstanceMode::Persistent);
        let sandbox =
            modules::builder(modules::MEMORY).security_policy(policy).build_blocking().unwrap();
        assert_eq!(sandbox.call_blocking::<i32>("grow", 31i32).unwrap(), 1, "{name}");
    }
}

#[test]
fn the_limit_of_tables_is_one_for_all_of_them() {
    for (name, policy) in PRESETS {
        let limit = policy.table_limit_elements;
        let half = u64::from(limit / 2);
        let error =
            sandbox_of(&outsized::tables(&[(half, None), (half + 1, None)]), policy.clone());
        let error = error.unwrap_err();
        let SandboxError::TableLimit { requested, limit: said, .. } = error else {
            panic!("{name}: {error}")
        };
        assert_eq!((requested, said), (limit + 1, limit), "{name}");
        assert!(
            sandbox_of(&outsized::tables(&[(half, None), (half, None)]), policy).is_ok(),
            "{name}"
        );
    }
}

#[test]
fn tables_that_grow_share_what_is_left() {
    let text = r#"(module (table $a 10 funcref) (table $b 10 externref) (table $still 4 funcref)
        (func (export "a") (param i32) (result i32) (table.grow $a (ref.null func) (local.get 0)))
        (func (export "b") (param i32) (result i32) (table.grow $b (ref.null extern) (local.get 0))))"#;
    for (name, policy) in PRESETS {
        let policy = policy.with_table_limit(1_024).with_instances(InstanceMode::Persistent);
        let sandbox = modules::builder(text).security_policy(policy).build_blocking().unwrap();
        for table in ["a", "b"] {
            let grow = |by: i32| sandbox.call_blocking::<i32>(table, by).unwrap();
            assert_eq!(grow(501), -1, "{name}, {table}");
            assert_eq!(grow(500), 10, "{name}, {table}");
            assert_eq!(grow(1), -1, "{name}, {table}");
        }
    }
}

#[test]
fn all_linear_memories_share_one_limit() {
    let text = r#"(module (memory $a 1) (memory $b 2)
        (func (export "a") (param i32) (result i32) (memory.grow $a (local.get 0)))
        (func (export "b") (param i32) (result i32) (memory.grow $b (local.get 0)))
        (func (export "abort") (drop (memory.grow $b (i32.const 9))) unreachable))"#;
    const PAGE: u64 = 64 * 1024;
    let policy = SecurityPolicy::permissive().with_memory_limit(11 * PAGE);
    let sandbox = modules::builder(text).security_policy(policy).build_blocking().unwrap();
    for (memory, pages) in [("a", 1), ("b", 2)] {
        let grow = |by: i32| sandbox.call_blocking::<i32>(memory, by).unwrap();
        assert_eq!(grow(5), -1, "{memory}");
        assert_eq!(grow(4), pages, "{memory}");
        assert_eq!(grow(1), -1, "{memory}");
    }
    let error = sandbox.call_blocking::<()>("abort", ()).unwrap_err();
    let SandboxError::MemoryLimit { requested_bytes, limit_bytes, .. } = error else {
        panic!("{error}")
    };
    assert_eq!((requested_bytes, limit_bytes), ((3 + 4 + 9) * PAGE, 7 * PAGE));
}

#[test]
fn tables_of_which_wasmer_cannot_say_how_large_they_are_are_refused() {
    // Wasmer keeps a copy of each entry of such a table in the instance, and counts that in 32 bits.
    let wasm = outsized::tables(&[(10_000_000, Some(10_000_000)); 20]);
    let policy = SecurityPolicy::permissive().with_table_limit(u32::MAX);
    for &compiler in modules::COMPILERS {
        let error = Module::compile_with(&wasm, &policy, compiler).unwrap_err();
        assert!(matches!(error, SandboxError::InstanceTooLarge { .. }), "{compiler}: {error}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn no_less_is_counted_than_an_instance_takes() {
    // It looks at the memory of the whole process.
    crate::alone::run("host_memory::the_memory_of_instances_in_a_process_of_their_own");
}

#[test]
#[ignore = "runs only as a process of another test"]
#[cfg(target_os = "linux")]
fn the_memory_of_instances_in_a_process_of_their_own() {
    const INSTANCES: u64 = 8;
    let resident = || {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        4096 * pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap()
    };
    let policy = SecurityPolicy::permissive();
    for (what, wasm) in [
        ("functions", outsized::module(CompileMeasure::Functions, 50_000)),
        ("globals", outsized::module(CompileMeasure::Globals, 50_000)),
        ("exports", outsized::exporting(20_000, 1, 0)),
        ("exports that take much", outsized::exporting_much(900, 1)),
        ("a table", outsized::tables(&[(1_000_000, None)])),
        ("a fixed table", outsized::tables(&[(200_000, Some(200_000))])),
        ("elements", outsized::module(CompileMeasure::Elements, 500_000)),
        ("data segments", outsized::module(CompileMeasure::DataSegments, 50_000)),
    ] {
        let error = sandbox_of(&wasm, policy.clone().with_memory_limit(0)).unwrap_err();
        let SandboxError::InstanceTooLarge { held_bytes, .. } = error else {
            panic!("{what}: {error}")
        };
        let compiler = sandbox_core::Compiler::Singlepass;
        let module = Module::compile_with(&wasm, &policy, compiler).unwrap();
        let builder = || sandbox_core::WasmSandbox::builder().module(&module);
        let build = || builder().security_policy(policy.clone()).build_blocking().unwrap();
        // The first two make what the others share.
        let _shared = (build(), build());
        let before = resident();
        let sandboxes: Vec<_> = (0..INSTANCES).map(|_| build()).collect();
        let each = resident().saturating_sub(before) / INSTANCES;
        println!("{what}: {each} bytes each, {held_bytes} counted");
        assert!(
            each <= held_bytes + 64 * 1024,
            "{what}: {each} bytes, and {held_bytes} are counted"
        );
        drop(sandboxes);
    }
}
