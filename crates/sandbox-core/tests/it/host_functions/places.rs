//! Wherever a guest runs, its host functions do: in start functions, on fresh instances, in streams, in programs, on
//! the caller's thread.

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use sandbox_core::{
    Caller, GuestMemoryError, HostFunctions, InstanceMode, RunRequest, SandboxError,
    SecurityPolicy, StreamingSandbox,
};

use super::LOOP;
use crate::modules;

/// A function that keeps what guests say.
fn say(said: &Arc<Mutex<Vec<String>>>) -> HostFunctions {
    let said = Arc::clone(said);
    HostFunctions::new().function(
        "env",
        "say",
        move |caller: &mut Caller<'_>, at: u32, len: u32| -> Result<(), GuestMemoryError> {
            let text = caller.text(at, len)?.to_owned();
            said.lock().unwrap().push(text);
            Ok(())
        },
    )
}

fn saying(from: &str) -> String {
    let (start, export) = match from {
        "start" => ("(start $begin)", ""),
        export => ("", export),
    };
    let export = if export.is_empty() { String::new() } else { format!("(export {export:?})") };
    format!(
        r#"(module (import "env" "say" (func $say (param i32 i32)))
            (memory (export "memory") 1) (data (i32.const 8) "hello")
            (func $begin {export} (call $say (i32.const 8) (i32.const 5))) {start}
            (func (export "well") (result i32) i32.const 1))"#
    )
}

#[tokio::test]
async fn start_functions_call_the_host_and_show_it_their_memory() {
    for from in ["start", "_initialize"] {
        let said = Arc::default();
        let builder = modules::builder(&saying(from)).host_functions(&say(&said));
        let sandbox = builder.build().await.unwrap();
        assert_eq!(*said.lock().unwrap(), ["hello"], "{from}");
        assert_eq!(sandbox.call::<i32>("well", ()).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn what_goes_wrong_in_a_start_function_is_an_error_of_build() {
    for from in ["start", "_initialize"] {
        let failing =
            HostFunctions::new().function("env", "say", |_: u32, _: u32| Err::<(), _>("no"));
        let error =
            modules::builder(&saying(from)).host_functions(&failing).build().await.unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "no", "{from}");
        assert!(matches!(error, SandboxError::HostFunctionFailed { .. }), "{from}: {error}");
        let panicking = HostFunctions::new()
            .function("env", "say", |at: u32, _: u32| assert!(at == 0, "not there"));
        let builder = modules::builder(&saying(from)).host_functions(&panicking);
        let error = builder.build().await.unwrap_err();
        let SandboxError::HostFunctionPanicked { message, .. } = error else { panic!("{error}") };
        assert_eq!(message, "not there");
    }
}

#[tokio::test]
async fn a_start_function_that_never_stops_calling_is_stopped() {
    let policy = modules::strict_and_persistent().with_wall_clock(Duration::from_millis(20));
    let text = r#"(module (import "env" "step" (func $step))
        (func $begin (loop $again (call $step) (br $again))) (start $begin))"#;
    let builder =
        modules::builder(text).security_policy(policy).host_function("env", "step", || ());
    let error = builder.build().await.unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn fresh_instances_call_the_host_side_by_side() {
    let meeting = Arc::new(std::sync::Barrier::new(3));
    let policy = SecurityPolicy::strict()
        .with_instances(InstanceMode::Fresh)
        .with_wall_clock(Duration::from_secs(60));
    let builder = modules::builder(LOOP).security_policy(policy).host_function("env", "step", {
        let meeting = Arc::clone(&meeting);
        // None returns before all three are here.
        move |_: u32| {
            meeting.wait();
        }
    });
    let sandbox = builder.build().await.unwrap();
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let sandbox = sandbox.clone();
            tokio::spawn(async move { sandbox.call::<()>("times", 5u32).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn no_call_counts_what_the_start_function_of_its_fresh_instance_called() {
    let said = Arc::default();
    let policy = SecurityPolicy::strict().with_instances(InstanceMode::Fresh);
    let builder =
        modules::builder(&saying("start")).host_functions(&say(&said)).security_policy(policy);
    let sandbox = builder.build().await.unwrap();
    for _ in 0..2 {
        let (_, usage) = sandbox.call_with_usage::<i32>("well", ()).await.unwrap();
        assert_eq!(usage.host_calls, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_function_that_came_to_the_callers_thread_still_calls_the_host() {
    let last = Arc::new(Mutex::new(None));
    let builder = modules::builder(LOOP).host_function("env", "step", {
        let last = Arc::clone(&last);
        move |step: u32| {
            *last.lock().unwrap() = Some(std::thread::current().id());
            match step {
                8 => Err("eight are too many"),
                9 => panic!("nine"),
                _ => Ok(()),
            }
        }
    });
    let sandbox = builder.build().await.unwrap();
    let here = Some(std::thread::current().id());
    let mut rounds = 0;
    for (times, fails) in [(3u32, false), (9, true), (3, false)] {
        // On a busy machine it takes many calls until some in a row are quick.
        loop {
            let outcome = sandbox.call::<()>("times", 3u32).await;
            outcome.unwrap();
            rounds += 1;
            assert!(rounds < 200_000, "it never came here");
            if *last.lock().unwrap() == here {
                break;
            }
        }
        assert_eq!(sandbox.call::<()>("times", times).await.is_err(), fails);
    }
}

#[tokio::test]
async fn each_kind_of_call_reaches_the_host() {
    let steps = Arc::new(Mutex::new(0u32));
    let functions = HostFunctions::new().function("env", "step", {
        let steps = Arc::clone(&steps);
        move |_: u32| *steps.lock().unwrap() += 1
    });
    let sandbox = modules::builder(LOOP).host_functions(&functions).build().await.unwrap();
    let () = sandbox.call("times", 1u32).await.unwrap();
    let results = sandbox.call_batch::<()>("times", [1u32, 2, 3]).await.unwrap();
    assert_eq!(results.into_values().unwrap().len(), 3);
    let times = sandbox.function::<u32, ()>("times").unwrap();
    times.call(1).await.unwrap();
    tokio::task::spawn_blocking(move || {
        let () = sandbox.call_blocking("times", 1u32).unwrap();
        times.call_blocking(1).unwrap();
    })
    .await
    .unwrap();
    assert_eq!(*steps.lock().unwrap(), 10);
}

#[tokio::test]
async fn programs_call_the_host() {
    let said = Arc::default();
    let builder = modules::builder(&saying("_start")).host_functions(&say(&said));
    let sandbox = builder.build().await.unwrap();
    for _ in 0..2 {
        assert_eq!(sandbox.run(RunRequest::new()).await.unwrap().exit_code, 0);
    }
    assert_eq!(*said.lock().unwrap(), ["hello", "hello"]);
    let failing = HostFunctions::new().function("env", "say", |_: u32, _: u32| Err::<(), _>("no"));
    let sandbox =
        modules::builder(&saying("_start")).host_functions(&failing).build().await.unwrap();
    let error = sandbox.run(RunRequest::new()).await.unwrap_err();
    assert!(matches!(error, SandboxError::HostFunctionFailed { .. }), "{error}");
}

#[tokio::test]
async fn streams_call_the_host_chunk_by_chunk() {
    // The exchange area is at 0, the input goes to 64 and is the output as well.
    let text = r#"(module
        (import "env" "see" (func $see (param i32 i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\40\00\00\00\00\10\00\00\40\00\00\00")
        (@custom "sandbox-guest" "{\"abi\":1,\"export\":\"pass\",\"input\":\"stream\",\"output\":\"bytes\"}\n")
        (func (export "sandbox_exchange") (result i32) i32.const 0)
        (func (export "sandbox_reserve") (param i32) (result i32) i32.const 64)
        (func (export "pass") (param i32) (result i32)
            (call $see (i32.const 64) (local.get 0))
            (i32.store (i32.const 12) (local.get 0))
            i32.const 0))"#;
    let functions = HostFunctions::new().function(
        "env",
        "see",
        |caller: &mut Caller<'_>, at: u32, len: u32| -> Result<(), Box<dyn Error + Send + Sync>> {
            let chunk = caller.bytes_mut(at, len)?;
            chunk.make_ascii_uppercase();
            let chunk = chunk.to_vec();
            caller.context::<Mutex<Vec<Vec<u8>>>>()?.lock().unwrap().push(chunk);
            Ok(())
        },
    );
    let sandbox = StreamingSandbox::builder()
        .source_bytes(modules::wasm(text))
        .host_functions(&functions)
        .context(Mutex::new(Vec::<Vec<u8>>::new()))
        .build()
        .await
        .unwrap();
    for _ in 0..2 {
        let mut processor = sandbox.create_stream_processor().await.unwrap();
        let input = futures::stream::iter([Bytes::from("one"), Bytes::from("two")]);
        let output = processor.process_stream(input).await.unwrap();
        let output: Vec<Bytes> = output.map(Result::unwrap).collect().await;
        assert_eq!(output, ["ONE", "TWO"]);
    }
}

#[tokio::test]
async fn a_host_function_that_a_guest_exports_is_called_like_its_own() {
    let text = r#"(module (import "env" "add" (func $add (param i32 i32) (result i32)))
        (memory 1) (export "add" (func $add)))"#;
    let builder = modules::builder(text)
        .host_function("env", "add", |a: u32, b: u32| a.checked_add(b).ok_or("they are too large"));
    let sandbox = builder.build().await.unwrap();
    assert_eq!(sandbox.call::<u32>("add", (1u32, 2u32)).await.unwrap(), 3);
    let error = sandbox.call::<u32>("add", (u32::MAX, 2u32)).await.unwrap_err();
    assert!(matches!(error, SandboxError::HostFunctionFailed { .. }), "{error}");
    assert_eq!(sandbox.call::<u32>("add", (3u32, 2u32)).await.unwrap(), 5);
}

#[tokio::test]
async fn a_host_function_in_a_table_is_called_indirectly() {
    let text = r#"(module (import "env" "f" (func $f (param i32) (result i32)))
        (table 1 funcref) (elem (i32.const 0) $f) (type $t (func (param i32) (result i32)))
        (func (export "f") (param i32) (result i32)
            (call_indirect (type $t) (local.get 0) (i32.const 0))))"#;
    let sandbox = modules::builder(text).host_function("env", "f", |x: u32| x * 3).build().await;
    assert_eq!(sandbox.unwrap().call::<u32>("f", 5u32).await.unwrap(), 15);
}

#[tokio::test]
async fn recursion_through_the_host_ends_at_the_stack_limit() {
    // The guest's stack is used up by the guest; what the host needs is on its own.
    let text = r#"(module (import "env" "f" (func $f))
        (func $down (export "down") (call $f) (call $down)))"#;
    let sandbox = modules::builder(text).host_function("env", "f", || ()).build().await.unwrap();
    let error = sandbox.call::<()>("down", ()).await.unwrap_err();
    let stack = sandbox_core::TrapCode::StackOverflow;
    assert!(matches!(error, SandboxError::Trap { code, .. } if code == stack), "{error}");
}

#[tokio::test]
async fn guests_that_are_metered_call_the_host() {
    let said = Arc::default();
    let builder = modules::builder(&saying("start")).host_functions(&say(&said));
    let sandbox = builder.security_policy(SecurityPolicy::paranoid()).build().await.unwrap();
    assert_eq!(sandbox.call::<i32>("well", ()).await.unwrap(), 1);
    assert_eq!(said.lock().unwrap().len(), 1, "the start function runs for the template only");
    let policy = SecurityPolicy::permissive().with_fuel(100_000);
    let builder = modules::builder(LOOP).security_policy(policy);
    let sandbox = builder.host_function("env", "step", |_: u32| ()).build().await.unwrap();
    let error = sandbox.call::<()>("forever", ()).await.unwrap_err();
    assert!(matches!(error, SandboxError::OutOfFuel { .. }), "{error}");
    let ((), usage) = sandbox.call_with_usage("times", 100u32).await.unwrap();
    assert_eq!(usage.host_calls, 100);
}

#[tokio::test]
async fn a_guest_with_exceptions_catches_nothing_of_the_host() {
    let text = r#"(module (import "env" "act" (func $act (param i32)))
        (func (export "catch") (param i32) (result i32)
            (block $caught
                (try_table (catch_all $caught) (call $act (local.get 0)))
                (return (i32.const 1)))
            (loop $again br $again)
            (i32.const 2)))"#;
    // On a busy machine, what is told of the panic takes a while.
    let limit = Duration::from_secs(2);
    let policy = SecurityPolicy::permissive().with_wall_clock(limit);
    let builder = modules::builder(text).security_policy(policy).host_function(
        "env",
        "act",
        |caller: &mut Caller<'_>, act: u32| {
            while act == 3 && !caller.is_stopping() {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert!(act != 2, "as told");
            if act == 1 { Err("as told") } else { Ok(()) }
        },
    );
    let sandbox = builder.build().await.unwrap();
    assert_eq!(sandbox.call::<i32>("catch", 0u32).await.unwrap(), 1);
    let error = sandbox.call::<i32>("catch", 1u32).await.unwrap_err();
    assert!(matches!(error, SandboxError::HostFunctionFailed { .. }), "{error}");
    let error = sandbox.call::<i32>("catch", 2u32).await.unwrap_err();
    assert!(matches!(error, SandboxError::HostFunctionPanicked { .. }), "{error}");
    let error = sandbox.call::<i32>("catch", 3u32).await.unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn of_several_memories_the_host_sees_the_first() {
    let text = r#"(module (import "env" "say" (func $say (param i32 i32)))
        (memory $first 1) (memory $second (export "memory") 1)
        (data (memory $first) (i32.const 8) "first") (data (memory $second) (i32.const 8) "other")
        (func (export "say") (call $say (i32.const 8) (i32.const 5))))"#;
    let said = Arc::default();
    let builder = modules::builder(text).security_policy(SecurityPolicy::permissive());
    let sandbox = builder.host_functions(&say(&said)).build().await.unwrap();
    let () = sandbox.call("say", ()).await.unwrap();
    assert_eq!(*said.lock().unwrap(), ["first"]);
}
