//! Many callers at once, each with a secret: nobody finds another one's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sandbox_core::{MemoryReset, SandboxError, SecurityPolicy, WasmSandbox};

use super::{RESETS, Random, policy};
use crate::modules;

/// Leaves a secret in a place in memory, in grown memory and in a global, after looking whether there is one in
/// any of them. What is found is returned.
const SAFE: &str = r#"(module
    (memory (export "memory") 20 24)
    (global $secret (mut i64) (i64.const 0))
    (func $visit (export "visit") (param $place i32) (param $secret i64) (result i64)
        (local $found i64) (local $grown i32)
        (local.set $found (i64.or (global.get $secret) (i64.load (local.get $place))))
        (local.set $grown (i32.shl (memory.grow (i32.const 1)) (i32.const 16)))
        (local.set $found (i64.or (local.get $found) (i64.load (local.get $grown))))
        (global.set $secret (local.get $secret))
        (i64.store (local.get $place) (local.get $secret))
        (i64.store (local.get $grown) (local.get $secret))
        (local.get $found))
    (func (export "visit_and_trap") (param i32 i64) (result i64)
        (drop (call $visit (local.get 0) (local.get 1)))
        unreachable)
    (func (export "visit_and_spin") (param i32 i64) (result i64)
        (drop (call $visit (local.get 0) (local.get 1)))
        (loop $again (br $again))
        unreachable))"#;

const PLACES: u64 = 20 * 65_536 - 8;

fn build(reset: MemoryReset) -> WasmSandbox {
    let policy: SecurityPolicy = policy().with_max_instances(3);
    modules::builder(SAFE).security_policy(policy).memory_reset(reset).build_blocking().unwrap()
}

fn visit(sandbox: &WasmSandbox, random: &mut Random) -> Option<i64> {
    let place = i32::try_from(random.next().cast_unsigned() % PLACES).unwrap();
    let secret = random.next() | 1;
    match random.below(200) {
        0 => {
            let hurried = sandbox.with_time_limit(Duration::from_millis(100));
            let stopped = hurried.call_blocking::<i64>("visit_and_spin", (place, secret));
            assert!(matches!(stopped, Err(SandboxError::Timeout { .. })), "{stopped:?}");
            None
        }
        1..20 => {
            let trapped = sandbox.call_blocking::<i64>("visit_and_trap", (place, secret));
            assert!(matches!(trapped, Err(SandboxError::Trap { .. })), "{trapped:?}");
            None
        }
        _ => Some(sandbox.call_blocking("visit", (place, secret)).unwrap()),
    }
}

#[test]
fn no_caller_finds_what_another_one_left() {
    for reset in RESETS {
        let sandbox = Arc::new(build(reset));
        let visits = Arc::new(AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let (sandbox, visits) = (Arc::clone(&sandbox), Arc::clone(&visits));
                scope.spawn(move || {
                    let mut random = Random(1 + thread);
                    for _ in 0..1000 {
                        if let Some(found) = visit(&sandbox, &mut random) {
                            assert_eq!(found, 0, "{reset:?}");
                            visits.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert!(visits.load(Ordering::Relaxed) > 1000);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_caller_finds_what_one_left_that_went_away() {
    for reset in RESETS {
        let sandbox = tokio::task::spawn_blocking(move || build(reset)).await.unwrap();
        let mut random = Random(99);
        for round in 0..60 {
            let place = i32::try_from(random.next().cast_unsigned() % PLACES).unwrap();
            let secret = random.next() | 1;
            let call = sandbox.call::<i64>("visit_and_spin", (place, secret));
            let delay = Duration::from_micros(random.next().cast_unsigned() % 3000);
            let _ = tokio::time::timeout(delay, call).await;
            let found = sandbox.call::<i64>("visit", (place, secret)).await;
            match found {
                Ok(found) => assert_eq!(found, 0, "{reset:?} {round}"),
                Err(error) => assert!(matches!(error, SandboxError::Timeout { .. }), "{error}"),
            }
        }
    }
}
