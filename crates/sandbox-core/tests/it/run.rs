//! Modules that are run as programs.

use std::time::Duration;

use sandbox_core::{RunRequest, SandboxError, SecurityPolicy, WasmSandbox};

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
    let SandboxError::NoSuchFunction { name, available } = &error else { panic!("{error}") };
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
    let spin = r#"(module (func (export "_start") (loop $again br $again)))"#;
    let error = program(spin, policy).run_blocking(RunRequest::new()).unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
    let trap = r#"(module (func (export "_start") unreachable))"#;
    let error =
        program(trap, SecurityPolicy::strict()).run_blocking(RunRequest::new()).unwrap_err();
    assert!(matches!(error, SandboxError::Trap { .. }), "{error}");
    let sandbox = program(PROGRAM, SecurityPolicy::strict().with_output_limit(100));
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
