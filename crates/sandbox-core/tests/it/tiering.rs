//! Sandboxes that begin on code that was quickly made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sandbox_core::{
    Compiler, InstanceMode, ModuleOrigin, NanBits, SandboxError, SecurityPolicy, Tiering, TrapCode,
    WasmSandbox, WasmSandboxBuilder,
};

use crate::modules::{self, MEMORY, NUMBERS};

mod guests;

/// A sandbox whose good code takes a while, and until it is there nobody else's is made.
fn busy_compiler() -> WasmSandbox {
    let builder = WasmSandbox::builder().source(modules::guest("abi_probe"));
    builder.disable_cache().tiering(Tiering::Auto).build_blocking().unwrap()
}

/// A sandbox on the first tier.
fn tiered(text: &str, policy: SecurityPolicy) -> WasmSandboxBuilder {
    modules::builder(text).security_policy(policy).disable_cache().tiering(Tiering::Auto)
}

fn fresh() -> SecurityPolicy {
    SecurityPolicy::strict().with_instances(InstanceMode::Fresh)
}

#[tokio::test]
async fn fresh_instances_move_to_the_chosen_compiler_as_soon_as_it_is_done() {
    let busy = busy_compiler();
    let sandbox = tiered(NUMBERS, fresh()).build().await.unwrap();
    assert_eq!(sandbox.module().compiler(), Compiler::Singlepass);
    assert_eq!(sandbox.compiler().await, Compiler::Singlepass);
    assert_eq!(sandbox.call::<i32>("add", (1i32, 2i32)).await.unwrap(), 3);
    drop(busy);
    assert_eq!(sandbox.optimised().await.compiler(), Compiler::Cranelift);
    assert_eq!(sandbox.compiler().await, Compiler::Cranelift);
    for _ in 0..20 {
        assert_eq!(sandbox.call::<i32>("add", (1i32, 2i32)).await.unwrap(), 3);
        assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_persistent_instance_stays_on_what_it_began_with_until_it_is_replaced() {
    let busy = busy_compiler();
    let sandbox = tiered(NUMBERS, modules::strict_and_persistent()).build().await.unwrap();
    assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 1);
    drop(busy);
    assert_eq!(sandbox.optimised().await.compiler(), Compiler::Cranelift);
    assert_eq!(sandbox.compiler().await, Compiler::Singlepass);
    assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 2);
    assert!(sandbox.call::<()>("abort", ()).await.is_err());
    assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 1);
    assert_eq!(sandbox.compiler().await, Compiler::Cranelift);
}

#[tokio::test]
async fn initialisation_is_not_repeated_for_the_better_code() {
    let text = r#"(module
        (import "env" "once" (func $once (result i32)))
        (memory (export "memory") 1)
        (global $g (mut i64) (i64.const 0))
        (func (export "_initialize")
            (i32.store (i32.const 70) (call $once))
            (drop (memory.grow (i32.const 2)))
            (global.set $g (i64.const 77)))
        (func (export "state") (result i64)
            (i64.add (global.get $g)
                (i64.add (i64.extend_i32_u (i32.load (i32.const 70)))
                    (i64.extend_i32_u (memory.size)))))
        (func (export "spoil") (i32.store (i32.const 70) (i32.const 9)) (global.set $g (i64.const 1))))"#;
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let busy = busy_compiler();
    let sandbox = tiered(text, fresh())
        .host_function("env", "once", move || 1000 + counted.fetch_add(1, Ordering::Relaxed))
        .build()
        .await
        .unwrap();
    assert_eq!(sandbox.compiler().await, Compiler::Singlepass);
    let check = async || {
        for _ in 0..5 {
            assert_eq!(sandbox.call::<i64>("state", ()).await.unwrap(), 77 + 1000 + 3);
            let () = sandbox.call("spoil", ()).await.unwrap();
        }
    };
    check().await;
    drop(busy);
    assert_eq!(sandbox.optimised().await.compiler(), Compiler::Cranelift);
    check().await;
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn callers_side_by_side_notice_nothing_of_the_move() {
    let busy = busy_compiler();
    let sandbox = tiered(NUMBERS, fresh()).build().await.unwrap();
    let stop = tokio::time::Instant::now() + Duration::from_secs(60);
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let sandbox = sandbox.clone();
            tokio::spawn(async move {
                let mut after = 0;
                while after < 50 && tokio::time::Instant::now() < stop {
                    assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 1);
                    let error = sandbox.call::<i32>("divide", (1i32, 0i32)).await.unwrap_err();
                    assert!(matches!(error, SandboxError::Trap { .. }), "{error}");
                    after += i32::from(sandbox.compiler().await == Compiler::Cranelift);
                }
                assert_eq!(after, 50);
            })
        })
        .collect();
    drop(busy);
    for caller in callers {
        caller.await.unwrap();
    }
}

/// Result of a call in words, with the fuel that it took.
async fn outcome(sandbox: &WasmSandbox, function: &str, arguments: (i32, i32)) -> String {
    let called = match function {
        "add" | "divide" => sandbox.call_with_usage::<i32>(function, arguments).await,
        // Where fuel ends nothing, time does.
        "spin" if sandbox.policy().fuel.is_none() => {
            let hurried = sandbox.with_time_limit(Duration::from_millis(100));
            hurried.call_with_usage::<i32>(function, ()).await
        }
        _ => sandbox.call_with_usage::<i32>(function, ()).await,
    };
    match called {
        Ok((value, usage)) => format!("{value}, {:?}", usage.fuel),
        // The depth of a recursion is the compiler's, and with it how many lines the backtrace has.
        Err(SandboxError::Trap { code, backtrace, .. }) => {
            format!("{code:?} in {:?}", backtrace.first())
        }
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn results_errors_and_fuel_are_the_same_on_both_tiers() {
    // Less than it takes to come near the clock, and more than it takes to use up the stack.
    let metered = fresh().with_fuel(1_000_000).with_wall_clock(Duration::from_secs(30));
    let canonical = metered.clone().with_nan_bits(NanBits::Canonical);
    let timed = fresh().with_wall_clock(Duration::from_secs(600));
    for policy in [timed, metered, canonical] {
        let busy = busy_compiler();
        let sandbox = tiered(NUMBERS, policy).build().await.unwrap();
        let calls = [
            ("add", (i32::MAX, 1)),
            ("divide", (7, 2)),
            ("divide", (7, 0)),
            ("divide", (i32::MIN, -1)),
            ("count", (0, 0)),
            ("abort", (0, 0)),
            ("spin", (0, 0)),
            ("recurse", (0, 0)),
            ("missing", (0, 0)),
        ];
        let mut first_tier = Vec::new();
        assert_eq!(sandbox.compiler().await, Compiler::Singlepass);
        for (function, arguments) in calls {
            first_tier.push(outcome(&sandbox, function, arguments).await);
        }
        drop(busy);
        assert_eq!(sandbox.optimised().await.compiler(), Compiler::Cranelift);
        for ((function, arguments), first) in calls.into_iter().zip(first_tier) {
            assert_eq!(outcome(&sandbox, function, arguments).await, first, "{function}");
        }
    }
}

#[tokio::test]
async fn a_guest_in_rust_is_the_same_module_on_both_tiers() {
    let guest = || {
        let builder = WasmSandbox::builder().source(modules::guest("typical_app"));
        builder.security_policy(fresh()).disable_cache()
    };
    let sandbox = guest().tiering(Tiering::Auto).build().await.unwrap();
    assert_eq!(sandbox.module().compiler(), Compiler::Singlepass);
    let names: Vec<String> =
        sandbox.module().function_names().into_iter().map(str::to_owned).collect();
    let good = sandbox.optimised().await;
    assert_eq!(good.compiler(), Compiler::Cranelift);
    assert_eq!(good.function_names(), names);
    assert_eq!(good.wasm_hash(), sandbox.module().wasm_hash());
}

#[tokio::test]
async fn deep_recursion_ends_at_the_stack_limit_on_both_tiers() {
    for (policy, depth) in [
        (SecurityPolicy::paranoid(), 100i32),
        (modules::strict_and_persistent(), 500),
        (SecurityPolicy::permissive(), 1000),
    ] {
        // Locals and operands that have to live across the call make frames large.
        let text = r#"(module
            (func $down (export "down") (param i32) (result i64)
                (local i64 i64 i64 i64 i64 i64 i64 i64)
                (local.set 1 (i64.extend_i32_u (local.get 0)))
                (local.set 2 (i64.add (local.get 1) (i64.const 1)))
                (local.set 3 (i64.mul (local.get 1) (local.get 2)))
                (if (result i64) (i32.eqz (local.get 0))
                    (then (i64.const 0))
                    (else (i64.add (i64.add (local.get 1) (i64.sub (local.get 3) (local.get 3)))
                        (call $down (i32.sub (local.get 0) (i32.const 1))))))))"#;
        let policy = policy.with_wall_clock(Duration::from_secs(20));
        let busy = busy_compiler();
        let policy = policy.with_instances(InstanceMode::Fresh);
        let sandbox = tiered(text, policy).build().await.unwrap();
        for tier in [Compiler::Singlepass, Compiler::Cranelift] {
            assert_eq!(sandbox.compiler().await, tier);
            let sum: i64 = sandbox.call("down", depth).await.unwrap();
            assert_eq!(sum, i64::from(depth) * i64::from(depth + 1) / 2);
            for _ in 0..3 {
                let error = sandbox.call::<i64>("down", -1i32).await.unwrap_err();
                let SandboxError::Trap { code, .. } = &error else { panic!("{tier}: {error}") };
                assert_eq!(*code, TrapCode::StackOverflow, "{tier}");
            }
            if tier == Compiler::Singlepass {
                busy.optimised().await;
                sandbox.optimised().await;
            }
        }
    }
}

#[tokio::test]
async fn what_singlepass_lacks_starts_on_the_chosen_compiler() {
    let simd = r#"(module (func (export "lanes") (result i32)
        (i32x4.extract_lane 2 (v128.const i32x4 1 2 3 4))))"#;
    let sandbox = tiered(simd, fresh()).build().await.unwrap();
    assert_eq!(sandbox.module().compiler(), Compiler::Cranelift);
    assert_eq!(sandbox.optimised().await.compiler(), Compiler::Cranelift);
    assert_eq!(sandbox.call::<i32>("lanes", ()).await.unwrap(), 3);
}

#[test]
fn errors_of_loading_are_those_of_the_chosen_compiler() {
    let policy = modules::strict_and_persistent();
    for wasm in [
        b"junk".to_vec(),
        b"\0asm\x01\0\0\0\xff".to_vec(),
        modules::wasm("(module (memory 1 1 shared))"),
        modules::wasm(r#"(module (import "env" "missing" (func)))"#),
        modules::wasm("(module (func return_call 0))"),
        modules::wasm("(module (tag $t) (func throw $t))"),
        modules::wasm("(module (memory 65536))"),
        modules::wasm("(module (func $trap unreachable) (start $trap))"),
    ] {
        let error = |tiering| {
            let builder = WasmSandbox::builder().source_bytes(&wasm).tiering(tiering);
            let built = builder.security_policy(policy.clone()).disable_cache().build_blocking();
            built.map(drop).unwrap_err().to_string()
        };
        assert_eq!(error(Tiering::Auto), error(Tiering::Off));
    }
}

#[tokio::test]
async fn a_module_with_good_code_in_memory_has_no_first_tier() {
    // Nobody else's text, so that no other test has compiled it.
    let text = r#"(module (func (export "tiered") (result i32) i32.const 7341))"#;
    let builder = || modules::builder(text).tiering(Tiering::Auto);
    let busy = busy_compiler();
    let first = builder().build().await.unwrap();
    let second = builder().build().await.unwrap();
    for sandbox in [&first, &second] {
        assert_eq!(sandbox.module().compiler(), Compiler::Singlepass);
    }
    drop(busy);
    first.optimised().await;
    assert_eq!(second.optimised().await.compiler(), Compiler::Cranelift);
    let third = builder().build().await.unwrap();
    assert_eq!(third.module().compiler(), Compiler::Cranelift);
    assert_eq!(third.module().origin(), ModuleOrigin::MemoryCache);
}

#[tokio::test]
async fn who_chose_singlepass_keeps_it_beside_a_sandbox_on_the_first_tier() {
    let text = r#"(module (func (export "beside") (result i32) i32.const 7343))"#;
    let builder = || modules::builder(text).security_policy(fresh());
    let busy = busy_compiler();
    let chosen = builder().compiler(Compiler::Singlepass).build().await.unwrap();
    let tiered = builder().tiering(Tiering::Auto).build().await.unwrap();
    drop(busy);
    assert_eq!(tiered.optimised().await.compiler(), Compiler::Cranelift);
    for (sandbox, compiler) in [(chosen, Compiler::Singlepass), (tiered, Compiler::Cranelift)] {
        assert_eq!(sandbox.call::<i32>("beside", ()).await.unwrap(), 7343);
        assert_eq!(sandbox.compiler().await, compiler);
    }
}

#[tokio::test]
async fn the_cache_folder_holds_good_code_only() {
    let text = r#"(module (func (export "kept") (result i32) i32.const 7342))"#;
    let folder = tempfile::tempdir().unwrap();
    let entries = || {
        let files = std::fs::read_dir(folder.path()).unwrap().map(|item| item.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|end| end == "module")).count()
    };
    let busy = busy_compiler();
    let builder = modules::builder(text).tiering(Tiering::Auto).cache_dir(folder.path());
    let sandbox = builder.build().await.unwrap();
    assert_eq!((sandbox.module().compiler(), entries()), (Compiler::Singlepass, 0));
    drop(busy);
    assert_eq!(sandbox.optimised().await.compiler(), Compiler::Cranelift);
    assert_eq!(entries(), 1);
}

#[tokio::test]
async fn singlepass_itself_has_no_first_tier_and_off_is_the_default() {
    let builder = || modules::builder(MEMORY).disable_cache();
    let singlepass = builder().compiler(Compiler::Singlepass).tiering(Tiering::Auto);
    let sandbox = singlepass.build().await.unwrap();
    assert_eq!(sandbox.optimised().await.compiler(), Compiler::Singlepass);
    assert_eq!(Tiering::default(), Tiering::Off);
    let sandbox = builder().build().await.unwrap();
    assert_eq!(sandbox.module().compiler(), Compiler::Cranelift);
    assert_eq!(sandbox.compiler().await, Compiler::Cranelift);
}

#[tokio::test]
async fn streams_and_pools_may_begin_on_the_first_tier_too() {
    let builder = tiered(NUMBERS, modules::strict_and_persistent());
    let pool = sandbox_core::SandboxPool::builder().sandbox(builder).size(2).build().await.unwrap();
    for _ in 0..10 {
        let sandbox = pool.acquire().await.unwrap();
        assert_eq!(sandbox.call::<i32>("add", (20i32, 22i32)).await.unwrap(), 42);
    }
}
