//! Templates of instances, and modules whose instances cannot be put back.

use std::sync::{Arc, OnceLock};

use sandbox_core::{Module, SecurityPolicy, SigningKey, WasmSandbox};

use super::{RESETS, policy, sandbox};
use crate::modules;

#[test]
fn initialisation_is_done_before_each_call() {
    // A second initialisation would show in the sum.
    let text = r#"(module (memory 1) (global $runs (mut i32) (i32.const 0))
        (func $start (global.set $runs (i32.add (global.get $runs) (i32.const 10))))
        (start $start)
        (func (export "_initialize")
            (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1))))
        (func (export "runs") (result i32)
            (i32.store (i32.const 16) (i32.const 1))
            (i32.add (global.get $runs) (i32.load (i32.const 8)))))"#;
    for reset in RESETS {
        let sandbox = sandbox(text, policy().with_max_instances(4), reset);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        assert_eq!(sandbox.call_blocking::<i32>("runs", ()).unwrap(), 11);
                    }
                });
            }
        });
    }
}

#[test]
fn what_no_reset_undoes_gets_a_new_instance() {
    let text = r#"(module (table $t (export "t") 2 10 funcref) (memory 1)
        (data $once "x") (elem $names func $one)
        (type $number (func (result i32)))
        (func $one (result i32) (i32.const 1))
        (func $two (result i32) (i32.const 2))
        (elem declare func $two)
        (func (export "change") (result i32)
            (table.set $t (i32.const 0) (ref.func $two))
            (call_indirect (type $number) (i32.const 0)))
        (func (export "is_set") (result i32)
            (i32.eqz (ref.is_null (table.get $t (i32.const 0)))))
        (func (export "grow") (result i32) (table.grow $t (ref.null func) (i32.const 1)))
        (func (export "use_up") (memory.init $once (i32.const 0) (i32.const 0) (i32.const 1))
            (data.drop $once))
        (func (export "use_up_names")
            (table.init $t $names (i32.const 0) (i32.const 0) (i32.const 1))
            (elem.drop $names)))"#;
    for reset in RESETS {
        let sandbox = sandbox(text, policy(), reset);
        for _ in 0..3 {
            assert_eq!(sandbox.call_blocking::<i32>("is_set", ()).unwrap(), 0);
            assert_eq!(sandbox.call_blocking::<i32>("change", ()).unwrap(), 2);
            assert_eq!(sandbox.call_blocking::<i32>("grow", ()).unwrap(), 2);
            sandbox.call_blocking::<()>("use_up", ()).unwrap();
            sandbox.call_blocking::<()>("use_up_names", ()).unwrap();
        }
    }
}

#[test]
fn passive_data_is_there_for_each_call() {
    let text = r#"(module (memory 1) (data $word "\2a\00\00\00")
        (func (export "copy") (param i32) (result i32)
            (if (i32.load (i32.const 8)) (then unreachable))
            (memory.init $word (i32.const 8) (i32.const 0) (local.get 0))
            (i32.load (i32.const 8))))"#;
    for reset in RESETS {
        let sandbox = sandbox(text, policy(), reset);
        for len in [4, 0, 1, 4] {
            let word: i32 = sandbox.call_blocking("copy", len).unwrap();
            assert_eq!(word, if len == 0 { 0 } else { 42 });
        }
    }
}

#[test]
fn passive_data_is_there_in_every_instance_of_several() {
    // Each call but the innermost has the host make another, so each has an instance of its own.
    let text = r#"(module (import "env" "again" (func $again (param i32) (result i32)))
        (memory 1) (data $word "\2a\00\00\00")
        (func (export "copy") (param i32) (result i32)
            (memory.init $word (i32.const 8) (i32.const 0) (i32.const 4))
            (i32.add (i32.load (i32.const 8)) (call $again (local.get 0)))))"#;
    for reset in RESETS {
        let this = Arc::new(OnceLock::<WasmSandbox>::new());
        let own = Arc::clone(&this);
        let again = move |more: i32| match more {
            0 => Ok(0),
            more => own.get().unwrap().call_blocking::<i32>("copy", more - 1),
        };
        let builder = modules::builder(text).security_policy(policy().with_max_instances(8));
        let builder = builder.memory_reset(reset).host_function("env", "again", again);
        let sandbox = this.get_or_init(|| builder.build_blocking().unwrap()).clone();
        for _ in 0..3 {
            assert_eq!(sandbox.call_blocking::<i32>("copy", 5).unwrap(), 6 * 42, "{reset:?}");
        }
    }
}

#[test]
fn several_memories_or_none_are_put_back() {
    let none = r#"(module (global $g (mut i32) (i32.const 0))
        (func (export "count") (result i32)
            (global.set $g (i32.add (global.get $g) (i32.const 1))) (global.get $g)))"#;
    let empty = r#"(module (memory 0 2)
        (func (export "count") (result i32) (local i32)
            (local.set 0 (memory.grow (i32.const 1)))
            (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
            (i32.add (local.get 0) (i32.load (i32.const 0)))))"#;
    for text in [none, empty] {
        for reset in RESETS {
            let sandbox = sandbox(text, policy(), reset);
            for _ in 0..5 {
                assert_eq!(sandbox.call_blocking::<i32>("count", ()).unwrap(), 1, "{text}");
            }
        }
    }
}

#[test]
fn a_module_that_was_shipped_is_put_back_too() {
    let key = SigningKey::generate().unwrap();
    let wasm = modules::wasm(super::STATEFUL);
    let sealed = Module::precompile(&wasm, &SecurityPolicy::strict(), &key).unwrap();
    let module = Module::load(&sealed, &SecurityPolicy::strict(), &key).unwrap();
    let builder = WasmSandbox::builder().module(&module).security_policy(policy());
    let sandbox = builder.build_blocking().unwrap();
    let new = super::state(&sandbox);
    for at in 0..20i32 {
        sandbox.call_blocking::<()>("poke", (at * 5000, 1i32)).unwrap();
        assert_eq!(super::state(&sandbox), new);
    }
}

#[test]
fn guests_in_rust_are_put_back() {
    for reset in RESETS {
        let builder = WasmSandbox::builder().source(modules::guest("abi_probe"));
        let policy = policy().with_max_instances(2);
        let sandbox = builder.security_policy(policy).memory_reset(reset).build_blocking().unwrap();
        for round in 0..50usize {
            let input = vec![u8::try_from(round).unwrap(); 10 + round * 1000];
            let half: Vec<u8> = sandbox.call_blocking("second_half", input).unwrap();
            assert_eq!(half.len(), 5 + round * 500, "{reset:?}");
            assert!(half.iter().all(|byte| usize::from(*byte) == round));
        }
    }
}

#[test]
fn what_a_host_function_wrote_is_undone() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI32, Ordering};

    let text = r#"(module (import "env" "mark" (func $mark (param i32)))
        (memory (export "memory") 4)
        (func (export "visit") (param i32) (result i32) (local i32)
            (local.set 1 (i32.load (local.get 0)))
            (call $mark (local.get 0))
            (i32.add (local.get 1) (i32.load (local.get 0)))))"#;
    for reset in RESETS {
        let calls = Arc::new(AtomicI32::new(0));
        let counted = Arc::clone(&calls);
        let sandbox = modules::builder(text)
            .security_policy(policy())
            .memory_reset(reset)
            .host_function("env", "mark", move |caller: &mut sandbox_core::Caller<'_>, at: u32| {
                counted.fetch_add(1, Ordering::Relaxed);
                caller.write(at, &7i32.to_le_bytes())
            })
            .build_blocking()
            .unwrap();
        for round in 0..50 {
            let seen: i32 = sandbox.call_blocking("visit", (round % 7) * 30_000).unwrap();
            assert_eq!(seen, 7, "{reset:?} {round}");
        }
        assert_eq!(calls.load(Ordering::Relaxed), 50);
    }
}

#[test]
fn what_a_module_drew_at_random_as_it_was_initialised_is_one_sandboxs_own() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_initialize") (drop (call $random (i32.const 8) (i32.const 8))))
        (func (export "key") (result i64)
            (i32.store (i32.const 64) (i32.const 1))
            (i64.load (i32.const 8))))"#;
    let key = |sandbox: &WasmSandbox| sandbox.call_blocking::<i64>("key", ()).unwrap();
    let module = Module::compile(&modules::wasm(text), &policy()).unwrap();
    let build = |policy: SecurityPolicy| {
        WasmSandbox::builder().module(&module).security_policy(policy).build_blocking().unwrap()
    };
    let (one, other) = (build(policy()), build(policy()));
    assert_eq!(key(&one), key(&one));
    assert_eq!(key(&other), key(&other));
    assert_ne!(key(&one), key(&other), "the callers of one know the other's key");
    // What everybody can compute is no secret.
    let seeded = || build(policy().with_randomness(sandbox_core::Randomness::Seeded(3)));
    assert_eq!(key(&seeded()), key(&seeded()));
}
