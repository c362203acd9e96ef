//! Host functions that wait.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use sandbox_core::{
    Caller, GuestMemoryError, HostFunctions, InstanceMode, RunRequest, SandboxError,
    SecurityPolicy, WasmSandbox,
};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::LOOP;
use crate::modules;

/// A guest that calls `env.wait` and returns what that does.
const WAIT: &str = r#"(module
    (import "env" "wait" (func $wait (param i32) (result i32)))
    (memory (export "memory") 1) (data (i32.const 8) "text")
    (global $calls (mut i32) (i32.const 0))
    (func (export "count") (result i32)
        (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        global.get $calls)
    (func (export "wait") (param i32) (result i32) (call $wait (local.get 0)))
    (func (export "_start") (drop (call $wait (i32.const 1)))))"#;

fn patient() -> SecurityPolicy {
    SecurityPolicy::permissive()
}

/// Says when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Numbers of futures that have begun and that were dropped.
#[derive(Default)]
struct Lives {
    begun: AtomicUsize,
    dropped: AtomicUsize,
}

impl Lives {
    async fn until_begun(&self, how_many: usize) {
        while self.begun.load(Ordering::SeqCst) < how_many {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn until_all_dropped(&self) {
        while !self.are_all_dropped() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn are_all_dropped(&self) -> bool {
        self.dropped.load(Ordering::SeqCst) == self.begun.load(Ordering::SeqCst)
    }
}

/// A sandbox whose host function never returns.
async fn waiting_for_ever(policy: SecurityPolicy) -> (WasmSandbox, Arc<Lives>) {
    struct Life(Arc<Lives>);
    impl Drop for Life {
        fn drop(&mut self) {
            self.0.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
    let lives = Arc::<Lives>::default();
    let functions = HostFunctions::new().async_function("env", "wait", {
        let lives = Arc::clone(&lives);
        async move |_: u32| -> u32 {
            let life = Life(Arc::clone(&lives));
            life.0.begun.fetch_add(1, Ordering::SeqCst);
            std::future::pending().await
        }
    });
    let builder = modules::builder(WAIT).security_policy(policy).host_functions(&functions);
    (builder.build().await.unwrap(), lives)
}

#[tokio::test]
async fn a_guest_waits_for_what_the_host_waits_for() {
    let builder =
        modules::builder(WAIT).async_host_function("env", "wait", async |milliseconds: u32| {
            tokio::time::sleep(Duration::from_millis(milliseconds.into())).await;
            milliseconds + 1
        });
    let sandbox = builder.build().await.unwrap();
    for milliseconds in [0u32, 1, 10, 0] {
        let started = std::time::Instant::now();
        assert_eq!(sandbox.call::<u32>("wait", milliseconds).await.unwrap(), milliseconds + 1);
        assert!(started.elapsed() >= Duration::from_millis(milliseconds.into()));
    }
    assert_eq!(sandbox.run(RunRequest::new()).await.unwrap().exit_code, 0);
}

#[tokio::test]
async fn closures_that_return_futures_will_do_too() {
    let functions =
        HostFunctions::new().async_function("env", "wait", |caller: &mut Caller<'_>, x: u32| {
            let text = caller.text(8, 4).map(str::to_owned);
            async move {
                tokio::task::yield_now().await;
                Ok::<u32, GuestMemoryError>(x + u32::from(text? == "text"))
            }
        });
    let sandbox = modules::builder(WAIT).host_functions(&functions).build().await.unwrap();
    assert_eq!(sandbox.call::<u32>("wait", 5u32).await.unwrap(), 6);
}

#[tokio::test]
async fn the_guests_memory_can_be_used_before_and_after_waiting() {
    let functions = HostFunctions::new().async_function(
        "env",
        "wait",
        async |caller: &mut Caller<'_>, at: u32| -> Result<u32, GuestMemoryError> {
            let text = caller.text(at, 4)?;
            tokio::time::sleep(Duration::from_millis(1)).await;
            let reversed: String = text.chars().rev().collect();
            caller.write(at, reversed.as_bytes())?;
            tokio::task::yield_now().await;
            Ok(u32::from_le_bytes(caller.array(at)?))
        },
    );
    let sandbox = modules::builder(WAIT).host_functions(&functions).build().await.unwrap();
    assert_eq!(sandbox.call::<u32>("wait", 8u32).await.unwrap(), u32::from_le_bytes(*b"txet"));
    assert_eq!(sandbox.call::<u32>("wait", 8u32).await.unwrap(), u32::from_le_bytes(*b"text"));
}

#[tokio::test]
async fn errors_and_panics_of_futures_are_typed() {
    let functions = HostFunctions::new().async_function("env", "wait", async |what: u32| {
        tokio::task::yield_now().await;
        assert!(what != 1, "one is too few");
        if what == 2 { Err("two are too many") } else { Ok(what) }
    });
    let sandbox = modules::builder(WAIT).host_functions(&functions).build().await.unwrap();
    let error = sandbox.call::<u32>("wait", 1u32).await.unwrap_err();
    let SandboxError::HostFunctionPanicked { message, .. } = error else { panic!("{error}") };
    assert_eq!(message, "one is too few");
    let error = sandbox.call::<u32>("wait", 2u32).await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "two are too many");
    assert_eq!(sandbox.call::<u32>("wait", 3u32).await.unwrap(), 3);
}

#[tokio::test]
async fn a_timeout_ends_the_waiting_and_drops_the_future() {
    let limit = Duration::from_millis(30);
    let (sandbox, lives) = waiting_for_ever(patient().with_wall_clock(limit)).await;
    // On a busy machine the time may be up before the guest comes to call.
    while lives.begun.load(Ordering::SeqCst) < 3 {
        let error = sandbox.call::<u32>("wait", 0u32).await.unwrap_err();
        assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
        assert!(lives.are_all_dropped());
        assert_eq!(sandbox.call::<u32>("count", ()).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn dropping_the_call_drops_the_future() {
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let (sandbox, lives) = waiting_for_ever(patient().with_instances(mode)).await;
        tokio::select! {
            returned = sandbox.call::<u32>("wait", 0u32) => panic!("{returned:?}"),
            () = lives.until_begun(1) => {}
        }
        lives.until_all_dropped().await;
        assert_eq!(sandbox.call::<u32>("count", ()).await.unwrap(), 1);
        tokio::select! {
            returned = sandbox.run(RunRequest::new()) => panic!("{returned:?}"),
            () = lives.until_begun(2) => {}
        }
        lives.until_all_dropped().await;
    }
}

#[test]
fn without_a_runtime_there_are_timers_all_the_same() {
    let functions =
        HostFunctions::new().async_function("env", "wait", async |milliseconds: u32| {
            tokio::time::sleep(Duration::from_millis(milliseconds.into())).await;
            milliseconds
        });
    let sandbox = modules::builder(WAIT).host_functions(&functions).build_blocking().unwrap();
    assert_eq!(sandbox.call_blocking::<u32>("wait", 3u32).unwrap(), 3);
    assert_eq!(sandbox.run_blocking(RunRequest::new()).unwrap().exit_code, 0);
    // Another executor than tokio's.
    let waited = futures::executor::block_on(sandbox.call::<u32>("wait", 4u32));
    assert_eq!(waited.unwrap(), 4);
}

#[test]
fn a_blocking_call_can_be_stopped_while_the_host_waits() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let limit = Duration::from_millis(30);
    let (sandbox, lives) = runtime.block_on(waiting_for_ever(patient().with_wall_clock(limit)));
    let error = sandbox.call_blocking::<u32>("wait", 0u32).unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
    assert!(lives.are_all_dropped());
}

#[test]
fn a_blocking_call_on_a_runtimes_only_thread_does_not_wait_for_that_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let builder = modules::builder(WAIT).async_host_function("env", "wait", async |x: u32| {
            tokio::time::sleep(Duration::from_millis(1)).await;
            x
        });
        let builder = builder.security_policy(patient().with_wall_clock(Duration::from_secs(60)));
        let sandbox = builder.build().await.unwrap();
        assert_eq!(sandbox.call_blocking::<u32>("wait", 7u32).unwrap(), 7);
    });
}

/// A function that says which runtime it is polled on.
fn runtime_id(ids: &Arc<Mutex<Vec<tokio::runtime::Id>>>) -> HostFunctions {
    let ids = Arc::clone(ids);
    HostFunctions::new().async_function("env", "wait", async move |x: u32| {
        ids.lock().unwrap().push(Handle::current().id());
        // What the callers' runtime spawns, it also drives.
        tokio::spawn(async move { x + 1 }).await
    })
}

#[test]
fn futures_live_on_the_runtime_of_the_caller() {
    let ids = Arc::default();
    let functions = runtime_id(&ids);
    let single = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let multi = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let builder = modules::builder(WAIT).host_functions(&functions);
    let sandbox = builder.build_blocking().unwrap();
    for runtime in [&single, &multi] {
        assert_eq!(runtime.block_on(sandbox.call::<u32>("wait", 1u32)).unwrap(), 2);
        assert_eq!(ids.lock().unwrap().pop(), Some(runtime.handle().id()));
    }
    // A thread that blocks says by its context which runtime it means.
    let _context = multi.enter();
    assert_eq!(sandbox.call_blocking::<u32>("wait", 1u32).unwrap(), 2);
    assert_eq!(ids.lock().unwrap().pop(), Some(multi.handle().id()));
}

#[test]
fn a_blocking_caller_of_a_guest_with_wasi_keeps_its_runtime() {
    let text = WAIT.replace(
        "(memory",
        r#"(import "wasi_snapshot_preview1" "sched_yield" (func (result i32))) (memory"#,
    );
    let ids = Arc::default();
    let builder = modules::builder(&text).host_functions(&runtime_id(&ids));
    let sandbox = builder.build_blocking().unwrap();
    let multi = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let _context = multi.enter();
    assert_eq!(sandbox.call_blocking::<u32>("wait", 1u32).unwrap(), 2);
    assert_eq!(ids.lock().unwrap().pop(), Some(multi.handle().id()));
}

#[tokio::test]
async fn what_may_wait_never_runs_on_the_callers_thread() {
    let threads = Arc::new(Mutex::new(Vec::<ThreadId>::new()));
    let functions = HostFunctions::new().async_function("env", "wait", {
        let threads = Arc::clone(&threads);
        async move |x: u32| {
            threads.lock().unwrap().push(std::thread::current().id());
            x
        }
    });
    let sandbox = modules::builder(WAIT).host_functions(&functions).build().await.unwrap();
    for x in 0..100u32 {
        assert_eq!(sandbox.call::<u32>("wait", x).await.unwrap(), x);
        let () = sandbox.call_batch::<u32>("wait", [x]).await.map(drop).unwrap();
    }
    assert!(!threads.lock().unwrap().contains(&std::thread::current().id()));
}

#[tokio::test]
async fn what_may_block_never_runs_on_the_callers_thread_and_may_block_on_futures() {
    let threads = Arc::new(Mutex::new(Vec::<ThreadId>::new()));
    let runtime = Handle::current();
    let functions = HostFunctions::new().blocking_function("env", "wait", {
        let threads = Arc::clone(&threads);
        move |x: u32| {
            threads.lock().unwrap().push(std::thread::current().id());
            runtime.block_on(async { tokio::task::yield_now().await });
            x
        }
    });
    let sandbox = modules::builder(WAIT).host_functions(&functions).build().await.unwrap();
    for x in 0..100u32 {
        assert_eq!(sandbox.call::<u32>("wait", x).await.unwrap(), x);
    }
    assert!(!threads.lock().unwrap().contains(&std::thread::current().id()));
}

#[tokio::test]
async fn a_single_thread_serves_the_guest_that_waits_for_it() {
    // The function waits for an answer from a task of the same runtime, which has one thread. Were that blocked by
    // the guest, there would be no answer.
    let (questions, mut asked) =
        mpsc::unbounded_channel::<(u32, tokio::sync::oneshot::Sender<u32>)>();
    tokio::spawn(async move {
        while let Some((question, answer)) = asked.recv().await {
            answer.send(question * 2).unwrap();
        }
    });
    let functions =
        HostFunctions::new().async_function("env", "wait", async move |question: u32| {
            let (answer, answered) = tokio::sync::oneshot::channel();
            questions.send((question, answer))?;
            Ok::<u32, Box<dyn Error + Send + Sync>>(answered.await?)
        });
    let sandbox = modules::builder(WAIT).host_functions(&functions).build().await.unwrap();
    for question in 0..50u32 {
        assert_eq!(sandbox.call::<u32>("wait", question).await.unwrap(), question * 2);
    }
}

#[tokio::test]
async fn other_tasks_go_on_while_a_host_function_waits() {
    let limit = Duration::from_millis(300);
    let (sandbox, _) = waiting_for_ever(patient().with_wall_clock(limit)).await;
    let waiting = tokio::spawn(async move { sandbox.call::<u32>("wait", 0u32).await });
    let mut ticks = 0;
    while !waiting.is_finished() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        ticks += 1;
    }
    // A stalled runtime would have ticked once. Thirty are due; a busy machine may lose most of them.
    assert!(ticks >= 3, "{ticks} ticks");
}

#[tokio::test]
async fn many_guests_wait_side_by_side() {
    let waiting = Arc::new(AtomicUsize::new(0));
    let all_wait = Arc::new(tokio::sync::Barrier::new(20));
    let functions = HostFunctions::new().async_function("env", "wait", {
        let (waiting, all_wait) = (Arc::clone(&waiting), Arc::clone(&all_wait));
        async move |x: u32| {
            waiting.fetch_add(1, Ordering::SeqCst);
            all_wait.wait().await;
            x
        }
    });
    let policy = patient().with_instances(InstanceMode::Fresh);
    let builder = modules::builder(WAIT).security_policy(policy).host_functions(&functions);
    let sandbox = builder.build().await.unwrap();
    let calls: Vec<_> = (0..20u32)
        .map(|x| {
            let sandbox = sandbox.clone();
            tokio::spawn(async move { sandbox.call::<u32>("wait", x).await })
        })
        .collect();
    for (x, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().unwrap() as usize, x);
    }
    assert_eq!(waiting.load(Ordering::SeqCst), 20);
}

#[tokio::test]
async fn a_loop_of_calls_that_are_ready_at_once_is_stopped() {
    let policy = modules::strict_and_persistent().with_wall_clock(Duration::from_secs(600));
    let builder = modules::builder(LOOP).security_policy(policy);
    let builder = builder.async_host_function("env", "step", async |_: u32| ());
    let sandbox = builder.build().await.unwrap();
    let hurried = sandbox.with_time_limit(Duration::from_millis(30));
    let error = hurried.call::<()>("forever", ()).await.unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
    assert_eq!(sandbox.call::<i32>("count", ()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_future_that_parks_its_thread_loses_no_wake_up() {
    let functions = HostFunctions::new().async_function("env", "wait", async |x: u32| {
        let mut polled = false;
        std::future::poll_fn(move |context| {
            if std::mem::replace(&mut polled, true) {
                return std::task::Poll::Ready(x);
            }
            context.waker().wake_by_ref();
            // Takes what the waker left for whoever parks next.
            std::thread::park_timeout(Duration::from_millis(1));
            std::task::Poll::Pending
        })
        .await
    });
    let sandbox = modules::builder(WAIT).host_functions(&functions).build().await.unwrap();
    assert_eq!(sandbox.call::<u32>("wait", 3u32).await.unwrap(), 3);
}

#[tokio::test]
async fn dropping_a_build_drops_what_its_start_function_waits_for() {
    let text = r#"(module (import "env" "wait" (func $wait)) (start $wait))"#;
    let (began, has_begun) = tokio::sync::oneshot::channel();
    let began = Mutex::new(Some(began));
    let dropped = Arc::new(AtomicBool::new(false));
    let functions = HostFunctions::new().async_function("env", "wait", {
        let dropped = Arc::clone(&dropped);
        async move || {
            let _dropped = Dropped(Arc::clone(&dropped));
            if let Some(began) = began.lock().unwrap().take() {
                began.send(()).unwrap();
            }
            std::future::pending::<()>().await;
        }
    });
    let build =
        modules::builder(text).security_policy(patient()).host_functions(&functions).build();
    tokio::select! {
        built = build => panic!("{built:?}"),
        began = has_begun => began.unwrap(),
    }
    while !dropped.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_future_that_panics_when_it_is_dropped_harms_nobody() {
    struct Grudge;
    impl Drop for Grudge {
        fn drop(&mut self) {
            panic!("I was not done");
        }
    }
    let limit = Duration::from_millis(20);
    let builder = modules::builder(WAIT).security_policy(patient().with_wall_clock(limit));
    let builder = builder.async_host_function("env", "wait", async |_: u32| -> u32 {
        let _grudge = Grudge;
        std::future::pending().await
    });
    let sandbox = builder.build().await.unwrap();
    for _ in 0..2 {
        let error = sandbox.call::<u32>("wait", 0u32).await.unwrap_err();
        assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
        assert_eq!(sandbox.call::<u32>("count", ()).await.unwrap(), 1);
    }
}
