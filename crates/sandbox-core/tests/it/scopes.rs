//! Things that a caller brings along to its calls: a sink for their output, and a value for host functions.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox_core::{
    Caller, InstanceMode, MissingContext, OutputOverflow, OutputSink, RunRequest, SandboxError,
    SandboxPool, SecurityPolicy, WasmSandbox, WasmSandboxBuilder,
};

use crate::modules;

/// Writes a line to standard output: `say`; `say_and_spin` and `say_and_trap` go on differently. `err` writes to standard error.
const TALKS: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\10\00\00\00\05\00\00\00")
    (data (i32.const 16) "line\n")
    (func $say (export "say") (result i32)
        (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (func (export "err") (result i32)
        (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
    (func (export "say_and_spin") (drop (call $say)) (loop $again br $again))
    (func (export "say_and_trap") (drop (call $say)) unreachable)
    (func (export "flood") (loop $again (drop (call $say)) br $again))
    (func (export "_start") (drop (call $say))))"#;

const MODES: [InstanceMode; 2] = [InstanceMode::Persistent, InstanceMode::Fresh];

fn talker(mode: InstanceMode) -> WasmSandbox {
    let policy = SecurityPolicy::strict().with_output_limit(100).with_instances(mode);
    modules::builder(TALKS).security_policy(policy).build_blocking().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn output_of_calls_goes_to_their_sink_and_no_further() {
    for mode in MODES {
        let sandbox = talker(mode);
        let sink = OutputSink::new();
        let heard = sandbox.with_output(&sink);
        assert_eq!(heard.call::<i32>("say", ()).await.unwrap(), 0);
        assert_eq!(heard.call_blocking::<i32>("err", ()).unwrap(), 0);
        let taken = sink.take();
        assert_eq!((text(&taken.stdout), text(&taken.stderr)), ("line\n", "line\n"), "{mode:?}");
        assert!(sink.take().is_empty());
        // The sandbox itself kept nothing of it, and later calls do not go there.
        assert!(sandbox.take_output().await.is_empty());
        assert_eq!(sandbox.call::<i32>("say", ()).await.unwrap(), 0);
        assert!(sink.take().is_empty(), "{mode:?}");
        if mode == InstanceMode::Persistent {
            assert_eq!(text(&sandbox.take_output_blocking().stdout), "line\n");
        }
    }
}

#[tokio::test]
async fn what_a_guest_wrote_before_it_failed_is_in_the_sink() {
    for mode in MODES {
        let sandbox = talker(mode).with_time_limit(Duration::from_millis(50));
        for function in ["say_and_trap", "say_and_spin"] {
            let sink = OutputSink::new();
            let error = sandbox.with_output(&sink).call::<()>(function, ()).await.unwrap_err();
            assert_eq!(text(&sink.take().stdout), "line\n", "{mode:?} {function}");
            assert!(error.output().is_none_or(|output| output.is_empty()), "{error:?}");
            // And where there is no sink, it is in the error.
            let error = sandbox.call::<()>(function, ()).await.unwrap_err();
            assert_eq!(text(&error.output().unwrap().stdout), "line\n", "{mode:?} {function}");
        }
    }
}

#[test]
fn a_sink_is_under_the_limit_of_the_policy_for_each_call() {
    for mode in MODES {
        let sandbox = talker(mode);
        let sink = OutputSink::new();
        let heard = sandbox.with_output(&sink);
        for _ in 0..3 {
            let error = heard.call_blocking::<()>("flood", ()).unwrap_err();
            assert!(matches!(error, SandboxError::OutputLimit { limit_bytes: 100, .. }), "{error}");
        }
        assert_eq!(sink.take().stdout.len(), 300);
        // One that may be lost does not stop the guest; that does its time.
        let sink = OutputSink::new().overflow(OutputOverflow::Discard);
        let heard = sandbox.with_output(&sink).with_time_limit(Duration::from_millis(20));
        let error = heard.call_blocking::<()>("flood", ()).unwrap_err();
        assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
        assert_eq!(sink.take().stdout.len(), 100);
    }
}

#[tokio::test]
async fn a_sink_serves_sessions_batches_runs_and_pools() {
    let sandbox = talker(InstanceMode::Persistent);
    let sink = OutputSink::new();
    let heard = sandbox.with_output(&sink);
    let mut session = heard.session().await.unwrap();
    session.call::<i32>("say", ()).await.unwrap();
    assert_eq!(text(&sink.take().stdout), "line\n");
    assert!(session.take_output().is_empty());
    drop(session);
    let _ = heard.call_batch::<i32>("say", vec![(); 3]).await.unwrap();
    assert_eq!(text(&sink.take().stdout), "line\nline\nline\n");
    assert!(heard.run(RunRequest::new()).await.unwrap().stdout.is_empty());
    assert_eq!(text(&sink.take().stdout), "line\n");
    let (stdout, stderr) = (Written::default(), Written::default());
    let pool = SandboxPool::builder().sandbox(modules::builder(TALKS)).build().await.unwrap();
    let shown = pool.with_output(&OutputSink::to(stdout.clone(), stderr.clone()));
    shown.call::<i32>("say", ()).await.unwrap();
    shown.call::<i32>("err", ()).await.unwrap();
    assert_eq!(text(&stdout.0.lock().unwrap()), "line\n");
    assert_eq!(text(&stderr.0.lock().unwrap()), "line\n");
}

/// Asks its host twice who calls, and adds that up; and once as it starts.
const ASKS: &str = r#"(module
    (import "env" "who" (func $who (result i32)))
    (global $at_start (mut i32) (i32.const 0))
    (func (export "twice") (result i32) (i32.add (call $who) (call $who)))
    (func (export "at_start") (result i32) global.get $at_start)
    (func (export "_start") (drop (call $who)))
    (func (export "_initialize") (global.set $at_start (call $who))))"#;

struct User(u32);

fn asking(mode: InstanceMode) -> WasmSandboxBuilder {
    let policy = SecurityPolicy::strict().with_instances(mode);
    modules::builder(ASKS).security_policy(policy).host_function(
        "env",
        "who",
        |caller: &mut Caller<'_>| -> Result<u32, MissingContext> {
            Ok(caller.context::<User>()?.0)
        },
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_has_its_own_context() {
    for mode in MODES {
        let sandbox = asking(mode).context(User(1)).build().await.unwrap();
        let calls = (10..60).map(|user| {
            let sandbox = sandbox.with_context(User(user));
            tokio::spawn(async move {
                for _ in 0..20 {
                    let sum: u32 = sandbox.call("twice", ()).await.unwrap();
                    assert_eq!(sum, 2 * user);
                }
            })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap();
        }
        // A call without one has the sandbox's, and so has initialisation.
        assert_eq!(sandbox.call::<u32>("twice", ()).await.unwrap(), 2, "{mode:?}");
        let asked = sandbox.with_context(User(9)).call::<u32>("at_start", ()).await.unwrap();
        assert_eq!(asked, 1);
        // A value of another type hides nothing.
        let sum: u32 = sandbox.with_context("text").call("twice", ()).await.unwrap();
        assert_eq!(sum, 2);
    }
}

#[test]
fn an_instance_that_is_made_anew_is_not_initialised_for_the_caller_who_needs_it() {
    let sandbox = asking(InstanceMode::Persistent).context(User(1)).build_blocking().unwrap();
    let spent = sandbox.with_time_limit(Duration::ZERO).call_blocking::<u32>("twice", ());
    drop(spent);
    let caller = sandbox.with_context(User(5));
    assert_eq!(caller.call_blocking::<u32>("twice", ()).unwrap(), 10);
    assert_eq!(caller.call_blocking::<u32>("at_start", ()).unwrap(), 1);
}

#[test]
fn a_context_is_dropped_with_its_last_call() {
    let sandbox = asking(InstanceMode::Persistent).context(User(1)).build_blocking().unwrap();
    let value = Arc::new(());
    let of_calls = sandbox.with_context(Arc::clone(&value));
    of_calls.call_blocking::<u32>("twice", ()).unwrap();
    let _ = of_calls.run_blocking(RunRequest::new()).unwrap();
    assert_eq!(Arc::strong_count(&value), 2);
    drop(of_calls);
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn a_call_without_a_context_says_how_to_give_one() {
    let module = r#"(module (import "env" "who" (func $who (result i32)))
        (func (export "ask") (result i32) call $who))"#;
    let sandbox = modules::builder(module)
        .host_function("env", "who", |caller: &mut Caller<'_>| -> Result<u32, MissingContext> {
            Ok(caller.context::<User>()?.0)
        })
        .build_blocking()
        .unwrap();
    let error = sandbox.call_blocking::<u32>("ask", ()).unwrap_err();
    let message = format!("{error:?} {}", std::error::Error::source(&error).unwrap());
    assert!(message.contains("with_context"), "{message}");
    let asked: u32 = sandbox.with_context(User(3)).call_blocking("ask", ()).unwrap();
    assert_eq!(asked, 3);
}
