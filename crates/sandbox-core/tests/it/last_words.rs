//! Last words of a guest: its output before it failed.

use std::time::Duration;

use sandbox_core::{InstanceMode, RunRequest, SandboxError, SecurityPolicy, WasmSandbox};

use crate::modules;

/// Writes a line to each stream, and then ends in one of several ways.
const SPEAKER: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\20\00\00\00\04\00\00\00\30\00\00\00\05\00\00\00")
    (data (i32.const 32) "out\n")
    (data (i32.const 48) "last\n")
    (func $speak
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
        (drop (call $write (i32.const 2) (i32.const 8) (i32.const 1) (i32.const 16))))
    (func (export "trap") (call $speak) unreachable)
    (func (export "spin") (call $speak) (loop $again br $again))
    (func (export "quit") (call $speak) (call $exit (i32.const 3)))
    (func (export "grow") (call $speak)
        (if (i32.eq (memory.grow (i32.const 60000)) (i32.const -1)) (then unreachable)))
    (func (export "flood") (loop $again (call $speak) br $again))
    (func (export "fine") (call $speak))
    (func (export "_start") (call $speak) unreachable))"#;

fn sandbox(mode: InstanceMode) -> WasmSandbox {
    let policy = SecurityPolicy::strict()
        .with_instances(mode)
        .with_output_limit(20)
        .with_wall_clock(Duration::from_secs(600));
    modules::builder(SPEAKER).security_policy(policy).build_blocking().unwrap()
}

#[test]
fn an_error_has_what_the_guest_wrote_before() {
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let sandbox = sandbox(mode);
        for _ in 0..3 {
            for function in ["trap", "spin", "quit", "grow"] {
                let limit = if function == "spin" {
                    Duration::from_millis(50)
                } else {
                    Duration::from_secs(600)
                };
                let called = sandbox.with_time_limit(limit).call_blocking::<()>(function, ());
                let error = called.unwrap_err();
                let output = error.output().unwrap_or_else(|| panic!("{function}: {error}"));
                assert_eq!(output.stdout, b"out\n", "{function}");
                assert_eq!(output.stderr, b"last\n", "{function}");
            }
        }
    }
}

#[test]
fn a_flood_is_kept_up_to_the_limit() {
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let error = sandbox(mode).call_blocking::<()>("flood", ()).unwrap_err();
        assert!(matches!(error, SandboxError::OutputLimit { limit_bytes: 20, .. }), "{error}");
        let output = error.output().unwrap();
        assert_eq!(output.stdout, b"out\nout\nou");
        assert_eq!(output.stderr, b"last\nlast\n");
    }
}

#[test]
fn a_program_that_traps_leaves_its_last_words() {
    let error = sandbox(InstanceMode::Fresh).run_blocking(RunRequest::new()).unwrap_err();
    assert!(matches!(error, SandboxError::Trap { .. }), "{error}");
    assert_eq!(error.output().unwrap().stderr, b"last\n");
}

#[test]
fn what_was_written_is_had_once() {
    let sandbox = sandbox(InstanceMode::Persistent);
    sandbox.call_blocking::<()>("fine", ()).unwrap();
    let error = sandbox.call_blocking::<()>("trap", ()).unwrap_err();
    assert_eq!(error.output().unwrap().stdout, b"out\nout\n", "nobody took the first line");
    assert!(pollster::block_on(sandbox.take_output()).is_empty());
    sandbox.call_blocking::<()>("fine", ()).unwrap();
    assert_eq!(pollster::block_on(sandbox.take_output()).stdout, b"out\n");
    let error = sandbox.call_blocking::<i32>("missing", ()).unwrap_err();
    assert!(error.output().is_none(), "no guest ran");
}
