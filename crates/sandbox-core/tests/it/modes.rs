//! The ways to call: by handle, in batches, with usage, on fresh instances.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sandbox_core::{CancelHandle, InstanceMode, SandboxError, SecurityPolicy};

use crate::modules::{self, MEMORY, NUMBERS};

/// More parameters than most functions have.
const SIX: &str = r#"(module (func (export "six") (param i64 i64 i64 i64 i64 i64) (result i64)
    local.get 0 local.get 1 i64.add local.get 2 i64.add
    local.get 3 i64.add local.get 4 i64.add local.get 5 i64.add))"#;

/// Under the strict policy each call has an instance of its own.
fn fresh() -> SecurityPolicy {
    SecurityPolicy::strict()
}

#[tokio::test]
async fn a_fresh_instance_sees_nothing_of_earlier_calls() {
    let sandbox = modules::sandbox(NUMBERS, fresh()).await;
    for _ in 0..50 {
        assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 1);
    }
    assert!(sandbox.call::<()>("abort", ()).await.is_err());
    assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 1);
}

#[tokio::test]
async fn the_strict_policies_have_fresh_instances_unless_somebody_asks_for_one() {
    for (policy, mode) in [
        (SecurityPolicy::permissive(), InstanceMode::Persistent),
        (SecurityPolicy::basic(), InstanceMode::Persistent),
        (SecurityPolicy::strict(), InstanceMode::Fresh),
        (SecurityPolicy::paranoid(), InstanceMode::Fresh),
    ] {
        assert_eq!(policy.instances, mode);
        let asked = policy.clone().with_instances(InstanceMode::Persistent);
        let counts = async |policy| {
            let sandbox = modules::sandbox(NUMBERS, policy).await;
            assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 1);
            sandbox.call::<i32>("count", ()).await.unwrap()
        };
        assert_eq!(counts(policy).await, if mode == InstanceMode::Fresh { 1 } else { 2 });
        assert_eq!(counts(asked).await, 2);
    }
    // A session is several calls in one instance, under whatever policy.
    let sandbox = modules::sandbox(NUMBERS, SecurityPolicy::strict()).await;
    let mut session = sandbox.session().await.unwrap();
    for count in 1..=3 {
        assert_eq!(session.call::<i32>("count", ()).await.unwrap(), count);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fresh_instances_run_side_by_side() {
    let policy = fresh().with_wall_clock(Duration::from_secs(600)).with_max_instances(4);
    let sandbox = modules::sandbox(NUMBERS, policy).await;
    let handle = CancelHandle::new();
    let spinning: Vec<_> = (0..3)
        .map(|_| {
            let sandbox = sandbox.with_cancel_handle(&handle);
            tokio::spawn(async move { sandbox.call::<i32>("spin", ()).await })
        })
        .collect();
    // None of the three has ended when this one has: no call waited for another.
    assert_eq!(sandbox.call::<i32>("add", (1i32, 2i32)).await.unwrap(), 3);
    assert!(spinning.iter().all(|task| !task.is_finished()));
    handle.cancel();
    for task in spinning {
        assert!(matches!(task.await.unwrap(), Err(SandboxError::Cancelled { .. })));
    }
}

#[tokio::test]
async fn more_calls_than_instances_wait_for_their_turn() {
    let sandbox = modules::sandbox(NUMBERS, fresh().with_max_instances(2)).await;
    let calls = (0..40i32).map(|i| {
        let sandbox = sandbox.clone();
        tokio::spawn(async move { sandbox.call::<i32>("add", (i, i)).await })
    });
    for (i, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(usize::try_from(call.await.unwrap().unwrap()).unwrap(), 2 * i);
    }
}

#[tokio::test]
async fn a_handle_calls_what_the_name_calls() {
    let sandbox = modules::sandbox(NUMBERS, modules::strict_and_persistent()).await;
    let add = sandbox.function::<(i32, i32), i32>("add").unwrap();
    assert_eq!(add.name(), "add");
    assert_eq!(add.call((1, 2)).await.unwrap(), 3);
    assert_eq!(add.clone().call_blocking((3, 4)).unwrap(), 7);
    let error = sandbox.function::<(), ()>("missing").unwrap_err();
    assert!(matches!(error, SandboxError::NoSuchFunction { .. }), "{error}");
    let error = sandbox.function::<&str, i32>("add").unwrap_err();
    assert!(matches!(error, SandboxError::SignatureMismatch { .. }), "{error}");
    // Of other types it turns out when they are there.
    let wrong = sandbox.function::<Vec<i32>, i32>("add").unwrap();
    assert!(matches!(wrong.call(vec![1, 2]).await, Err(SandboxError::SignatureMismatch { .. })));
}

#[tokio::test]
async fn the_future_of_a_call_is_small() {
    let sandbox = modules::sandbox(NUMBERS, modules::strict_and_persistent()).await;
    let add = sandbox.function::<(i32, i32), i32>("add").unwrap();
    // Tasks with thousands of calls hold and move as many of them.
    let by_name = size_of_val(&sandbox.call::<i32>("add", (1i32, 2i32)));
    let by_handle = size_of_val(&add.call((1, 2)));
    assert!(by_name <= 256 && by_handle <= 256, "{by_name} and {by_handle} bytes");
}

#[tokio::test]
async fn a_batch_is_so_many_calls_in_order() {
    let sandbox = modules::sandbox(NUMBERS, modules::strict_and_persistent()).await;
    // Once while the function is still on the workers, and once when it is trusted.
    for round in 0..3i32 {
        let sums = sandbox.call_batch::<i32>("add", (0..20i32).map(|i| (i, round))).await.unwrap();
        assert_eq!(sums.into_values().unwrap(), (0..20).map(|i| i + round).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_call_that_fails_in_a_batch_leaves_the_others_alone() {
    let sandbox = modules::sandbox(NUMBERS, modules::strict_and_persistent()).await;
    let quotients =
        sandbox.call_batch::<i32>("divide", [(6i32, 2i32), (1, 0), (8, 2)]).await.unwrap();
    let quotients: Vec<_> = quotients.into_iter().collect();
    assert!(matches!(quotients[..], [Ok(3), Err(SandboxError::Trap { .. }), Ok(4)]));
}

#[tokio::test]
async fn a_batch_that_does_not_fit_is_not_begun() {
    let sandbox = modules::sandbox(NUMBERS, modules::strict_and_persistent()).await;
    let error = sandbox.call_batch::<i32>("count", [1i32]).await.unwrap_err();
    assert!(matches!(error, SandboxError::SignatureMismatch { .. }), "{error}");
    assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_result_that_does_not_fit_leaves_the_others_of_its_batch_alone() {
    let sandbox = modules::sandbox(NUMBERS, modules::strict_and_persistent()).await;
    // Once while the function is still on the workers, and then with one entry for all.
    for round in 1..=3u64 {
        let pairs = [(1i32, 2i32), (200, 100), (3, 4), (-1, 0), (255, 0)];
        let sums = sandbox.call_batch::<u8>("add", pairs).await.unwrap();
        let failed: Vec<usize> = sums.errors().iter().map(|(call, _)| *call).collect();
        assert_eq!(failed, [1, 3]);
        let sums: Vec<_> = sums.into_iter().collect();
        let mismatch = |result: &Result<u8, SandboxError>| {
            matches!(result, Err(SandboxError::SignatureMismatch { .. }))
        };
        assert!(mismatch(&sums[1]) && mismatch(&sums[3]), "{sums:?}");
        assert!(matches!(sums[..], [Ok(3), _, Ok(7), _, Ok(255)]), "{sums:?}");
        let usage = sandbox.usage();
        assert_eq!((usage.calls, usage.failed_calls), (5 * round, 2 * round));
    }
}

#[tokio::test]
async fn batches_take_numbers_of_all_types_and_any_number_of_them() {
    let sandbox = modules::sandbox(NUMBERS, modules::strict_and_persistent()).await;
    let wide = modules::sandbox(SIX, modules::strict_and_persistent()).await;
    for _ in 0..3 {
        let sums = sandbox.call_batch::<f64>("mixed", vec![(1i32, 2i64, 0.5f32, 0.25f64); 9]);
        assert_eq!(sums.await.unwrap().into_values().unwrap(), [3.75; 9]);
        // Of other types that fit, which is found out number by number.
        let sums = sandbox.call_batch::<f64>("mixed", vec![(1u8, 2i32, 0.5f32, 0.25f32); 9]);
        assert_eq!(sums.await.unwrap().into_values().unwrap(), [3.75; 9]);
        let sums = wide.call_batch::<i64>("six", [(1i64, 2i64, 3i64, 4i64, 5i64, 6i64); 9]);
        assert_eq!(sums.await.unwrap().into_values().unwrap(), [21; 9]);
        let pairs = sandbox.call_batch::<(i32, i64)>("pair", [4i32, -5]).await.unwrap();
        assert_eq!(pairs.into_values().unwrap(), [(4, 4), (-5, -5)]);
        let nothing = sandbox.call_batch::<()>("nothing", [(), (), ()]).await.unwrap();
        assert_eq!(nothing.into_values().unwrap(), [(); 3]);
    }
}

#[tokio::test]
async fn usage_tells_memory_and_time() {
    let sandbox = modules::sandbox(MEMORY, modules::strict_and_persistent()).await;
    let started = Instant::now();
    let (before, usage): (i32, _) = sandbox.call_with_usage("grow", 2i32).await.unwrap();
    assert_eq!(before, 1);
    assert_eq!((usage.calls, usage.memory_high_water_bytes), (1, 3 * 65_536));
    assert!(usage.wall_time > Duration::ZERO && usage.wall_time <= started.elapsed());
    assert_eq!((usage.bytes_in, usage.bytes_out), (0, 0));
}

#[tokio::test]
async fn usage_tells_the_bytes_that_were_moved() {
    let sandbox = sandbox_core::WasmSandbox::builder()
        .source(modules::guest("abi_probe"))
        .build()
        .await
        .unwrap();
    let (half, usage): (Vec<u8>, _) =
        sandbox.call_with_usage("second_half", vec![7u8; 1000]).await.unwrap();
    assert_eq!(half.len(), 500);
    assert_eq!((usage.bytes_in, usage.bytes_out), (1000, 500));
}

#[test]
fn a_caller_who_waits_is_not_overtaken_for_ever() {
    const MOST: usize = 1_000;
    // About a millisecond, so that an instance is hardly ever free when one who was woken for it looks.
    let text = r#"(module (memory 1) (func (export "work") (param i32)
        (loop $again
            (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
            (br_if $again (local.get 0)))))"#;
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let policy = SecurityPolicy::strict().with_instances(mode).with_max_instances(1);
        let sandbox = modules::builder(text).security_policy(policy).build_blocking().unwrap();
        let (calls, served) = (AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !served.load(Ordering::Relaxed)
                    && calls.fetch_add(1, Ordering::Relaxed) < MOST
                {
                    sandbox.call_blocking::<()>("work", 2_000_000i32).unwrap();
                }
            });
            while calls.load(Ordering::Relaxed) < 3 {
                std::thread::yield_now();
            }
            sandbox.call_blocking::<()>("work", 1i32).unwrap();
            served.store(true, Ordering::Relaxed);
        });
        let calls = calls.into_inner();
        assert!(calls < MOST, "{mode:?}: all calls of another went first");
    }
}
