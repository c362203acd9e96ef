//! Host functions that call the guest which waits for them.

use std::time::{Duration, Instant};

use sandbox_core::{
    Caller, InstanceMode, SandboxError, SecurityPolicy, TrapCode, WasmSandbox, WasmSandboxBuilder,
};

use crate::modules;

const GUEST: &str = r#"(module
    (import "env" "apply" (func $apply (param i32) (result i32)))
    (memory (export "memory") 1)
    (global $count (mut i32) (i32.const 0))
    (func (export "run") (param i32) (result i32) (i32.add (call $apply (local.get 0)) (i32.const 1000)))
    (func (export "double") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
    (func (export "count") (result i32)
        (global.set $count (i32.add (global.get $count) (i32.const 1)))
        (i32.store (i32.const 8) (global.get $count))
        (global.get $count))
    (func (export "grow") (result i32) (memory.grow (i32.const 1)))
    (func (export "trap") unreachable)
    (func (export "spin") (loop $again br $again))
    (func $deep (export "recurse") (result i32) (i32.add (call $deep) (i32.const 1)))
    (func (export "down") (param i32) (result i32)
        (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 0))
            (else (i32.add (i32.const 1) (call $apply (i32.sub (local.get 0) (i32.const 1))))))))"#;

fn builder(mode: InstanceMode) -> WasmSandboxBuilder {
    let policy = SecurityPolicy::strict().with_instances(mode);
    modules::builder(GUEST).security_policy(policy)
}

fn sandbox(
    mode: InstanceMode,
    apply: impl Fn(&mut Caller<'_>, i32) -> sandbox_core::Result<i32> + Send + Sync + 'static,
) -> WasmSandbox {
    let builder = builder(mode).host_function("env", "apply", apply_function(apply));
    builder.build_blocking().unwrap()
}

fn apply_function<F>(apply: F) -> F
where
    F: Fn(&mut Caller<'_>, i32) -> sandbox_core::Result<i32> + Send + Sync + 'static,
{
    apply
}

const MODES: [InstanceMode; 2] = [InstanceMode::Persistent, InstanceMode::Fresh];

#[tokio::test]
async fn a_host_function_calls_back_into_the_guest_that_called_it() {
    for mode in MODES {
        let sandbox = sandbox(mode, |caller, number| {
            let before = caller.memory().len();
            let twice: i32 = caller.call("double", number)?;
            let counts: (i32, i32) = (caller.call("count", ())?, caller.call("count", ())?);
            assert_eq!(counts.1, counts.0 + 1, "they see one another's state");
            assert_eq!(caller.array(8)?, counts.1.to_le_bytes());
            let _: i32 = caller.call("grow", ())?;
            assert_eq!(caller.memory().len(), before + 65536, "and the host sees theirs");
            caller.write(u32::try_from(before).unwrap_or(0), b"there")?;
            Ok(twice)
        });
        for round in 0..20 {
            assert_eq!(sandbox.call::<i32>("run", 21).await.unwrap(), 1042);
            assert_eq!(sandbox.call_blocking::<i32>("run", 1).unwrap(), 1002);
            let count: i32 = sandbox.call("count", ()).await.unwrap();
            // A fresh instance has nothing of what a nested call did in an earlier one.
            let expected = if mode == InstanceMode::Fresh { 1 } else { 5 * (round + 1) };
            assert_eq!(count, expected, "{mode:?}");
        }
    }
}

#[test]
fn what_does_not_fit_is_an_error_and_the_guest_goes_on() {
    for mode in MODES {
        let sandbox = sandbox(mode, |caller, number| {
            let missing = caller.call::<i32>("nowhere", ()).unwrap_err();
            assert!(matches!(missing, SandboxError::NoSuchFunction { .. }), "{missing}");
            let wrong = caller.call::<i32>("double", "text").unwrap_err();
            assert!(matches!(wrong, SandboxError::SignatureMismatch { .. }), "{wrong}");
            let wrong = caller.call::<String>("double", 1).unwrap_err();
            assert!(matches!(wrong, SandboxError::SignatureMismatch { .. }), "{wrong}");
            caller.call("double", number)
        });
        assert_eq!(sandbox.call_blocking::<i32>("run", 4).unwrap(), 1008);
    }
}

#[test]
fn a_guest_that_traps_in_a_nested_call_is_ended_as_a_whole() {
    for mode in MODES {
        for function in ["trap", "recurse"] {
            let sandbox = sandbox(mode, move |caller, number| {
                let error = caller.call::<i32>(function, ());
                let error = error.or_else(|_| caller.call::<i32>("double", 1)).unwrap_err();
                assert!(matches!(error, SandboxError::NestedCall { .. }), "{error}");
                // Whatever it returns.
                Ok(number)
            });
            for _ in 0..3 {
                let error = sandbox.call_blocking::<i32>("run", 4).unwrap_err();
                let SandboxError::Trap { function: called, code, backtrace, .. } = error else {
                    panic!("{error}")
                };
                let expected = match function {
                    "trap" => TrapCode::Unreachable,
                    _ => TrapCode::StackOverflow,
                };
                assert_eq!((called.as_str(), code), ("run", expected), "{backtrace:?}");
                // The next call finds a new instance.
                assert_eq!(sandbox.call_blocking::<i32>("count", ()).unwrap(), 1);
            }
        }
    }
}

#[test]
fn a_nested_call_has_the_limits_of_the_call_that_it_is_part_of() {
    for mode in MODES {
        let sandbox = sandbox(mode, |caller, number| {
            let _ = caller.call::<()>("spin", ());
            Ok(number)
        });
        let begun = Instant::now();
        let limited = sandbox.with_time_limit(Duration::from_millis(50));
        let error = limited.call_blocking::<i32>("run", 4).unwrap_err();
        assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(60));
        assert_eq!(sandbox.call_blocking::<i32>("count", ()).unwrap(), 1);

        let policy = SecurityPolicy::strict().with_instances(mode).with_fuel(10_000);
        let spin = |caller: &mut Caller<'_>, number: i32| {
            let _ = caller.call::<()>("spin", ());
            number
        };
        let builder = modules::builder(GUEST).security_policy(policy);
        let sandbox = builder.host_function("env", "apply", spin).build_blocking().unwrap();
        let error = sandbox.call_blocking::<i32>("run", 4).unwrap_err();
        assert!(matches!(error, SandboxError::OutOfFuel { .. }), "{error}");
    }
}

#[test]
fn recursion_through_the_host_has_an_end() {
    for mode in MODES {
        let sandbox = sandbox(mode, |caller, left| caller.call("down", left));
        assert_eq!(sandbox.call_blocking::<i32>("down", 10).unwrap(), 10);
        for _ in 0..3 {
            let error = sandbox.call_blocking::<i32>("down", 1_000_000).unwrap_err();
            let SandboxError::HostFunctionFailed { error, host_function, .. } = error else {
                panic!("{error}")
            };
            assert_eq!(host_function, "env.apply");
            let cause = error.downcast_ref::<SandboxError>().unwrap();
            assert!(matches!(cause, SandboxError::NestedCall { .. }), "{cause}");
            assert!(cause.to_string().contains("16 deep"), "{cause}");
        }
        assert_eq!(sandbox.call_blocking::<i32>("down", 10).unwrap(), 10);
    }
}

#[test]
fn a_guest_that_is_only_being_started_is_not_called() {
    let text = r#"(module
        (import "env" "apply" (func $apply (param i32) (result i32)))
        (func $start (drop (call $apply (i32.const 1))))
        (start $start)
        (func (export "double") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
        (func (export "run") (result i32) (call $apply (i32.const 3))))"#;
    let apply = |caller: &mut Caller<'_>, number: i32| match caller.call::<i32>("double", number) {
        Err(error) if number == 1 => {
            assert!(matches!(error, SandboxError::NestedCall { .. }), "{error}");
            Ok(0)
        }
        other => other,
    };
    let sandbox =
        modules::builder(text).host_function("env", "apply", apply).build_blocking().unwrap();
    assert_eq!(sandbox.call_blocking::<i32>("run", ()).unwrap(), 6);
}

#[tokio::test]
async fn an_async_host_function_calls_back_too() {
    for mode in MODES {
        let apply = async |caller: &mut Caller<'_>, number: i32| -> sandbox_core::Result<i32> {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let twice: i32 = caller.call("double", number)?;
            tokio::time::sleep(Duration::from_millis(1)).await;
            caller.call("double", twice)
        };
        let builder = builder(mode).async_host_function("env", "apply", apply);
        let sandbox = builder.build().await.unwrap();
        assert_eq!(sandbox.call::<i32>("run", 4).await.unwrap(), 1016);
    }
}
