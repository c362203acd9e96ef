//! A process whose files may only grow so large (`RLIMIT_FSIZE`).
//!
//! Who passes that limit gets a signal that ends the process, unless somebody asked for it. How much is written is the
//! guest's to choose.
#![cfg(unix)]

use std::time::Duration;

use sandbox_core::{Access, InstanceMode, SecurityPolicy};

use crate::{alone, modules};

/// Writes to a file in a folder that it has open, until that fails. Returns the error number.
const FILLER: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open" (func $open
        (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 2)
    (data (i32.const 0) "file") (data (i32.const 64) "\00\00\01\00\00\10\00\00")
    (func (export "open") (param $folder i32) (result i32)
        (call $open (local.get $folder) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 1)
            (i64.const 0x1fffffff) (i64.const 0x1fffffff) (i32.const 0) (i32.const 32)))
    (func (export "fill") (param $writes i32) (result i32) (local $error i32)
        (loop $again
            (local.set $error
                (call $write (i32.load (i32.const 32)) (i32.const 64) (i32.const 1) (i32.const 80)))
            (local.set $writes (i32.sub (local.get $writes) (i32.const 1)))
            (br_if $again (i32.and
                (i32.eqz (local.get $error)) (i32.ne (local.get $writes) (i32.const 0)))))
        (local.get $error)))"#;

#[test]
fn a_guest_that_enlarges_a_file_beyond_what_the_system_allows_gets_an_error_number() {
    alone::run_after("ulimit -f 256", "file_sizes::files_end");
}

/// Not a test: what runs in a process of its own.
#[test]
#[ignore = "runs only as a process of another test"]
fn files_end() {
    let folder = tempfile::tempdir().unwrap();
    let policy = modules::strict_and_persistent()
        .with_wall_clock(Duration::from_secs(60))
        .with_folder(folder.path(), "/data", Access::ReadWrite);
    let builder = modules::builder(FILLER).security_policy(policy);
    let sandbox = builder.build_blocking().unwrap();
    let file = folder.path().join("file");
    let opened = (3..10).any(|number: i32| {
        sandbox.call_blocking::<i32>("open", number).unwrap() == 0 && file.exists()
    });
    assert!(opened, "no folder is the one that was granted");
    let error: i32 = sandbox.call_blocking("fill", 10_000).unwrap();
    assert_ne!(error, 0);
    let size = file.metadata().unwrap().len();
    assert!(size > 0 && size <= 512 * 1024, "{size}");
    // Images of memories are files too, though nobody sees them.
    let text = r#"(module (memory (export "memory") 64)
        (func (export "_initialize") (memory.fill (i32.const 0) (i32.const 7) (i32.const 0x3fffff)))
        (func (export "read") (param i32) (result i32) (i32.load8_u (local.get 0))))"#;
    let policy = SecurityPolicy::strict().with_instances(InstanceMode::Fresh);
    let fresh = modules::builder(text).security_policy(policy).build_blocking().unwrap();
    for _ in 0..3 {
        assert_eq!(fresh.call_blocking::<i32>("read", 0x3ffff0).unwrap(), 7);
    }
}

#[test]
fn a_cache_folder_that_takes_no_large_files_fails_no_build() {
    alone::run_after("ulimit -f 8", "file_sizes::cache_files_end");
}

/// Not a test: what runs in a process of its own.
#[test]
#[ignore = "runs only as a process of another test"]
fn cache_files_end() {
    let folder = tempfile::tempdir().unwrap();
    let functions: String = (0..500)
        .map(|number| format!(r#"(func (export "f{number}") (result i32) i32.const {number})"#))
        .collect();
    let builder = modules::builder(&format!("(module {functions})"));
    let sandbox = builder.cache_dir(folder.path()).build_blocking().unwrap();
    assert_eq!(sandbox.call_blocking::<i32>("f499", ()).unwrap(), 499);
}
