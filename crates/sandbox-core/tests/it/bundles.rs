//! Files that the host holds in memory and shows to guests.

use sandbox_core::{Access, FileBundle, InstanceMode, SandboxError, SecurityPolicy};

use crate::modules;
use crate::playground::Playground;
use crate::probe::{
    BADF, CREATE, DIRECTORY, INVAL, PERM, Probe, READ, ROFS, ROOT, TRUNCATE, WRITE, XDEV,
};

const EXIST: i32 = 20;
const ISDIR: i32 = 31;
const LOOP: i32 = 32;
const NAMETOOLONG: i32 = 37;
const NOENT: i32 = 44;
const NOTDIR: i32 = 54;

fn bundle() -> FileBundle {
    let bundle = FileBundle::builder()
        .file("file", "text of a file")
        .file("sub/inner", "inner")
        .folder("empty")
        .link("to_inner", "sub/inner")
        .link("to_sub", "./sub/")
        .link("around", "around")
        .link("sub/up", "../file")
        .link("out", "../outside");
    bundle.build().unwrap()
}

fn probe() -> Probe {
    Probe::new(SecurityPolicy::strict().with_bundle(&bundle(), "/data"))
}

#[test]
fn a_guest_reads_a_bundle_like_a_folder() {
    let probe = probe();
    assert_eq!(probe.read("/data/file").unwrap(), "text of a file");
    assert_eq!(probe.read("/data/to_inner").unwrap(), "inner");
    assert_eq!(probe.read("/data/to_sub/inner").unwrap(), "inner");
    assert_eq!(probe.read("/data/sub/up").unwrap(), "text of a file");
    assert_eq!(probe.read("/data/sub/../file").unwrap(), "text of a file");
    assert_eq!(
        probe.list("/data").unwrap(),
        ["around", "empty", "file", "out", "sub", "to_inner", "to_sub"]
    );
    assert_eq!(probe.list("/data/to_sub").unwrap(), ["inner", "up"]);
    assert_eq!(probe.list("/data/empty").unwrap(), Vec::<String>::new());
    let fd = probe.open("/data/file", 0, READ).unwrap();
    assert_eq!(probe.seek(fd, 5, 0), Ok(5));
    assert_eq!(probe.read_from(fd).unwrap(), b"of a file");
    assert_eq!(probe.read_from(fd).unwrap(), b"");
    assert_eq!(probe.fd_stat(fd).unwrap().0, 14);
    assert_eq!(probe.seek(fd, -4, 2), Ok(10));
    assert_eq!(probe.read_from(fd).unwrap(), b"file");
}

#[test]
fn errors_in_a_bundle_are_those_of_a_file_system_that_is_only_read() {
    let probe = probe();
    let open = |path: &str, how, rights| probe.open(path, how, rights).unwrap_err();
    assert_eq!(open("/data/missing", 0, READ), NOENT);
    assert_eq!(open("/data/missing/x", 0, READ), NOENT);
    assert_eq!(open("/data/file/x", 0, READ), NOTDIR);
    assert_eq!(open("/data/file/", 0, READ), NOTDIR);
    assert_eq!(open("/data/file", DIRECTORY, READ), NOTDIR);
    assert_eq!(open("/data/around", 0, READ), LOOP);
    assert_eq!(open("/data/file", 0, READ | WRITE), ROFS);
    assert_eq!(open("/data/file", TRUNCATE, WRITE), ROFS);
    assert_eq!(open("/data/new", CREATE, WRITE), ROFS);
    assert_eq!(open("/data/file", CREATE | 4, WRITE), EXIST);
    assert_eq!(open("/data/sub", 0, WRITE), ISDIR);
    assert_eq!(open(&format!("/data/{}", "n".repeat(256)), 0, READ), NAMETOOLONG);
    assert_eq!(probe.with_path("path_create_directory", "/data/new"), ROFS);
    assert_eq!(probe.with_path("path_create_directory", "/data/sub"), EXIST);
    assert_eq!(probe.with_path("path_remove_directory", "/data/empty"), ROFS);
    assert_eq!(probe.with_path("path_remove_directory", "/data/missing"), NOENT);
    assert_eq!(probe.with_path("path_unlink_file", "/data/file"), ROFS);
    assert_eq!(probe.with_path("path_unlink_file", "/data/missing"), NOENT);
    assert_eq!(probe.rename("/data/file", "/data/other"), ROFS);
    assert_eq!(probe.rename("/data/missing", "/data/other"), NOENT);
    assert_eq!(probe.rename("/data/file", "/other"), XDEV);
    assert_eq!(probe.link("/data/file", "/data/other"), ROFS);
    assert_eq!(probe.link("/data/file", "/other"), XDEV);
    assert_eq!(probe.symlink("file", "/data/other"), ROFS);
    assert_eq!(probe.symlink("file", "/data/sub"), EXIST);
    // A descriptor that only reads has none of the rights to write.
    let fd = probe.open("/data/file", 0, READ).unwrap();
    assert_ne!(probe.write_to(fd, b"x").unwrap_err(), 0);
    assert_ne!(probe.call("fd_filestat_set_size", (fd, 0i64)), 0);
    assert_ne!(probe.call("fd_allocate", (fd, 0i64, 100i64)), 0);
    assert_ne!(probe.call("fd_filestat_set_times", (fd, 0i64, 0i64, 5)), 0);
    assert_eq!(probe.call("fd_sync", fd), 0);
    assert_eq!(probe.read("/data/file").unwrap(), "text of a file");
    assert_eq!(probe.call("fd_close", 99), BADF);
    assert_eq!(probe.call("fd_seek", (fd, -1i64, 0, 0)), INVAL);
}

#[test]
fn no_link_of_a_bundle_leads_out_of_it() {
    let probe = probe();
    probe.write("/outside", "of the guest").unwrap();
    assert_eq!(probe.read("/data/out"), Err(PERM));
    assert_eq!(probe.open("/data/out/x", 0, READ), Err(PERM));
    // The guest itself may go there.
    assert_eq!(probe.read("/data/../outside").unwrap(), "of the guest");
    let data = probe.open("/data", DIRECTORY, READ).unwrap();
    assert_eq!(probe.open_at(data, "../outside", 0, READ), Err(PERM));
}

#[test]
fn bundles_and_folders_are_shown_within_each_other() {
    let ground = Playground::new();
    let policy = ground
        .policy()
        .with_bundle(&bundle(), "/granted/sub/bundle")
        .with_bundle(&bundle(), "/data")
        .with_folder(ground.host("readonly"), "/data/sub/folder", Access::ReadWrite);
    let probe = Probe::new(policy);
    assert_eq!(probe.read("/granted/sub/bundle/to_inner").unwrap(), "inner");
    assert_eq!(probe.list("/granted/sub").unwrap(), ["inner", "bundle"]);
    assert_eq!(probe.read("/granted/sub/inner").unwrap(), "inner");
    assert_eq!(probe.list("/data/sub").unwrap(), ["inner", "up", "folder"]);
    assert_eq!(probe.read("/data/sub/folder/file").unwrap(), "a file of readonly");
    // Not even to what is around a place that leads to granted ones.
    assert_eq!(probe.read("/data/sub/up"), Err(PERM));
    probe.write("/data/sub/folder/new", "new").unwrap();
    assert_eq!(std::fs::read_to_string(ground.host("readonly/new")).unwrap(), "new");
    assert_eq!(probe.rename("/granted/sub/bundle/file", "/data/other"), XDEV);
    // Two places of one bundle are two devices, as two mounts would be.
    let devices = ["/granted/sub/bundle/file", "/data/file"].map(|path| probe.stat(path).unwrap());
    assert_ne!(devices[0][..8], devices[1][..8]);
    assert_eq!(devices[0][8..16], devices[1][8..16]);
}

#[test]
fn a_bundle_can_be_all_that_a_guest_sees() {
    let probe = Probe::new(SecurityPolicy::strict().with_bundle(&bundle(), "."));
    assert_eq!(probe.read("/file").unwrap(), "text of a file");
    assert_eq!(probe.open("/new", CREATE, WRITE), Err(ROFS));
    assert_eq!(probe.open_at(ROOT, "../file", 0, READ), Err(PERM));
    assert_eq!(probe.open_at(ROOT + 1, "file", 0, READ), Err(BADF), "there is no second one");
}

#[test]
fn a_policy_without_grants_refuses_bundles() {
    let policy = SecurityPolicy::paranoid().with_bundle(&bundle(), "/data");
    let text = r#"(module (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
        (memory (export "memory") 1))"#;
    let error = modules::builder(text).security_policy(policy).build_blocking().unwrap_err();
    assert!(matches!(error, SandboxError::InvalidGrant { .. }), "{error}");
}

/// Opens `file` when it is initialised, and reads on in it with each call.
const READER: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 100) "file")
    (func (export "_initialize")
        (if (call $open (i32.const 4) (i32.const 1) (i32.const 100) (i32.const 4) (i32.const 0)
                (i64.const 2) (i64.const 2) (i32.const 0) (i32.const 0)) (then unreachable)))
    (func (export "next") (result i32)
        (i32.store (i32.const 16) (i32.const 200))
        (i32.store (i32.const 20) (i32.const 1))
        (if (call $read (i32.load (i32.const 0)) (i32.const 16) (i32.const 1) (i32.const 24)) (then unreachable))
        (i32.load8_u (i32.const 200))))"#;

#[test]
fn a_fresh_instance_has_open_what_its_initialisation_opened() {
    for (mode, expected) in [(InstanceMode::Fresh, *b"ttt"), (InstanceMode::Persistent, *b"tex")] {
        let policy = SecurityPolicy::strict().with_instances(mode).with_bundle(&bundle(), "/data");
        let sandbox = modules::builder(READER).security_policy(policy).build_blocking().unwrap();
        let read = [(); 3].map(|()| sandbox.call_blocking::<u32>("next", ()).unwrap());
        assert_eq!(read, expected.map(u32::from), "{mode:?}");
    }
}

#[cfg(feature = "wasix")]
#[test]
fn files_of_another_file_system_are_read_when_a_guest_opens_them() {
    use sandbox_core::virtual_fs::{FileSystem as _, mem_fs};
    use std::path::Path;
    use std::sync::Arc;
    use tokio::io::AsyncWriteExt as _;

    let files = mem_fs::FileSystem::default();
    let write = |path: &str, text: &str| {
        let mut options = files.new_open_options();
        let mut file = options.create(true).write(true).truncate(true).open(path).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(file.write_all(text.as_bytes())).unwrap();
    };
    files.create_dir(Path::new("/sub")).unwrap();
    write("/file", "text");
    write("/sub/changed", "a file");
    let bundle = FileBundle::from_virtual_fs(Arc::new(files.clone())).unwrap();
    let probe = Probe::new(SecurityPolicy::strict().with_bundle(&bundle, "/data"));
    assert_eq!(probe.list("/data").unwrap(), ["file", "sub"]);
    assert_eq!(probe.read("/data/file").unwrap(), "text");
    // What was read is kept, and what has another length by then cannot be read.
    write("/file", "other");
    write("/sub/changed", "changed");
    assert_eq!(probe.read("/data/file").unwrap(), "text");
    const IO: i32 = 29;
    assert_eq!(probe.read("/data/sub/changed"), Err(IO));
}
