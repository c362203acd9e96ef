//! Everything else that goes on beside a guest that does not return.

use std::time::Duration;

use sandbox_core::{
    CallPlacement, CancelHandle, InstanceMode, SandboxError, SecurityPolicy, WasmSandbox,
};

use crate::cancelling::{ELASTIC, SLEEPER, earn_trust};
use crate::modules;

/// Time for which a guest may spin in these tests. It never does, but where what is to go on beside it does not.
const LIMIT: Duration = Duration::from_secs(100);

async fn elastic(placement: CallPlacement) -> WasmSandbox {
    let policy = SecurityPolicy::permissive().with_wall_clock(LIMIT);
    let builder = modules::builder(ELASTIC).security_policy(policy);
    builder.call_placement(placement).build().await.unwrap()
}

/// Waits until each guest runs, goes through some steps that tasks take, and stops the guests. In a runtime that is held up
/// by a guest it does not get there before the guest's limit of time.
async fn go_on_beside(guests: Vec<WasmSandbox>, begun: Vec<u64>, handle: CancelHandle) {
    for (guest, begun) in guests.iter().zip(begun) {
        while guest.usage().calls == begun {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(1)).await;
        tokio::task::yield_now().await;
    }
    handle.cancel();
}

/// Returns the number of calls that each has made.
fn calls(guests: &[WasmSandbox]) -> Vec<u64> {
    guests.iter().map(|guest| guest.usage().calls).collect()
}

#[track_caller]
fn assert_cancelled<T: std::fmt::Debug>(outcome: &Result<T, SandboxError>) {
    assert!(matches!(outcome, Err(SandboxError::Cancelled { .. })), "{outcome:?}");
}

/// Has each sandbox spin in a task of its own, and other tasks go on meanwhile.
async fn spin_beside(guests: Vec<WasmSandbox>) {
    let (handle, begun) = (CancelHandle::new(), calls(&guests));
    let beside = tokio::spawn(go_on_beside(guests.clone(), begun, handle.clone()));
    let spinning: Vec<_> = guests
        .iter()
        .map(|guest| {
            let guest = guest.with_cancel_handle(&handle);
            tokio::spawn(async move { guest.call::<i64>("work", -1i64).await })
        })
        .collect();
    for spin in spinning {
        assert_cancelled(&spin.await.unwrap());
    }
    beside.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_nobody_knows_yet_stalls_no_task() {
    spin_beside(vec![elastic(CallPlacement::Adaptive).await]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_function_that_spins_stalls_no_task() {
    // As many as the runtime has workers: each is handed over to another thread.
    let mut guests = Vec::new();
    for _ in 0..2 {
        let sandbox = elastic(CallPlacement::Adaptive).await;
        earn_trust(&sandbox).await;
        guests.push(sandbox);
    }
    spin_beside(guests).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_worker_that_is_handed_over_goes_on_working_afterwards() {
    let sandbox = elastic(CallPlacement::Adaptive).await;
    for _ in 0..2 {
        let spin = {
            let sandbox = sandbox.with_time_limit(Duration::from_millis(100));
            earn_trust(&sandbox).await;
            tokio::spawn(async move {
                let outcome = sandbox.call::<i64>("work", -1i64).await;
                assert!(matches!(outcome, Err(SandboxError::Timeout { .. })), "{outcome:?}");
                // The same poll goes on without a worker, and the task moves on to another.
                let sum = sandbox.call::<i64>("work", 3i64).await.unwrap();
                tokio::task::yield_now().await;
                tokio::time::sleep(Duration::from_millis(1)).await;
                tokio::spawn(async move { sum }).await.unwrap()
            })
        };
        // The only worker is busy with the guest, but for the hand-over.
        let beside = tokio::spawn(async { tokio::time::sleep(Duration::from_millis(1)).await });
        beside.await.unwrap();
        assert_eq!(spin.await.unwrap(), 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_trusted_function_that_sleeps_stalls_no_task() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "poll_oneoff"
            (func $poll (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "sleep") (param i64) (result i32)
            (i32.store (i32.const 16) (i32.const 1))
            (i64.store (i32.const 24) (local.get 0))
            (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128))))"#;
    let policy = SecurityPolicy::permissive().with_wall_clock(LIMIT);
    let sandbox = modules::sandbox(text, policy).await;
    for _ in 0..50 {
        assert_eq!(sandbox.call::<i32>("sleep", 0i64).await.unwrap(), 0);
    }
    let (handle, guests) = (CancelHandle::new(), vec![sandbox]);
    let (begun, sleeper) = (calls(&guests), guests[0].with_cancel_handle(&handle));
    let beside = tokio::spawn(go_on_beside(guests, begun, handle));
    let long = i64::try_from(2 * LIMIT.as_nanos()).unwrap();
    let asleep = tokio::spawn(async move { sleeper.call::<i32>("sleep", long).await });
    assert_cancelled(&asleep.await.unwrap());
    beside.await.unwrap();
}

#[tokio::test]
async fn on_one_thread_even_a_trusted_function_runs_beside_the_tasks() {
    let sandbox = elastic(CallPlacement::Adaptive).await;
    earn_trust(&sandbox).await;
    spin_beside(vec![sandbox]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_tasks_are_not_stalled_either() {
    let sandbox = elastic(CallPlacement::Adaptive).await;
    earn_trust(&sandbox).await;
    let runtime = tokio::runtime::Handle::current();
    let local = tokio::task::spawn_blocking(move || {
        let local = tokio::task::LocalSet::new();
        runtime.block_on(local.run_until(async move {
            let (handle, guests) = (CancelHandle::new(), vec![sandbox]);
            let (begun, guest) = (calls(&guests), guests[0].with_cancel_handle(&handle));
            let spin = async move { guest.call::<i64>("work", -1i64).await };
            let spin = tokio::task::spawn_local(spin);
            go_on_beside(guests, begun, handle).await;
            assert_cancelled(&spin.await.unwrap());
        }));
    });
    local.await.unwrap();
}

#[test]
fn another_executor_is_not_stalled() {
    futures::executor::block_on(async {
        let sandbox = elastic(CallPlacement::Adaptive).await;
        earn_trust(&sandbox).await;
        // Polled by one thread, in turns: a call that did not give way would end before the others begin.
        let spin = sandbox.call::<i64>("work", -1i64);
        let other = elastic(CallPlacement::Adaptive);
        let beside = async {
            let other = other.await;
            for _ in 0..10 {
                assert_eq!(other.call::<i64>("work", 5i64).await.unwrap(), 5);
            }
        };
        let (spin, beside) = (std::pin::pin!(spin), std::pin::pin!(beside));
        match futures::future::select(spin, beside).await {
            futures::future::Either::Right(((), _still_spinning)) => (),
            futures::future::Either::Left(_) => panic!("the guest held up its neighbour"),
        }
    });
}

#[tokio::test]
async fn a_caller_who_insists_has_trusted_functions_on_its_own_thread() {
    // A counter in thread-local storage of the host would be better to see, but the guest cannot reach one; what
    // shows is that a runtime of one thread is held up, as the documentation of the placement says.
    let sandbox = elastic(CallPlacement::CallersThread).await;
    earn_trust(&sandbox).await;
    let sandbox = sandbox.with_time_limit(Duration::from_millis(300));
    let spin = tokio::spawn(async move { sandbox.call::<i64>("work", -1i64).await });
    let mut ticks = 0;
    while !spin.is_finished() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        ticks += 1;
    }
    assert!(matches!(spin.await.unwrap(), Err(SandboxError::Timeout { .. })));
    assert!(ticks <= 2, "{ticks} ticks");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_sleeps_does_not_keep_others_from_the_worker_threads() {
    /// More than there are worker threads for guests that compute.
    const CROWD: usize = 600;
    let policy = SecurityPolicy::permissive()
        .with_instances(InstanceMode::Fresh)
        .with_max_instances(CROWD)
        .with_wall_clock(Duration::from_secs(300));
    let other = elastic(CallPlacement::Workers).await;
    let sleeper = modules::builder(SLEEPER).security_policy(policy).build().await.unwrap();
    let handle = CancelHandle::new();
    let asleep: Vec<_> = (0..CROWD)
        .map(|_| {
            let sleeper = sleeper.with_cancel_handle(&handle);
            tokio::spawn(async move { sleeper.call::<i32>("sleep", 200_000i64).await })
        })
        .collect();
    let beside = async {
        while sleeper.usage().calls < CROWD as u64 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        other.call::<i64>("work", 5i64).await
    };
    let beside = tokio::time::timeout(Duration::from_secs(60), beside).await;
    handle.cancel();
    for sleeper in asleep {
        let outcome = sleeper.await.unwrap();
        assert!(matches!(outcome, Err(SandboxError::Cancelled { .. })), "{outcome:?}");
    }
    assert_eq!(beside.expect("the crowd held it up").unwrap(), 5);
}
