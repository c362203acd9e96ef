//! Limits, each with a module that tries to cross it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sandbox_core::{ErrorClass, InstanceMode, SandboxError, SecurityPolicy, TrapCode, WasmSandbox};

use crate::modules::{self, MEMORY, NUMBERS};

const PAGE: u64 = 64 * 1024;

/// The sandbox is as good as new: its next call works.
async fn assert_well(sandbox: &WasmSandbox) {
    let sum: i32 = sandbox.call("add", (1i32, 2i32)).await.unwrap();
    assert_eq!(sum, 3);
}

/// No limit of time may be what ends a guest that is to go on.
fn patient() -> SecurityPolicy {
    modules::strict_and_persistent().with_wall_clock(Duration::from_secs(600))
}

#[tokio::test]
async fn memory_grows_to_the_limit_and_not_one_page_beyond() {
    let sandbox = modules::builder(MEMORY).memory_limit(4 * PAGE + PAGE / 2).build().await.unwrap();
    assert_eq!(sandbox.call::<i32>("grow", 3i32).await.unwrap(), 1);
    assert_eq!(sandbox.call::<i32>("grow", 1i32).await.unwrap(), -1);
    assert_eq!(sandbox.call::<i32>("grow", 0i32).await.unwrap(), 4);
    let error = sandbox.call::<i32>("read", 4 * 65536i32).await.unwrap_err();
    assert!(
        matches!(error, SandboxError::Trap { code: TrapCode::MemoryOutOfBounds, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_guest_that_aborts_for_lack_of_memory_is_told_so() {
    let sandbox = modules::builder(MEMORY).memory_limit(4 * PAGE).build().await.unwrap();
    let error = sandbox.call::<()>("grow_or_abort", 9i32).await.unwrap_err();
    let SandboxError::MemoryLimit { requested_bytes, limit_bytes, .. } = error else {
        panic!("{error}")
    };
    assert_eq!((requested_bytes, limit_bytes), (10 * PAGE, 4 * PAGE));
}

#[tokio::test]
async fn a_module_that_starts_with_too_much_memory_is_refused() {
    let error = modules::builder("(module (memory 65536))")
        .security_policy(modules::strict_and_persistent())
        .build()
        .await
        .unwrap_err();
    assert!(
        matches!(error, SandboxError::MemoryLimit { requested_bytes: 0x1_0000_0000, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn tables_are_limited_at_the_start_and_when_they_grow() {
    let policy = modules::strict_and_persistent().with_table_limit(10);
    let text = "(module (table 11 funcref))";
    let error = modules::builder(text).security_policy(policy.clone()).build().await.unwrap_err();
    assert!(matches!(error, SandboxError::TableLimit { requested: 11, limit: 10, .. }), "{error}");
    let text = r#"(module (table 1 funcref)
        (func (export "grow") (param i32) (result i32) ref.null func local.get 0 table.grow))"#;
    let sandbox = modules::sandbox(text, policy).await;
    assert_eq!(sandbox.call::<i32>("grow", 9i32).await.unwrap(), 1);
    assert_eq!(sandbox.call::<i32>("grow", 1i32).await.unwrap(), -1);
}

#[tokio::test]
async fn a_guest_that_aborts_for_lack_of_table_elements_is_told_so() {
    let text = r#"(module (table 3 funcref) (table $grows 2 externref)
        (func (export "grow_or_abort") (param i32)
            (if (i32.eq (table.grow $grows (ref.null extern) (local.get 0)) (i32.const -1))
                (then unreachable)))
        (func (export "abort") unreachable)
        (func (export "try") (drop (table.grow $grows (ref.null extern) (i32.const 99)))))"#;
    for &compiler in modules::COMPILERS {
        let policy = SecurityPolicy::permissive().with_table_limit(10);
        let builder = modules::builder(text).security_policy(policy).compiler(compiler);
        let sandbox = builder.build().await.unwrap();
        let grow_or_abort = async |by: i32| sandbox.call::<()>("grow_or_abort", by).await;
        let assert_limit = |error: SandboxError, asked: u32| {
            let SandboxError::TableLimit { requested, limit, .. } = error else {
                panic!("{compiler}: {error}")
            };
            assert_eq!((requested, limit), (asked, 10), "{compiler}");
        };
        assert_limit(grow_or_abort(6).await.unwrap_err(), 11);
        grow_or_abort(4).await.unwrap();
        assert_limit(grow_or_abort(3).await.unwrap_err(), 12);
        // What an earlier call was refused is nothing to the next one.
        sandbox.call::<()>("try", ()).await.unwrap();
        let error = sandbox.call::<()>("abort", ()).await.unwrap_err();
        assert!(matches!(error, SandboxError::Trap { .. }), "{compiler}: {error}");
    }
}

#[tokio::test]
async fn what_a_module_forbids_itself_is_no_limit_of_the_policy() {
    let text = r#"(module (memory 1 2) (table 1 2 funcref)
        (func (export "memory")
            (if (i32.eq (memory.grow (i32.const 2)) (i32.const -1)) (then unreachable)))
        (func (export "table")
            (if (i32.eq (table.grow (ref.null func) (i32.const 2)) (i32.const -1)) (then unreachable))))"#;
    for &compiler in modules::COMPILERS {
        let builder = modules::builder(text).security_policy(SecurityPolicy::permissive());
        let sandbox = builder.compiler(compiler).build().await.unwrap();
        for name in ["memory", "table"] {
            let error = sandbox.call::<()>(name, ()).await.unwrap_err();
            assert!(
                matches!(error, SandboxError::Trap { code: TrapCode::Unreachable, .. }),
                "{compiler}, {name}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn a_tight_loop_is_stopped_at_its_deadline() {
    // What is not to be stopped has time enough on any machine.
    let sandbox = modules::sandbox(NUMBERS, patient()).await;
    let hurried = sandbox.with_time_limit(Duration::from_millis(20));
    for _ in 0..20 {
        let error = hurried.call::<i32>("spin", ()).await.unwrap_err();
        let SandboxError::Timeout { function, limit, .. } = &error else { panic!("{error}") };
        assert_eq!((function.as_str(), *limit), ("spin", Duration::from_millis(20)));
        assert_well(&sandbox).await;
    }
}

#[test]
fn a_tight_loop_is_stopped_without_an_async_runtime_too() {
    let sandbox = modules::builder(NUMBERS).security_policy(patient()).build_blocking().unwrap();
    let hurried = sandbox.with_time_limit(Duration::from_millis(20));
    let error = hurried.call_blocking::<i32>("spin", ()).unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
    assert_eq!(sandbox.call_blocking::<i32>("add", (1i32, 2i32)).unwrap(), 3);
}

#[tokio::test]
async fn limits_are_armed_before_the_start_function_runs() {
    let policy = modules::strict_and_persistent().with_wall_clock(Duration::from_millis(20));
    for text in [
        "(module (func $spin (loop $again br $again)) (start $spin))",
        r#"(module (func (export "_initialize") (loop $again br $again)))"#,
        r#"(module (memory (export "memory") 1)
            (func (export "sandbox_exchange") (result i32) (loop $again br $again) unreachable)
            (func (export "sandbox_reserve") (param i32) (result i32) unreachable))"#,
    ] {
        let builder = modules::builder(text).security_policy(policy.clone());
        let error = builder.build().await.unwrap_err();
        assert!(matches!(error, SandboxError::Timeout { .. }), "{text}: {error}");
    }
}

/// Modules that do a thing as they are initialised, in each place where their code runs then.
fn initialising(items: &str, code: &str) -> [String; 2] {
    let of =
        |place: &str| format!(r#"(module {items} (func $f (drop (i32.const 1)) {code}) {place})"#);
    [of("(start $f)"), of(r#"(export "_initialize" (func $f))"#)]
}

#[tokio::test]
async fn a_limit_for_initialisation_ends_one_that_loops_though_calls_have_no_limit() {
    let limit = Duration::from_millis(50);
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let policy = SecurityPolicy::strict()
            .with_instances(mode)
            .with_wall_clock(None)
            .with_initialisation_limit(limit);
        for text in initialising("", "(loop $again (br $again))") {
            let builder = || modules::builder(&text).security_policy(policy.clone());
            for error in [builder().build().await, builder().build_blocking()] {
                let error = error.map(drop).unwrap_err();
                let SandboxError::Timeout { function, limit: named, .. } = &error else {
                    panic!("{text}: {error}")
                };
                assert_eq!((function.as_str(), *named), ("_initialize", limit), "{error}");
                assert_eq!(error.class(), ErrorClass::Limit);
            }
        }
    }
}

#[tokio::test]
async fn a_limit_for_initialisation_is_none_of_calls() {
    let policy = modules::strict_and_persistent()
        .with_wall_clock(Duration::from_secs(60))
        .with_initialisation_limit(Duration::from_secs(30));
    let text = r#"(module (func (export "_initialize")) (func (export "spin") (loop $again (br $again))))"#;
    let sandbox = modules::builder(text).security_policy(policy).build().await.unwrap();
    let hurried = sandbox.with_time_limit(Duration::from_millis(20));
    let error = hurried.call::<()>("spin", ()).await.unwrap_err();
    let SandboxError::Timeout { limit, .. } = error else { panic!("{error}") };
    assert_eq!(limit, Duration::from_millis(20));
}

#[tokio::test]
async fn an_initialisation_that_wants_too_much_is_refused_as_what_it_is() {
    let memory = r#"(memory (export "memory") 1)"#;
    let greedy = "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    let table = "(table $t 1 funcref)";
    let wide = "(loop $again (br_if $again (i32.ne (table.grow $t (ref.null func) (i32.const 9999)) (i32.const -1))))
        unreachable";
    let write = r#"(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "\00\00\00\00\00\10\00\00")"#;
    let talk = "(loop $again (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (br $again))";
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let policy = SecurityPolicy::strict().with_instances(mode);
        let refused = |text: &str| {
            let builder = modules::builder(text).security_policy(policy.clone());
            builder.build_blocking().map(drop).unwrap_err()
        };
        for text in initialising(memory, greedy) {
            let error = refused(&text);
            let SandboxError::MemoryLimit { limit_bytes, .. } = error else { panic!("{error}") };
            assert_eq!(Some(limit_bytes), policy.memory_limit_bytes);
        }
        for text in initialising(table, wide) {
            let error = refused(&text);
            assert!(matches!(error, SandboxError::TableLimit { .. }), "{error}");
        }
        for text in initialising(write, talk) {
            let error = refused(&text);
            assert!(matches!(error, SandboxError::OutputLimit { .. }), "{error}");
        }
        for text in initialising("", "(call $f)") {
            let error = refused(&text);
            assert!(
                matches!(error, SandboxError::Trap { code: TrapCode::StackOverflow, .. }),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn the_instance_that_takes_the_place_of_another_is_initialised_within_the_limit_too() {
    // The host says whether initialisation ends.
    let text = r#"(module (import "env" "loops" (func $loops (result i32)))
        (func (export "_initialize") (loop $again (br_if $again (call $loops))))
        (func (export "abort") unreachable) (func (export "nothing")))"#;
    let loops = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&loops);
    let policy = SecurityPolicy::strict()
        .with_instances(InstanceMode::Persistent)
        .with_wall_clock(None)
        .with_initialisation_limit(Duration::from_millis(50));
    let builder = modules::builder(text).security_policy(policy);
    let builder =
        builder.host_function("env", "loops", move || u32::from(asked.load(Ordering::Relaxed)));
    let sandbox = builder.build().await.unwrap();
    assert!(sandbox.call::<()>("abort", ()).await.is_err());
    loops.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        let error = sandbox.call::<()>("nothing", ()).await.unwrap_err();
        assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
    }
    loops.store(false, Ordering::Relaxed);
    let () = sandbox.call("nothing", ()).await.unwrap();
}

#[tokio::test]
async fn deep_recursion_ends_at_the_stack_limit() {
    let sandbox = modules::sandbox(NUMBERS, SecurityPolicy::paranoid()).await;
    let error = sandbox.call::<i32>("recurse", ()).await.unwrap_err();
    assert!(matches!(error, SandboxError::Trap { code: TrapCode::StackOverflow, .. }), "{error}");
    assert_well(&sandbox).await;
}

#[test]
fn a_smaller_stack_is_used_up_sooner() {
    // Where larger stacks are in use already, Wasmer may give it one of them.
    crate::alone::run("limits::two_stacks_in_a_process_of_their_own");
}

#[tokio::test]
#[ignore = "runs only as a process of another test"]
async fn two_stacks_in_a_process_of_their_own() {
    // Counts how deep it gets in a global that is read after the trap would have lost it: so it counts
    // down from a depth that fits one stack and not the other.
    let text = r#"(module (func $down (export "down") (param i32) (result i32)
        (if (result i32) (i32.eqz (local.get 0))
            (then (i32.const 0))
            (else (i32.add (call $down (i32.sub (local.get 0) (i32.const 1))) (i32.const 1))))))"#;
    let small = modules::sandbox(text, SecurityPolicy::basic().with_stack(64 * 1024)).await;
    let large = modules::sandbox(text, SecurityPolicy::basic().with_stack(4 << 20)).await;
    let depth = 20_000i32;
    assert!(small.call::<i32>("down", depth).await.is_err());
    assert_eq!(large.call::<i32>("down", depth).await.unwrap(), depth);
}
