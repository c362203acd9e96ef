//! Guests that try to leave the folders they were granted.

use std::os::unix::fs::symlink;

use crate::playground::{Playground, SECRET};
use crate::probe::{CREATE, DIRECTORY, PERM, Probe, READ, ROOT, TRUNCATE, WRITE, XDEV};

/// Tries everything on a path that leads outside. The secret must neither be read nor changed.
fn attack(ground: &Playground, probe: &Probe, path: &str) {
    for rights in [READ, WRITE, READ | WRITE] {
        for how in [0, CREATE, TRUNCATE, CREATE | TRUNCATE] {
            if let Ok(fd) = probe.open(path, how, rights) {
                // The name may exist in the guest's own folder, but it is not what is outside.
                assert_ne!(probe.read_from(fd).unwrap_or_default(), SECRET.as_bytes(), "{path}");
                let _ = probe.write_to(fd, b"changed");
                probe.close(fd);
            }
        }
    }
    for rights in [READ, WRITE] {
        let opened = probe.open_at(ROOT, path, 0, rights);
        assert!(!path.starts_with('/') || opened == Err(PERM), "{path}: {opened:?}");
    }
    if let Ok(names) = probe.list(path) {
        assert!(!names.contains(&"secret".to_owned()), "{path} lists {names:?}");
    }
    let _ = probe.with_path("path_create_directory", path);
    let _ = probe.with_path("path_unlink_file", path);
    let _ = probe.with_path("path_remove_directory", path);
    let _ = probe.rename("/granted/file", path);
    let _ = probe.rename(path, "/granted/stolen");
    assert!(!matches!(probe.read("/granted/stolen").as_deref(), Ok(SECRET)), "{path}");
    ground.assert_untouched();
    probe.assert_well();
}

#[test]
fn dots_lead_nowhere() {
    let ground = Playground::new();
    let probe = Probe::new(ground.policy());
    for path in [
        "/granted/../secret",
        "/granted/sub/../../secret",
        "granted/../../../../../../secret",
        "../secret",
        "/../secret",
        "/granted/..",
        "/granted/../..",
        "/granted/./../secret",
        "/granted//..//secret",
        "/granted/sub/..\\..\\secret",
        "/granted/missing/../../secret",
        "/granted/file/../../secret",
    ] {
        attack(&ground, &probe, path);
    }
}

#[test]
fn absolute_paths_lead_nowhere() {
    let ground = Playground::new();
    let probe = Probe::new(ground.policy());
    let outside = ground.outside().to_str().unwrap();
    for path in
        [format!("{outside}/secret"), format!("/granted{outside}/secret"), "/etc/passwd".into()]
    {
        attack(&ground, &probe, &path);
    }
}

#[test]
fn descriptors_of_folders_lead_nowhere_either() {
    let ground = Playground::new();
    let probe = Probe::new(ground.policy());
    let sub = probe.open("/granted/sub", DIRECTORY, READ).unwrap();
    for path in ["../../secret", "../../../secret", "/secret", "../../granted/../secret"] {
        let opened = probe.open_at(sub, path, 0, READ).map(|fd| probe.read_from(fd));
        assert!(opened.is_err(), "{path}: {opened:?}");
    }
    ground.assert_untouched();
}

#[test]
fn symbolic_links_that_were_there_before_lead_nowhere() {
    let ground = Playground::new();
    let outside = ground.outside();
    let granted = ground.host("granted");
    symlink(outside.join("secret"), granted.join("absolute")).unwrap();
    symlink("../secret", granted.join("relative")).unwrap();
    symlink("../../secret", granted.join("sub/deeper")).unwrap();
    symlink("..", granted.join("up")).unwrap();
    symlink(outside, granted.join("folder")).unwrap();
    symlink("/", granted.join("whole")).unwrap();
    symlink("/proc/self/root", granted.join("proc")).unwrap();
    symlink("relative", granted.join("twice")).unwrap();
    symlink("loop", granted.join("loop")).unwrap();
    symlink("../readonly/file", granted.join("neighbour")).unwrap();
    let host_secret = format!("/granted/whole{}/secret", outside.display());
    let proc_secret = format!("/granted/proc{}/secret", outside.display());
    let probe = Probe::new(ground.policy());
    for path in [
        "/granted/absolute",
        "/granted/absolute/",
        "/granted/relative",
        "/granted/relative/",
        "/granted/relative/.",
        "/granted/sub/deeper",
        "/granted/up/secret",
        "/granted/up/",
        "/granted/up",
        "/granted/folder/",
        "/granted/folder/secret",
        "/granted/folder/../secret",
        "/granted/twice",
        "/granted/loop",
        "/granted/loop/",
        "/granted/whole/etc/passwd",
        "/granted/neighbour",
        &host_secret,
        &proc_secret,
    ] {
        attack(&ground, &probe, path);
    }
}

#[test]
fn a_link_that_stays_inside_is_followed() {
    let ground = Playground::new();
    symlink("sub/inner", ground.host("granted/link")).unwrap();
    let probe = Probe::new(ground.policy());
    assert_eq!(probe.read("/granted/link").unwrap(), "inner");
}

#[test]
fn a_folder_that_becomes_a_link_while_the_guest_knows_it_leads_nowhere() {
    let ground = Playground::new();
    let probe = Probe::new(ground.policy());
    assert_eq!(probe.read("/granted/sub/inner").unwrap(), "inner");
    assert_eq!(probe.read("/granted/file").unwrap(), "a file of granted");
    std::fs::remove_dir_all(ground.host("granted/sub")).unwrap();
    symlink("..", ground.host("granted/sub")).unwrap();
    std::fs::remove_file(ground.host("granted/file")).unwrap();
    symlink("../secret", ground.host("granted/file")).unwrap();
    for path in ["/granted/sub/secret", "/granted/sub/", "/granted/file"] {
        attack(&ground, &probe, path);
    }
}

#[test]
fn a_guest_plants_no_links_in_a_folder_of_the_host() {
    let ground = Playground::new();
    let probe = Probe::new(ground.policy());
    for target in ["../secret", "/etc/passwd", "sub/inner", "..", "file"] {
        for at in ["/granted/planted", "/granted/sub/planted"] {
            assert_eq!(probe.symlink(target, at), PERM, "{at} to {target}");
            assert!(probe.read(at).is_err());
        }
    }
    assert!(std::fs::symlink_metadata(ground.host("granted/planted")).is_err());
    ground.assert_untouched();
}

#[test]
fn links_in_memory_lead_nowhere_but_into_what_was_granted() {
    let ground = Playground::new();
    let probe = Probe::new(ground.policy());
    for (index, target) in
        ["../secret", "../../secret", "granted/../../secret", "/etc/passwd", "granted/../.."]
            .into_iter()
            .enumerate()
    {
        let at = format!("/planted{index}");
        probe.symlink(target, &at);
        attack(&ground, &probe, &at);
        attack(&ground, &probe, &format!("{at}/secret"));
    }
}

#[test]
fn hard_links_do_not_lead_out_of_a_read_only_folder() {
    let ground = Playground::new();
    let probe = Probe::new(ground.policy());
    for (from, to, errno) in [
        ("/readonly/file", "/granted/linked", XDEV),
        ("/readonly/file", "/linked", XDEV),
        ("/readonly/sub", "/granted/linked", XDEV),
        ("/granted/file", "/readonly/linked", XDEV),
        ("/granted/file", "/granted/linked", PERM),
    ] {
        assert_eq!(probe.link(from, to), errno, "{from} to {to}");
        assert!(probe.write(to, "changed").is_err() || to != "/readonly/linked");
        let _ = probe.with_path("path_unlink_file", to);
    }
    ground.assert_untouched();
}

#[test]
fn the_hosts_own_files_are_not_there() {
    let probe = Probe::new(Playground::new().policy());
    for path in [
        "/proc/self/environ",
        "/proc/self/fd",
        "/proc/1/root",
        "/dev/null",
        "/dev/stdin",
        "/sys",
        "/tmp",
    ] {
        assert!(probe.open(path, 0, READ).is_err(), "{path}");
        assert!(probe.open(path, DIRECTORY, READ).is_err(), "{path}");
    }
    probe.assert_well();
}

#[test]
fn even_a_link_to_proc_inside_the_folder_shows_nothing() {
    let ground = Playground::new();
    symlink("/proc/self", ground.host("granted/self")).unwrap();
    let probe = Probe::new(ground.policy());
    for path in ["/granted/self/environ", "/granted/self/cwd", "/granted/self/fd/0"] {
        assert!(probe.open(path, 0, READ).is_err(), "{path}");
    }
    ground.assert_untouched();
}

#[test]
fn pipes_in_a_folder_neither_open_nor_block() {
    let ground = Playground::new();
    let made = std::process::Command::new("mkfifo").arg(ground.host("granted/pipe")).status();
    if !made.is_ok_and(|status| status.success()) {
        return;
    }
    let probe = Probe::new(ground.policy());
    for rights in [READ, WRITE, READ | WRITE] {
        assert!(probe.open("/granted/pipe", 0, rights).is_err());
    }
    assert!(probe.list("/granted").unwrap().contains(&"pipe".to_owned()));
    probe.assert_well();
}
