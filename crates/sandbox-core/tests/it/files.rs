//! Files, as guests may use them.

use sandbox_core::{Access, GrantUse, SandboxError, SecurityPolicy};

use crate::modules::{self, NUMBERS};
use crate::playground::Playground;
use crate::probe::{CREATE, Probe, READ, ROFS, WRITE, XDEV};

#[test]
fn a_guest_has_a_folder_of_its_own_in_memory() {
    let probe = Probe::new(SecurityPolicy::paranoid());
    assert_eq!(probe.list("/").unwrap(), Vec::<String>::new());
    probe.write("/note", "remember").unwrap();
    assert_eq!(probe.with_path("path_create_directory", "/folder"), 0);
    probe.write("folder/other", "relative").unwrap();
    assert_eq!(probe.read("note").unwrap(), "remember");
    assert_eq!(probe.list("/").unwrap(), ["folder", "note"]);
    assert_eq!(probe.rename("note", "folder/moved"), 0);
    assert_eq!(probe.list("/folder").unwrap(), ["moved", "other"]);
    assert_eq!(probe.read("/folder/moved").unwrap(), "remember");
    assert_eq!(probe.with_path("path_unlink_file", "/folder/moved"), 0);
    assert_eq!(probe.with_path("path_unlink_file", "/folder/other"), 0);
    assert_eq!(probe.with_path("path_remove_directory", "/folder"), 0);
    assert_eq!(probe.list("/").unwrap(), Vec::<String>::new());
}

#[test]
fn no_guest_sees_the_files_of_another() {
    let first = Probe::new(SecurityPolicy::strict());
    first.write("/note", "mine").unwrap();
    let second = Probe::new(SecurityPolicy::strict());
    assert!(second.read("/note").is_err());
}

#[test]
fn a_granted_folder_is_read_and_written() {
    let ground = Playground::new();
    let probe = Probe::new(ground.policy());
    assert_eq!(probe.list("/").unwrap(), ["granted", "readonly"]);
    assert_eq!(probe.read("/granted/file").unwrap(), "a file of granted");
    assert_eq!(probe.list("/granted").unwrap(), ["file", "sub"]);
    probe.write("/granted/new", "from the guest").unwrap();
    assert_eq!(std::fs::read_to_string(ground.host("granted/new")).unwrap(), "from the guest");
    assert_eq!(probe.rename("/granted/new", "/granted/sub/moved"), 0);
    assert_eq!(probe.read("/granted/sub/moved").unwrap(), "from the guest");
    assert_eq!(probe.with_path("path_unlink_file", "/granted/sub/moved"), 0);
    assert!(!ground.host("granted/sub/moved").exists());
    assert_eq!(probe.with_path("path_create_directory", "/granted/made"), 0);
    assert!(ground.host("granted/made").is_dir());
    assert_eq!(probe.with_path("path_remove_directory", "/granted/made"), 0);
    assert!(!ground.host("granted/made").exists());
    ground.assert_untouched();
}

#[test]
fn a_granted_folder_has_a_descriptor_of_its_own() {
    let ground = Playground::new();
    let probe = Probe::new(ground.policy());
    let names: Vec<(u32, String)> = (3..8)
        .filter(|fd| probe.call("fd_prestat_get", (*fd, 64)) == 0)
        .map(|fd| {
            let len = (probe.get_u64(64) >> 32) as u32;
            assert_eq!(probe.call("fd_prestat_dir_name", (fd, 128, len)), 0);
            (fd, String::from_utf8(probe.get(128, len)).unwrap())
        })
        .collect();
    let granted = names.iter().find(|(_, name)| name == "/granted").expect("a folder").0;
    let readonly = names.iter().find(|(_, name)| name == "/readonly").expect("a folder").0;
    let file = probe.open_at(granted, "file", 0, READ | WRITE).unwrap();
    assert_eq!(probe.read_from(file).unwrap(), b"a file of granted");
    assert!(probe.open_at(readonly, "new", CREATE, WRITE).is_err());
    assert!(probe.open_at(readonly, "file", 0, READ).is_ok());
}

#[test]
fn a_read_only_folder_is_only_read() {
    let ground = Playground::new();
    let probe = Probe::new(ground.policy());
    assert_eq!(probe.read("/readonly/file").unwrap(), "a file of readonly");
    assert_eq!(probe.list("/readonly/sub").unwrap(), ["inner"]);
    assert_eq!(probe.write("/readonly/new", "text"), Err(ROFS));
    assert_eq!(probe.write("/readonly/file", "text"), Err(ROFS));
    assert_eq!(probe.open("/readonly/file", 0, READ | WRITE), Err(ROFS));
    assert_eq!(probe.with_path("path_create_directory", "/readonly/made"), ROFS);
    assert_eq!(probe.with_path("path_remove_directory", "/readonly/sub"), ROFS);
    assert_eq!(probe.with_path("path_unlink_file", "/readonly/file"), ROFS);
    assert_eq!(probe.rename("/readonly/file", "/readonly/moved"), ROFS);
    let open = probe.open("/readonly/file", 0, READ).unwrap();
    assert_ne!(probe.write_to(open, b"text"), Ok(4));
    assert_ne!(probe.call("fd_filestat_set_size", (open, 0)), 0);
    assert_ne!(probe.call("fd_allocate", (open, 0, 1000)), 0);
    assert_eq!(probe.with_path("path_unlink_file", "/readonly/file"), ROFS);
    ground.assert_untouched();
    probe.assert_well();
}

#[test]
fn nothing_moves_between_folders() {
    let ground = Playground::new();
    let probe = Probe::new(ground.policy());
    for (from, to) in [
        ("/readonly/file", "/granted/stolen"),
        ("/granted/file", "/readonly/planted"),
        ("/granted/file", "/scratch"),
        ("/granted/sub", "/readonly/sub2"),
    ] {
        assert_eq!(probe.rename(from, to), XDEV, "{from} to {to}");
    }
    assert_eq!(probe.read("/granted/file").unwrap(), "a file of granted");
    assert!(!ground.host("granted/stolen").exists());
    ground.assert_untouched();
}

#[test]
fn a_file_that_was_renamed_while_open_is_unlinked_where_it_is() {
    let ground = Playground::new();
    let probe = Probe::new(ground.policy());
    for folder in ["/granted", ""] {
        let path = |name: &str| format!("{folder}/{name}");
        probe.write(&path("a"), "first").unwrap();
        let open = probe.open(&path("a"), 0, READ).unwrap();
        assert_eq!(probe.rename(&path("a"), &path("b")), 0);
        probe.write(&path("a"), "second").unwrap();
        assert_eq!(probe.with_path("path_unlink_file", &path("b")), 0);
        assert_eq!(probe.read(&path("a")).unwrap(), "second");
        assert_eq!(probe.read_from(open).unwrap(), b"first");
    }
}

#[test]
fn granted_folders_stay_where_they_are() {
    let ground = Playground::new();
    let probe = Probe::new(ground.policy());
    assert_ne!(probe.with_path("path_remove_directory", "/granted"), 0);
    assert_ne!(probe.rename("/granted", "/elsewhere"), 0);
    assert_ne!(probe.rename("/granted/sub", "/granted"), 0);
    assert_eq!(probe.read("/granted/file").unwrap(), "a file of granted");
    ground.assert_untouched();
}

#[test]
fn a_granted_folder_stays_granted_wherever_the_guest_moves_it() {
    let ground = Playground::new();
    let inner = ground.host("granted/sub");
    let probe = Probe::new(ground.policy().with_folder(inner, "/inner", Access::ReadOnly));
    assert_eq!(probe.rename("/granted/sub", "/granted/moved"), 0);
    // The next instance has the folder that the sandbox was made with.
    assert!(probe.try_call("proc_raise", 9u32).is_err());
    assert_eq!(probe.read("/inner/inner").unwrap(), "inner");
    assert_eq!(probe.read("/granted/moved/inner").unwrap(), "inner");
    assert_eq!(probe.write("/inner/new", "text"), Err(ROFS));
}

#[test]
fn grants_that_make_no_sense_are_refused() {
    let ground = Playground::new();
    let refused =
        [
            SecurityPolicy::strict().with_folder(ground.host("missing"), "/a", Access::ReadOnly),
            SecurityPolicy::strict().with_folder(ground.host("secret"), "/a", Access::ReadOnly),
            SecurityPolicy::strict()
                .with_folder(ground.outside(), "/", Access::ReadOnly)
                .with_folder(ground.outside(), ".", Access::ReadOnly),
            SecurityPolicy::strict().with_folder(ground.outside(), "relative", Access::ReadOnly),
            SecurityPolicy::strict().with_folder(ground.outside(), "/a/../b", Access::ReadOnly),
            ground.policy().with_folder(ground.outside(), "/granted/", Access::ReadOnly),
            SecurityPolicy::strict().with_environment("A=B", "value"),
            SecurityPolicy::strict().with_environment("A", "zero\0byte"),
            SecurityPolicy::strict().with_argument("zero\0byte"),
            SecurityPolicy::paranoid().with_folder(ground.host("granted"), "/a", Access::ReadOnly),
            SecurityPolicy::paranoid().with_environment("A", "value"),
            SecurityPolicy::paranoid().with_argument("argument"),
        ];
    for policy in refused {
        let text = r#"(module
            (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
            (memory (export "memory") 1))"#;
        let error = modules::builder(text).security_policy(policy.clone()).build_blocking();
        let error = error.map(drop).unwrap_err();
        assert!(matches!(error, SandboxError::InvalidGrant { .. }), "{policy:?}: {error}");
    }
    let opened = SecurityPolicy::paranoid().with_grants(GrantUse::Accepted).with_folder(
        ground.host("granted"),
        "/granted",
        Access::ReadOnly,
    );
    assert_eq!(Probe::new(opened).read("/granted/file").unwrap(), "a file of granted");
}

#[test]
fn a_guest_without_wasi_costs_no_folder() {
    let policy = SecurityPolicy::strict().with_folder("/missing", "/a", Access::ReadOnly);
    let sandbox = modules::builder(NUMBERS).security_policy(policy).build_blocking().unwrap();
    assert_eq!(sandbox.call_blocking::<i32>("add", (1i32, 2i32)).unwrap(), 3);
}
