//! A scene of which `cargo xtask faults` has one system call after the other fail.

use std::path::Path;
use std::time::Duration;

use sandbox_core::{
    Access, Compiler, ErrorClass, InstanceMode, Module, RunRequest, SandboxError, SecurityPolicy,
    SigningKey, WasmSandbox,
};

use crate::modules::wasm;
use crate::soak::Holdings;

const GUEST: &str = r#"(module
    (memory (export "memory") 1 40)
    (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)
    (func (export "grow") (result i32) (memory.grow (i32.const 20)))
    (func (export "write") (i32.store (i32.const 60000) (i32.const 7)))
    (func (export "find") (result i32) (i32.load (i32.const 60000)))
    (func (export "spin") (loop $again br $again))
    (func (export "trap") unreachable))"#;

/// Writes what it reads, to its output and to a file of the folder that it has.
const PROGRAM: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\00\04\00\00\64\00\00\00")
    (data (i32.const 64) "file")
    (func (export "_start") (local $bad i32)
        (local.set $bad (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
        (i32.store (i32.const 4) (i32.load (i32.const 8)))
        (local.set $bad (i32.or (local.get $bad)
            (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12))))
        (local.set $bad (i32.or (local.get $bad)
            (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 4) (i32.const 9)
                (i64.const 64) (i64.const 64) (i32.const 0) (i32.const 16))))
        (local.set $bad (i32.or (local.get $bad)
            (call $write (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 12))))
        (if (local.get $bad) (then (call $exit (i32.const 9))))))"#;

/// Judge of outcomes where a system call fails.
struct Pass {
    /// Whether one may have failed.
    disturbed: bool,
}

impl Pass {
    /// A value, unless the host failed.
    fn some<T>(&self, what: &str, outcome: Result<T, SandboxError>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(error) if self.disturbed => {
                assert!(!matches!(error, SandboxError::HostPanic { .. }), "{what}: {error}");
                assert_eq!(error.class(), ErrorClass::Host, "{what}: {error}");
                println!("{what}: {error}");
                None
            }
            Err(error) => panic!("{what} fails though nothing else does: {error}"),
        }
    }

    fn value<T: PartialEq + std::fmt::Debug>(
        &self,
        what: &str,
        outcome: Result<T, SandboxError>,
        right: &T,
    ) {
        if let Some(value) = self.some(what, outcome) {
            assert_eq!(&value, right, "{what}");
        }
    }

    /// An error of the guest's own, unless the host failed.
    fn fails(
        &self,
        what: &str,
        outcome: Result<(), SandboxError>,
        is_right: impl Fn(&SandboxError) -> bool,
    ) {
        match outcome {
            Err(error) if is_right(&error) => {}
            Err(error) => {
                self.some::<()>(what, Err(error));
            }
            Ok(()) => panic!("{what} should have failed"),
        }
    }
}

fn policy(mode: InstanceMode) -> SecurityPolicy {
    SecurityPolicy::strict().with_instances(mode).with_wall_clock(Duration::from_secs(60))
}

fn build(mode: InstanceMode, cache: &Path) -> Result<WasmSandbox, SandboxError> {
    WasmSandbox::builder()
        .source_bytes(wasm(GUEST))
        .security_policy(policy(mode))
        .compiler(Compiler::Singlepass)
        .cache_dir(cache)
        .build_blocking()
}

fn use_it(pass: &Pass, sandbox: &WasmSandbox, mode: InstanceMode) {
    for _ in 0..2 {
        pass.value("add", sandbox.call_blocking("add", (40, 2)), &42);
        pass.some("write", sandbox.call_blocking::<()>("write", ()));
        if mode == InstanceMode::Fresh {
            pass.value("find", sandbox.call_blocking("find", ()), &0);
        }
        // Growth that the system refuses is refused to the guest.
        if let Some(pages) = pass.some("grow", sandbox.call_blocking::<i32>("grow", ())) {
            let usual = [1, 21, -1].contains(&pages);
            assert!(
                usual && (pages != -1 || pass.disturbed || mode != InstanceMode::Fresh),
                "{pages}"
            );
        }
        let trap = sandbox.call_blocking::<()>("trap", ());
        pass.fails("trap", trap, |error| matches!(error, SandboxError::Trap { .. }));
    }
    let brief = sandbox.with_time_limit(Duration::from_millis(15));
    let spin = brief.call_blocking::<()>("spin", ());
    pass.fails("spin", spin, |error| matches!(error, SandboxError::Timeout { .. }));
    let session = sandbox.session_blocking();
    if let Some(mut session) = pass.some("session", session) {
        pass.value("add in a session", session.call_blocking("add", (40, 2)), &42);
    }
}

fn run_a_program(pass: &Pass, folder: &Path) {
    let policy = policy(InstanceMode::Fresh).with_folder(folder, "/", Access::ReadWrite);
    let builder = WasmSandbox::builder().source_bytes(wasm(PROGRAM)).security_policy(policy);
    let built = builder.compiler(Compiler::Singlepass).disable_cache().build_blocking();
    let Some(sandbox) = pass.some("build the program", built) else { return };
    let request = RunRequest::new().stdin("input");
    let Some(output) = pass.some("run", sandbox.run_blocking(request)) else { return };
    match output.exit_code {
        0 => assert_eq!(output.stdout, b"input"),
        // An error number of WASI.
        9 if pass.disturbed => {}
        code => panic!("the program ends with {code}"),
    }
}

fn seal_and_load(pass: &Pass, folder: &Path) {
    let Ok(key) = SigningKey::generate() else {
        return assert!(pass.disturbed, "there are no random bytes");
    };
    let policy = policy(InstanceMode::Fresh);
    let compiled = Module::compile_with(&wasm(GUEST), &policy, Compiler::Singlepass);
    let Some(module) = pass.some("compile", compiled) else { return };
    let Some(sealed) = pass.some("seal", module.seal(&key)) else { return };
    let file = folder.join("sealed");
    if let Err(error) = std::fs::write(&file, &sealed) {
        return assert!(pass.disturbed, "{error}");
    }
    pass.some("load", Module::load_file(&file, &policy, &key).map(drop));
}

async fn asynchronously(pass: &Pass, sandbox: &WasmSandbox) {
    pass.value("add from a task", sandbox.call("add", (40, 2)).await, &42);
    let spin = tokio::time::timeout(Duration::from_millis(5), sandbox.call::<()>("spin", ())).await;
    if let Ok(outcome) = spin {
        pass.fails("spin from a task", outcome, |_| false);
    }
}

fn pass(disturbed: bool, runtime: &tokio::runtime::Runtime) {
    let pass = Pass { disturbed };
    let folders = [tempfile::tempdir(), tempfile::tempdir()];
    let [Ok(cache), Ok(folder)] = folders else {
        return assert!(disturbed, "there is no room for a folder");
    };
    for mode in [InstanceMode::Fresh, InstanceMode::Persistent] {
        if let Some(sandbox) = pass.some("build", build(mode, cache.path())) {
            use_it(&pass, &sandbox, mode);
            runtime.block_on(asynchronously(&pass, &sandbox));
        }
    }
    run_a_program(&pass, folder.path());
    seal_and_load(&pass, folder.path());
}

/// Not a test: what `cargo xtask faults` plays. It asks for its process group where faults begin and where they end.
#[test]
#[ignore = "is played by `cargo xtask faults`"]
fn scene() {
    let mark = || rustix::process::getpgid(None).unwrap();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().unwrap();
    mark();
    pass(true, &runtime);
    mark();
    pass(false, &runtime);
    // Guests that were given up end when they are told to.
    std::thread::sleep(Duration::from_millis(300));
    let held = Holdings::now();
    println!("holds {} {} {}", held.descriptors, held.threads, held.mappings);
}
