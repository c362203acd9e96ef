//! Sandboxes of one module that live on from call to call: what they share, and that no guest can tell.

use std::time::Duration;

use sandbox_core::{
    Access, HostFunctions, InstanceMode, Module, SandboxError, SecurityPolicy, WasmSandbox,
};

use crate::modules;

/// Initialisation writes to memory and to a global; calls count in both, grow memory, and trap.
const COUNTERS: &str = r#"(module
    (memory (export "memory") 1 4)
    (data (i32.const 0) "\07")
    (global $count (mut i32) (i32.const 0))
    (func $start (global.set $count (i32.add (global.get $count) (i32.const 10))))
    (start $start)
    (func (export "_initialize")
        (i32.store (i32.const 4096) (i32.const 500))
        (global.set $count (i32.add (global.get $count) (i32.const 1))))
    (func (export "data") (result i32) (i32.load (i32.const 0)))
    (func (export "in_memory") (result i32)
        (i32.store (i32.const 4096) (i32.add (i32.load (i32.const 4096)) (i32.const 1)))
        (i32.load (i32.const 4096)))
    (func (export "in_global") (result i32)
        (global.set $count (i32.add (global.get $count) (i32.const 1)))
        (global.get $count))
    (func (export "grow") (result i32) (memory.grow (i32.const 1)))
    (func (export "last") (param i32) (result i32)
        (i32.store (i32.const 131068) (local.get 0)) (i32.load (i32.const 131068)))
    (func (export "trap") (i32.store (i32.const 0) (i32.const 99)) unreachable))"#;

fn sandbox(module: &Module, policy: &SecurityPolicy) -> WasmSandbox {
    let builder = WasmSandbox::builder().module(module);
    builder.security_policy(policy.clone()).build_blocking().unwrap()
}

fn call(sandbox: &WasmSandbox, function: &str) -> i32 {
    sandbox.call_blocking(function, ()).unwrap()
}

fn compiled(text: &str, policy: &SecurityPolicy) -> Module {
    Module::compile(&modules::wasm(text), policy).unwrap()
}

#[test]
fn each_sandbox_begins_as_the_first_and_goes_its_own_way() {
    for policy in
        [modules::strict_and_persistent(), modules::strict_and_persistent().with_fuel(1_000_000)]
    {
        let module = compiled(COUNTERS, &policy);
        let sandboxes: Vec<WasmSandbox> = (0..5).map(|_| sandbox(&module, &policy)).collect();
        for (turns, sandbox) in (1..).zip(&sandboxes) {
            assert_eq!(call(sandbox, "data"), 7);
            for turn in 1..=turns {
                assert_eq!(
                    (call(sandbox, "in_memory"), call(sandbox, "in_global")),
                    (500 + turn, 11 + turn)
                );
            }
        }
        for (turns, sandbox) in (1..).zip(&sandboxes) {
            assert_eq!(call(sandbox, "grow"), 1);
            assert_eq!(sandbox.call_blocking::<i32>("last", turns).unwrap(), turns);
        }
        for (turns, sandbox) in (1..).zip(&sandboxes) {
            assert_eq!(call(sandbox, "in_memory"), 501 + turns);
        }
    }
}

#[test]
fn what_replaces_a_trapped_instance_begins_anew_too() {
    let policy = modules::strict_and_persistent();
    let module = compiled(COUNTERS, &policy);
    let sandboxes: Vec<WasmSandbox> = (0..4).map(|_| sandbox(&module, &policy)).collect();
    for sandbox in &sandboxes {
        for _ in 0..2 {
            assert_eq!(call(sandbox, "in_memory"), 501);
            assert_eq!(call(sandbox, "grow"), 1);
            let error = sandbox.call_blocking::<()>("trap", ()).unwrap_err();
            assert!(matches!(error, SandboxError::Trap { .. }), "{error}");
            assert_eq!((call(sandbox, "data"), call(sandbox, "in_global")), (7, 12));
        }
    }
}

#[test]
fn sandboxes_that_are_built_at_once_are_all_initialised() {
    let policy = modules::strict_and_persistent();
    for _ in 0..20 {
        let module = compiled(COUNTERS, &policy);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let sandbox = sandbox(&module, &policy);
                    assert_eq!((call(&sandbox, "data"), call(&sandbox, "in_memory")), (7, 501));
                    assert_eq!(call(&sandbox, "in_global"), 12);
                });
            }
        });
    }
}

/// A module whose initialisation keeps what a function of WASI tells it.
fn asks_wasi(import: &str, ask: &str) -> String {
    format!(
        r#"(module (import "wasi_snapshot_preview1" {import})
            (memory (export "memory") 1)
            (func $ask (export "ask") (param $at i32) {ask})
            (func (export "_initialize") (call $ask (i32.const 8)))
            (func (export "told") (result i64) (i64.load (i32.const 8)))
            (func (export "now") (result i64) (call $ask (i32.const 16)) (i64.load (i32.const 16))))"#
    )
}

#[test]
fn random_bytes_that_initialisation_drew_are_one_sandboxes_own() {
    let policy = modules::strict_and_persistent();
    let text = asks_wasi(
        r#""random_get" (func $random (param i32 i32) (result i32))"#,
        "(drop (call $random (local.get $at) (i32.const 8)))",
    );
    let module = compiled(&text, &policy);
    let sandboxes: Vec<WasmSandbox> = (0..5).map(|_| sandbox(&module, &policy)).collect();
    let mut told: Vec<i64> =
        sandboxes.iter().map(|sandbox| sandbox.call_blocking("told", ()).unwrap()).collect();
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), sandboxes.len());
}

#[test]
fn initialisation_is_told_the_time_at_which_it_runs() {
    const REALTIME: u32 = 0;
    const MONOTONIC: u32 = 1;
    let policy = SecurityPolicy::permissive();
    for clock in [REALTIME, MONOTONIC] {
        let text = asks_wasi(
            r#""clock_time_get" (func $time (param i32 i64 i32) (result i32))"#,
            &format!("(drop (call $time (i32.const {clock}) (i64.const 0) (local.get $at)))"),
        );
        let module = compiled(&text, &policy);
        let mut last = 0;
        for _ in 0..5 {
            let sandbox = sandbox(&module, &policy);
            std::thread::sleep(Duration::from_millis(2));
            let told: i64 = sandbox.call_blocking("told", ()).unwrap();
            let now: i64 = sandbox.call_blocking("now", ()).unwrap();
            // Its own clock goes on from what initialisation saw, at least as long as we slept.
            assert!(now - told >= 2_000_000, "{told} {now}");
            if clock == REALTIME {
                assert!(told > last, "{last} {told}");
                last = told;
            }
        }
    }
}

#[test]
fn host_functions_are_called_by_the_initialisation_of_each() {
    let policy = modules::strict_and_persistent();
    let text = r#"(module (import "env" "number" (func $number (result i32)))
        (memory (export "memory") 1)
        (func (export "_initialize") (i32.store (i32.const 8) (call $number)))
        (func (export "told") (result i32) (i32.load (i32.const 8))))"#;
    let module = compiled(text, &policy);
    let next = std::sync::atomic::AtomicI32::new(1);
    let functions = HostFunctions::new()
        .function("env", "number", move || next.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    for number in 1..=4 {
        let builder = WasmSandbox::builder().module(&module).host_functions(&functions);
        let sandbox = builder.security_policy(policy.clone()).build_blocking().unwrap();
        assert_eq!(call(&sandbox, "told"), number);
    }
}

#[test]
fn each_of_many_sandboxes_calls_its_own_functions_and_sees_its_own_folder() {
    let policy = modules::strict_and_persistent();
    let text = r#"(module (import "env" "number" (func $number (result i32)))
        (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\40\00\00\00\04\00\00\00") (data (i32.const 16) "name")
        (func (export "_initialize") (i32.store (i32.const 4096) (i32.const 500)))
        (func (export "number") (result i32) (i32.add (call $number) (i32.load (i32.const 4096))))
        (func (export "name") (result i32)
            (if (call $open (i32.const 4) (i32.const 0) (i32.const 16) (i32.const 4) (i32.const 0)
                    (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 32))
                (then (return (i32.const -1))))
            (drop (call $read (i32.load (i32.const 32)) (i32.const 0) (i32.const 1) (i32.const 36)))
            (i32.load (i32.const 64))))"#;
    let module = compiled(text, &policy);
    let home = tempfile::tempdir().unwrap();
    let place = home.path().join("place");
    let sandboxes: Vec<WasmSandbox> = (0..4)
        .map(|number: i32| {
            // The path leads to another folder each time.
            let _ = std::fs::rename(&place, home.path().join(format!("{number}")));
            std::fs::create_dir(&place).unwrap();
            std::fs::write(place.join("name"), number.to_le_bytes()).unwrap();
            let granted = policy.clone().with_folder(&place, "/place", Access::ReadOnly);
            let builder = WasmSandbox::builder().module(&module).security_policy(granted);
            builder.host_function("env", "number", move || number).build_blocking().unwrap()
        })
        .collect();
    for _ in 0..2 {
        for (number, sandbox) in (0..).zip(&sandboxes) {
            assert_eq!(call(sandbox, "number"), 500 + number);
            assert_eq!(call(sandbox, "name"), number);
        }
    }
}

#[test]
fn output_of_initialisation_is_that_of_each() {
    let policy = modules::strict_and_persistent();
    let text = r#"(module
        (import "wasi_snapshot_preview1" "fd_write"
            (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\10\00\00\00\03\00\00\00") (data (i32.const 16) "up\0a")
        (func (export "_initialize")
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
        (func (export "nothing")))"#;
    let module = compiled(text, &policy);
    for _ in 0..4 {
        let sandbox = sandbox(&module, &policy);
        sandbox.call_blocking::<()>("nothing", ()).unwrap();
        assert_eq!(pollster::block_on(sandbox.take_output()).stdout, b"up\n");
    }
}

#[test]
fn a_module_that_changes_its_table_is_initialised_in_each() {
    let policy = modules::strict_and_persistent();
    let text = r#"(module (table 2 funcref) (elem (i32.const 0) $one $two)
        (type $number (func (result i32)))
        (func $one (result i32) (i32.const 1))
        (func $two (result i32) (i32.const 2))
        (func (export "_initialize")
            (table.set (i32.const 0) (table.get (i32.const 1))))
        (func (export "first") (result i32) (call_indirect (type $number) (i32.const 0))))"#;
    let module = compiled(text, &policy);
    for _ in 0..4 {
        assert_eq!(call(&sandbox(&module, &policy), "first"), 2);
    }
}

#[test]
fn sandboxes_of_another_policy_or_with_folders_are_on_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let strict = modules::strict_and_persistent();
    let module = compiled(COUNTERS, &strict);
    let granted = strict.clone().with_folder(folder.path(), "/data", Access::ReadOnly);
    let small = strict.clone().with_memory_limit(64 * 1024);
    let fresh = strict.clone().with_instances(InstanceMode::Fresh);
    for policy in [&strict, &granted, &small, &strict, &granted, &small, &strict, &small] {
        let sandbox = sandbox(&module, policy);
        assert_eq!(sandbox.policy(), policy);
        assert_eq!((call(&sandbox, "in_memory"), call(&sandbox, "in_memory")), (501, 502));
        assert_eq!(call(&sandbox, "grow"), if policy == &small { -1 } else { 1 });
    }
    let fresh = sandbox(&module, &fresh);
    assert_eq!((call(&fresh, "in_memory"), call(&fresh, "in_memory")), (501, 501));
}
