//! Modules that are run as programs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sandbox_core::{
    CancelHandle, InstanceMode, RunRequest, SandboxError, SecurityPolicy, WasmSandbox,
};

use crate::modules;

/// Copies its input to its output until there is none left, writes its command line to standard error, and
/// exits with the number of its arguments.
const PROGRAM: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 2)
    (global $runs (mut i32) (i32.const 0))
    (func (export "_start")
        (global.set $runs (i32.add (global.get $runs) (i32.const 1)))
        (if (i32.ne (global.get $runs) (i32.const 1)) (then unreachable))
        (loop $again
            (i32.store (i32.const 0) (i32.const 65536))
            (i32.store (i32.const 4) (i32.const 1000))
            (if (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8))
                (then unreachable))
            (if (i32.load (i32.const 8)) (then
                (i32.store (i32.const 4) (i32.load (i32.const 8)))
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))
                (br $again))))
        (drop (call $sizes (i32.const 16) (i32.const 20)))
        (drop (call $args (i32.const 1024) (i32.const 2048)))
        (i32.store (i32.const 0) (i32.const 2048))
        (i32.store (i32.const 4) (i32.load (i32.const 20)))
        (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 12)))
        (call $exit (i32.load (i32.const 16)))))"#;

fn program(text: &str, policy: SecurityPolicy) -> WasmSandbox {
    modules::builder(text).security_policy(policy).build_blocking().unwrap()
}

#[tokio::test]
async fn a_program_gets_arguments_and_input_and_leaves_output_and_a_code() {
    let sandbox = program(PROGRAM, SecurityPolicy::strict().with_argument("granted"));
    let request = RunRequest::new().argument("-l").arguments(["a", "b c"]).stdin("input");
    let output = sandbox.run(request).await.unwrap();
    assert_eq!(output.stdout, b"input");
    assert_eq!(output.stderr, b"guest\0granted\0-l\0a\0b c\0");
    assert_eq!(output.exit_code, 5);
}

#[test]
fn each_run_begins_anew() {
    let sandbox = program(PROGRAM, SecurityPolicy::strict());
    for _ in 0..3 {
        let input: Vec<u8> = (0..10_000u32).map(|i| (i % 251) as u8).collect();
        let output = sandbox.run_blocking(RunRequest::new().stdin(input.clone())).unwrap();
        assert_eq!((output.exit_code, output.stdout), (1, input));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_go_side_by_side() {
    let sandbox = program(PROGRAM, SecurityPolicy::strict());
    let runs: Vec<_> = (0..20)
        .map(|index| {
            let sandbox = sandbox.clone();
            tokio::spawn(
                async move { sandbox.run(RunRequest::new().stdin(format!("{index}"))).await },
            )
        })
        .collect();
    for (index, run) in runs.into_iter().enumerate() {
        assert_eq!(run.await.unwrap().unwrap().stdout, index.to_string().as_bytes());
    }
}

#[test]
fn a_program_that_returns_exits_with_zero() {
    let sandbox = program(r#"(module (func (export "_start")))"#, SecurityPolicy::paranoid());
    let output = sandbox.run_blocking(RunRequest::new()).unwrap();
    assert_eq!((output.exit_code, output.stdout.len(), output.stderr.len()), (0, 0, 0));
}

#[test]
fn a_module_that_is_no_program_says_what_it_is() {
    let sandbox = program(modules::NUMBERS, SecurityPolicy::strict());
    let error = sandbox.run_blocking(RunRequest::new()).unwrap_err();
    let SandboxError::NoSuchFunction { name, available, .. } = &error else { panic!("{error}") };
    assert_eq!(name, "_start");
    assert!(available.contains(&"add".to_owned()));
}

#[test]
fn a_policy_that_refuses_grants_refuses_arguments() {
    let sandbox = program(PROGRAM, SecurityPolicy::paranoid());
    let error = sandbox.run_blocking(RunRequest::new().argument("-l")).unwrap_err();
    assert!(matches!(error, SandboxError::InvalidGrant { .. }), "{error}");
    let output = sandbox.run_blocking(RunRequest::new().stdin("input")).unwrap();
    assert_eq!(output.stdout, b"input");
}

#[test]
fn limits_hold_for_programs() {
    let policy = SecurityPolicy::strict().with_wall_clock(Duration::from_millis(20));
    let patient = || SecurityPolicy::strict().with_wall_clock(Duration::from_secs(600));
    let spin = r#"(module (func (export "_start") (loop $again br $again)))"#;
    let error = program(spin, policy).run_blocking(RunRequest::new()).unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
    let trap = r#"(module (func (export "_start") unreachable))"#;
    let error = program(trap, patient()).run_blocking(RunRequest::new()).unwrap_err();
    assert!(matches!(error, SandboxError::Trap { .. }), "{error}");
    let sandbox = program(PROGRAM, patient().with_output_limit(100));
    let error = sandbox.run_blocking(RunRequest::new().stdin(vec![7; 200])).unwrap_err();
    assert!(matches!(error, SandboxError::OutputLimit { .. }), "{error}");
    assert!(sandbox.run_blocking(RunRequest::new().stdin("short")).is_ok());
}

#[tokio::test]
async fn dropping_a_run_stops_the_program() {
    let spin = r#"(module (func (export "_start") (loop $again br $again)))"#;
    let sandbox = program(spin, SecurityPolicy::permissive());
    for _ in 0..5 {
        let run = sandbox.run(RunRequest::new());
        assert!(tokio::time::timeout(Duration::from_millis(20), run).await.is_err());
    }
}

/// Counts the programs that run at once, and keeps each of them for a moment.
fn counted(limit: usize, mode: InstanceMode) -> (WasmSandbox, Arc<AtomicUsize>) {
    let text = r#"(module (import "env" "stay" (func $stay))
        (func (export "_start") (call $stay)) (func (export "call") (call $stay)))"#;
    let (most, now) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let stay = {
        let most = Arc::clone(&most);
        move || {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(2));
            now.fetch_sub(1, Ordering::SeqCst);
        }
    };
    let policy = SecurityPolicy::strict().with_max_instances(limit).with_instances(mode);
    let builder = modules::builder(text).security_policy(policy);
    (builder.host_function("env", "stay", stay).build_blocking().unwrap(), most)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_programs_run_at_once_than_may() {
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let (sandbox, most) = counted(2, mode);
        let runs: Vec<_> = (0..100)
            .map(|_| {
                let sandbox = sandbox.clone();
                tokio::spawn(async move { sandbox.run(RunRequest::new()).await })
            })
            .collect();
        for run in runs {
            assert_eq!(run.await.unwrap().unwrap().exit_code, 0);
        }
        let most = most.load(Ordering::SeqCst);
        assert!((1..=2).contains(&most), "{mode:?}: {most} at once");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn programs_that_wait_for_their_turn_take_no_threads() {
    // It counts the threads of the process.
    crate::alone::run("run::threads_of_many_programs_in_a_process_of_their_own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs only as a process of another test"]
#[cfg(target_os = "linux")]
async fn threads_of_many_programs_in_a_process_of_their_own() {
    const RUNS: usize = 100;
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let (sandbox, _) = counted(2, mode);
        // What the library keeps is there after the first.
        let _ = sandbox.run(RunRequest::new()).await.unwrap();
        let before = threads();
        let runs: Vec<_> = (0..RUNS)
            .map(|_| {
                let sandbox = sandbox.clone();
                tokio::spawn(async move { sandbox.run(RunRequest::new()).await })
            })
            .collect();
        let mut most = threads();
        for run in runs {
            let _ = run.await.unwrap().unwrap();
            most = most.max(threads());
        }
        // One for each of the two that run, and those that just ended and are still there: on a busy machine a few.
        assert!(most < before + RUNS / 2, "{mode:?}: {most} threads, and {before} before");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_and_fresh_calls_wait_for_each_other() {
    let (sandbox, most) = counted(2, InstanceMode::Fresh);
    let both: Vec<_> = (0..60)
        .map(|at| {
            let sandbox = sandbox.clone();
            tokio::spawn(async move {
                if at % 2 == 0 {
                    sandbox.run(RunRequest::new()).await.map(drop)
                } else {
                    sandbox.call::<()>("call", ()).await
                }
            })
        })
        .collect();
    for one in both {
        one.await.unwrap().unwrap();
    }
    assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
}

#[test]
fn programs_that_are_run_on_threads_of_the_caller_are_limited_too() {
    let (sandbox, most) = counted(1, InstanceMode::Persistent);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| sandbox.run_blocking(RunRequest::new()).unwrap());
        }
    });
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_run_that_waits_can_be_dropped_and_cancelled() {
    let spin = r#"(module (func (export "_start") (loop $again br $again)))"#;
    let policy = SecurityPolicy::permissive().with_max_instances(1);
    let sandbox = program(spin, policy);
    let (running, handle) = (sandbox.clone(), CancelHandle::new());
    let first = sandbox.with_cancel_handle(&handle);
    let first = tokio::spawn(async move { first.run(RunRequest::new()).await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    let waits = running.run(RunRequest::new());
    assert!(tokio::time::timeout(Duration::from_millis(20), waits).await.is_err());
    let stopped = CancelHandle::new();
    let waits = running.with_cancel_handle(&stopped);
    let waits = tokio::spawn(async move { waits.run(RunRequest::new()).await });
    stopped.cancel();
    assert!(matches!(waits.await.unwrap(), Err(SandboxError::Cancelled { .. })));
    handle.cancel();
    assert!(matches!(first.await.unwrap(), Err(SandboxError::Cancelled { .. })));
}

#[test]
fn a_program_that_is_run_by_the_host_function_of_another_does_not_wait_for_it() {
    let text = r#"(module (import "env" "again" (func $again (result i32)))
        (func (export "_start") (if (call $again) (then unreachable))))"#;
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let inner: Arc<OnceLock<WasmSandbox>> = Arc::default();
        let again = {
            let inner = Arc::clone(&inner);
            move || match inner.get().unwrap().run_blocking(RunRequest::new()) {
                Err(SandboxError::NestedCall { .. }) => 0,
                other => panic!("{other:?}"),
            }
        };
        let policy = SecurityPolicy::strict().with_max_instances(1).with_instances(mode);
        let builder = modules::builder(text).security_policy(policy);
        let sandbox = builder.host_function("env", "again", again).build_blocking().unwrap();
        inner.set(sandbox.clone()).unwrap();
        assert_eq!(sandbox.run_blocking(RunRequest::new()).unwrap().exit_code, 0);
    }
}

/// Prints the file `folder/name`, as far as it fits into a page.
const PRINT_FILE: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 2)
    (data (i32.const 32) "folder/name")
    (func (export "_start") (local $errno i32)
        (local.set $errno (call $open (i32.const 3) (i32.const 1) (i32.const 32) (i32.const 11)
            (i32.const 0) (i64.const 2) (i64.const 2) (i32.const 0) (i32.const 0)))
        (if (local.get $errno) (then (call $exit (local.get $errno))))
        (i32.store (i32.const 8) (i32.const 65536))
        (i32.store (i32.const 12) (i32.const 65536))
        (drop (call $read (i32.load (i32.const 0)) (i32.const 8) (i32.const 1) (i32.const 12)))
        (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 4)))))"#;

#[test]
fn a_program_finds_the_files_that_it_is_run_with_and_only_those() {
    for policy in [SecurityPolicy::permissive(), SecurityPolicy::paranoid()] {
        let sandbox = program(PRINT_FILE, policy);
        for path in ["folder/name", "/folder/name", "/folder/./name"] {
            let request = RunRequest::new().file("folder/name", "before").file(path, "contents");
            let output = sandbox.run_blocking(request).unwrap();
            assert_eq!((output.exit_code, &*output.stdout), (0, &b"contents"[..]));
        }
        assert_eq!(sandbox.run_blocking(RunRequest::new()).unwrap().exit_code, 44);
    }
}

#[test]
fn a_file_that_has_no_place_in_memory_is_refused() {
    let host = tempfile::tempdir().unwrap();
    let policy = SecurityPolicy::basic().with_scratch_limit(100_000).with_folder(
        host.path(),
        "/granted/here",
        sandbox_core::Access::ReadWrite,
    );
    let sandbox = program(PRINT_FILE, policy);
    let refused = |path: &str, contents: Vec<u8>| {
        let error = sandbox.run_blocking(RunRequest::new().file(path, contents)).unwrap_err();
        let SandboxError::InvalidGrant { grant, message, .. } = error else { panic!("{error}") };
        assert!(grant.contains(&format!("{path:?}")), "{grant}");
        message
    };
    assert!(refused("large", vec![1; 200_000]).contains("with_scratch_limit"));
    for path in ["/granted/here/file", "granted/here", "granted/here/a/b"] {
        let message = refused(path, b"x".to_vec());
        assert!(message.contains("granted folder") || path == "granted/here", "{path}: {message}");
    }
    for path in ["", "/", ".", "a/", "../a", "a/../b", "a\0b"] {
        refused(path, b"x".to_vec());
    }
    refused(&format!("a/{}", "n".repeat(256)), Vec::new());
    let twice = RunRequest::new().file("a", "x").file("a/b", "x");
    assert!(matches!(sandbox.run_blocking(twice), Err(SandboxError::InvalidGrant { .. })));
    assert_eq!(std::fs::read_dir(host.path()).unwrap().count(), 0);
    let beside = RunRequest::new().file("granted/folder", "x").file("folder/name", "y");
    assert_eq!(sandbox.run_blocking(beside).unwrap().stdout, b"y");
}

mod reports;
