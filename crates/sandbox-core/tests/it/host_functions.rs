//! Functions of the host that guests call.

mod asynchronous;
mod imports;
mod memory;
mod nesting;
mod places;
mod reentrancy;
mod values;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sandbox_core::{
    Caller, HostFunctions, InstanceMode, MissingContext, SandboxError, SecurityPolicy, WasmSandbox,
};

use crate::modules;

/// A guest that passes on what it gets.
const NUMBERS: &str = r#"(module
    (import "env" "i32" (func $i32 (param i32) (result i32)))
    (import "env" "u32" (func $u32 (param i32) (result i32)))
    (import "env" "i64" (func $i64 (param i64) (result i64)))
    (import "env" "u64" (func $u64 (param i64) (result i64)))
    (import "env" "f32" (func $f32 (param f32) (result f32)))
    (import "env" "f64" (func $f64 (param f64) (result f64)))
    (import "env" "nothing" (func $nothing))
    (import "env" "many" (func $many (param i32 i64 f32 f64 i32 i32 i32 i32 i32 i32 i32 i32) (result f64)))
    (import "env" "four" (func $four (param i32) (result i32 i64 f32 f64)))
    (func (export "i32") (param i32) (result i32) (call $i32 (local.get 0)))
    (func (export "u32") (param i32) (result i32) (call $u32 (local.get 0)))
    (func (export "i64") (param i64) (result i64) (call $i64 (local.get 0)))
    (func (export "u64") (param i64) (result i64) (call $u64 (local.get 0)))
    (func (export "f32") (param f32) (result f32) (call $f32 (local.get 0)))
    (func (export "f64") (param f64) (result f64) (call $f64 (local.get 0)))
    (func (export "nothing") (call $nothing))
    (func (export "many") (result f64)
        (call $many (i32.const 1) (i64.const 2) (f32.const 3.5) (f64.const 4) (i32.const 5) (i32.const 6)
            (i32.const 7) (i32.const 8) (i32.const 9) (i32.const 10) (i32.const 11) (i32.const 12)))
    (func (export "four") (param i32) (result i32 i64 f32 f64) (call $four (local.get 0))))"#;

/// A guest that calls `env.step` as often as it is told, and counts its own calls.
pub(crate) const LOOP: &str = r#"(module
    (import "env" "step" (func $step (param i32)))
    (global $calls (mut i32) (i32.const 0))
    (func (export "count") (result i32)
        (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        global.get $calls)
    (func (export "times") (param i32) (local $i i32)
        (loop $again
            (if (i32.lt_u (local.get $i) (local.get 0)) (then
                (call $step (local.get $i))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br $again)))))
    (func (export "forever") (loop $again (call $step (i32.const 0)) (br $again))))"#;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("article {0} is sold out")]
struct SoldOut(u32);

#[tokio::test]
async fn numbers_of_each_type_go_out_and_come_back() {
    let functions = HostFunctions::new()
        .function("env", "i32", |x: i32| x.wrapping_sub(1))
        .function("env", "u32", |x: u32| x.wrapping_sub(1))
        .function("env", "i64", |x: i64| x.wrapping_sub(1))
        .function("env", "u64", |x: u64| x.wrapping_sub(1))
        .function("env", "f32", |x: f32| x / 2.0)
        .function("env", "f64", |x: f64| x / 2.0)
        .function("env", "nothing", || ())
        .function(
            "env",
            "many",
            |_: &mut Caller<'_>,
             a: i32,
             b: i64,
             c: f32,
             d: f64,
             e: u32,
             f: u32,
             g: u32,
             h: u32,
             i: u32,
             j: u32,
             k: u32,
             l: u32| {
                f64::from(a)
                    + b as f64
                    + f64::from(c)
                    + d
                    + f64::from(e + f + g + h + i + j + k + l)
            },
        )
        .function("env", "four", |x: i32| (x, i64::from(x) << 32, x as f32 / 4.0, -f64::from(x)));
    let sandbox = modules::builder(NUMBERS).host_functions(&functions).build().await.unwrap();
    assert_eq!(sandbox.call::<i32>("i32", i32::MIN).await.unwrap(), i32::MAX);
    assert_eq!(sandbox.call::<u32>("u32", 0u32).await.unwrap(), u32::MAX);
    assert_eq!(sandbox.call::<i64>("i64", i64::MIN).await.unwrap(), i64::MAX);
    assert_eq!(sandbox.call::<u64>("u64", 0u64).await.unwrap(), u64::MAX);
    assert_eq!(sandbox.call::<f32>("f32", 5.0f32).await.unwrap(), 2.5);
    assert_eq!(sandbox.call::<f64>("f64", 0.5f64).await.unwrap(), 0.25);
    let () = sandbox.call("nothing", ()).await.unwrap();
    assert_eq!(sandbox.call::<f64>("many", ()).await.unwrap(), 78.5);
    let four: (i32, i64, f32, f64) = sandbox.call("four", 6i32).await.unwrap();
    assert_eq!(four, (6, 6 << 32, 1.5, -6.0));
}

#[test]
fn what_a_guest_calls_as_it_is_initialised_is_no_part_of_its_first_call() {
    let text = r#"(module (import "env" "step" (func $step (param i32)))
        (func $start (call $step (i32.const 0)) (call $step (i32.const 1)))
        (start $start)
        (func (export "_initialize") (call $step (i32.const 2)))
        (func (export "once") (call $step (i32.const 3)))
        (func (export "abort") unreachable))"#;
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let policy = SecurityPolicy::strict().with_instances(mode);
        let builder = modules::builder(text).security_policy(policy);
        let sandbox = builder.host_function("env", "step", |_: u32| ()).build_blocking().unwrap();
        let () = sandbox.call_blocking("once", ()).unwrap();
        assert_eq!(sandbox.usage().host_calls, 1, "{mode:?}");
        // The next call needs another instance.
        sandbox.call_blocking::<()>("abort", ()).unwrap_err();
        let call = sandbox.call_with_usage::<()>("once", ());
        let ((), usage) = futures::executor::block_on(call).unwrap();
        assert_eq!((usage.host_calls, sandbox.usage().host_calls), (1, 2), "{mode:?}");
    }
}

#[tokio::test]
async fn an_error_ends_the_call_and_is_kept_as_the_source() {
    let builder = modules::builder(LOOP).host_function("env", "step", |step: u32| {
        if step == 3 { Err(SoldOut(step)) } else { Ok(()) }
    });
    let sandbox = builder.build().await.unwrap();
    assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 1);
    let () = sandbox.call("times", 3u32).await.unwrap();
    let error = sandbox.call::<()>("times", 4u32).await.unwrap_err();
    assert_eq!(error.to_string(), "the host function `env.step` failed in a call of `times`");
    let source = error.source().unwrap();
    assert_eq!(source.downcast_ref(), Some(&SoldOut(3)));
    let SandboxError::HostFunctionFailed { function, host_function, .. } = error else {
        panic!("{error}")
    };
    assert_eq!((function.as_str(), host_function.as_str()), ("times", "env.step"));
    // The guest was left in the middle of its loop, so nobody sees that instance again.
    assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 1);
}

#[tokio::test]
async fn errors_of_any_type_can_be_returned() {
    let functions = HostFunctions::new().function("env", "step", |step: u32| match step {
        0 => Err::<(), Box<dyn Error + Send + Sync>>("as text".into()),
        _ => Err(SoldOut(step).into()),
    });
    let sandbox = modules::builder(LOOP).host_functions(&functions).build().await.unwrap();
    let error = sandbox.call::<()>("times", 1u32).await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "as text");
    let text = modules::builder(LOOP)
        .host_function("env", "step", |step: u32| Err::<(), String>(format!("at {step}")));
    let error = text.build().await.unwrap().call::<()>("times", 1u32).await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "at 0");
}

#[tokio::test]
async fn a_panic_ends_the_call_with_its_message() {
    let functions = HostFunctions::new().function("env", "step", |step: u32| {
        assert!(step != 2, "step {step} was not foreseen");
        if step == 1 {
            panic!("no text to format");
        }
        if step == 7 {
            std::panic::panic_any(7u8);
        }
    });
    let sandbox = modules::builder(LOOP).host_functions(&functions).build().await.unwrap();
    let neighbour = modules::builder(LOOP).host_functions(&functions).build().await.unwrap();
    for _ in 0..3 {
        assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 1);
        let error = sandbox.call::<()>("times", 5u32).await.unwrap_err();
        let SandboxError::HostFunctionPanicked { function, host_function, message, .. } = error
        else {
            panic!("{error}")
        };
        assert_eq!((function.as_str(), host_function.as_str()), ("times", "env.step"));
        assert_eq!(message, "no text to format");
        let () = neighbour.call("times", 1u32).await.unwrap();
    }
}

#[tokio::test]
async fn functions_and_their_captures_are_shared_and_contexts_are_not() {
    let total = Arc::new(AtomicU64::new(0));
    let functions = HostFunctions::new().function("env", "step", {
        let total = Arc::clone(&total);
        move |caller: &mut Caller<'_>, step: u32| -> Result<(), MissingContext> {
            total.fetch_add(1, Ordering::Relaxed);
            caller.context::<AtomicU64>()?.fetch_add(u64::from(step), Ordering::Relaxed);
            Ok(())
        }
    });
    let own: Vec<Arc<AtomicU64>> = (0..3).map(|_| Arc::default()).collect();
    for own in &own {
        // A context that is an `Arc` itself is asked for as what it was given as.
        let own = Arc::clone(own);
        let other = HostFunctions::new().function(
            "env",
            "step",
            move |caller: &mut Caller<'_>, step: u32| -> Result<(), MissingContext> {
                caller.context::<Arc<AtomicU64>>()?.fetch_add(u64::from(step), Ordering::Relaxed);
                Ok(())
            },
        );
        let functions = functions.clone().replace(&other);
        let sandbox = modules::builder(LOOP).host_functions(&functions).context(own);
        let () = sandbox.build().await.unwrap().call("times", 10u32).await.unwrap();
    }
    for own in own {
        assert_eq!(own.load(Ordering::Relaxed), 45);
    }
    assert_eq!(total.load(Ordering::Relaxed), 0, "the set was changed by a clone of it");
    for _ in 0..2 {
        let sandbox = modules::builder(LOOP).host_functions(&functions).context(AtomicU64::new(0));
        let () = sandbox.build().await.unwrap().call("times", 10u32).await.unwrap();
    }
    assert_eq!(total.load(Ordering::Relaxed), 20);
}

#[tokio::test]
async fn a_context_that_is_missing_or_of_another_type_is_an_error_with_both_types() {
    let functions =
        HostFunctions::new().function("env", "step", |caller: &mut Caller<'_>, _: u32| {
            caller.context::<String>().map(drop)
        });
    let builder = || modules::builder(LOOP).host_functions(&functions);
    for (builder, given) in [(builder(), "nothing"), (builder().context(7u8), "u8")] {
        let error = builder.build().await.unwrap().call::<()>("times", 1u32).await.unwrap_err();
        let source = error.source().unwrap();
        assert!(source.is::<MissingContext>(), "{source}");
        let message = source.to_string();
        assert!(message.contains("String") && message.contains(given), "{message}");
    }
    let () = builder()
        .context("text".to_owned())
        .build()
        .await
        .unwrap()
        .call("times", 1u32)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_loop_of_host_calls_is_stopped_at_its_deadline() {
    let calls = Arc::new(AtomicU64::new(0));
    let policy = modules::strict_and_persistent().with_wall_clock(Duration::from_secs(600));
    let builder = modules::builder(LOOP).security_policy(policy).host_function("env", "step", {
        let calls = Arc::clone(&calls);
        move |_: u32| {
            calls.fetch_add(1, Ordering::Relaxed);
        }
    });
    let sandbox = builder.build().await.unwrap();
    let hurried = sandbox.with_time_limit(Duration::from_millis(30));
    for _ in 0..20 {
        let error = hurried.call::<()>("forever", ()).await.unwrap_err();
        assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
        assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 1);
    }
    assert!(calls.load(Ordering::Relaxed) > 0, "it never came to call");
}

#[tokio::test]
async fn a_guest_that_spends_its_time_in_host_functions_is_stopped_where_one_returns() {
    let policy = modules::strict_and_persistent().with_wall_clock(Duration::from_millis(20));
    let builder =
        modules::builder(LOOP).security_policy(policy).host_function("env", "step", |_: u32| {
            std::thread::sleep(Duration::from_millis(7));
        });
    let sandbox = builder.build().await.unwrap();
    let error = sandbox.call::<()>("times", 1000u32).await.unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn dropping_a_call_stops_its_loop_of_host_calls() {
    let calls = Arc::new(AtomicU64::new(0));
    let builder = modules::builder(LOOP).security_policy(SecurityPolicy::permissive());
    let builder = builder.host_function("env", "step", {
        let calls = Arc::clone(&calls);
        move |_: u32| {
            calls.fetch_add(1, Ordering::Relaxed);
        }
    });
    let sandbox = builder.build().await.unwrap();
    let call = sandbox.call::<()>("forever", ());
    assert!(tokio::time::timeout(Duration::from_millis(20), call).await.is_err());
    // This has its turn only when the guest was really stopped.
    assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 1);
    let after = calls.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(calls.load(Ordering::Relaxed), after, "it went on calling");
}

#[tokio::test]
async fn a_host_function_can_see_how_much_time_is_left() {
    let limit = Duration::from_secs(60);
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let functions = HostFunctions::new().function("env", "step", {
        let seen = Arc::clone(&seen);
        move |caller: &mut Caller<'_>, step: u32| {
            assert!(!caller.is_stopping());
            // Until the clock has moved: it is as exact as the watchdog is quick.
            let until = limit - Duration::from_millis(5) * step;
            while caller.remaining().is_some_and(|left| left > until) {
                std::thread::sleep(Duration::from_millis(1));
            }
            seen.lock().unwrap().push(caller.remaining());
        }
    });
    let builder =
        |policy| modules::builder(LOOP).security_policy(policy).host_functions(&functions);
    let unlimited = builder(SecurityPolicy::permissive()).build().await.unwrap();
    let () = unlimited.call("times", 4u32).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [None; 4]);
    seen.lock().unwrap().clear();
    let limited =
        builder(modules::strict_and_persistent().with_wall_clock(limit)).build().await.unwrap();
    let () = limited.call("times", 4u32).await.unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.iter().all(|left| left.unwrap() <= limit), "{seen:?}");
    assert!(seen.is_sorted_by(|one, next| one >= next), "{seen:?}");
    assert!(seen[3].unwrap() <= limit - Duration::from_millis(15), "{seen:?}");
}

#[tokio::test]
async fn a_host_function_that_works_for_long_sees_that_its_call_is_to_stop() {
    let policy = modules::strict_and_persistent().with_wall_clock(Duration::from_millis(20));
    let builder = modules::builder(LOOP).security_policy(policy).host_function(
        "env",
        "step",
        |caller: &mut Caller<'_>, _: u32| {
            while !caller.is_stopping() {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err::<(), _>("what a function returns that is to stop does not matter")
        },
    );
    let sandbox: WasmSandbox = builder.build().await.unwrap();
    let error = sandbox.call::<()>("times", 1u32).await.unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn usage_counts_calls_of_host_functions() {
    let sandbox =
        modules::builder(LOOP).host_function("env", "step", |_: u32| ()).build().await.unwrap();
    for times in [0u32, 1, 1000, 7] {
        let ((), usage) = sandbox.call_with_usage("times", times).await.unwrap();
        assert_eq!(usage.host_calls, u64::from(times));
        // What nobody asks about is not added to the next.
        let () = sandbox.call("times", 5u32).await.unwrap();
    }
}
