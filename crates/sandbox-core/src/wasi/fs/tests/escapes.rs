//! Entries that a granted folder may have in it, and where they lead.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use super::*;
#[cfg(target_os = "linux")]
use crate::sys::alone;

/// On a thread of its own, since what is refused a thread stays refused.
#[cfg(target_os = "linux")]
#[test]
fn paths_that_the_kernel_never_resolves_in_peace_are_walked() {
    let ground = Ground::new();
    symlink("../file", ground.host("granted/sub/up")).unwrap();
    symlink("../../outside/secret", ground.host("granted/sub/out")).unwrap();
    let grants = [ground.grant("granted", "/", Access::ReadWrite)];
    let act = || {
        let file_system = file_system(&grants, Resolver::Kernel);
        let root = root(&file_system);
        assert_eq!(read(&root, "sub/../file").unwrap(), "file");
        // What the kernel says if something was renamed while it looked at a `..`: now each time.
        alone::deny_here(&[libc::SYS_openat2], libc::EAGAIN);
        let place = rustix::fs::openat2(
            rustix::fs::CWD,
            ".",
            rustix::fs::OFlags::PATH,
            rustix::fs::Mode::empty(),
            rustix::fs::ResolveFlags::empty(),
        );
        assert_eq!(place.unwrap_err(), rustix::io::Errno::AGAIN);
        assert_eq!(read(&root, "sub/../file").unwrap(), "file");
        assert_eq!(read(&root, "sub/up").unwrap(), "file");
        assert_eq!(read(&root, "sub/out"), Err(Errno::Perm));
        assert_eq!(read(&root, "../outside/secret"), Err(Errno::Perm));
        assert_eq!(read(&root, "sub/missing"), Err(Errno::NoEnt));
        write(&root, "sub/../made", "made").unwrap();
        root.rename(path("made"), &root, path("sub/../sub/moved")).unwrap();
        root.create_folder(path("sub/../folder")).unwrap();
        root.remove_folder(path("folder")).unwrap();
        assert_eq!(list(&root), [".", "..", "file", "sub"]);
    };
    std::thread::scope(|scope| scope.spawn(act).join()).unwrap();
    assert_eq!(std::fs::read_to_string(ground.host("granted/sub/moved")).unwrap(), "made");
}

#[test]
fn links_of_the_host_lead_within_their_grant_or_nowhere() {
    let ground = Ground::new();
    let outside = ground.host("outside");
    for (target, at) in [
        ("sub/inner", "inside"),
        ("../file", "sub/up"),
        ("sub/up", "twice"),
        ("loop", "loop"),
        ("missing", "dangling"),
        ("../outside/secret", "relative"),
        ("..", "parent"),
        (outside.to_str().unwrap(), "absolute"),
        ("/proc/self/root", "proc"),
        ("/", "whole"),
        ("sub/../../outside", "roundabout"),
        ("../granted/file", "out and in"),
    ] {
        symlink(target, ground.host("granted").join(at)).unwrap();
    }
    let grants = [ground.grant("granted", "/granted", Access::ReadWrite)];
    each_way(&grants, |file_system, memory| {
        let granted = &file_system.preopened().unwrap()[1].1;
        for (root, before) in [(memory, "granted/"), (memory, "granted/../granted/"), (granted, "")]
        {
            let at = |name: &str| format!("{before}{name}");
            assert_eq!(read(root, &at("inside")).unwrap(), "inner");
            assert_eq!(read(root, &at("sub/up")).unwrap(), "file");
            assert_eq!(read(root, &at("twice")).unwrap(), "file");
            assert_eq!(read(root, &at("loop")), Err(Errno::Loop));
            assert_eq!(read(root, &at("dangling")), Err(Errno::NoEnt));
            let whole = format!("whole{}/secret", outside.display());
            let proc = format!("proc{}/secret", outside.display());
            for name in [
                "relative",
                "parent/outside/secret",
                "absolute/secret",
                "roundabout/secret",
                "out and in",
                &whole,
                &proc,
            ] {
                let name = at(name);
                assert_eq!(read(root, &name), Err(Errno::Perm), "{name}");
                assert_eq!(write(root, &name, "changed"), Err(Errno::Perm), "{name}");
                let stat = root.stat_at(path(&name), Follow::Links);
                assert_eq!(stat, Err(Errno::Perm), "{name}");
                let times = SetTimes { accessed: SetTime::Now, modified: SetTime::Now };
                let set = root.set_times_at(path(&name), Follow::Links, times);
                assert_eq!(set, Err(Errno::Perm), "{name}");
            }
            for name in ["parent", "absolute", "proc", "whole", "roundabout"] {
                let below = at(&format!("{name}/new"));
                assert_eq!(root.create_folder(path(&below)), Err(Errno::Perm), "{name}");
                assert_eq!(root.remove_file(path(&below)), Err(Errno::Perm), "{name}");
                let out = root.rename(path(&at("file")), root, path(&below));
                assert_eq!(out, Err(Errno::Perm), "{name}");
                assert_eq!(open_folder(root, &at(name)).unwrap_err(), Errno::Perm, "{name}");
                assert_eq!(root.read_link(path(&at(&format!("{name}/")))), Err(Errno::Perm));
                // The link itself is only a name.
                let kind = root.stat_at(path(&at(name)), Follow::Never).unwrap().kind;
                assert_eq!(kind, Kind::Link);
            }
            assert_eq!(root.read_link(path(&at("whole"))).unwrap(), "/");
        }
        // A link of the host does not even lead to where the guest sees its grant.
        assert_eq!(read(memory, "granted/parent/granted/../granted/file"), Err(Errno::Perm));
        assert_eq!(read(memory, "granted/sub/../../granted/file").unwrap(), "file");
        assert_eq!(std::fs::read_to_string(outside.join("secret")).unwrap(), "secret");
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    });
}

#[test]
fn a_guest_makes_no_links_in_a_granted_folder() {
    let ground = Ground::new();
    each_way(&[ground.grant("granted", "/granted", Access::ReadWrite)], |_, root| {
        root.symlink(path("file"), path("own")).unwrap();
        assert_eq!(write(root, "memory", "text"), Ok(4));
        for target in ["file", "..", "/etc", "sub"] {
            assert_eq!(root.symlink(path(target), path("granted/new")), Err(Errno::Perm));
        }
        assert_eq!(root.symlink(path("a"), path("granted/file")), Err(Errno::Exist));
        let link = |from, to| root.link(path(from), Follow::Links, root, path(to));
        assert_eq!(link("granted/file", "granted/new"), Err(Errno::Perm));
        assert_eq!(link("granted/file", "new"), Err(Errno::XDev));
        assert_eq!(link("memory", "granted/new"), Err(Errno::XDev));
        assert_eq!(link("memory", "granted/file"), Err(Errno::XDev));
        assert_eq!(list(&open_folder(root, "granted").unwrap()), [".", "..", "file", "sub"]);
    });
}

#[test]
fn names_that_are_not_text_are_shown_and_found() {
    let ground = Ground::new();
    let name = OsStr::from_bytes(b"gr\xfcn \xff");
    std::fs::write(ground.host("granted").join(name), "green").unwrap();
    symlink(name, ground.host("granted/link")).unwrap();
    let grants = [ground.grant("granted", "/granted", Access::ReadWrite)];
    each_way(&grants, |file_system, memory| {
        let granted = &file_system.preopened().unwrap()[1].1;
        let shown = list(granted).into_iter().find(|name| name.starts_with("gr")).unwrap();
        assert_eq!(shown, "gr\u{effc}n \u{efff}");
        assert_eq!(read(granted, &shown).unwrap(), "green");
        assert_eq!(read(memory, &format!("granted/{shown}")).unwrap(), "green");
        assert_eq!(read(memory, "granted/../granted/link").unwrap(), "green");
        assert_eq!(granted.read_link(path("link")).unwrap(), shown);
        granted.rename(path(&shown), granted, path("sub/text")).unwrap();
        granted.rename(path("sub/text"), granted, path(&shown)).unwrap();
        assert!(ground.host("granted").join(name).exists());
        assert_eq!(GuestPath::new(b"gr\xfcn").unwrap_err(), Errno::IlSeq);
    });
}

#[test]
fn what_is_neither_file_nor_folder_is_seen_and_not_opened() {
    let ground = Ground::new();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        ground.host("granted/pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from(0o666),
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(ground.host("granted/socket")).unwrap();
    symlink("pipe", ground.host("granted/link")).unwrap();
    each_way(&[ground.grant("granted", "/", Access::ReadWrite)], |_, root| {
        for name in ["pipe", "socket", "link"] {
            let write_only = OpenHow { read: false, write: true, ..LOOK };
            let truncate = OpenHow { truncate: true, ..WRITE };
            // None of them waits for another end.
            for how in [LOOK, WRITE, write_only, truncate] {
                assert_eq!(open(root, name, how).map(drop), Err(Errno::Acces), "{name} {how:?}");
            }
            assert_eq!(open_folder(root, name).map(drop), Err(Errno::NotDir));
        }
        let kind = |name| root.stat_at(path(name), Follow::Links).unwrap().kind;
        assert_eq!((kind("pipe"), kind("socket")), (Kind::Unknown, Kind::Socket));
        let listing = root.list().unwrap();
        let entry = |name| {
            let mut entries = (0..listing.len() as u64).filter_map(|at| listing.entry(at));
            entries.find(|entry| entry.name == name).unwrap().kind
        };
        assert_eq!((entry("pipe"), entry("socket")), (Kind::Unknown, Kind::Socket));
        assert_eq!(entry("link"), Kind::Link);
    });
}

#[test]
fn a_path_through_very_many_folders_ends() {
    let ground = Ground::new();
    each_way(&[ground.grant("granted", "/granted", Access::ReadWrite)], |_, root| {
        let dots = format!("granted/{}file", "./".repeat(2000));
        assert_eq!(read(root, &dots).unwrap(), "file");
        let up_and_down = format!("granted/{}file", "sub/../".repeat(500));
        assert_eq!(read(root, &up_and_down).unwrap(), "file");
        let missing = "a/".repeat(2000);
        assert_eq!(read(root, &missing), Err(Errno::NoEnt));
    });
}
