//! Scenes of tests that change the process they are in, each in a process of its own.

#![expect(unsafe_code, reason = "changes what the process may do")]

use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::{SandboxError, SecurityPolicy, WasmSandbox, WasmSandboxBuilder};

/// No scene takes a fraction of that. One that hangs fails its test, and not the suite.
const LIMIT: Duration = Duration::from_secs(60);

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
    let policy = SecurityPolicy::strict().with_wall_clock(LIMIT);
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
    let error = hurried.call_blocking::<_, ()>("spin", ()).unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
}

/// Guests run and trap.
pub(super) fn assert_traps(sandbox: &WasmSandbox) {
    assert_eq!(sandbox.call_blocking::<_, i32>("add", (1, 2)).unwrap(), 3);
    let errors = [
        sandbox.call_blocking::<_, i32>("load", ()).map(drop).unwrap_err(),
        sandbox.call_blocking::<_, i32>("divide", 0).map(drop).unwrap_err(),
        sandbox.call_blocking::<_, ()>("abort", ()).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, SandboxError::Trap { .. }), "{error}");
    }
}

/// Has system calls fail from now on, in all threads, with that error number.
#[cfg(target_os = "linux")]
pub(super) fn deny(calls: &[libc::c_long], error: libc::c_int) {
    let code_of = |code: u32| u16::try_from(code).unwrap();
    let load_call = libc::sock_filter {
        code: code_of(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS),
        jt: 0,
        jf: 0,
        k: 0,
    };
    let answer =
        |k: u32| libc::sock_filter { code: code_of(libc::BPF_RET | libc::BPF_K), jt: 0, jf: 0, k };
    let mut program = vec![load_call];
    for call in calls {
        let k = u32::try_from(*call).unwrap();
        let code = code_of(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K);
        program.push(libc::sock_filter { code, jt: 0, jf: 1, k });
        program.push(answer(libc::SECCOMP_RET_ERRNO | error.cast_unsigned()));
    }
    program.push(answer(libc::SECCOMP_RET_ALLOW));
    let len = u16::try_from(program.len()).unwrap();
    let filter = libc::sock_fprog { len, filter: program.as_mut_ptr() };
    // SAFETY: the pointers are to live structures of the types that the calls take.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let set = libc::SECCOMP_SET_MODE_FILTER;
        let everywhere = libc::SECCOMP_FILTER_FLAG_TSYNC;
        assert_eq!(libc::syscall(libc::SYS_seccomp, set, everywhere, &raw const filter), 0);
    }
}
