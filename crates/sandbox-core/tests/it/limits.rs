//! Limits, each with a module that tries to cross it.

use std::time::Duration;

use sandbox_core::{SandboxError, SecurityPolicy, TrapCode, WasmSandbox};

use crate::modules::{self, MEMORY, NUMBERS};

const PAGE: u64 = 64 * 1024;

/// The sandbox is as good as new: its next call works.
async fn assert_well(sandbox: &WasmSandbox) {
    let sum: i32 = sandbox.call("add", (1i32, 2i32)).await.unwrap();
    assert_eq!(sum, 3);
}

/// No limit of time may be what ends a guest that is to go on.
fn patient() -> SecurityPolicy {
    SecurityPolicy::strict().with_wall_clock(Duration::from_secs(600))
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
        .security_policy(SecurityPolicy::strict())
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
    let policy = SecurityPolicy::strict().with_table_limit(10);
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
    let policy = SecurityPolicy::strict().with_wall_clock(Duration::from_millis(20));
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
