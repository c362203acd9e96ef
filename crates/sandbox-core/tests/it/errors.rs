//! Classes of errors, by which a service answers, counts and retries, and what may be shared between threads.

use std::time::Duration;

use sandbox_core::{
    BatchResults, CancelHandle, ErrorClass, FileBundle, Function, GuestFiles, HostFunctions,
    Module, PooledSandbox, ResourceUsage, RunReport, RunRequest, SandboxError, SandboxPool,
    SecurityPolicy, Session, SigningKey, StreamingSandbox, WasmSandbox, WasmSandboxBuilder,
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
    is_sent::<RunRequest>();
    is_sent::<Session>();
    is_sent::<PooledSandbox>();
    is_sent::<WasmSandboxBuilder>();
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
