//! Host functions that call sandboxes.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sandbox_core::{
    Caller, HostFunctions, InstanceMode, RunRequest, SandboxError, SecurityPolicy, WasmSandbox,
};

use crate::modules;

/// A guest that asks the host for one less, until there is nothing left.
const DOWN: &str = r#"(module
    (import "env" "down" (func $down (param i32) (result i32)))
    (func (export "down") (param i32) (result i32)
        (if (result i32) (i32.eqz (local.get 0))
            (then (i32.const 0))
            (else (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))))
    (func (export "_start") (drop (call $down (i32.const 1)))))"#;

/// The sandbox that host functions call, once there is one.
type Known = Arc<OnceLock<WasmSandbox>>;

async fn known(
    policy: SecurityPolicy,
    functions: impl FnOnce(Known) -> HostFunctions,
) -> WasmSandbox {
    let known = Known::default();
    let functions = functions(Arc::clone(&known));
    let builder = modules::builder(DOWN).security_policy(policy).host_functions(&functions);
    let sandbox = builder.build().await.unwrap();
    known.set(sandbox.clone()).unwrap();
    sandbox
}

fn blocking(known: Known) -> HostFunctions {
    HostFunctions::new()
        .function("env", "down", move |x: u32| known.get().unwrap().call_blocking::<u32>("down", x))
}

fn waiting(known: Known) -> HostFunctions {
    HostFunctions::new().async_function("env", "down", async move |x: u32| {
        known.get().unwrap().call::<u32>("down", x).await
    })
}

/// The innermost of nested errors.
fn root(error: &SandboxError) -> &SandboxError {
    match error {
        SandboxError::HostFunctionFailed { error, .. } => error.downcast_ref().map_or_else(
            || panic!("no error of a sandbox: {error}"),
            |inner: &SandboxError| root(inner),
        ),
        other => other,
    }
}

#[tokio::test]
async fn a_call_of_the_one_instance_that_waits_fails_instead_of_waiting_for_itself() {
    for functions in [blocking, waiting] {
        let sandbox = known(SecurityPolicy::permissive(), functions).await;
        let error = sandbox.call::<u32>("down", 1u32).await.unwrap_err();
        let inner = root(&error);
        assert!(matches!(inner, SandboxError::NestedCall { .. }), "{inner}");
        assert!(inner.to_string().contains("down"), "{inner}");
        assert_eq!(sandbox.call::<u32>("down", 0u32).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn each_way_to_call_is_recognised() {
    let sandbox = known(SecurityPolicy::permissive(), |known| {
        HostFunctions::new().async_function("env", "down", async move |_: u32| {
            let sandbox = known.get().unwrap();
            let nested = |error: &SandboxError| matches!(error, SandboxError::NestedCall { .. });
            let handle = sandbox.function::<u32, u32>("down").unwrap();
            let batch = sandbox.call_batch::<u32>("down", [0u32]).await;
            let with_usage = sandbox.call_with_usage::<u32>("down", 0u32).await;
            assert!(nested(&handle.call(0).await.unwrap_err()));
            assert!(nested(&handle.call_blocking(0).unwrap_err()));
            assert!(nested(&batch.unwrap_err()));
            assert!(nested(&with_usage.unwrap_err()));
            assert!(sandbox.take_output().await.stdout.is_empty());
            7u32
        })
    })
    .await;
    assert_eq!(sandbox.call::<u32>("down", 1u32).await.unwrap(), 8);
}

#[tokio::test]
async fn fresh_instances_nest_until_there_are_no_more() {
    for functions in [blocking, waiting] {
        let policy = SecurityPolicy::permissive().with_instances(InstanceMode::Fresh);
        let sandbox = known(policy.with_max_instances(5), functions).await;
        assert_eq!(sandbox.call::<u32>("down", 4u32).await.unwrap(), 4);
        let error = sandbox.call::<u32>("down", 5u32).await.unwrap_err();
        let inner = root(&error);
        assert!(matches!(inner, SandboxError::NestedCall { .. }), "{inner}");
        assert_eq!(sandbox.call::<u32>("down", 4u32).await.unwrap(), 4);
    }
}

#[tokio::test]
async fn a_guest_cannot_use_up_the_hosts_stack_by_nesting() {
    let policy = SecurityPolicy::permissive().with_instances(InstanceMode::Fresh);
    let sandbox = known(policy.with_max_instances(1000), blocking).await;
    let error = sandbox.call::<u32>("down", 900u32).await.unwrap_err();
    let inner = root(&error);
    assert!(matches!(inner, SandboxError::NestedCall { .. }), "{inner}");
    assert!(inner.to_string().contains("16 deep"), "{inner}");
    assert_eq!(sandbox.call::<u32>("down", 10u32).await.unwrap(), 10);
}

#[tokio::test]
async fn other_sandboxes_can_be_called() {
    let inner = modules::sandbox(modules::NUMBERS, modules::strict_and_persistent()).await;
    let builder = modules::builder(DOWN)
        .host_function("env", "down", move |x: u32| inner.call_blocking::<u32>("add", (x, 100u32)));
    let sandbox = builder.build().await.unwrap();
    for _ in 0..30 {
        assert_eq!(sandbox.call::<u32>("down", 5u32).await.unwrap(), 105);
    }
}

#[tokio::test]
async fn an_inner_guest_that_is_stopped_leaves_the_outer_one_alone() {
    let inner = modules::sandbox(modules::NUMBERS, SecurityPolicy::permissive()).await;
    let inner = inner.with_time_limit(Duration::from_millis(20));
    let policy = modules::strict_and_persistent().with_wall_clock(Duration::from_secs(60));
    let builder = modules::builder(DOWN).security_policy(policy);
    let builder = builder.host_function("env", "down", move |_: u32| {
        match inner.call_blocking::<u32>("spin", ()) {
            Err(SandboxError::Timeout { .. }) => 40u32,
            other => panic!("{other:?}"),
        }
    });
    let sandbox = builder.build().await.unwrap();
    for _ in 0..5 {
        assert_eq!(sandbox.call::<u32>("down", 1u32).await.unwrap(), 41);
    }
}

#[tokio::test]
async fn an_outer_guest_whose_time_is_up_ends_when_the_inner_one_has() {
    let inner = modules::sandbox(modules::NUMBERS, SecurityPolicy::permissive()).await;
    let inner = inner.with_time_limit(Duration::from_millis(100));
    let policy = SecurityPolicy::permissive();
    let builder = modules::builder(DOWN).security_policy(policy);
    let builder = builder.host_function("env", "down", move |_: u32| {
        let spun = inner.call_blocking::<u32>("spin", ());
        assert!(matches!(spun, Err(SandboxError::Timeout { .. })), "{spun:?}");
        0u32
    });
    let sandbox = builder.build().await.unwrap();
    let hurried = sandbox.with_time_limit(Duration::from_millis(20));
    let error = hurried.call::<u32>("down", 1u32).await.unwrap_err();
    let SandboxError::Timeout { function, limit, .. } = error else { panic!("{error}") };
    assert_eq!((function.as_str(), limit), ("down", Duration::from_millis(20)));
}

#[tokio::test]
async fn programs_and_calls_of_one_sandbox_can_call_each_other_once() {
    let sandbox = known(SecurityPolicy::permissive(), |known| {
        HostFunctions::new().function("env", "down", move |caller: &mut Caller<'_>, x: u32| {
            let sandbox = known.get().unwrap();
            assert!(!caller.is_stopping());
            // A program runs in an instance of its own, so this waits for nobody.
            if x == 0 { sandbox.call_blocking::<u32>("down", 0u32) } else { Ok(x) }
        })
    })
    .await;
    assert_eq!(sandbox.run(RunRequest::new()).await.unwrap().exit_code, 0);
    assert_eq!(sandbox.call::<u32>("down", 3u32).await.unwrap(), 3);
    assert!(sandbox.call::<u32>("down", 1u32).await.is_err());
}

#[tokio::test]
async fn a_program_that_runs_itself_without_end_is_stopped_by_its_depth() {
    let sandbox = known(SecurityPolicy::permissive(), |known| {
        HostFunctions::new().function("env", "down", move |_: u32| {
            known.get().unwrap().run_blocking(RunRequest::new()).map(|_| 0u32)
        })
    })
    .await;
    let error = sandbox.run(RunRequest::new()).await.unwrap_err();
    let inner = root(&error);
    assert!(matches!(inner, SandboxError::NestedCall { .. }), "{inner}");
}

#[tokio::test]
async fn a_call_through_another_thread_ends_with_the_outer_wall_clock() {
    let policy = SecurityPolicy::permissive().with_wall_clock(Duration::from_millis(50));
    let sandbox = known(policy, |known| {
        HostFunctions::new().async_function("env", "down", async move |x: u32| {
            let sandbox = known.get().unwrap().clone();
            // A task of its own: nobody can tell that the guest waits for it.
            tokio::spawn(async move { sandbox.call::<u32>("down", x).await }).await.unwrap()
        })
    })
    .await;
    let error = sandbox.call::<u32>("down", 1u32).await.unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
    assert_eq!(sandbox.call::<u32>("down", 0u32).await.unwrap(), 0);
}

#[tokio::test]
async fn a_guest_that_is_awaited_is_stopped_with_the_call_that_awaits_it() {
    let inner = modules::sandbox(modules::NUMBERS, SecurityPolicy::permissive()).await;
    let builder = modules::builder(DOWN).security_policy(SecurityPolicy::permissive());
    let builder = builder.async_host_function("env", "down", {
        let inner = inner.clone();
        async move |_: u32| inner.call::<u32>("spin", ()).await
    });
    let sandbox = builder.build().await.unwrap();
    let sandbox = sandbox.with_time_limit(Duration::from_millis(30));
    let error = sandbox.call::<u32>("down", 1u32).await.unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
    // It spins without a limit of its own, so this has its turn only if it was stopped.
    assert_eq!(inner.call::<i32>("count", ()).await.unwrap(), 1);
}

/// More callers than there are worker threads for guests that compute.
const CROWD: usize = 600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_waits_for_the_host_does_not_keep_the_host_from_calling_guests() {
    use sandbox_core::CallPlacement;
    use tokio::sync::Barrier;

    #[derive(Clone, Copy, Debug)]
    enum Way {
        OutOfTheFunction,
        InATaskOfItsOwn,
    }
    for way in [Way::OutOfTheFunction, Way::InATaskOfItsOwn] {
        let policy = SecurityPolicy::strict()
            .with_instances(InstanceMode::Fresh)
            .with_max_instances(CROWD)
            .with_wall_clock(Duration::from_secs(60));
        let inner = modules::builder(modules::NUMBERS).security_policy(policy.clone());
        let inner = inner.call_placement(CallPlacement::Workers).build().await.unwrap();
        let all = Arc::new(Barrier::new(CROWD));
        let builder = modules::builder(DOWN).security_policy(policy);
        let builder = builder.async_host_function("env", "down", async move |x: u32| {
            all.wait().await;
            match way {
                Way::OutOfTheFunction => inner.call::<u32>("add", (x, 100u32)).await,
                Way::InATaskOfItsOwn => {
                    let inner = inner.clone();
                    tokio::spawn(async move { inner.call::<u32>("add", (x, 100u32)).await })
                        .await
                        .unwrap()
                }
            }
        });
        let outer = builder.build().await.unwrap();
        let callers = (0..CROWD).map(|_| {
            let outer = outer.clone();
            tokio::spawn(async move { outer.call::<u32>("down", 5u32).await })
        });
        for caller in futures::future::join_all(callers).await {
            assert_eq!(caller.unwrap().unwrap(), 105, "{way:?}");
        }
    }
}
