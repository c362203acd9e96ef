//! Quotas of granted folders, as a hostile guest meets them.

use sandbox_core::{Access, FolderGrant, GrantUse, RunRequest, SandboxError, SecurityPolicy};

use crate::modules;
use crate::playground::Playground;
use crate::probe::{CREATE, Probe, READ, WRITE};

const DQUOT: i32 = 19;
const KIB: u32 = 1024;

fn limited(ground: &Playground, bytes: u64) -> SecurityPolicy {
    let grant = FolderGrant::new(ground.host("granted"), "/granted", Access::ReadWrite);
    SecurityPolicy::strict().with_folder_grant(grant.with_quota(bytes))
}

#[test]
fn a_hostile_guest_writes_no_more_than_the_quota() {
    let ground = Playground::new();
    let probe = Probe::new(limited(&ground, 64 << 10));
    let mut written = 0;
    for name in 0..100 {
        let path = format!("/granted/new-{name}");
        let Ok(fd) = probe.open(&path, CREATE, WRITE | READ) else { break };
        while let Ok(count) = probe.write_to(fd, &[1; 8 * KIB as usize]) {
            written += count;
        }
        // Long files, far places and room made beforehand.
        assert_eq!(probe.call("fd_filestat_set_size", (fd, 1i64 << 40)), DQUOT);
        assert_eq!(probe.call("fd_allocate", (fd, 0i64, 1i64 << 40)), DQUOT);
        assert_eq!(probe.call("fd_pwrite", (fd, 16, 1, 1i64 << 40, 0)), DQUOT);
        // It goes on without a name, and still counts.
        assert_eq!(probe.rename(&path, "/granted/moved"), 0);
        assert_eq!(probe.with_path("path_unlink_file", "/granted/moved"), 0);
    }
    assert_eq!(written, 60 * KIB);
    assert_eq!(probe.open("/granted/one-more", CREATE, WRITE), Err(DQUOT));
    assert_eq!(probe.with_path("path_create_directory", "/granted/folder"), DQUOT);
    assert_eq!(probe.link("/granted/file", "/granted/twin"), crate::probe::PERM);
    assert_eq!(probe.read("/granted/file").unwrap(), "a file of granted");
    // What is there it may write over, and make no longer.
    probe.write("/granted/file", "as long as it was, and longer").unwrap();
    assert_eq!(probe.read("/granted/file").unwrap(), "as long as it was");
    probe.assert_well();
    ground.assert_untouched();
}

#[test]
fn what_a_guest_removes_it_may_write_again() {
    let ground = Playground::new();
    let probe = Probe::new(limited(&ground, 16 << 10));
    for _ in 0..20 {
        probe.write("/granted/new", &"x".repeat(12 << 10)).unwrap();
        assert_eq!(probe.open("/granted/other", CREATE, WRITE), Err(DQUOT));
        assert_eq!(probe.with_path("path_unlink_file", "/granted/new"), 0);
        assert_eq!(probe.with_path("path_create_directory", "/granted/folder"), 0);
        assert_eq!(probe.with_path("path_remove_directory", "/granted/folder"), 0);
    }
}

/// Copies what it reads to `/out/copy`, and ends with the error number of its last write, or of opening.
const COPIES: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\00\10\00\00\00\20\00\00")
    (data (i32.const 32) "out/copy")
    (func (export "_start") (local $error i32)
        (if (local.tee $error (call $open (i32.const 3) (i32.const 0) (i32.const 32) (i32.const 8) (i32.const 1)
                (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 16)))
            (then (call $exit (local.get $error))))
        (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 24)))
        (i32.store (i32.const 4) (i32.load (i32.const 24)))
        (call $exit (call $write (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 24)))))"#;

#[test]
fn each_run_has_folders_of_its_own_with_quotas_of_its_own() {
    let sandbox = modules::builder(COPIES).build_blocking().unwrap();
    let places: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    for place in &places {
        for text in ["first", "second"] {
            let folder = FolderGrant::new(place.path(), "/out", Access::ReadWrite);
            let request = RunRequest::new().folder_grant(folder.with_quota(4 << 10)).stdin(text);
            let code = sandbox.run_blocking(request).unwrap().exit_code;
            // There is room for the name alone.
            assert_eq!(code, DQUOT, "{text}");
            let request =
                RunRequest::new().folder(place.path(), "/out", Access::ReadWrite).stdin(text);
            assert_eq!(sandbox.run_blocking(request).unwrap().exit_code, 0);
            assert_eq!(std::fs::read_to_string(place.path().join("copy")).unwrap(), text);
            std::fs::write(place.path().join("copy"), "").unwrap();
        }
    }
    let request = RunRequest::new().folder(places[0].path(), "/out", Access::ReadOnly).stdin("x");
    assert_eq!(sandbox.run_blocking(request).unwrap().exit_code, crate::probe::ROFS);
    // Without a folder the place is in memory, and nothing of the runs before is there.
    let report = sandbox.run_reported_blocking(RunRequest::new().stdin("x"));
    assert_eq!(report.ended.unwrap(), 44, "there is no folder `/out`");
}

#[test]
fn a_folder_of_a_run_that_cannot_be_had_is_a_typed_error() {
    let place = tempfile::tempdir().unwrap();
    let sandbox = modules::builder(COPIES)
        .security_policy(SecurityPolicy::strict().with_folder(
            place.path(),
            "/out",
            Access::ReadOnly,
        ))
        .build_blocking()
        .unwrap();
    for request in [
        RunRequest::new().folder(place.path().join("missing"), "/other", Access::ReadOnly),
        RunRequest::new().folder(place.path(), "/out", Access::ReadWrite),
        RunRequest::new().folder(place.path(), "other", Access::ReadWrite),
    ] {
        let error = sandbox.run_blocking(request).unwrap_err();
        assert!(matches!(error, SandboxError::InvalidGrant { .. }), "{error}");
    }
    let refusing = modules::builder(COPIES)
        .security_policy(SecurityPolicy::strict().with_grants(GrantUse::Refused))
        .build_blocking()
        .unwrap();
    let request = RunRequest::new().folder(place.path(), "/out", Access::ReadOnly);
    let error = refusing.run_blocking(request).unwrap_err();
    assert!(error.to_string().contains("refuses grants"), "{error}");
}
