#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use crate::sys::alone::{self, LIMIT, assert_traps, assert_well, builder, deny, end_threads_at};
use crate::{
    Access, CancelHandle, ErrorClass, InstanceMode, MemoryReset, Module, SandboxError,
    SecurityPolicy, SystemNeed, WasmSandbox,
};

/// Defines a test that runs in a process of its own.
macro_rules! scenes {
    ($($name:ident = $scene:ident $body:block)*) => {$(
        #[test]
        fn $name() {
            alone::run(concat!("sys::system::tests::", stringify!($scene)));
        }

        /// Not a test: what runs in a process of its own.
        #[test]
        #[ignore = "runs only as a process of another test"]
        fn $scene() $body
    )*};
}

/// A policy under which all calls share an instance.
fn persistent() -> SecurityPolicy {
    SecurityPolicy::strict().with_instances(InstanceMode::Persistent)
}

fn wasm() -> Vec<u8> {
    wat::parse_str(alone::GUEST).expect("the text is valid")
}

#[track_caller]
fn is_refused(need: SystemNeed, error: &SandboxError) {
    let SandboxError::SystemRefused { need: found, error: cause, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(*found, need);
    // What the system said is the cause, for whoever follows it.
    assert_ne!(cause.to_string(), "", "{cause:?}");
    let source = std::error::Error::source(error).expect("an error of the system has a cause");
    assert_eq!(source.to_string(), cause.to_string());
    assert!(error.to_string().contains(need.remedy()), "{error}");
}

/// Limits a resource of this process, beyond what it uses now. It can be limited otherwise later.
fn limit(resource: libc::__rlimit_resource_t, most: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live structure of the type that the call fills in.
    assert_eq!(unsafe { libc::getrlimit(resource, &raw mut limit) }, 0);
    limit.rlim_cur = most;
    // SAFETY: the pointer is to a live structure of the type that the call takes.
    assert_eq!(unsafe { libc::setrlimit(resource, &raw const limit) }, 0);
}

scenes! {
    where_no_memory_may_become_executable_nothing_is_compiled_or_loaded = no_executable_memory {
        const PR_SET_MDWE: libc::c_int = 65;
        let key = crate::SigningKey::generate().unwrap();
        let sealed = Module::precompile(&wasm(), &persistent(), &key).unwrap();
        // SAFETY: the call takes numbers only.
        if unsafe { libc::prctl(PR_SET_MDWE, 1, 0, 0, 0) } != 0 {
            // Linux before 6.3. The filter of the next scene does the same.
            return;
        }
        is_refused(SystemNeed::ExecutableMemory, &builder().build_blocking().unwrap_err());
        let loaded = Module::load(&sealed, &persistent(), &key);
        is_refused(SystemNeed::ExecutableMemory, &loaded.unwrap_err());
    }

    where_mprotect_is_denied_everything_is_refused_and_nothing_panics = no_mprotect {
        let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
        let before = threads();
        let module = Module::compile(&wasm(), &persistent()).unwrap();
        // Rust ends the process where a thread that begins gets no stack for signals: one of the compiler's may only now begin.
        for _ in 0..300 {
            if threads() <= before {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        deny(&[libc::SYS_mprotect], libc::EACCES);
        is_refused(SystemNeed::ExecutableMemory, &builder().build_blocking().unwrap_err());
        let error = WasmSandbox::builder().module(&module).build_blocking().unwrap_err();
        assert!(matches!(error, SandboxError::SystemRefused { .. }), "{error}");
    }

    where_there_is_no_thread_to_watch_guests_none_is_run = no_thread {
        deny(&[libc::SYS_clone, libc::SYS_clone3], libc::EAGAIN);
        is_refused(SystemNeed::Thread, &builder().build_blocking().unwrap_err());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        is_refused(SystemNeed::Thread, &runtime.block_on(builder().build()).unwrap_err());
        let compiled = Module::compile(&wasm(), &persistent());
        is_refused(SystemNeed::Thread, &compiled.unwrap_err());
    }

    where_there_is_no_further_thread_those_that_are_there_go_on = no_further_thread {
        let module = Module::compile(&wasm(), &persistent()).unwrap();
        let sandbox = builder().build_blocking().unwrap();
        assert_well(&sandbox);
        deny(&[libc::SYS_clone, libc::SYS_clone3], libc::EAGAIN);
        assert_well(&sandbox);
        assert_traps(&WasmSandbox::builder().module(&module).build_blocking().unwrap());
        let compiled = Module::compile(&wasm(), &persistent());
        is_refused(SystemNeed::Thread, &compiled.unwrap_err());
        // A call on a worker thread, of which there is none yet.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        match runtime.block_on(sandbox.call::<i32>("add", (1, 2))) {
            Ok(sum) => assert_eq!(sum, 3),
            Err(error) => is_refused(SystemNeed::Thread, &error),
        }
    }

    where_no_more_files_may_be_open_a_granted_folder_is_not_to_blame = no_open_files {
        let folder = tempfile::tempdir().unwrap();
        let policy = persistent().with_folder(folder.path(), "/data", Access::ReadOnly);
        let text = r#"(module (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
            (memory (export "memory") 1) (func (export "f")))"#;
        let granted = || WasmSandbox::builder().source_bytes(wat::parse_str(text).unwrap()).security_policy(policy.clone());
        let sandbox = granted().build_blocking().unwrap();
        limit(libc::RLIMIT_NOFILE, 3);
        let error = granted().build_blocking().unwrap_err();
        is_refused(SystemNeed::OpenFiles, &error);
        assert_eq!(error.class(), ErrorClass::Host);
        sandbox.call_blocking::<()>("f", ()).unwrap();
    }

    where_address_space_is_limited_there_are_errors_and_no_panics = little_address_space {
        let module = Module::compile(&wasm(), &persistent()).unwrap();
        let sandbox = builder().build_blocking().unwrap();
        assert_well(&sandbox);
        // There is an instance again after the traps.
        assert_eq!(sandbox.call_blocking::<i32>("add", (1, 2)).unwrap(), 3);
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
        limit(libc::RLIMIT_AS, pages * 4096 + (4 << 20));
        assert_eq!(sandbox.call_blocking::<i32>("add", (1, 2)).unwrap(), 3);
        // Neither one that is initialised nor one that begins from a template gets room for its memory.
        let another = WasmSandbox::builder().module(&module);
        is_refused(SystemNeed::Memory, &another.build_blocking().unwrap_err());
        // Only a stack is missing.
        let large = persistent().with_stack(64 << 20);
        let stackless = wat::parse_str(r#"(module (func (export "f")))"#).unwrap();
        let stackless = WasmSandbox::builder().source_bytes(stackless).security_policy(large);
        is_refused(SystemNeed::Stack, &stackless.build_blocking().unwrap_err());
    }

    a_guest_within_a_guest_for_which_there_is_no_stack_is_refused = no_inner_stack {
        const STACK: usize = 64 << 20;
        let policy = persistent()
            .with_stack(STACK)
            .with_wall_clock(std::time::Duration::from_secs(60));
        let inner = builder().security_policy(policy.clone()).build_blocking().unwrap();
        let inner_too = inner.clone();
        let outer = r#"(module (import "env" "inner" (func $inner (result i32)))
            (func (export "call") (result i32) (call $inner)))"#;
        let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let noted = std::sync::Arc::clone(&seen);
        let outer = WasmSandbox::builder()
            .source_bytes(wat::parse_str(outer).unwrap())
            .security_policy(policy)
            .host_function("env", "inner", move || {
                let outcome = inner.call_blocking::<i32>("add", (1, 2));
                let sum = outcome.as_ref().map_or(-1, |sum| *sum);
                noted.lock().unwrap().push(outcome);
                sum
            })
            .build_blocking()
            .unwrap();
        // A guest has a stack, and none ran within another yet.
        assert_eq!(inner_too.call_blocking::<i32>("add", (1, 2)).unwrap(), 3);
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
        limit(libc::RLIMIT_AS, pages * 4096 + STACK as u64 / 2);
        assert_eq!(outer.call_blocking::<i32>("call", ()).unwrap(), -1);
        is_refused(SystemNeed::Stack, seen.lock().unwrap().pop().unwrap().as_ref().unwrap_err());
        // Nothing is lost by that.
        limit(libc::RLIMIT_AS, pages * 4096 + 4 * STACK as u64);
        assert_eq!(outer.call_blocking::<i32>("call", ()).unwrap(), 3);
    }

    without_files_in_memory_everything_works = no_memfd {
        deny(&[libc::SYS_memfd_create], libc::ENOSYS);
        assert_all_works();
    }

    where_files_in_memory_are_forbidden_everything_works = forbidden_memfd {
        deny(&[libc::SYS_memfd_create], libc::EPERM);
        assert_all_works();
    }

    where_the_kernel_does_not_tell_what_was_written_everything_works = no_pagemap {
        deny(&[libc::SYS_ioctl], libc::ENOTTY);
        assert_all_works();
    }

    where_the_kernel_has_no_barriers_everything_works = no_membarrier {
        deny(&[libc::SYS_membarrier], libc::ENOSYS);
        assert_all_works();
    }

    where_page_faults_are_not_counted_everything_works = no_fault_counts {
        deny(&[libc::SYS_getrusage], libc::ENOSYS);
        assert_all_works();
    }

    where_threads_have_no_clocks_everything_works = no_thread_clocks {
        deny_thread_clocks();
        assert!(crate::sys::cpu_time::of_this_thread().is_none());
        assert_all_works();
    }

    what_the_kernel_need_not_offer_is_done_without = fewer_system_calls {
        let calls = [
            libc::SYS_memfd_create,
            libc::SYS_membarrier,
            libc::SYS_getrusage,
            libc::SYS_ioctl,
        ];
        deny_thread_clocks();
        deny(&calls, libc::ENOSYS);
        assert_all_works();
    }

    neither_the_first_call_nor_the_watchdog_waits_for_the_kernels_barriers = ended_by_membarrier {
        end_threads_at(&[libc::SYS_membarrier]);
        let sandbox = builder().build_blocking().unwrap();
        for _ in 0..3 {
            assert_well(&sandbox);
        }
    }

    where_openat2_is_missing_paths_lead_nowhere_else = openat2_missing {
        paths_lead_nowhere_else_without_openat2(libc::ENOSYS).unwrap();
    }

    where_openat2_is_denied_paths_lead_nowhere_else = openat2_denied {
        paths_lead_nowhere_else_without_openat2(libc::EPERM).unwrap();
    }
}

/// Has clocks fail that are not those of the system: the ones of threads and processes.
fn deny_thread_clocks() {
    use seccompiler::{
        SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    };
    let last_of_system = u64::try_from(libc::CLOCK_MONOTONIC).unwrap();
    let others =
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Gt, last_of_system);
    let rule = SeccompRule::new(vec![others.unwrap()]).unwrap();
    let rules = [(libc::SYS_clock_gettime, vec![rule])].into_iter().collect();
    let outcome = SeccompAction::Errno(libc::EINVAL.cast_unsigned());
    let here = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, outcome, here).unwrap();
    let program: seccompiler::BpfProgram = filter.try_into().unwrap();
    seccompiler::apply_filter_all_threads(&program).unwrap();
}

/// Counts in a global, in a memory that grows, and in a page that only calls write to.
const COUNTER: &str = r#"(module (memory (export "memory") 2)
    (global $calls (mut i32) (i32.const 0))
    (func (export "count") (result i32)
        (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
        (i32.store (i32.const 90000) (i32.add (i32.load (i32.const 90000)) (i32.const 1)))
        (i32.add (i32.mul (global.get $calls) (i32.const 10000))
            (i32.add (i32.mul (i32.load (i32.const 8)) (i32.const 100)) (i32.load (i32.const 90000)))))
    (func (export "grow") (result i32) (memory.grow (i32.const 1)))
    (func (export "look") (result i32) (i32.load (i32.const 90000))))"#;

/// Result of the call that counts for that many times.
fn counted(times: i32) -> i32 {
    times * 10_101
}

/// Guests run, trap, are stopped and cancelled, instances are as new where they are to be, and snapshots hold what they should, by each way to
/// reset a memory.
fn assert_all_works() {
    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let policy = persistent().with_wall_clock(LIMIT).with_instances(mode);
        let sandbox = builder().security_policy(policy.clone()).build_blocking().unwrap();
        for _ in 0..3 {
            assert_well(&sandbox);
        }
        let handle = CancelHandle::new();
        let stopped = sandbox.with_cancel_handle(&handle);
        std::thread::scope(|scope| {
            let call = scope.spawn(|| stopped.call_blocking::<()>("spin", ()));
            std::thread::sleep(std::time::Duration::from_millis(20));
            handle.cancel();
            let error = call.join().unwrap().unwrap_err();
            assert!(matches!(error, SandboxError::Cancelled { .. }), "{error}");
        });
        for reset in [MemoryReset::Quickest, MemoryReset::Discard, MemoryReset::Copy] {
            assert_counts(&policy, reset);
        }
    }
}

fn assert_counts(policy: &SecurityPolicy, reset: MemoryReset) {
    let wasm = wat::parse_str(COUNTER).unwrap();
    let count = |sandbox: &WasmSandbox| sandbox.call_blocking::<i32>("count", ()).unwrap();
    let builder = WasmSandbox::builder().source_bytes(wasm).memory_reset(reset);
    let sandbox = builder.security_policy(policy.clone()).build_blocking().unwrap();
    let is_fresh = policy.instances == InstanceMode::Fresh;
    for time in 1..=5 {
        let expected = if is_fresh { 1 } else { time };
        assert_eq!(count(&sandbox), counted(expected), "{reset:?}");
        let grown = if is_fresh { 2 } else { time + 1 };
        assert_eq!(sandbox.call_blocking::<i32>("grow", ()).unwrap(), grown, "{reset:?}");
        let written = if is_fresh { 0 } else { time };
        assert_eq!(sandbox.call_blocking::<i32>("look", ()).unwrap(), written, "{reset:?}");
    }
    // What grew cannot be begun with where memory is copied, so this is of another.
    let another = WasmSandbox::builder().module(sandbox.module()).memory_reset(reset);
    let another = another.security_policy(policy.clone()).build_blocking().unwrap();
    let mut session = another.session_blocking().unwrap();
    for time in 1..=3 {
        assert_eq!(session.call_blocking::<i32>("count", ()).unwrap(), counted(time));
    }
    let snapshot = session.snapshot().unwrap();
    drop(session);
    let key = crate::SigningKey::generate().unwrap();
    let saved = snapshot.save(&key).unwrap();
    let loaded = crate::Snapshot::load(&saved, another.module(), policy, &key).unwrap();
    for snapshot in [snapshot, loaded] {
        let begun = WasmSandbox::builder().snapshot(&snapshot).memory_reset(reset);
        let begun = begun.build_blocking().unwrap();
        for time in 4..=6 {
            let expected = if is_fresh { 4 } else { time };
            assert_eq!(count(&begun), counted(expected), "{reset:?}");
        }
    }
}

/// Opens what is in a granted folder before and after the system call that resolves paths fails so.
fn paths_lead_nowhere_else_without_openat2(
    error: libc::c_int,
) -> Result<(), Box<dyn std::error::Error>> {
    const PERM: i32 = 63;
    let home = tempfile::tempdir()?;
    let granted = home.path().join("granted");
    std::fs::create_dir_all(granted.join("folder"))?;
    std::fs::write(granted.join("folder/file"), "file")?;
    std::fs::write(home.path().join("secret"), "secret")?;
    for (target, at) in [("folder/file", "in"), ("../secret", "out"), ("../..", "folder/up")] {
        std::os::unix::fs::symlink(target, granted.join(at))?;
    }
    // The guest opens the path that is so many words of 32 bytes on in its memory.
    let guest = r#"(module
        (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 32) "folder/file")
        (data (i32.const 64) "in")
        (data (i32.const 96) "out")
        (data (i32.const 128) "folder/up/secret")
        (data (i32.const 160) "folder/../../secret")
        (func (export "open") (param i32 i32) (result i32)
            (call $open (i32.const 3) (i32.const 1)
                (i32.mul (local.get 0) (i32.const 32)) (local.get 1)
                (i32.const 0) (i64.const 2) (i64.const 2) (i32.const 0) (i32.const 0))))"#;
    let bytes = wat::parse_str(guest)?;
    let sandbox =
        || {
            let policy = persistent()
                .with_wall_clock(std::time::Duration::from_secs(60))
                .with_folder(&granted, "/", crate::Access::ReadOnly);
            let builder = WasmSandbox::builder().source_bytes(bytes.clone());
            builder.security_policy(policy).build_blocking()
        };
    let assert_held = |sandbox: &WasmSandbox| -> Result<(), SandboxError> {
        for (place, len, expected) in
            [(1, 11, 0), (2, 2, 0), (3, 3, PERM), (4, 16, PERM), (5, 19, PERM)]
        {
            let errno: i32 = sandbox.call_blocking("open", (place, len))?;
            assert_eq!(errno, expected, "path {place}");
        }
        Ok(())
    };
    let before = sandbox()?;
    assert_held(&before)?;
    deny(&[libc::SYS_openat2], error);
    // One that knew the call, and one that never did.
    assert_held(&before)?;
    Ok(assert_held(&sandbox()?)?)
}
