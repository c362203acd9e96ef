//! Calls that are dropped, and what goes on beside calls that run long.

use std::time::Duration;

use sandbox_core::{SandboxError, SecurityPolicy};

use crate::modules::{self, NUMBERS};

/// No limit of the policy may be what ends a guest in these tests.
fn unlimited() -> SecurityPolicy {
    SecurityPolicy::permissive()
}

#[tokio::test]
async fn dropping_a_call_stops_the_guest() {
    let sandbox = modules::sandbox(NUMBERS, unlimited()).await;
    let (mut last, mut replaced) = (0, 0);
    for _ in 0..10 {
        let call = sandbox.call::<i32>("spin", ());
        let outcome = tokio::time::timeout(Duration::from_millis(20), call).await;
        assert!(outcome.is_err(), "the guest never returns by itself");
        // This waits for its turn, which comes only if the guest was really stopped.
        let count = sandbox.call::<i32>("count", ()).await.unwrap();
        // On a busy machine the guest may not have begun when its call was dropped.
        assert!(count == 1 || count == last + 1, "{count} after {last}");
        replaced += i32::from(count == 1);
        last = count;
    }
    assert!(replaced > 1, "no guest ever began to spin");
}

#[tokio::test]
async fn dropping_a_build_stops_the_start_function() {
    let text = "(module (func $spin (loop $again br $again)) (start $spin))";
    let build = modules::builder(text).security_policy(unlimited()).build();
    assert!(tokio::time::timeout(Duration::from_millis(20), build).await.is_err());
}

#[tokio::test]
async fn dropping_a_call_that_waits_leaves_the_one_that_runs_alone() {
    let policy = unlimited().with_wall_clock(Duration::from_millis(100));
    let sandbox = modules::sandbox(NUMBERS, policy).await;
    let running = {
        let sandbox = sandbox.clone();
        tokio::spawn(async move { sandbox.call::<i32>("spin", ()).await })
    };
    tokio::time::sleep(Duration::from_millis(20)).await;
    let waiting = sandbox.call::<i32>("count", ());
    assert!(tokio::time::timeout(Duration::from_millis(10), waiting).await.is_err());
    let error = running.await.unwrap().unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn other_tasks_go_on_while_a_guest_spins_on_a_single_thread() {
    let policy = unlimited().with_wall_clock(Duration::from_millis(300));
    let sandbox = modules::sandbox(NUMBERS, policy).await;
    let spinning = {
        let sandbox = sandbox.clone();
        tokio::spawn(async move { sandbox.call::<i32>("spin", ()).await })
    };
    let mut ticks = 0;
    while !spinning.is_finished() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        ticks += 1;
    }
    // A stalled runtime would have ticked once. Thirty are due; a busy machine may lose most of them.
    assert!(ticks >= 3, "{ticks} ticks");
    assert!(spinning.await.unwrap().is_err());
}

#[tokio::test]
async fn a_quick_function_stays_correct_when_it_moves_to_the_callers_thread() {
    let sandbox = modules::sandbox(NUMBERS, unlimited()).await;
    for i in 0..100i32 {
        assert_eq!(sandbox.call::<i32>("add", (i, 1i32)).await.unwrap(), i + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_do_not_notice_a_guest_that_is_stopped() {
    let policy = unlimited().with_wall_clock(Duration::from_millis(5));
    let hostile = modules::sandbox(NUMBERS, policy).await;
    let neighbour = modules::sandbox(NUMBERS, unlimited()).await;
    let attack = tokio::spawn(async move {
        for _ in 0..20 {
            assert!(hostile.call::<i32>("spin", ()).await.is_err());
        }
    });
    let mut expected = 0;
    while !attack.is_finished() {
        expected += 1;
        assert_eq!(neighbour.call::<i32>("count", ()).await.unwrap(), expected);
        tokio::task::yield_now().await;
    }
    attack.await.unwrap();
}
