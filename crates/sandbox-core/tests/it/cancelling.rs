//! Cancel handles and time limits: whatever a guest does, and however it was called.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use sandbox_core::{
    CallPlacement, CancelHandle, InstanceMode, RunRequest, SandboxError, SecurityPolicy,
    WasmSandbox,
};

use crate::modules::{self, NUMBERS};

/// No limit of the policy may be what ends a guest in these tests.
fn unlimited() -> SecurityPolicy {
    SecurityPolicy::permissive()
}

/// Sleeps in `poll_oneoff` for as many milliseconds as it is told. Also a program, which never ends.
pub(crate) const SLEEPER: &str = r#"(module
    (import "wasi_snapshot_preview1" "poll_oneoff"
        (func $poll (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func $sleep (export "sleep") (param i64) (result i32)
        (i32.store (i32.const 16) (i32.const 1))
        (i64.store (i32.const 24) (i64.mul (local.get 0) (i64.const 1000000)))
        (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
    (func (export "_start") (loop $again br $again)))"#;

fn assert_cancelled<T: std::fmt::Debug>(outcome: Result<T, SandboxError>) {
    assert!(matches!(outcome, Err(SandboxError::Cancelled { .. })), "{outcome:?}");
}

/// Cancels from another thread, when the call has had time to begin.
fn cancel_soon(handle: &CancelHandle) -> std::thread::JoinHandle<()> {
    let handle = handle.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        handle.cancel();
    })
}

/// A sandbox, and the same with a handle that is cancelled soon.
fn soon_cancelled(sandbox: &WasmSandbox) -> WasmSandbox {
    let handle = CancelHandle::new();
    cancel_soon(&handle);
    sandbox.with_cancel_handle(&handle)
}

#[tokio::test]
async fn a_handle_stops_a_tight_loop_however_it_was_called() {
    let sandbox = modules::sandbox(NUMBERS, unlimited()).await;
    assert_cancelled(soon_cancelled(&sandbox).call::<i32>("spin", ()).await);
    let function = soon_cancelled(&sandbox).function::<(), i32>("spin").unwrap();
    assert_cancelled(function.call(()).await);
    assert_cancelled(soon_cancelled(&sandbox).call_with_usage::<i32>("spin", ()).await);
    let batch = soon_cancelled(&sandbox).call_batch::<i32>("spin", [(), (), ()]).await;
    let batch = batch.unwrap();
    assert_eq!(batch.len(), 3);
    batch.into_iter().for_each(assert_cancelled);
    // None of this is anybody else's business.
    assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 1);
}

#[test]
fn a_handle_stops_calls_that_block_a_thread() {
    let sandbox = modules::builder(NUMBERS).security_policy(unlimited()).build_blocking().unwrap();
    assert_cancelled(soon_cancelled(&sandbox).call_blocking::<i32>("spin", ()));
    let function = soon_cancelled(&sandbox).function::<(), i32>("spin").unwrap();
    assert_cancelled(function.call_blocking(()));
    assert_eq!(sandbox.call_blocking::<i32>("count", ()).unwrap(), 1);
}

#[tokio::test]
async fn a_handle_stops_a_program() {
    let sandbox = modules::sandbox(SLEEPER, unlimited()).await;
    assert_cancelled(soon_cancelled(&sandbox).run(RunRequest::new()).await);
    assert_cancelled(soon_cancelled(&sandbox).run_blocking(RunRequest::new()));
}

#[tokio::test]
async fn a_handle_stops_a_sleep() {
    let sandbox = modules::sandbox(SLEEPER, unlimited()).await;
    let hour = 3_600_000i64;
    assert_cancelled(soon_cancelled(&sandbox).call::<i32>("sleep", hour).await);
    assert_cancelled(soon_cancelled(&sandbox).call_blocking::<i32>("sleep", hour));
    assert_eq!(sandbox.call::<i32>("sleep", 1i64).await.unwrap(), 0);
}

#[tokio::test]
async fn dropping_a_call_stops_a_sleep() {
    let sandbox = modules::sandbox(SLEEPER, unlimited()).await;
    let sleep = sandbox.call::<i32>("sleep", 3_600_000i64);
    assert!(tokio::time::timeout(Duration::from_millis(30), sleep).await.is_err());
    // This waits for its turn, which comes only if the guest was really stopped.
    assert_eq!(sandbox.call::<i32>("sleep", 1i64).await.unwrap(), 0);
}

#[tokio::test]
async fn a_call_that_waits_for_its_turn_stops_waiting() {
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let policy = unlimited().with_instances(mode).with_max_instances(1);
        let sandbox = modules::sandbox(NUMBERS, policy).await;
        let running = CancelHandle::new();
        let spinning = {
            let sandbox = sandbox.with_cancel_handle(&running);
            tokio::spawn(async move { sandbox.call::<i32>("spin", ()).await })
        };
        while sandbox.usage().calls == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_cancelled(soon_cancelled(&sandbox).call::<i32>("count", ()).await);
        let waiting = soon_cancelled(&sandbox);
        assert_cancelled(waiting.call_blocking::<i32>("count", ()));
        assert!(!spinning.is_finished(), "another caller's guest was stopped");
        running.cancel();
        assert_cancelled(spinning.await.unwrap());
        assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_cancelled_handle_begins_nothing() {
    let sandbox = modules::sandbox(NUMBERS, unlimited()).await;
    let handle = CancelHandle::new();
    let cancelled = sandbox.with_cancel_handle(&handle);
    assert_eq!(cancelled.call::<i32>("count", ()).await.unwrap(), 1);
    assert!(!handle.is_cancelled());
    handle.cancel();
    assert!(handle.is_cancelled());
    assert_cancelled(cancelled.call::<i32>("count", ()).await);
    assert_cancelled(cancelled.call_blocking::<i32>("count", ()));
    assert_cancelled(cancelled.call_batch::<i32>("count", [()]).await);
    assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 2);
}

#[tokio::test]
async fn one_handle_stops_many_calls() {
    let policy = unlimited().with_instances(InstanceMode::Fresh).with_max_instances(4);
    let sandbox = modules::sandbox(NUMBERS, policy).await;
    let handle = CancelHandle::new();
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let sandbox = sandbox.with_cancel_handle(&handle);
            tokio::spawn(async move { sandbox.call::<i32>("spin", ()).await })
        })
        .collect();
    while sandbox.usage().calls < 4 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    handle.cancel();
    for call in calls {
        assert_cancelled(call.await.unwrap());
    }
    assert_eq!(sandbox.usage().calls, 4, "calls that waited were not begun");
}

#[tokio::test]
async fn a_time_limit_stops_every_kind_of_call() {
    let sandbox = modules::sandbox(SLEEPER, unlimited()).await;
    let limit = Duration::from_millis(20);
    let hurried = sandbox.with_time_limit(limit);
    let outcomes = [
        hurried.call::<i32>("sleep", 3_600_000i64).await.map(drop),
        hurried.call_blocking::<i32>("sleep", 3_600_000i64).map(drop),
        hurried.run(RunRequest::new()).await.map(drop),
        hurried.run_blocking(RunRequest::new()).map(drop),
    ];
    for outcome in outcomes {
        let Err(SandboxError::Timeout { limit: told, .. }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(told, limit);
    }
    // A limit belongs to the calls that are made with it.
    assert_eq!(sandbox.call::<i32>("sleep", 100i64).await.unwrap(), 0);
}

#[tokio::test]
async fn a_time_limit_cannot_lengthen_the_policys() {
    let policy = unlimited().with_wall_clock(Duration::from_millis(20));
    let sandbox = modules::sandbox(NUMBERS, policy).await;
    let patient = sandbox.with_time_limit(Duration::from_secs(3600));
    let error = patient.call::<i32>("spin", ()).await.unwrap_err();
    assert!(
        matches!(error, SandboxError::Timeout { limit, .. } if limit == Duration::from_millis(20))
    );
}

/// Adds up to its argument, so that it is quick or not as the caller likes; negative never ends.
pub(crate) const ELASTIC: &str = r#"(module (func (export "work") (param i64) (result i64)
    (local $sum i64)
    (loop $again
        (local.set $sum (i64.add (local.get $sum) (i64.const 1)))
        (br_if $again (i64.ne (local.get $sum) (local.get 0))))
    local.get $sum))"#;

/// Makes a function trusted: quick many times in a row.
pub(crate) async fn earn_trust(sandbox: &WasmSandbox) {
    for _ in 0..50 {
        assert_eq!(sandbox.call::<i64>("work", 1i64).await.unwrap(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_function_that_spins_is_stopped_by_handle_and_limit() {
    let sandbox = modules::sandbox(ELASTIC, unlimited()).await;
    earn_trust(&sandbox).await;
    let cancelled = soon_cancelled(&sandbox);
    let call = tokio::spawn(async move { cancelled.call::<i64>("work", -1i64).await });
    assert_cancelled(call.await.unwrap());
    earn_trust(&sandbox).await;
    let hurried = sandbox.with_time_limit(Duration::from_millis(20));
    let outcome = hurried.call::<i64>("work", -1i64).await;
    assert!(matches!(outcome, Err(SandboxError::Timeout { .. })), "{outcome:?}");
    assert_eq!(sandbox.call::<i64>("work", 7i64).await.unwrap(), 7);
}

#[tokio::test]
async fn on_workers_even_a_trusted_function_can_be_dropped() {
    let builder = modules::builder(ELASTIC).security_policy(unlimited());
    let sandbox = builder.call_placement(CallPlacement::Workers).build().await.unwrap();
    earn_trust(&sandbox).await;
    let call = sandbox.call::<i64>("work", -1i64);
    assert!(tokio::time::timeout(Duration::from_millis(20), call).await.is_err());
    assert_eq!(sandbox.call::<i64>("work", 7i64).await.unwrap(), 7);
}

#[tokio::test]
async fn a_stream_that_is_dropped_in_a_chunk_stops_its_guest() {
    let text = r#"(module
        (memory (export "memory") 1)
        (data (i32.const 0) "\40\00\00\00\00\10\00\00")
        (func (export "sandbox_exchange") (result i32) (i32.const 0))
        (func (export "sandbox_reserve") (param i32) (result i32) (i32.const 64))
        (func (export "transform") (param i32) (result i32) (loop $again br $again) unreachable)
        (@custom "sandbox-guest"
            "{\"abi\":1,\"export\":\"transform\",\"input\":\"stream\",\"output\":\"bytes\"}\n"))"#;
    let sandbox = sandbox_core::StreamingSandbox::builder()
        .source_bytes(modules::wasm(text))
        .security_policy(unlimited())
        .build()
        .await
        .unwrap();
    let handle = CancelHandle::new();
    let input = || futures::stream::iter([Bytes::from_static(b"chunk")]);

    let mut processor = sandbox.create_stream_processor().await.unwrap();
    {
        let mut output = std::pin::pin!(processor.process_stream(input()).await.unwrap());
        let next = tokio::time::timeout(Duration::from_millis(20), output.next());
        assert!(next.await.is_err(), "the guest never returns by itself");
    }

    let mut processor =
        sandbox.with_cancel_handle(&handle).create_stream_processor().await.unwrap();
    let mut output = std::pin::pin!(processor.process_stream(input()).await.unwrap());
    cancel_soon(&handle);
    assert_cancelled(output.next().await.unwrap());
    assert!(output.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_dropped_at_whatever_moment_leaves_no_place_taken() {
    const INSTANCES: usize = 2;
    // Two guests can only meet where there are places for both.
    let text = r#"(module (import "env" "meet" (func $meet))
        (memory (export "memory") 1)
        (func (export "spin") (loop $again br $again))
        (func (export "quick"))
        (func (export "meet") (call $meet))
        (func (export "_start") (loop $again br $again)))"#;
    let both = std::sync::Arc::new(std::sync::Barrier::new(INSTANCES));
    let policy = unlimited().with_instances(InstanceMode::Fresh).with_max_instances(INSTANCES);
    let builder = modules::builder(text).security_policy(policy);
    let builder = builder.host_function("env", "meet", move || {
        both.wait();
    });
    let sandbox = builder.build().await.unwrap();
    let mut tasks = Vec::new();
    for round in 0..300u64 {
        let sandbox = sandbox.clone();
        let moment = Duration::from_micros(round * 97 % 2_000);
        tasks.push(tokio::spawn(async move {
            let call = async {
                match round % 4 {
                    0 => drop(sandbox.call::<()>("spin", ()).await),
                    1 => drop(sandbox.run(RunRequest::new()).await),
                    2 => drop(sandbox.call_batch::<()>("spin", [(), ()]).await),
                    _ => drop(sandbox.call::<()>("quick", ()).await),
                }
            };
            drop(tokio::time::timeout(moment, call).await);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let meet = || {
        let sandbox = sandbox.clone();
        tokio::spawn(async move { sandbox.call::<()>("meet", ()).await })
    };
    for _ in 0..3 {
        let (one, other) = (meet(), meet());
        one.await.unwrap().unwrap();
        other.await.unwrap().unwrap();
    }
}
