use std::time::Duration;

use crate::{InstanceMode, Module, SandboxError, SecurityPolicy, WasmSandbox};

const TEXT: &str = r#"(module
    (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)
    (func (export "spin") (loop $again br $again)))"#;

/// Finding of a child process, as its exit code.
const REFUSED: i32 = 0;
const RAN: i32 = 1;
const OTHER: i32 = 2;

fn outcome<T>(result: crate::Result<T>) -> i32 {
    match result {
        Err(SandboxError::Forked) => REFUSED,
        Err(_) => OTHER,
        Ok(_) => RAN,
    }
}

/// Runs that in a child process, which is killed if it takes long, and returns its exit code.
fn in_a_child(run: impl FnOnce() -> i32) -> Option<i32> {
    // SAFETY: the child runs on a copy of this thread alone. It takes no lock that another thread of this test may hold,
    // and ends without running anything else.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0);
        if child == 0 {
            libc::alarm(10);
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or(99);
            libc::_exit(code);
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status))
    }
}

fn sandbox(mode: InstanceMode) -> (Module, WasmSandbox) {
    let policy =
        SecurityPolicy::strict().with_wall_clock(Duration::from_secs(600)).with_instances(mode);
    let wasm = wat::parse_str(TEXT).expect("the text is right");
    let module = Module::compile(&wasm, &policy).expect("the module is small");
    let builder = WasmSandbox::builder().module(&module).security_policy(policy);
    (module, builder.build_blocking().expect("the module starts"))
}

#[test]
fn a_forked_child_is_told_that_no_guest_runs_there() {
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let (module, sandbox) = sandbox(mode);
        let add = |sandbox: &WasmSandbox| sandbox.call_blocking::<i32>("add", (1i32, 2i32));
        assert_eq!(add(&sandbox).unwrap(), 3);
        assert_eq!(in_a_child(|| outcome(add(&sandbox))), Some(REFUSED), "a call, {mode:?}");
        // It would spin for ever: there is nobody in the child to stop it.
        let spin = || sandbox.call_blocking::<()>("spin", ());
        assert_eq!(in_a_child(|| outcome(spin())), Some(REFUSED), "an endless call, {mode:?}");
        // And this would wait for ever: there is nobody to run it.
        let call = || pollster::block_on(sandbox.call::<i32>("add", (1i32, 2i32)));
        assert_eq!(in_a_child(|| outcome(call())), Some(REFUSED), "an async call, {mode:?}");
        let builder =
            WasmSandbox::builder().module(&module).security_policy(sandbox.policy().clone());
        let build = || builder.build_blocking();
        assert_eq!(in_a_child(|| outcome(build())), Some(REFUSED), "a new sandbox, {mode:?}");
        let grandchild = || in_a_child(|| outcome(add(&sandbox))).unwrap_or(OTHER);
        assert_eq!(in_a_child(grandchild), Some(REFUSED), "a call in a grandchild, {mode:?}");
        // The parent goes on as before.
        assert_eq!(add(&sandbox).unwrap(), 3);
        let hurried = sandbox.with_time_limit(Duration::from_millis(50));
        let spun = hurried.call_blocking::<()>("spin", ());
        assert!(matches!(spun, Err(SandboxError::Timeout { .. })));
    }
}
