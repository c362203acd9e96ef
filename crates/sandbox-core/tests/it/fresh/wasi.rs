//! The WASI state of fresh instances.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sandbox_core::{MemoryReset, SandboxError, WasmSandbox};

use super::{RESETS, policy, sandbox};
use crate::modules;

/// Calls WASI in ways that leave something behind in an environment.
const HOARDER: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_tell" (func $tell (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $stat (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_fdstat_set_flags"
        (func $set_flags (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_renumber" (func $renumber (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open" (func $open
        (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_create_directory"
        (func $mkdir (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_filestat_get"
        (func $stat_path (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get"
        (func $clock (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\20\00\00\00\05\00\00\00")
    (data (i32.const 32) "hello")
    (data (i32.const 64) "file")
    (data (i32.const 72) ".")
    (func (export "write") (param i32) (result i32)
        (call $write (local.get 0) (i32.const 0) (i32.const 1) (i32.const 128)))
    (func (export "close") (param i32) (result i32) (call $close (local.get 0)))
    (func (export "stat") (param i32) (result i32) (call $stat (local.get 0) (i32.const 128)))
    (func (export "flags") (param i32) (result i32)
        (drop (call $stat (local.get 0) (i32.const 128))) (i32.load16_u (i32.const 130)))
    (func (export "set_flags") (param i32) (result i32)
        (call $set_flags (local.get 0) (i32.const 4)))
    (func (export "renumber") (param i32 i32) (result i32)
        (call $renumber (local.get 0) (local.get 1)))
    (func (export "create") (result i32)
        (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 4) (i32.const 5)
            (i64.const 0x42) (i64.const 0x42) (i32.const 0) (i32.const 128)))
    (func (export "opened") (result i32)
        (drop (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 4) (i32.const 1)
            (i64.const 0x42) (i64.const 0x42) (i32.const 0) (i32.const 128)))
        (i32.load (i32.const 128)))
    (func (export "mkdir") (result i32)
        (call $mkdir (i32.const 3) (i32.const 64) (i32.const 4)))
    (func (export "random") (result i64)
        (drop (call $random (i32.const 128) (i32.const 8))) (i64.load (i32.const 128)))
    (func (export "monotonic") (result i64)
        (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 128)))
        (i64.load (i32.const 128)))
    (func (export "root_time") (result i64)
        (if (call $stat_path (i32.const 3) (i32.const 0) (i32.const 72) (i32.const 1)
            (i32.const 128)) (then unreachable))
        (i64.or (i64.load (i32.const 168))
            (i64.or (i64.load (i32.const 176)) (i64.load (i32.const 184)))))
    (func (export "leave") (call $exit (i32.const 5))))"#;

fn call(sandbox: &WasmSandbox, function: &str) -> i32 {
    sandbox.call_blocking(function, ()).unwrap_or_else(|error| panic!("{function}: {error}"))
}

fn with(sandbox: &WasmSandbox, function: &str, fd: i32) -> i32 {
    sandbox.call_blocking(function, fd).unwrap_or_else(|error| panic!("{function}: {error}"))
}

#[test]
fn descriptors_are_as_in_a_new_environment() {
    let sandbox = sandbox(HOARDER, policy(), MemoryReset::Quickest);
    let new = |what: &str| {
        assert_eq!(call(&sandbox, "opened"), 4, "{what}");
        for fd in 0..=3 {
            assert_eq!(with(&sandbox, "stat", fd), 0, "{what}: {fd}");
        }
        assert_eq!(with(&sandbox, "stat", 4), 8, "{what}");
        assert_eq!(with(&sandbox, "flags", 1) & 4, 0, "{what}");
    };
    new("at first");
    for fd in [0, 1, 2, 3] {
        assert_eq!(with(&sandbox, "close", fd), 0);
        new("after closing");
    }
    assert_eq!(with(&sandbox, "set_flags", 1), 0);
    new("after setting flags");
    assert_eq!(sandbox.call_blocking::<i32>("renumber", (1i32, 2i32)).unwrap(), 0);
    new("after renumbering");
    assert_eq!(with(&sandbox, "write", 1), 0);
    new("after writing");
}

#[test]
fn files_of_the_scratch_folder_are_gone() {
    for reset in RESETS {
        let sandbox = sandbox(HOARDER, policy(), reset);
        for _ in 0..3 {
            // Neither could be made if it were there already.
            assert_eq!(call(&sandbox, "create"), 0);
            assert_eq!(call(&sandbox, "mkdir"), 0);
        }
    }
}

#[test]
fn a_guest_that_leaves_can_be_called_again() {
    let sandbox = sandbox(HOARDER, policy(), MemoryReset::Quickest);
    for _ in 0..5 {
        let error = sandbox.call_blocking::<()>("leave", ()).unwrap_err();
        assert!(matches!(error, SandboxError::Exited { code: 5, .. }), "{error}");
        assert_eq!(call(&sandbox, "opened"), 4);
    }
}

#[test]
fn random_bytes_begin_anew_or_never_repeat() {
    let seeded = policy().with_randomness(sandbox_core::Randomness::Seeded(7));
    let seeded = sandbox(HOARDER, seeded, MemoryReset::Quickest);
    let secure = sandbox(HOARDER, policy(), MemoryReset::Quickest);
    let random = |sandbox: &WasmSandbox| sandbox.call_blocking::<i64>("random", ()).unwrap();
    assert_eq!(random(&seeded), random(&seeded));
    assert_ne!(random(&secure), random(&secure));
}

#[test]
fn the_monotonic_clock_begins_with_the_call() {
    let policy = policy().with_clock(sandbox_core::Clock::Real);
    let sandbox = sandbox(HOARDER, policy, MemoryReset::Quickest);
    for _ in 0..3 {
        std::thread::sleep(std::time::Duration::from_millis(20));
        let time: i64 = sandbox.call_blocking("monotonic", ()).unwrap();
        assert!(time < 20_000_000, "{time} ns");
    }
}

#[test]
fn the_first_instance_does_not_tell_how_long_ago_it_was_initialised() {
    let text = HOARDER.replace(
        r#"(func (export "leave")"#,
        r#"(func (export "_initialize")
            (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 128))))
        (func (export "leave")"#,
    );
    for clock in [sandbox_core::Clock::Real, sandbox_core::Clock::CoarseMonotonic] {
        let sandbox = sandbox(&text, policy().with_clock(clock), MemoryReset::Quickest);
        std::thread::sleep(std::time::Duration::from_millis(50));
        let first: i64 = sandbox.call_blocking("monotonic", ()).unwrap();
        assert!(first < 50_000_000, "{clock:?}: {first} ns");
    }
}

#[test]
fn the_root_folder_does_not_tell_when_its_environment_was_made() {
    let policy = policy().with_clock(sandbox_core::Clock::Real);
    let sandbox = sandbox(HOARDER, policy, MemoryReset::Quickest);
    for _ in 0..3 {
        assert_eq!(sandbox.call_blocking::<i64>("root_time", ()).unwrap(), 0);
        // The environment of the next caller is made after this.
        assert_eq!(call(&sandbox, "create"), 0);
    }
}

#[test]
fn a_module_that_opens_files_as_it_is_initialised_has_them_in_each_call() {
    let text = HOARDER.replace(
        r#"(func (export "mkdir")"#,
        r#"(func (export "_initialize")
            (drop (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 4)
                (i32.const 1) (i64.const 0x42) (i64.const 0x42) (i32.const 0) (i32.const 128)))
            (i32.store (i32.const 128) (i32.const 0)))
        (func (export "mkdir")"#,
    );
    for reset in RESETS {
        let sandbox = sandbox(&text, policy(), reset);
        for _ in 0..3 {
            assert_eq!(with(&sandbox, "stat", 4), 0);
            assert_eq!(with(&sandbox, "close", 4), 0);
        }
    }
}

/// Opens `file` below a folder as it is initialised, writes to it and leaves it open at its second byte. Tells the
/// host of each initialisation.
const SETTLER: &str = r#"(module
    (import "env" "initialised" (func $initialised))
    (import "wasi_snapshot_preview1" "path_open" (func $open
        (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_unlink_file"
        (func $unlink (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\20\00\00\00\05\00\00\00")
    (data (i32.const 8) "\00\01\00\00\08\00\00\00")
    (data (i32.const 32) "hello")
    (data (i32.const 64) "file")
    (func $must (param i32) (if (local.get 0) (then unreachable)))
    (func (export "_initialize")
        (call $initialised)
        (call $must (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 4)
            (i32.const 9) (i64.const 0x42) (i64.const 0x42) (i32.const 0) (i32.const 128)))
        (call $must (call $write (i32.const 4) (i32.const 0) (i32.const 1) (i32.const 128)))
        (call $must (call $seek (i32.const 4) (i64.const 1) (i32.const 0) (i32.const 128))))
    ;; The four bytes that are left, after which the file is changed, removed and closed.
    (func (export "use_up") (result i32)
        (i64.store (i32.const 256) (i64.const 0))
        (call $must (call $read (i32.const 4) (i32.const 8) (i32.const 1) (i32.const 128)))
        (call $must (call $write (i32.const 4) (i32.const 0) (i32.const 1) (i32.const 128)))
        (call $must (call $unlink (i32.const 3) (i32.const 64) (i32.const 4)))
        (call $must (call $close (i32.const 4)))
        (call $must (call $close (i32.const 3)))
        (i32.load (i32.const 256))))"#;

/// Calls a guest that uses up what initialisation left, and tells how often it was initialised.
fn initialisations(policy: sandbox_core::SecurityPolicy, reset: MemoryReset) -> usize {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let sandbox = modules::builder(SETTLER)
        .security_policy(policy.with_instances(sandbox_core::InstanceMode::Fresh))
        .memory_reset(reset)
        .host_function("env", "initialised", move || {
            counted.fetch_add(1, Ordering::Relaxed);
        })
        .build_blocking()
        .unwrap();
    for _ in 0..4 {
        assert_eq!(call(&sandbox, "use_up").to_le_bytes(), *b"ello");
    }
    count.load(Ordering::Relaxed)
}

#[test]
fn files_and_descriptors_of_initialisation_are_put_back() {
    for reset in RESETS {
        assert_eq!(initialisations(policy(), reset), 1);
    }
}

#[test]
fn what_initialisation_did_to_a_folder_of_the_host_is_done_for_each_call() {
    let folder = tempfile::tempdir().unwrap();
    let policy = policy().with_folder(folder.path(), "/", sandbox_core::Access::ReadWrite);
    let initialised = initialisations(policy, MemoryReset::Quickest);
    assert!(initialised >= 4, "{initialised}");
}

#[test]
fn guests_that_print_are_put_back() {
    let builder = WasmSandbox::builder().source(modules::guest("hostile"));
    let sandbox = builder.security_policy(policy()).build_blocking().unwrap();
    for _ in 0..3 {
        let error = sandbox.call_blocking::<()>("print_forever", ()).unwrap_err();
        assert!(matches!(error, SandboxError::OutputLimit { .. }), "{error}");
        assert_eq!(sandbox.call_blocking::<u32>("spin_for", 1u64).unwrap(), 270_369);
    }
}
