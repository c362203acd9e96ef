//! Guests that compute more than they may.

use std::time::Duration;

use sandbox_core::{
    Compiler, Compilers, FuelUnits, Module, SandboxError, SecurityPolicy, SigningKey, WasmSandbox,
    WasmSandboxBuilder,
};

use crate::modules::{self, COMPILERS};

/// Time must not be what ends a guest in these tests.
fn policy(units: u64) -> SecurityPolicy {
    modules::strict_and_persistent()
        .with_wall_clock(Duration::from_secs(120))
        .with_fuel(units)
        .with_compilers(Compilers::Any)
}

fn builder(text: &str, units: u64, compiler: Compiler) -> WasmSandboxBuilder {
    modules::builder(text).security_policy(policy(units)).compiler(compiler)
}

fn sandbox(text: &str, units: u64, compiler: Compiler) -> WasmSandbox {
    builder(text, units, compiler).build_blocking().unwrap()
}

/// Goes round so many times, for six instructions each time and one more.
const ROUNDS: &str = r#"(module
    (func (export "rounds") (param i32) (result i32)
        (loop $again
            (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
            (br_if $again (local.get 0)))
        i32.const 42)
    (func (export "answer") (result i32) i32.const 42))"#;

#[test]
fn a_call_may_use_its_limit_to_the_last_unit_and_no_more() {
    for &compiler in COMPILERS {
        // Six instructions a round: get, const, sub, set, get, br_if; and the last constant.
        let units = 1000 * 6 + 1;
        let enough = sandbox(ROUNDS, units, compiler);
        for _ in 0..3 {
            // Each call begins with a full tank.
            assert_eq!(enough.call_blocking::<i32>("rounds", 1000i32).unwrap(), 42);
        }
        let short = sandbox(ROUNDS, units - 1, compiler);
        let error = short.call_blocking::<i32>("rounds", 1000i32).unwrap_err();
        let SandboxError::OutOfFuel { function, limit, .. } = &error else { panic!("{error}") };
        assert_eq!((function.as_str(), *limit), ("rounds", FuelUnits(units - 1)));
        assert_eq!(short.call_blocking::<i32>("answer", ()).unwrap(), 42);
        let error = sandbox(ROUNDS, 0, compiler).call_blocking::<i32>("answer", ()).unwrap_err();
        assert!(matches!(error, SandboxError::OutOfFuel { .. }), "{error}");
    }
}

#[tokio::test]
async fn what_was_used_is_told_and_the_same_each_time() {
    for &compiler in COMPILERS {
        let sandbox = sandbox(ROUNDS, 1_000_000, compiler);
        for rounds in [1u64, 10, 1000, 10] {
            let (_, usage) = sandbox.call_with_usage::<i32>("rounds", rounds).await.unwrap();
            assert_eq!(usage.fuel, Some(FuelUnits(rounds * 6 + 1)), "{compiler}");
        }
    }
    let unmetered = modules::sandbox(ROUNDS, modules::strict_and_persistent()).await;
    let (_, usage) = unmetered.call_with_usage::<i32>("rounds", 10u32).await.unwrap();
    assert_eq!(usage.fuel, None);
}

#[test]
fn every_way_to_go_on_for_ever_costs_fuel() {
    for (what, body) in [
        ("br", "(loop $l br $l)"),
        ("br_if", "(loop $l (br_if $l (i32.const 1)))"),
        ("br_table", "(loop $l (br_table $l $l (i32.const 7)))"),
        ("br out of blocks", "(loop $l (block (block (br $l))))"),
        ("if", "(loop $l (if (i32.const 1) (then (br $l))))"),
        ("else", "(loop $l (if (i32.const 0) (then) (else (br $l))))"),
        ("nested", "(loop $l (loop $m (br_if $m (i32.const 0))) br $l)"),
        ("call", "(loop $l (call $leaf) br $l)"),
        ("call_indirect", "(loop $l (call_indirect (i32.const 0)) br $l)"),
        ("host", "(loop $l (drop (call $yield)) br $l)"),
        ("trees", "(call $tree (i32.const 200))"),
        ("grow", "(loop $l (drop (memory.grow (i32.const 1))) br $l)"),
    ] {
        let text = format!(
            r#"(module
            (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
            (memory (export "memory") 1)
            (table funcref (elem $leaf))
            (func $leaf)
            (func $tree (param i32)
                (if (local.get 0)
                    (then (call $tree (i32.sub (local.get 0) (i32.const 1)))
                          (call $tree (i32.sub (local.get 0) (i32.const 1))))))
            (func (export "attack") {body})
            (func (export "well") (result i32) i32.const 42))"#
        );
        for &compiler in COMPILERS {
            let sandbox = sandbox(&text, 100_000, compiler);
            let error = sandbox.call_blocking::<()>("attack", ()).unwrap_err();
            assert!(matches!(error, SandboxError::OutOfFuel { .. }), "{what}, {compiler}: {error}");
            assert_eq!(sandbox.call_blocking::<i32>("well", ()).unwrap(), 42, "{what}");
        }
    }
}

#[test]
fn throwing_for_ever_costs_fuel() {
    let text = r#"(module (tag $t)
        (func (export "attack") (loop $l (block $h (try_table (catch $t $h) (throw $t))) br $l)))"#;
    let policy = SecurityPolicy::permissive().with_fuel(10_000);
    let sandbox = modules::builder(text).security_policy(policy).build_blocking().unwrap();
    let error = sandbox.call_blocking::<()>("attack", ()).unwrap_err();
    assert!(matches!(error, SandboxError::OutOfFuel { .. }), "{error}");
}

#[test]
fn filling_and_copying_cost_by_what_they_move() {
    let text = r#"(module (memory 16)
        (table $t 1000 funcref) (data $d "eight by") (elem $e func 0)
        (func (export "fill") (param i32)
            (memory.fill (i32.const 0) (i32.const 7) (local.get 0)))
        (func (export "copy") (param i32)
            (memory.copy (i32.const 0) (i32.const 65536) (local.get 0)))
        (func (export "init") (param i32)
            (memory.init $d (i32.const 0) (i32.const 0) (local.get 0)))
        (func (export "table_fill") (param i32)
            (table.fill $t (i32.const 0) (ref.null func) (local.get 0)))
        (func (export "table_copy") (param i32)
            (table.copy $t $t (i32.const 0) (i32.const 500) (local.get 0)))
        (func (export "filled") (param i32) (result i32) (i32.load8_u (local.get 0))))"#;
    for &compiler in COMPILERS {
        // Four instructions, and what they move.
        let sandbox = sandbox(text, 104, compiler);
        for (function, most) in
            [("fill", 800), ("copy", 800), ("table_fill", 100), ("table_copy", 100)]
        {
            let () = sandbox.call_blocking(function, most).unwrap();
            let error = sandbox.call_blocking::<()>(function, most + 8).unwrap_err();
            assert!(matches!(error, SandboxError::OutOfFuel { .. }), "{function}: {error}");
        }
        let () = sandbox.call_blocking("init", 8i32).unwrap();
        assert_eq!(sandbox.call_blocking::<i32>("filled", 7i32).unwrap(), i32::from(b'y'));
        // Nothing is moved before it is paid for.
        let () = sandbox.call_blocking("fill", 8i32).unwrap();
        assert_eq!(sandbox.call_blocking::<i32>("filled", 7i32).unwrap(), 7);
    }
}

#[test]
fn starting_costs_fuel_too() {
    for text in [
        "(module (func $spin (loop $again br $again)) (start $spin))",
        r#"(module (func (export "_initialize") (loop $again br $again)))"#,
    ] {
        for &compiler in COMPILERS {
            let error = builder(text, 1000, compiler).build_blocking().map(drop).unwrap_err();
            assert!(matches!(error, SandboxError::OutOfFuel { .. }), "{text}: {error}");
        }
    }
}

#[test]
fn a_start_function_runs_once_and_before_all_else() {
    let text = r#"(module
        (global $g (mut i32) (i32.const 1))
        (func $start (global.set $g (i32.mul (global.get $g) (i32.const 6))))
        (start $start)
        (func (export "_initialize")
            (global.set $g (i32.add (global.get $g) (i32.const 1))))
        (func (export "get") (result i32) global.get $g))"#;
    for &compiler in COMPILERS {
        let sandbox = sandbox(text, 1000, compiler);
        assert_eq!(sandbox.call_blocking::<i32>("get", ()).unwrap(), 7);
        let error = sandbox.call_blocking::<()>("sandbox_start", ()).unwrap_err();
        assert!(matches!(error, SandboxError::NoSuchFunction { .. }), "{error}");
    }
}

#[test]
fn a_guest_cannot_name_what_counts_its_fuel() {
    for text in [
        r#"(module (global (export "sandbox_fuel") (mut i64) (i64.const 9000)))"#,
        r#"(module (func (export "sandbox_fuel")))"#,
        r#"(module (func (export "sandbox_start")))"#,
    ] {
        let error = builder(text, 10, Compiler::Cranelift).build_blocking().map(drop).unwrap_err();
        assert!(matches!(error, SandboxError::InvalidDeclaration { .. }), "{text}: {error}");
    }
    // The globals come after its own, where it has none.
    for index in 0..4 {
        let text = format!("(module (func (global.set {index} (i64.const 9000))))");
        let error = builder(&text, 10, Compiler::Cranelift).build_blocking().map(drop).unwrap_err();
        assert!(matches!(error, SandboxError::InvalidModule { .. }), "{text}: {error}");
    }
    // Without metering the names mean nothing.
    let text = r#"(module (global (export "sandbox_fuel") i32 (i32.const 1))
        (func (export "well") (result i32) i32.const 42))"#;
    let sandbox = modules::builder(text).build_blocking().unwrap();
    assert_eq!(sandbox.call_blocking::<i32>("well", ()).unwrap(), 42);
}

#[test]
fn code_that_is_not_metered_does_not_run_under_a_limit() {
    let wasm = modules::wasm(ROUNDS);
    let unmetered = Module::compile(&wasm, &modules::strict_and_persistent()).unwrap();
    let builder = WasmSandbox::builder().module(&unmetered).security_policy(policy(1000));
    let error = builder.build_blocking().map(drop).unwrap_err();
    assert!(matches!(error, SandboxError::ArtifactRejected(_)), "{error}");
    assert!(error.to_string().contains("fuel"), "{error}");
    // The other way round it only counts for nothing.
    let metered = Module::compile(&wasm, &policy(1)).unwrap();
    let builder =
        WasmSandbox::builder().module(&metered).security_policy(modules::strict_and_persistent());
    let sandbox = builder.build_blocking().unwrap();
    assert_eq!(sandbox.call_blocking::<i32>("rounds", 100_000i32).unwrap(), 42);
    // And one module serves different limits.
    for (units, suffices) in [(6, false), (7, true)] {
        let builder = WasmSandbox::builder().module(&metered).security_policy(policy(units));
        let sandbox = builder.build_blocking().unwrap();
        assert_eq!(sandbox.call_blocking::<i32>("rounds", 1i32).is_ok(), suffices, "{units}");
    }
}

#[test]
fn metered_code_can_be_shipped_and_cached() {
    let (wasm, key) = (modules::wasm(ROUNDS), SigningKey::generate().unwrap());
    let shipped = Module::precompile(&wasm, &policy(1), &key).unwrap();
    let module = Module::load(&shipped, &policy(1), &key).unwrap();
    let builder = WasmSandbox::builder().module(&module).security_policy(policy(100));
    let sandbox = builder.build_blocking().unwrap();
    let error = sandbox.call_blocking::<i32>("rounds", 1000i32).unwrap_err();
    assert!(matches!(error, SandboxError::OutOfFuel { .. }), "{error}");
    let unmetered = Module::precompile(&wasm, &modules::strict_and_persistent(), &key).unwrap();
    assert!(Module::load(&unmetered, &policy(1), &key).is_err());
}

#[tokio::test]
async fn paranoid_guests_are_metered_unasked() {
    let sandbox = modules::sandbox(ROUNDS, SecurityPolicy::paranoid()).await;
    let (_, usage) = sandbox.call_with_usage::<i32>("rounds", 10u32).await.unwrap();
    assert_eq!(usage.fuel, Some(FuelUnits(61)));
}

/// Loops that spend the fuel on one kind of instruction each.
const SPENDERS: &str = r#"(module (memory 256)
    (func (export "adds") (param i32) (loop $again
        (local.set 0 (i32.add (local.get 0) (i32.const 1))) (br $again)))
    (func (export "divisions") (local i64) (local.set 0 (i64.const -1)) (loop $again
        (local.set 0 (i64.or (i64.div_u (i64.const -3) (local.get 0)) (i64.const 7))) (br $again)))
    (func (export "loads") (local $at i32) (loop $again
        (local.set $at (i32.and (i32.const 0xfffffc)
            (i32.add (i32.mul (local.get $at) (i32.const 1664525))
                (i32.add (i32.load (local.get $at)) (i32.const 1013904223)))))
        (br $again)))
    (func (export "fills") (loop $again
        (memory.fill (i32.const 0) (i32.const 1) (i32.const 16777216)) (br $again)))
    (func $call (export "calls") (call $leaf) (call $leaf) (call $leaf) (call $leaf)
        (loop $again (call $leaf) (br $again)))
    (func $leaf))"#;

#[test]
#[ignore = "measures"]
fn what_the_fuel_of_paranoid_is_in_time() {
    let policy = SecurityPolicy::paranoid().with_wall_clock(Duration::from_secs(300));
    let report = |name: &str, sandbox: &WasmSandbox, error: SandboxError| {
        assert!(matches!(error, SandboxError::OutOfFuel { .. }), "{error}");
        let usage = sandbox.usage();
        println!("{name:12} {:?} of processor time for {:?}", usage.cpu_time, usage.fuel);
    };
    for name in ["adds", "divisions", "loads", "fills", "calls"] {
        let sandbox = modules::builder(SPENDERS).security_policy(policy.clone());
        let sandbox = sandbox.build_blocking().unwrap();
        let error = match name {
            "adds" => sandbox.call_blocking::<()>(name, 0i32),
            _ => sandbox.call_blocking::<()>(name, ()),
        };
        report(name, &sandbox, error.unwrap_err());
    }
    let guest = WasmSandbox::builder().source(modules::guest("cpu_intensive"));
    let guest = guest.security_policy(policy).build_blocking().unwrap();
    let error = guest.call_blocking::<u64>("compute", u32::MAX).unwrap_err();
    report("cpu_intensive", &guest, error);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn fuel_of_a_batch_is_counted_where_it_has_no_limit() {
    let module = Module::compile(&modules::wasm(ROUNDS), &policy(1_000_000)).unwrap();
    let sandbox = WasmSandbox::builder().module(&module);
    let sandbox = sandbox.security_policy(modules::strict_and_persistent()).build().await.unwrap();
    tokio::spawn(async move {
        for _ in 0..200 {
            let _: i32 = sandbox.call("rounds", 10i32).await.unwrap();
        }
        let before = sandbox.usage().fuel.unwrap();
        let results = sandbox.call_batch::<i32>("rounds", vec![10i32; 50]).await.unwrap();
        assert!(results.into_iter().all(|result| result.is_ok()));
        let after = sandbox.usage().fuel.unwrap();
        assert_eq!(after.0 - before.0, 50 * 61);
    })
    .await
    .unwrap();
}
