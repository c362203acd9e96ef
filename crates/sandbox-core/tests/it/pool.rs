//! Pools: bounded, fair, and of healthy sandboxes only.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sandbox_core::{
    CancelHandle, InstanceMode, SandboxError, SandboxPool, SandboxPoolBuilder, SecurityPolicy,
};

use crate::modules::{self, NUMBERS};

fn builder(size: usize) -> SandboxPoolBuilder {
    let sandbox = modules::builder(NUMBERS).security_policy(SecurityPolicy::permissive());
    SandboxPool::builder().sandbox(sandbox).size(size)
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_share_few_sandboxes() {
    let pool = builder(3).build().await.unwrap();
    let in_use = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..200i32)
        .map(|i| {
            let (pool, in_use) = (pool.clone(), Arc::clone(&in_use));
            tokio::spawn(async move {
                let sandbox = pool.acquire().await.unwrap();
                assert!(in_use.fetch_add(1, Ordering::SeqCst) < 3);
                let sum: i32 = sandbox.call("add", (i, 1i32)).await.unwrap();
                in_use.fetch_sub(1, Ordering::SeqCst);
                drop(sandbox);
                assert_eq!(sum, i + 1);
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let status = pool.status();
    assert_eq!((status.size, status.in_use, status.waiting), (3, 0, 0));
    assert!((1..=3).contains(&status.idle), "{status:?}");
    assert_eq!((status.usage.calls, status.usage.failed_calls, status.replaced), (200, 0, 0));
    assert!(status.usage.wall_time > Duration::ZERO);
}

#[tokio::test]
async fn callers_are_served_in_the_order_of_asking() {
    let pool = builder(1).build().await.unwrap();
    let held = pool.acquire().await.unwrap();
    let served = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut callers = Vec::new();
    for i in 0..20 {
        let (waiting, served) = (pool.clone(), Arc::clone(&served));
        callers.push(tokio::spawn(async move {
            let _sandbox = waiting.acquire().await.unwrap();
            served.lock().unwrap().push(i);
        }));
        until(|| pool.status().waiting == i + 1).await;
    }
    drop(held);
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(*served.lock().unwrap(), (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_full_queue_refuses_and_a_long_wait_ends() {
    let limit = Duration::from_millis(50);
    let pool = builder(1).max_waiting(1).wait_limit(limit).build().await.unwrap();
    let held = pool.acquire().await.unwrap();
    let waiting = {
        let pool = pool.clone();
        tokio::spawn(async move { pool.call::<i32>("count", ()).await })
    };
    until(|| pool.status().waiting == 1).await;
    let error = pool.acquire().await.unwrap_err();
    assert!(matches!(error, SandboxError::PoolExhausted { size: 1, waiting: 1, .. }), "{error}");
    let error = waiting.await.unwrap().unwrap_err();
    assert!(
        matches!(error, SandboxError::PoolTimeout { limit: told, .. } if told == limit),
        "{error}"
    );
    drop(held);
    let status = pool.status();
    assert_eq!((status.refused, status.timed_out, status.waiting), (1, 1, 0));
    assert_eq!(pool.call::<i32>("count", ()).await.unwrap(), 1);
}

#[test]
fn a_pool_needs_no_async_runtime() {
    let pool = builder(1).wait_limit(Duration::from_millis(20)).build_blocking().unwrap();
    assert_eq!(pool.call_blocking::<i32>("add", (1i32, 2i32)).unwrap(), 3);
    let held = futures::executor::block_on(pool.acquire()).unwrap();
    let error = pool.call_blocking::<i32>("count", ()).unwrap_err();
    assert!(matches!(error, SandboxError::PoolTimeout { .. }), "{error}");
    assert_eq!(held.call_blocking::<i32>("count", ()).unwrap(), 1);
}

#[tokio::test]
async fn a_poisoned_sandbox_is_replaced() {
    let pool = builder(1).build().await.unwrap();
    assert_eq!(pool.call::<i32>("count", ()).await.unwrap(), 1);
    assert!(pool.call::<()>("abort", ()).await.is_err());
    let status = pool.status();
    assert_eq!((status.idle, status.replaced, status.usage.failed_calls), (0, 1, 1));
    assert_eq!(pool.call::<i32>("count", ()).await.unwrap(), 1);
    assert_eq!(pool.status().usage.calls, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_is_being_stopped_keeps_its_place() {
    let text = r#"(module (import "env" "hold" (func $hold)) (func (export "hold") (call $hold)))"#;
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let [entered, inside, most] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
        let (entries, count, mark) = (Arc::clone(&entered), Arc::clone(&inside), Arc::clone(&most));
        let sandbox = modules::builder(text)
            .security_policy(SecurityPolicy::strict().with_instances(mode))
            .host_function("env", "hold", move || {
                mark.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                entries.fetch_add(1, Ordering::SeqCst);
                // Nothing can stop this, so the guest goes on when its caller is gone.
                std::thread::sleep(Duration::from_millis(50));
                count.fetch_sub(1, Ordering::SeqCst);
            });
        let pool = SandboxPool::builder().sandbox(sandbox).size(1).build().await.unwrap();
        for round in 1..=3 {
            let call = tokio::spawn({
                let pool = pool.clone();
                async move { pool.call::<()>("hold", ()).await }
            });
            until(|| entered.load(Ordering::SeqCst) == round).await;
            call.abort();
            let _ = call.await;
        }
        until(|| pool.status().in_use == 0).await;
        assert_eq!(most.load(Ordering::SeqCst), 1, "{mode:?}");
        assert_eq!(pool.status().usage.calls, 3, "{mode:?}");
    }
}

#[tokio::test]
async fn a_sandbox_that_only_fails_is_replaced() {
    let sandbox = sandbox_core::WasmSandbox::builder().source(modules::guest("abi_probe"));
    let pool = SandboxPool::builder().sandbox(sandbox).size(1).replace_after(3);
    let pool = pool.build().await.unwrap();
    let count = async || pool.call::<u32>("count", ()).await.unwrap();
    let fail = async || pool.call::<i64>("divide", (1i64, 0i64)).await.unwrap_err();
    assert_eq!(count().await, 1);
    for _ in 0..2 {
        let error = fail().await;
        assert!(matches!(error, SandboxError::GuestError { .. }), "{error}");
    }
    assert_eq!(count().await, 2, "two failures are not three");
    for _ in 0..3 {
        fail().await;
    }
    assert_eq!(pool.status().replaced, 1);
    assert_eq!(count().await, 1);
}

#[tokio::test]
async fn a_call_that_is_dropped_gives_its_place_back_when_the_guest_has_stopped() {
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let policy = SecurityPolicy::permissive().with_instances(mode);
        let sandbox = modules::builder(NUMBERS).security_policy(policy);
        let pool = SandboxPool::builder().sandbox(sandbox).size(1).build().await.unwrap();
        for _ in 0..5 {
            let spin = pool.call::<i32>("spin", ());
            assert!(tokio::time::timeout(Duration::from_millis(20), spin).await.is_err());
            assert_eq!(pool.call::<i32>("count", ()).await.unwrap(), 1, "{mode:?}");
            // What comes next must not wait behind the guest's count.
            pool.call::<()>("abort", ()).await.unwrap_err();
        }
        until(|| pool.status().in_use == 0).await;
    }
}

#[tokio::test]
async fn several_modules_share_the_places() {
    let module = |number: i32| {
        modules::builder(&format!(
            r#"(module (func (export "number") (result i32) i32.const {number}))"#
        ))
    };
    let pool = SandboxPool::builder()
        .named("one", module(1))
        .named("two", module(2))
        .named("three", module(3))
        .size(2)
        .build()
        .await
        .unwrap();
    for _ in 0..3 {
        for (name, number) in [("one", 1), ("two", 2), ("three", 3)] {
            let module = pool.module(name).unwrap();
            assert_eq!(module.call::<i32>("number", ()).await.unwrap(), number);
            let status = pool.status();
            assert!(status.idle + status.in_use <= 2, "{status:?}");
        }
    }
    assert_eq!(pool.call::<i32>("number", ()).await.unwrap(), 1, "the first is the default");
    let error = pool.module("four").unwrap_err();
    assert!(error.to_string().contains("one, two, three"), "{error}");
    assert_eq!(pool.status().replaced, 0, "to make room is not to replace");
}

#[tokio::test]
async fn closing_waits_for_those_inside_and_turns_away_the_others() {
    let pool = builder(1).build().await.unwrap();
    let held = pool.acquire().await.unwrap();
    let waiting = {
        let pool = pool.clone();
        tokio::spawn(async move { pool.acquire().await.map(drop) })
    };
    until(|| pool.status().waiting == 1).await;
    let closing = {
        let pool = pool.clone();
        tokio::spawn(async move { pool.close().await })
    };
    assert!(matches!(waiting.await.unwrap(), Err(SandboxError::PoolClosed)));
    assert!(!closing.is_finished());
    assert_eq!(held.call::<i32>("count", ()).await.unwrap(), 1, "its holder may go on");
    drop(held);
    closing.await.unwrap();
    let status = pool.status();
    assert!(status.closed);
    assert_eq!((status.idle, status.in_use), (0, 0));
    let error = pool.call::<i32>("count", ()).await.unwrap_err();
    assert!(matches!(error, SandboxError::PoolClosed), "{error}");
    pool.close().await;
}

#[tokio::test]
async fn a_handle_stops_callers_that_wait_and_guests_that_run() {
    let pool = builder(1).build().await.unwrap();
    let handle = CancelHandle::new();
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let pool = pool.with_cancel_handle(&handle);
            tokio::spawn(async move { pool.call::<i32>("spin", ()).await })
        })
        .collect();
    until(|| pool.status().waiting == 2).await;
    handle.cancel();
    for call in calls {
        let outcome = call.await.unwrap();
        assert!(matches!(outcome, Err(SandboxError::Cancelled { .. })), "{outcome:?}");
    }
    assert_eq!(pool.call::<i32>("count", ()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_sandbox_that_cannot_be_made_is_said_and_the_place_comes_back() {
    let text = "(module (func $spin (loop $again br $again)) (start $spin))";
    let policy = SecurityPolicy::permissive().with_wall_clock(Duration::from_millis(20));
    let sandbox = modules::builder(text).security_policy(policy);
    let error = SandboxPool::builder().sandbox(sandbox).size(1).build().await.unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");

    let pool = builder(2).build().await.unwrap();
    let first = pool.acquire().await.unwrap();
    let handle = CancelHandle::new();
    handle.cancel();
    // The one idle sandbox is taken, so this needs a new one, which is stopped while it is made.
    let error = pool.with_cancel_handle(&handle).acquire().await.unwrap_err();
    assert!(matches!(error, SandboxError::Cancelled { .. }), "{error}");
    let status = pool.status();
    assert_eq!((status.failed_creations, status.in_use), (1, 1));
    drop(first);
    assert_eq!(pool.status().in_use, 0);
}

#[tokio::test]
async fn warm_sandboxes_are_made_beforehand() {
    let pool = builder(4).warm(3).build().await.unwrap();
    assert_eq!(pool.status().idle, 3);
    let pool = builder(2).warm(10).build().await.unwrap();
    assert_eq!(pool.status().idle, 2);
    assert!(matches!(SandboxPool::builder().build().await, Err(SandboxError::NoSource)));
}
