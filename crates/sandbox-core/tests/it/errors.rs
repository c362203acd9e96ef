//! Classes of errors, by which a service answers, counts and retries, and what may be shared between threads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sandbox_core::{
    BatchResults, Callable, CancelHandle, ErrorClass, FileBundle, FuelUnits, Function, GuestFiles,
    HostFunctions, InstanceMode, Json, MockSandbox, Module, PooledSandbox, ResourceUsage,
    RunReport, RunRequest, SandboxError, SandboxPool, SecurityPolicy, Session, Side, SigningKey,
    StreamOutput, StreamingSandbox, Value, WasmSandbox, WasmSandboxBuilder,
};

use crate::modules::{self, NUMBERS};

fn failure(function: &str) -> SandboxError {
    let policy = SecurityPolicy::strict().with_wall_clock(Duration::from_millis(20));
    let sandbox = modules::builder(NUMBERS).security_policy(policy).build_blocking().unwrap();
    sandbox.call_blocking::<i32>(function, ()).unwrap_err()
}

#[test]
fn an_error_says_whose_matter_it_is_and_of_which_function() {
    for (function, class) in [
        ("abort", ErrorClass::Guest),
        ("recurse", ErrorClass::Guest),
        ("spin", ErrorClass::Limit),
        ("nowhere", ErrorClass::Usage),
        ("add", ErrorClass::Usage),
    ] {
        let error = failure(function);
        assert_eq!(error.class(), class, "{error}");
        assert_eq!(error.function(), Some(function));
        assert!(!error.is_retryable(), "{error}");
    }
}

#[test]
fn what_fails_before_there_is_a_sandbox_is_of_the_module_or_of_the_host() {
    let class = |builder: WasmSandboxBuilder| builder.build_blocking().unwrap_err().class();
    assert_eq!(class(WasmSandbox::builder()), ErrorClass::Usage);
    assert_eq!(class(WasmSandbox::builder().source("/no/such/file")), ErrorClass::Host);
    assert_eq!(class(WasmSandbox::builder().source_bytes(b"no module")), ErrorClass::Module);
    let imports = r#"(module (import "env" "unknown" (func)))"#;
    assert_eq!(class(modules::builder(imports)), ErrorClass::Module);
}

#[test]
fn a_host_function_that_fails_is_of_the_host_and_a_cancelled_call_of_nobody() {
    let text = r#"(module (import "env" "fail" (func $fail)) (func (export "run") (call $fail)))"#;
    let fail = || Err::<(), _>(std::io::Error::other("no"));
    let sandbox =
        modules::builder(text).host_function("env", "fail", fail).build_blocking().unwrap();
    let error = sandbox.call_blocking::<()>("run", ()).unwrap_err();
    assert_eq!((error.class(), error.is_retryable()), (ErrorClass::Host, false));
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "no");
    let handle = CancelHandle::new();
    handle.cancel();
    let error = sandbox.with_cancel_handle(&handle).call_blocking::<()>("run", ()).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Cancelled);
}

#[tokio::test]
async fn what_failed_for_want_of_a_sandbox_may_be_tried_again() {
    let pool = SandboxPool::builder()
        .sandbox(modules::builder(NUMBERS))
        .size(1)
        .wait_limit(Duration::from_millis(1))
        .build()
        .await
        .unwrap();
    let held = pool.acquire().await.unwrap();
    let error = pool.acquire().await.unwrap_err();
    assert_eq!((error.class(), error.is_retryable()), (ErrorClass::Overload, true), "{error}");
    drop(held);
    assert!(pool.acquire().await.is_ok());
}

#[test]
fn what_is_shared_between_threads_can_be() {
    fn is_shared<T: Send + Sync>() {}
    fn is_sent<T: Send>() {}
    is_shared::<WasmSandbox>();
    is_shared::<Function<(i32, i32), i32>>();
    is_shared::<Module>();
    is_shared::<SecurityPolicy>();
    is_shared::<SandboxPool>();
    is_shared::<StreamingSandbox>();
    is_shared::<SandboxError>();
    is_shared::<HostFunctions>();
    is_shared::<FileBundle>();
    is_shared::<CancelHandle>();
    is_shared::<SigningKey>();
    is_shared::<ResourceUsage>();
    is_shared::<BatchResults<i32>>();
    is_shared::<GuestFiles>();
    is_shared::<RunReport>();
    is_shared::<Value>();
    is_shared::<Arc<dyn Callable>>();
    is_shared::<MockSandbox>();
    is_sent::<StreamOutput<futures::stream::Empty<Vec<u8>>>>();
    is_sent::<RunRequest>();
    is_sent::<Session>();
    is_sent::<PooledSandbox>();
    is_sent::<WasmSandboxBuilder>();
}

#[test]
fn futures_of_calls_can_be_sent() {
    fn is_sent<T: Send>(_future: T) {}
    let sandbox = modules::builder(NUMBERS).build_blocking().unwrap();
    is_sent(sandbox.call::<i32>("add", (1, 2)));
    is_sent(sandbox.call_with("add", "text", <[u8]>::to_vec));
    is_sent(sandbox.call_with_usage::<i32>("add", (1, 2)));
    is_sent(sandbox.call_batch::<i32>("add", [(1, 2)]));
    is_sent(sandbox.call_values("add", &[]));
    is_sent(sandbox.session());
}

#[tokio::test]
async fn a_call_that_failed_says_what_it_used() {
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let fuel = FuelUnits(100_000);
        let policy = SecurityPolicy::strict().with_instances(mode).with_fuel(fuel.0);
        let sandbox = modules::builder(NUMBERS).security_policy(policy).build_blocking().unwrap();
        let mut session = sandbox.session().await.unwrap();
        let errors = [
            session.call::<i32>("spin", ()).await.unwrap_err(),
            {
                drop(session);
                sandbox.call::<i32>("spin", ()).await.unwrap_err()
            },
            sandbox.call_blocking::<i32>("spin", ()).unwrap_err(),
            sandbox.call_with_usage::<i32>("spin", ()).await.map(|_| ()).unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, SandboxError::OutOfFuel { .. }), "{error}");
            let usage = error.usage().unwrap();
            assert_eq!((usage.calls, usage.failed_calls), (1, 1), "{usage:?}");
            assert!(usage.fuel >= Some(fuel), "{usage:?}");
        }
        // What failed before any guest ran used nothing.
        for function in ["nowhere", "add"] {
            assert_eq!(sandbox.call::<i32>(function, ()).await.unwrap_err().usage(), None);
        }
        let trap = sandbox.call::<i32>("divide", (1, 0)).await.unwrap_err();
        let used = trap.usage().and_then(|usage| usage.fuel).unwrap();
        assert!(used < FuelUnits(100), "{used:?}");
    }
}

#[tokio::test]
async fn an_error_that_the_guest_returned_and_a_result_that_does_not_fit_are_billed_too() {
    let policy = SecurityPolicy::basic().with_value_limit(10).with_fuel(10_000_000);
    let builder = WasmSandbox::builder().source(modules::guest("abi_probe"));
    let sandbox = builder.security_policy(policy).build().await.unwrap();
    for blocking in [false, true] {
        let failed = |result: sandbox_core::Result<i64>| result.unwrap_err();
        let divided = match blocking {
            false => failed(sandbox.call("divide", (1i64, 0i64)).await),
            true => failed(sandbox.call_blocking("divide", (1i64, 0i64))),
        };
        assert!(matches!(divided, SandboxError::GuestError { .. }), "{divided}");
        let undecodable = match blocking {
            false => sandbox.call::<Json<u32>>("echo", b"no JSON").await.unwrap_err(),
            true => sandbox.call_blocking::<Json<u32>>("echo", b"no JSON").unwrap_err(),
        };
        assert!(matches!(undecodable, SandboxError::Undecodable { .. }), "{undecodable}");
        let large = sandbox.call::<Json<String>>("echo", &[b'x'; 32]).await.unwrap_err();
        assert!(matches!(large, SandboxError::ValueTooLarge { .. }), "{large}");
        for error in [divided, undecodable, large] {
            let usage = error.usage().unwrap();
            assert_eq!((usage.calls, usage.failed_calls), (1, 1), "{error}");
            assert!(usage.fuel > Some(FuelUnits(0)), "{error}: {usage:?}");
            assert_eq!(error.output(), None, "the instance lives on, and keeps it");
        }
    }
}

#[tokio::test]
async fn encoding_is_told_from_decoding_and_the_host_from_the_guest() {
    let builder = WasmSandbox::builder().source(modules::guest("abi_probe"));
    let sandbox = builder.build().await.unwrap();
    let no_json = BTreeMap::from([((1, 2), 3)]);
    let error = sandbox.call::<Option<i64>>("find_word", Json((&no_json, "a"))).await.unwrap_err();
    assert!(matches!(error, SandboxError::Unencodable { side: Side::Host, .. }), "{error}");
    assert_eq!((error.class(), error.kind()), (ErrorClass::Usage, "unencodable"));
    assert!(
        error.to_string().starts_with("the host failed to encode the arguments of `find_word`")
    );
    let error = sandbox.call::<Option<i64>>("find_word", 7).await.unwrap_err();
    assert!(matches!(error, SandboxError::Undecodable { side: Side::Guest, .. }), "{error}");
    assert_eq!((error.class(), error.kind()), (ErrorClass::Guest, "undecodable"));
    let error = sandbox.call::<Json<u32>>("echo", b"no JSON").await.unwrap_err();
    assert!(matches!(error, SandboxError::Undecodable { side: Side::Host, .. }), "{error}");
}

#[test]
fn values_of_variables_are_in_no_debug_output() {
    let policy = SecurityPolicy::strict().with_environment("TOKEN", "secret");
    let sandbox =
        modules::builder(NUMBERS).security_policy(policy.clone()).build_blocking().unwrap();
    for text in [
        format!("{policy:?}"),
        format!("{sandbox:?}"),
        format!("{:?}", modules::builder(NUMBERS).security_policy(policy)),
    ] {
        assert!(text.contains("TOKEN") && !text.contains("secret"), "{text}");
    }
}
