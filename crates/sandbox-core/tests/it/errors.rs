//! Classes of errors, by which a service answers, counts and retries, their causes, and what no log may hold.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use sandbox_core::{
    Access, ArtifactRejection, Callable, CancelHandle, ErrorClass, FileBundle, FuelUnits,
    GrantKind, InstanceMode, Json, KeyRing, Module, OutputSink, RunRequest, SandboxError,
    SandboxPool, Sealer, SealingKey, SecurityPolicy, Side, SigningKey, StreamingSandbox,
    WasmSandbox, WasmSandboxBuilder,
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

/// The messages of all sources of an error, the nearest first.
fn sources(error: &dyn std::error::Error) -> Vec<String> {
    std::iter::successors(error.source(), |error| error.source()).map(ToString::to_string).collect()
}

#[derive(Debug, thiserror::Error)]
#[error("the shop is closed")]
struct Closed(#[source] std::io::Error);

#[tokio::test]
async fn the_cause_of_an_error_can_be_followed_to_its_end() {
    let built = |builder: WasmSandboxBuilder| builder.build_blocking().unwrap_err();
    let no_file = std::io::Error::from_raw_os_error(2).to_string();
    assert_eq!(sources(&built(WasmSandbox::builder().source("/no/such/file"))), [&*no_file]);

    let policy = SecurityPolicy::basic().with_folder("/no/such/folder", "/data", Access::ReadOnly);
    let wasi = r#"(module (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
        (memory (export "memory") 1))"#;
    let error = built(modules::builder(wasi).security_policy(policy));
    assert!(
        matches!(
            &error,
            SandboxError::InvalidGrant { kind: GrantKind::Folder, error: Some(_), .. }
        ),
        "{error}"
    );
    assert_eq!(sources(&error), [&*no_file]);

    let text = r#"(module (import "env" "buy" (func $buy)) (func (export "run") (call $buy)))"#;
    let buy = || Err::<(), _>(Closed(std::io::Error::other("it is night")));
    let sandbox = modules::builder(text).host_function("env", "buy", buy).build_blocking().unwrap();
    let error = sandbox.call_blocking::<()>("run", ()).unwrap_err();
    assert_eq!(sources(&error), ["the shop is closed", "it is night"]);

    let (one, other) = (SigningKey::from_bytes([1; 32]), SigningKey::from_bytes([2; 32]));
    let policy = SecurityPolicy::strict();
    let sealed = Module::precompile(&modules::wasm("(module)"), &policy, &one).unwrap();
    let error = Module::load(&sealed, &policy, &other).map(drop).unwrap_err();
    assert_eq!(sources(&error), [ArtifactRejection::ForeignKey.to_string()]);
    assert!(error.to_string().ends_with(&ArtifactRejection::ForeignKey.to_string()), "{error}");

    // A session of a module without WASI has no files, and says so.
    let mut session = sandbox.session_blocking().unwrap();
    let error = session.files().map(drop).unwrap_err();
    assert_eq!(sources(&error), ["the module imports nothing of WASI, and so has no files"]);
    // What is transparent has the message and the cause of what it stands for.
    let error = session.read(u32::MAX, 1).map(drop).unwrap_err();
    assert!(matches!(error, SandboxError::GuestMemory(_)), "{error}");
    assert_eq!(sources(&error), Vec::<String>::new());
    let error = built(modules::builder(text).serialization_format("yaml"));
    assert!(matches!(error, SandboxError::UnknownFormat(_)), "{error}");
    assert_eq!(sources(&error), Vec::<String>::new());
    let bundle = FileBundle::builder().file("../outside", "").build().map_err(SandboxError::from);
    let error = bundle.unwrap_err();
    assert!(error.to_string().contains("../outside"), "{error}");
    assert_eq!(sources(&error), Vec::<String>::new());

    let streaming = StreamingSandbox::builder().source(modules::guest("stream_processor"));
    let streaming = streaming.build().await.unwrap();
    let mut processor = streaming.create_stream_processor().await.unwrap();
    let items = [Ok("one"), Err(Closed(std::io::Error::other("it is night")))];
    let mut output = processor.process_stream(futures::stream::iter(items)).await.unwrap();
    let error = loop {
        match output.next().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("a source that failed is no end"),
        }
    };
    assert_eq!(sources(&error), ["the shop is closed", "it is night"]);
}

/// Texts that nobody may read in a log.
const SECRET: &str = "hunter2";

#[tokio::test]
async fn no_secret_is_in_any_debug_output() {
    let policy = SecurityPolicy::strict().with_environment("TOKEN", SECRET).with_argument("--fast");
    let builder = || modules::builder(NUMBERS).security_policy(policy.clone());
    let sandbox = builder().build_blocking().unwrap();
    let pool_builder = || SandboxPool::builder().sandbox(builder()).size(1);
    let pool = pool_builder().build().await.unwrap();
    let lease = pool.acquire().await.unwrap();
    let session = sandbox.session().await.unwrap();
    let streaming = StreamingSandbox::builder().source(modules::guest("stream_processor"));
    let streaming = streaming.security_policy(policy.clone());
    let request = RunRequest::new()
        .environment("TOKEN", SECRET)
        .argument(SECRET)
        .file("/secret", SECRET)
        .stdin(SECRET)
        .stdin_from(SECRET.as_bytes());
    let bundle = FileBundle::builder().file("/secret", SECRET.as_bytes());
    let context = builder().context(SECRET.to_owned());
    let named = [
        format!("{policy:?}"),
        format!("{:?}", policy.environment),
        format!("{sandbox:?}"),
        format!("{:?}", builder()),
        format!("{pool:?} {lease:?} {:?}", pool_builder()),
        format!("{streaming:?}"),
        format!("{:?}", streaming.build().await.unwrap()),
        format!("{request:?}"),
        format!("{context:?}"),
    ];
    for text in &named {
        assert!(!text.contains(SECRET), "{text}");
    }
    assert!(named.iter().filter(|text| text.contains("TOKEN")).count() >= 7, "{named:#?}");
    let sink = OutputSink::new();
    let function = sandbox.function::<(i32, i32), i32>("add").unwrap();
    let others = [
        format!("{session:?} {function:?} {sink:?} {:?}", sandbox.module()),
        format!("{bundle:?}"),
        format!("{:?}", bundle.build().unwrap()),
    ];
    let key = [b'K'; 32];
    let (signing, sealing) = (SigningKey::from_bytes(key), SealingKey::from_bytes(key));
    let ring = KeyRing::from(&signing).with(&sealing.verifying_key());
    let keys = [
        format!("{signing:?} {sealing:?} {ring:?}"),
        format!("{:?} {:?}", Sealer::from(&signing), Sealer::from(&sealing)),
    ];
    for text in others.iter().chain(&keys) {
        assert!(!text.contains(SECRET), "{text}");
        // Neither as text nor as a list of numbers nor in hexadecimal.
        for key in ["KKKK", "75, 75", "4b4b", "4B4B"] {
            assert!(!text.contains(key), "{text}");
        }
    }
    // What was written is the guest's and not a secret of the host; what was read is not in it.
    let wasi = r#"(module
        (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start")
            (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 64))
            (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
            (unreachable)))"#;
    let program = modules::builder(wasi).build_blocking().unwrap();
    let report = program.run_reported(RunRequest::new().stdin(SECRET)).await;
    assert!(report.ended.is_err());
    assert!(!format!("{report:?}").contains(SECRET), "{report:?}");
}
