//! Guests that are hardly ever in their own code, and are stopped all the same.

use std::time::Duration;

use sandbox_core::{Compiler, InstanceMode, SandboxError, SecurityPolicy, TrapCode};

use crate::modules;

/// Limit that ends these guests. Whatever else there is to do may take as long as a busy machine needs.
const SPIN: Duration = Duration::from_millis(60);

/// No limit but the wall clock may end these guests.
fn policy(mode: InstanceMode) -> SecurityPolicy {
    SecurityPolicy::permissive().with_wall_clock(Duration::from_secs(60)).with_instances(mode)
}

/// Calls `spin` in both modes and with both compilers; it must end by the wall clock each time.
async fn is_stopped(text: &str) {
    for compiler in [Compiler::Cranelift, Compiler::Singlepass] {
        for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
            let builder = modules::builder(text).security_policy(policy(mode)).compiler(compiler);
            let sandbox = builder.build().await.unwrap();
            for _ in 0..2 {
                let hurried = sandbox.with_time_limit(SPIN);
                let error = hurried.call::<()>("spin", ()).await.unwrap_err();
                assert!(
                    matches!(error, SandboxError::Timeout { .. }),
                    "{compiler}, {mode:?}: {error}"
                );
            }
            let fine: i32 = sandbox.call("fine", ()).await.unwrap();
            assert_eq!(fine, 7);
        }
    }
}

fn with_memory(body: &str) -> String {
    format!(
        r#"(module (memory (export "memory") 1024) (data $bytes "some bytes")
            (table $table 100000 externref) (elem $none externref (ref.null extern))
            (func (export "spin") (loop $again {body} (br $again)))
            (func (export "fine") (result i32) i32.const 7))"#
    )
}

#[tokio::test]
async fn filling_memory_for_ever_is_stopped() {
    is_stopped(&with_memory("(memory.fill (i32.const 0) (i32.const 1) (i32.const 0x4000000))"))
        .await;
}

#[tokio::test]
async fn copying_memory_for_ever_is_stopped() {
    is_stopped(&with_memory(
        "(memory.copy (i32.const 0x2000000) (i32.const 0) (i32.const 0x2000000))",
    ))
    .await;
}

#[tokio::test]
async fn initialising_memory_for_ever_is_stopped() {
    is_stopped(&with_memory("(memory.init $bytes (i32.const 0) (i32.const 0) (i32.const 9))"))
        .await;
}

#[tokio::test]
async fn filling_a_table_for_ever_is_stopped() {
    is_stopped(&with_memory(
        "(table.fill $table (i32.const 0) (ref.null extern) (i32.const 100000))",
    ))
    .await;
}

#[tokio::test]
async fn copying_a_table_for_ever_is_stopped() {
    is_stopped(&with_memory(
        "(table.copy $table $table (i32.const 50000) (i32.const 0) (i32.const 50000))",
    ))
    .await;
}

#[tokio::test]
async fn a_start_function_that_fills_memory_for_ever_is_stopped() {
    let text = r#"(module (memory 1024)
        (func $spin (loop $again
            (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x4000000)) (br $again)))
        (start $spin))"#;
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let policy = policy(mode).with_wall_clock(SPIN);
        let error = modules::builder(text).security_policy(policy).build().await.unwrap_err();
        assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
    }
}

/// A guest that calls one WASI function for ever.
fn calling(function: &str, parameters: usize, arguments: &str) -> String {
    let parameters = "i32 ".repeat(parameters);
    format!(
        r#"(module
            (import "wasi_snapshot_preview1" "{function}"
                (func $function (param {parameters}) (result i32)))
            (memory (export "memory") 256)
            (func (export "spin") (loop $again (drop (call $function {arguments})) (br $again)))
            (func (export "fine") (result i32) i32.const 7))"#
    )
}

fn numbers(list: &[u32]) -> String {
    list.iter().map(|number| format!("(i32.const {number}) ")).collect()
}

#[tokio::test]
async fn polling_thousands_of_clocks_for_ever_is_stopped() {
    // Zeros are subscriptions to a clock, with a timeout of zero.
    let arguments = numbers(&[0, 4_194_304, 65_536, 8_388_608]);
    is_stopped(&calling("poll_oneoff", 4, &arguments)).await;
}

#[tokio::test]
async fn writing_a_million_times_nothing_for_ever_is_stopped() {
    is_stopped(&calling("fd_write", 4, &numbers(&[1, 0, 1_000_000, 8_388_608]))).await;
}

#[tokio::test]
async fn asking_for_the_arguments_for_ever_is_stopped() {
    is_stopped(&calling("args_sizes_get", 2, &numbers(&[0, 8]))).await;
}

#[tokio::test]
async fn waiting_for_who_never_comes_ends() {
    // There is nobody to notify the guest: no memory is shared. So nothing is waited for.
    for (ty, value) in [("32", "i32"), ("64", "i64")] {
        let text = format!(
            r#"(module (memory 1) (func (export "spin") (drop
                (memory.atomic.wait{ty} (i32.const 0) ({value}.const 0) (i64.const -1)))))"#
        );
        for compiler in [Compiler::Cranelift, Compiler::Singlepass] {
            let policy = policy(InstanceMode::Persistent);
            let builder = modules::builder(&text).security_policy(policy).compiler(compiler);
            let error = builder.build().await.unwrap().call::<()>("spin", ()).await.unwrap_err();
            assert!(
                matches!(error, SandboxError::Trap { code: TrapCode::WaitOnUnsharedMemory, .. }),
                "{compiler}, {ty}: {error}"
            );
        }
    }
}
