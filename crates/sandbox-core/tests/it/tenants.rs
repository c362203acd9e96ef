//! Pools whose modules and tenants come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sandbox_core::{
    InstanceMode, SandboxError, SandboxPool, SandboxPoolBuilder, SecurityPolicy, WasmSandboxBuilder,
};

use crate::modules::{self, NUMBERS};

/// A module that knows its version and counts its calls.
fn version(number: i32) -> WasmSandboxBuilder {
    modules::builder(&format!(
        r#"(module (global $count (mut i32) (i32.const 0))
            (func (export "version") (result i32) i32.const {number})
            (func (export "count") (result i32)
                (global.set $count (i32.add (global.get $count) (i32.const 1))) global.get $count)
            (func (export "spin") (loop $again br $again)))"#
    ))
}

fn pool(size: usize) -> SandboxPoolBuilder {
    SandboxPool::builder().named("plugin", version(1)).size(size)
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn version_of(pool: &SandboxPool) -> i32 {
    pool.call("version", ()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_is_swapped_under_load_without_a_call_being_dropped() {
    let pool = pool(2).build().await.unwrap();
    let newest = Arc::new(AtomicUsize::new(1));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (pool, newest) = (pool.clone(), Arc::clone(&newest));
            tokio::spawn(async move {
                let mut seen = 0;
                while seen < 5 {
                    let least = newest.load(Ordering::SeqCst);
                    let version: i32 = pool.call("version", ()).await.unwrap();
                    assert!(usize::try_from(version).unwrap() >= least, "{version} {least}");
                    seen = seen.max(version);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for number in 2..=5 {
        pool.replace("plugin", version(number)).await.unwrap();
        // All that is asked from now on finds the new one.
        newest.store(usize::try_from(number).unwrap(), Ordering::SeqCst);
    }
    for caller in callers {
        caller.await.unwrap();
    }
    let status = pool.module_status("plugin").unwrap();
    assert_eq!((status.in_use, status.draining, status.replaced), (0, 0, 0));
    assert_eq!(status.usage.failed_calls, 0);
}

#[tokio::test]
async fn what_is_replaced_drains_and_those_who_wait_get_the_new() {
    let pool = pool(1).build().await.unwrap();
    let held = pool.acquire().await.unwrap();
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { version_of(&pool).await }
    });
    until(|| pool.status().waiting == 1).await;
    let swap = tokio::spawn({
        let pool = pool.clone();
        async move { pool.replace("plugin", version(2)).await }
    });
    until(|| pool.module_status("plugin").unwrap().draining == 1).await;
    assert!(!swap.is_finished());
    assert_eq!(held.call::<i32>("version", ()).await.unwrap(), 1);
    drop(held);
    assert_eq!(waiting.await.unwrap(), 2);
    swap.await.unwrap().unwrap();
    assert_eq!(pool.module_status("plugin").unwrap().draining, 0);
    // A version that does not even compile changes nothing.
    let broken = sandbox_core::WasmSandbox::builder().source_bytes(b"broken");
    assert!(pool.replace("plugin", broken).await.is_err());
    assert_eq!(version_of(&pool).await, 2);
}

#[tokio::test]
async fn modules_come_and_go() {
    let pool = pool(2).build().await.unwrap();
    pool.insert("other", version(7)).await.unwrap();
    assert_eq!(pool.module_names(), ["plugin", "other"]);
    let error = pool.insert("other", version(8)).await.unwrap_err();
    assert!(
        matches!(error, SandboxError::DuplicateModule { ref name, .. } if name == "other"),
        "{error}"
    );
    let other = pool.module("other").unwrap();
    assert_eq!(version_of(&other).await, 7);
    let held = other.acquire().await.unwrap();
    let removal = tokio::spawn({
        let pool = pool.clone();
        async move { pool.remove("other").await }
    });
    until(|| pool.module_names() == ["plugin"]).await;
    assert!(!removal.is_finished(), "it has a caller");
    assert_eq!(held.call::<i32>("version", ()).await.unwrap(), 7);
    let error = other.call::<i32>("version", ()).await.unwrap_err();
    assert!(matches!(error, SandboxError::NoSuchModule { .. }), "{error}");
    drop(held);
    removal.await.unwrap().unwrap();
    assert!(matches!(pool.remove("other").await, Err(SandboxError::NoSuchModule { .. })));
    // The name is free again, and views of it work.
    pool.insert("other", version(9)).await.unwrap();
    assert_eq!(version_of(&other).await, 9);
    assert_eq!(version_of(&pool).await, 1);
    pool.close().await;
    assert!(matches!(pool.insert("late", version(1)).await, Err(SandboxError::PoolClosed)));
}

#[tokio::test]
async fn tenants_take_turns_however_many_callers_each_has() {
    let pool = pool(1).build().await.unwrap();
    let held = pool.acquire().await.unwrap();
    let served = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut callers = Vec::new();
    let mut asked = 0;
    for (tenant, calls) in [("hostile", 50), ("one", 2), ("two", 2), ("three", 2)] {
        let of_tenant = pool.tenant(tenant);
        for _ in 0..calls {
            let (of_tenant, served) = (of_tenant.clone(), Arc::clone(&served));
            callers.push(tokio::spawn(async move {
                let held = of_tenant.acquire().await.unwrap();
                served.lock().unwrap().push(tenant);
                drop(held);
            }));
            asked += 1;
            until(|| pool.status().waiting == asked).await;
        }
    }
    assert_eq!(pool.tenant_status("hostile").waiting, 50);
    drop(held);
    for caller in callers {
        caller.await.unwrap();
    }
    let served = served.lock().unwrap();
    // Whatever the calls took, nobody is served twice before all were served once.
    let mut first: Vec<_> = served[..4].to_vec();
    first.sort_unstable();
    assert_eq!(first, ["hostile", "one", "three", "two"]);
    assert_eq!(pool.tenant_status("hostile").served, 50);
    assert_eq!(pool.tenant_status("one").served, 2);
    assert_eq!(pool.tenant_status("nobody"), sandbox_core::TenantStatus::default());
}

#[tokio::test]
async fn a_tenant_has_no_more_places_and_no_more_of_the_queue_than_it_may() {
    let pool = pool(4).places_per_tenant(2).waiting_per_tenant(1).build().await.unwrap();
    let (greedy, modest) = (pool.tenant("greedy"), pool.tenant("modest"));
    let held = [greedy.acquire().await.unwrap(), greedy.acquire().await.unwrap()];
    assert!(greedy.try_acquire().await.unwrap().is_none());
    let waiting = tokio::spawn({
        let greedy = greedy.clone();
        async move { greedy.acquire().await.map(drop) }
    });
    until(|| pool.status().waiting == 1).await;
    let error = greedy.acquire().await.unwrap_err();
    assert!(matches!(error, SandboxError::PoolExhausted { .. }), "{error}");
    // Its caller in the queue keeps nobody else from a place that is free.
    assert!(modest.try_acquire().await.unwrap().is_some());
    assert_eq!(version_of(&modest).await, 1);
    let status = pool.tenant_status("greedy");
    assert_eq!((status.in_use, status.waiting, status.refused), (2, 1, 1));
    drop(held);
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_full_queue_makes_room_for_those_who_have_little_of_it() {
    let pool = pool(1).max_waiting(2).build().await.unwrap();
    let held = pool.acquire().await.unwrap();
    let wait = |tenant: &str| {
        let pool = pool.tenant(tenant);
        tokio::spawn(async move { pool.acquire().await.map(drop) })
    };
    let first = wait("many");
    until(|| pool.status().waiting == 1).await;
    let second = wait("many");
    until(|| pool.status().waiting == 2).await;
    let other = wait("few");
    let error = second.await.unwrap().unwrap_err();
    assert!(matches!(error, SandboxError::PoolExhausted { waiting: 2, .. }), "{error}");
    drop(held);
    first.await.unwrap().unwrap();
    other.await.unwrap().unwrap();
    assert_eq!(pool.status().refused, 1);
}

#[tokio::test]
async fn a_deadline_is_of_waiting_and_running_together() {
    let pool = pool(1).build().await.unwrap();
    let soon = || pool.with_deadline(Instant::now() + Duration::from_millis(50));
    let error = soon().call::<()>("spin", ()).await.unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
    let held = pool.acquire().await.unwrap();
    let error = soon().call::<i32>("version", ()).await.unwrap_err();
    assert!(matches!(error, SandboxError::PoolTimeout { .. }), "{error}");
    // Who waited for most of it has little left to run.
    let waiting = tokio::spawn({
        let pool = soon();
        async move { pool.call::<()>("spin", ()).await }
    });
    until(|| pool.status().waiting == 1).await;
    drop(held);
    let error = waiting.await.unwrap().unwrap_err();
    let SandboxError::Timeout { limit, .. } = error else { panic!("{error}") };
    assert!(limit < Duration::from_millis(50), "{limit:?}");
    assert_eq!(version_of(&pool).await, 1);
}

#[tokio::test]
async fn a_place_is_to_be_had_at_once_or_not_at_all() {
    let pool = pool(1).build().await.unwrap();
    let held = pool.try_acquire().await.unwrap().expect("nobody has it");
    assert!(pool.try_acquire().await.unwrap().is_none());
    assert_eq!(held.call::<i32>("version", ()).await.unwrap(), 1);
    drop(held);
    assert!(pool.try_acquire().await.unwrap().is_some());
    assert_eq!(pool.status().waiting, 0);
}

#[tokio::test]
async fn a_session_of_a_sandbox_keeps_its_place() {
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let policy = SecurityPolicy::strict().with_instances(mode);
        let pool = SandboxPool::builder()
            .sandbox(modules::builder(NUMBERS).security_policy(policy))
            .size(1)
            .build()
            .await
            .unwrap();
        let mut held = pool.acquire().await.unwrap();
        let add = held.function::<(i32, i32), i32>("add").unwrap();
        assert_eq!(add.call((1, 2)).await.unwrap(), 3);
        assert_eq!(add.call_blocking((3, 4)).unwrap(), 7);
        let mut session = held.session().await.unwrap();
        drop(held);
        assert!(pool.try_acquire().await.unwrap().is_none(), "{mode:?}");
        assert_eq!(session.call::<i32>("add", (5, 6)).await.unwrap(), 11);
        drop(session);
        until(|| pool.status().in_use == 0).await;
        assert!(pool.try_acquire().await.unwrap().is_some());
    }
}

#[tokio::test]
async fn each_module_tells_what_it_was_through() {
    let pool = pool(2).named("other", version(2)).build().await.unwrap();
    let other = pool.module("other").unwrap();
    for _ in 0..3 {
        version_of(&other).await;
    }
    other.with_time_limit(Duration::from_millis(5)).call::<()>("spin", ()).await.unwrap_err();
    let status = pool.module_status("other").unwrap();
    assert_eq!((status.usage.calls, status.usage.failed_calls, status.replaced), (4, 1, 1));
    let untouched = pool.module_status("plugin").unwrap();
    assert_eq!((untouched.usage.calls, untouched.replaced, untouched.idle), (0, 0, 1));
    assert!(matches!(pool.module_status("none"), Err(SandboxError::NoSuchModule { .. })));
}
