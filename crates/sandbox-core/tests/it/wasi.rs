//! Effects of a guest on the world: it writes a little, sleeps a little, ends itself.

use std::time::Duration;

use sandbox_core::{SandboxError, SecurityPolicy};

use crate::modules;

/// Writes `text` to a stream `times` times with `fd_write`, passing over errors.
fn writer(fd: u32, text: &str, times: u32) -> String {
    format!(
        r#"(module
        (import "wasi_snapshot_preview1" "fd_write"
            (func $fd_write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 64) "{text}")
        (func (export "write") (local $left i32)
            (i32.store (i32.const 0) (i32.const 64))
            (i32.store (i32.const 4) (i32.const {len}))
            (local.set $left (i32.const {times}))
            (loop $again
                (drop (call $fd_write (i32.const {fd}) (i32.const 0) (i32.const 1) (i32.const 8)))
                (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                (br_if $again (local.get $left)))))"#,
        len = text.len()
    )
}

#[tokio::test]
async fn output_is_captured_by_stream() {
    let sandbox =
        modules::sandbox(&writer(1, "to stdout ", 2), modules::strict_and_persistent()).await;
    let () = sandbox.call("write", ()).await.unwrap();
    let output = sandbox.take_output().await;
    assert_eq!((output.stdout.as_slice(), output.stderr.len()), (&b"to stdout to stdout "[..], 0));
    assert_eq!(sandbox.take_output().await.stdout, b"");
    let sandbox =
        modules::sandbox(&writer(2, "to stderr ", 1), modules::strict_and_persistent()).await;
    let () = sandbox.call("write", ()).await.unwrap();
    assert_eq!(sandbox.take_output().await.stderr, b"to stderr ");
}

#[tokio::test]
async fn a_flood_of_output_is_stopped() {
    let policy = SecurityPolicy::permissive().with_output_limit(1000);
    let sandbox = modules::sandbox(&writer(1, "0123456789", u32::MAX), policy).await;
    let error = sandbox.call::<()>("write", ()).await.unwrap_err();
    assert!(matches!(error, SandboxError::OutputLimit { limit_bytes: 1000, .. }), "{error}");
}

#[tokio::test]
async fn output_up_to_the_limit_is_fine() {
    let policy = SecurityPolicy::permissive().with_output_limit(1000);
    let sandbox = modules::sandbox(&writer(1, "0123456789", 100), policy).await;
    let () = sandbox.call("write", ()).await.unwrap();
    assert_eq!(sandbox.take_output().await.stdout.len(), 1000);
}

#[tokio::test]
async fn output_that_nobody_takes_is_not_held_against_later_calls() {
    let policy = SecurityPolicy::permissive().with_output_limit(1000);
    let sandbox = modules::sandbox(&writer(1, "0123456789", 40), policy.clone()).await;
    for call in 1..=10 {
        let () = sandbox.call("write", ()).await.unwrap_or_else(|error| panic!("{call}: {error}"));
    }
    // As many calls as fit, the last among them.
    assert_eq!(sandbox.take_output().await.stdout, b"0123456789".repeat(80));
    let () = sandbox.call("write", ()).await.unwrap();
    assert_eq!(sandbox.take_output().await.stdout.len(), 400);
    let flood = modules::sandbox(&writer(1, "0123456789", 101), policy).await;
    let error = flood.call::<()>("write", ()).await.unwrap_err();
    assert!(matches!(error, SandboxError::OutputLimit { .. }), "{error}");
}

#[tokio::test]
async fn a_guest_that_exits_ends_its_instance_with_its_code() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
        (memory (export "memory") 1)
        (func (export "quit") (param i32) (call $proc_exit (local.get 0)))
        (func (export "work") (result i32) (i32.const 1)))"#;
    let sandbox = modules::sandbox(text, modules::strict_and_persistent()).await;
    let error = sandbox.call::<()>("quit", 3i32).await.unwrap_err();
    assert!(matches!(error, SandboxError::Exited { code: 3, .. }), "{error}");
    assert_eq!(sandbox.call::<i32>("work", ()).await.unwrap(), 1);
}

/// Sleeps for an hour with `poll_oneoff`.
const SLEEPER: &str = r#"(module
    (import "wasi_snapshot_preview1" "poll_oneoff"
        (func $poll (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "sleep") (result i32)
        ;; One subscription: a relative timeout of the monotonic clock.
        (i32.store8 (i32.const 8) (i32.const 0))
        (i32.store (i32.const 16) (i32.const 1))
        (i64.store (i32.const 24) (i64.const 3600000000000))
        (call $poll (i32.const 0) (i32.const 512) (i32.const 1) (i32.const 1024))))"#;

#[tokio::test]
async fn a_guest_asleep_is_woken_by_its_deadline() {
    let sandbox = modules::sandbox(SLEEPER, modules::strict_and_persistent()).await;
    let hurried = sandbox.with_time_limit(Duration::from_millis(30));
    let error = hurried.call::<i32>("sleep", ()).await.unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn a_guest_asleep_is_woken_when_its_call_is_dropped() {
    let sandbox = modules::sandbox(SLEEPER, SecurityPolicy::permissive()).await;
    for _ in 0..3 {
        let call = sandbox.call::<i32>("sleep", ());
        assert!(tokio::time::timeout(Duration::from_millis(20), call).await.is_err());
    }
    // The turn comes only when the sleeper is gone.
    sandbox.take_output().await;
}

#[tokio::test]
async fn wasi_without_memory_is_refused() {
    let text = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))))"#;
    let error = modules::builder(text).build().await.unwrap_err();
    assert!(matches!(error, SandboxError::InvalidDeclaration { .. }), "{error}");
}

#[tokio::test]
async fn a_start_function_may_call_wasi() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "fd_write"
            (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\08\00\00\00\05\00\00\00hello")
        (global $errnos (mut i32) (i32.const -1))
        (func $start (global.set $errnos (i32.or
            (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16))
            (call $random (i32.const 32) (i32.const 16)))))
        (start $start)
        (func (export "errnos") (result i32) (global.get $errnos))
        (func (export "written") (result i32) (i32.load (i32.const 16))))"#;
    let sandbox = modules::sandbox(text, SecurityPolicy::permissive()).await;
    assert_eq!(sandbox.call::<i32>("errnos", ()).await.unwrap(), 0);
    assert_eq!(sandbox.call::<i32>("written", ()).await.unwrap(), 5);
    assert_eq!(sandbox.take_output().await.stdout, b"hello");
}

#[tokio::test]
async fn an_import_of_wasi_that_is_exported_again_is_called() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "fd_write"
            (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\08\00\00\00\05\00\00\00hello")
        (export "write" (func $write)) (export "yield" (func $yield)))"#;
    let sandbox = modules::sandbox(text, modules::strict_and_persistent()).await;
    assert_eq!(sandbox.call::<i32>("yield", ()).await.unwrap(), 0);
    assert_eq!(sandbox.call::<i32>("write", (1, 0, 1, 16)).await.unwrap(), 0);
    assert_eq!(sandbox.call::<i32>("write", (7, 0, 1, 16)).await.unwrap(), 8);
}

#[tokio::test]
async fn a_memory_that_is_not_exported_serves_wasi() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "clock_time_get"
            (func $clock (param i32 i64 i32) (result i32)))
        (memory 1)
        (func (export "time") (result i64)
            (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 8)))
            (i64.load (i32.const 8))))"#;
    let sandbox = modules::sandbox(text, SecurityPolicy::paranoid()).await;
    assert!(sandbox.call::<i64>("time", ()).await.unwrap() >= 1_000_000);
}
