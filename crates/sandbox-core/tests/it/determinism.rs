//! Two runs that are alike give the same bytes: with a fixed clock, seeded random bytes and canonical NaNs.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use sandbox_core::{
    Clock, Compiler, Compilers, InstanceMode, NanBits, Randomness, RunRequest, SecurityPolicy,
};

use crate::modules::{self, COMPILERS};

/// Gathers what differs from run to run elsewhere: both clocks, random bytes, a NaN, and what is known of a file that it
/// writes. All of it goes to the file and to standard output.
const PROGRAM: &str = r#"(module
    (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_filestat_get"
        (func $stat (param i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 32) "result.bin")
    (func $gather
        (drop (call $clock (i32.const 0) (i64.const 1) (i32.const 1024)))
        (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 1032)))
        (drop (call $random (i32.const 1040) (i32.const 32)))
        (f64.store (i32.const 1072) (f64.div (f64.load (i32.const 0)) (f64.load (i32.const 0)))))
    (func $put (param $descriptor i32)
        (i32.store (i32.const 16) (i32.const 1024))
        (i32.store (i32.const 20) (i32.const 128))
        (drop (call $write (local.get $descriptor) (i32.const 16) (i32.const 1) (i32.const 24))))
    (func (export "_start")
        (call $gather)
        (drop (call $open (i32.const 3) (i32.const 0) (i32.const 32) (i32.const 10) (i32.const 1)
            (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 48)))
        (call $put (i32.load (i32.const 48)))
        (drop (call $stat (i32.const 3) (i32.const 0) (i32.const 32) (i32.const 10) (i32.const 1088)))
        (call $put (i32.const 1)))
    (func (export "draw") (result i64)
        (call $gather)
        (i64.xor (i64.load (i32.const 1024)) (i64.xor (i64.load (i32.const 1040)) (i64.load (i32.const 1072))))))"#;

/// Text before what another process observed.
const ANSWER: &str = "observed: ";

fn policy(mode: InstanceMode, seed: u64) -> SecurityPolicy {
    SecurityPolicy::basic()
        .with_instances(mode)
        .with_clock(Clock::Fixed { since_1970: Duration::from_secs(1_000_000_000) })
        .with_randomness(Randomness::Seeded(seed))
        .with_nan_bits(NanBits::Canonical)
        .with_compilers(Compilers::Any)
}

/// All that can be seen of a run and of some calls, in hexadecimal.
fn observed(policy: SecurityPolicy, compiler: Compiler) -> String {
    let builder = modules::builder(PROGRAM).security_policy(policy).compiler(compiler);
    let sandbox = builder.build_blocking().unwrap();
    let mut all = String::new();
    let mut note = |bytes: &[u8]| {
        for byte in bytes {
            write!(all, "{byte:02x}").unwrap();
        }
        all.push('/');
    };
    let report = sandbox.run_reported_blocking(RunRequest::new().file("/input/a.txt", "a"));
    assert_eq!(report.ended.unwrap(), 0);
    assert_eq!(report.stdout.len(), 128);
    note(&report.stdout);
    let files = report.files.unwrap();
    assert_eq!(files.list().len(), 2);
    for file in files.list() {
        note(file.path.as_bytes());
        note(&files.read(&file.path).unwrap());
    }
    for _ in 0..3 {
        note(&sandbox.call_blocking::<i64>("draw", ()).unwrap().to_le_bytes());
    }
    all
}

/// Observations in both modes, one line each.
fn observed_here() -> String {
    [InstanceMode::Persistent, InstanceMode::Fresh]
        .map(|mode| observed(policy(mode, 7), Compiler::Cranelift))
        .join("|")
}

#[test]
fn the_same_run_twice_gives_the_same_bytes_under_every_compiler() {
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let first = observed(policy(mode, 7), Compiler::Cranelift);
        for &compiler in COMPILERS {
            assert_eq!(observed(policy(mode, 7), compiler), first, "{mode:?}, {compiler}");
        }
    }
}

#[test]
fn what_is_not_fixed_makes_runs_differ() {
    let mode = InstanceMode::Fresh;
    let first = observed(policy(mode, 7), Compiler::Cranelift);
    let later = Clock::Fixed { since_1970: Duration::from_secs(1_000_000_001) };
    for other in [
        policy(mode, 8),
        policy(mode, 7).with_clock(later),
        policy(mode, 7).with_clock(Clock::Real),
        policy(mode, 7).with_randomness(Randomness::Secure),
    ] {
        assert_ne!(observed(other, Compiler::Cranelift), first);
    }
}

#[test]
fn another_process_gives_the_same_bytes() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "determinism::in_another_process", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let answer = text.split_once(ANSWER).and_then(|(_, rest)| rest.lines().next());
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(answer, Some(&*observed_here()));
}

#[test]
#[ignore = "runs only as a process of another test"]
fn in_another_process() {
    println!("{ANSWER}{}", observed_here());
}
