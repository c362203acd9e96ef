//! Scenes of tests that change the process they are in, each in a process of its own.

use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::{InstanceMode, SandboxError, SecurityPolicy, WasmSandbox, WasmSandboxBuilder};

/// No scene takes a fraction of that. One that hangs fails its test, and not the suite.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// A guest that goes round for ever, and traps in several ways.
pub(super) const GUEST: &str = r#"(module (memory (export "memory") 1)
    (func (export "spin") (loop $again (br $again)))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "load") (result i32) (i32.load (i32.const -4)))
    (func (export "divide") (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0)))
    (func (export "abort") unreachable))"#;

/// Runs an ignored test in a process of its own, which must end well.
pub(super) fn run(scene: &str) {
    let (status, said) = run_to_end(scene);
    assert!(status.success(), "{status}: {said}");
}

/// Runs an ignored test in a process of its own. Returns how that ended, and what it said.
pub(super) fn run_to_end(scene: &str) -> (ExitStatus, String) {
    let folder = tempfile::tempdir().unwrap();
    let said = folder.path().join("said");
    let file = std::fs::File::create(&said).unwrap();
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["--exact", scene, "--ignored", "--nocapture", "--test-threads=1"]);
    program.stdout(file.try_clone().unwrap()).stderr(file).stdin(Stdio::null());
    let mut child = program.spawn().unwrap();
    let started = Instant::now();
    let said = || std::fs::read_to_string(&said).unwrap_or_default();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            let said = said();
            assert!(!status.success() || said.contains("1 passed"), "{said}");
            return (status, said);
        }
        if started.elapsed() > LIMIT {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{scene} hangs after {LIMIT:?}: {}", said());
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// A builder of sandboxes whose calls may take as long as a busy machine needs.
pub(super) fn builder() -> WasmSandboxBuilder {
    let policy =
        SecurityPolicy::strict().with_instances(InstanceMode::Persistent).with_wall_clock(LIMIT);
    WasmSandbox::builder().source_bytes(wat::parse_str(GUEST).unwrap()).security_policy(policy)
}

/// Guests run, are stopped, and trap.
pub(super) fn assert_well(sandbox: &WasmSandbox) {
    assert_stops(sandbox);
    assert_traps(sandbox);
}

/// Guests are stopped by their limit of time.
pub(super) fn assert_stops(sandbox: &WasmSandbox) {
    let hurried = sandbox.with_time_limit(Duration::from_millis(20));
    let error = hurried.call_blocking::<()>("spin", ()).unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
}

/// Guests run and trap.
pub(super) fn assert_traps(sandbox: &WasmSandbox) {
    assert_eq!(sandbox.call_blocking::<i32>("add", (1, 2)).unwrap(), 3);
    let errors = [
        sandbox.call_blocking::<i32>("load", ()).map(drop).unwrap_err(),
        sandbox.call_blocking::<i32>("divide", 0).map(drop).unwrap_err(),
        sandbox.call_blocking::<()>("abort", ()).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, SandboxError::Trap { .. }), "{error}");
    }
}

/// Has system calls fail from now on, in all threads, with that error number.
#[cfg(target_os = "linux")]
pub(super) fn deny(calls: &[libc::c_long], error: libc::c_int) {
    seccompiler::apply_filter_all_threads(&filter(calls, failing(error))).unwrap();
}

/// Has each thread end that makes one of those system calls from now on.
#[cfg(target_os = "linux")]
pub(super) fn end_threads_at(calls: &[libc::c_long]) {
    let program = filter(calls, seccompiler::SeccompAction::KillThread);
    seccompiler::apply_filter_all_threads(&program).unwrap();
}

/// Has system calls of the calling thread, and of those that it starts, fail from now on with that error number.
#[cfg(target_os = "linux")]
pub(crate) fn deny_here(calls: &[libc::c_long], error: libc::c_int) {
    seccompiler::apply_filter(&filter(calls, failing(error))).unwrap();
}

#[cfg(target_os = "linux")]
fn failing(error: libc::c_int) -> seccompiler::SeccompAction {
    seccompiler::SeccompAction::Errno(error.cast_unsigned())
}

#[cfg(target_os = "linux")]
fn filter(calls: &[libc::c_long], outcome: seccompiler::SeccompAction) -> seccompiler::BpfProgram {
    use seccompiler::{SeccompAction, SeccompFilter};

    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let here = std::env::consts::ARCH.try_into().unwrap();
    SeccompFilter::new(rules, SeccompAction::Allow, outcome, here).unwrap().try_into().unwrap()
}
