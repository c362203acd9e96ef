//! What guests can and cannot do.

use std::ffi::OsStr;
use std::io::{IoSlice, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use super::*;

/// A folder that is granted, beside one that is not.
struct Ground {
    home: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for folder in ["granted/sub", "other", "outside"] {
            std::fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        std::fs::write(home.path().join("granted/file"), "file").unwrap();
        std::fs::write(home.path().join("granted/sub/inner"), "inner").unwrap();
        std::fs::write(home.path().join("other/file"), "other").unwrap();
        std::fs::write(home.path().join("outside/secret"), "secret").unwrap();
        Self { home }
    }

    fn host(&self, path: &str) -> std::path::PathBuf {
        self.home.path().join(path)
    }

    fn grant(&self, host: &str, guest: &str, access: Access) -> FolderGrant {
        grant(&self.host(host), guest, access)
    }
}

/// Does something with either way to resolve paths.
fn each_way(grants: &[FolderGrant], act: impl Fn(&FileSystem, &Folder)) {
    for resolver in RESOLVERS {
        let file_system = file_system(grants, resolver);
        act(&file_system, &root(&file_system));
    }
}

#[test]
fn there_is_one_root_and_the_grants_follow_it() {
    let ground = Ground::new();
    let places = |grants: &[FolderGrant]| -> Vec<String> {
        let preopened = file_system(grants, Resolver::Kernel).preopened().unwrap();
        preopened.into_iter().map(|(path, _)| path).collect()
    };
    let b = ground.grant("other", "/b/c", Access::ReadOnly);
    let a = ground.grant("granted", "/a/", Access::ReadWrite);
    assert_eq!(places(&[]), ["/"]);
    assert_eq!(places(&[b.clone(), a]), ["/", "/b/c", "/a"]);
    for whole in ["/", ".", "//."] {
        let whole = ground.grant("granted", whole, Access::ReadWrite);
        assert_eq!(places(&[b.clone(), whole]), ["/", "/b/c"]);
    }
}

#[test]
fn grants_that_make_no_sense_are_refused() {
    let ground = Ground::new();
    let twice = [
        ground.grant("granted", "/a", Access::ReadOnly),
        ground.grant("other", "/a/.", Access::ReadOnly),
    ];
    assert!(Grants::open(&twice).is_err());
    for (host, guest) in [
        ("missing", "/a"),
        ("outside/secret", "/a"),
        ("granted", "relative"),
        ("granted", "/a/../b"),
        ("granted", ""),
        ("granted", "/a\0"),
        ("granted", &"/a".repeat(200)),
        ("granted", &format!("/{}", "n".repeat(256))),
    ] {
        let error = Grants::open(&[ground.grant(host, guest, Access::ReadOnly)]).unwrap_err();
        assert!(error.to_string().contains(host), "{error}");
    }
}

#[test]
fn a_granted_folder_can_be_the_root() {
    let ground = Ground::new();
    each_way(&[ground.grant("granted", "/", Access::ReadWrite)], |_, root| {
        assert_eq!(list(root), [".", "..", "file", "sub"]);
        assert_eq!(write(root, "new", "text"), Ok(4));
        assert_eq!(std::fs::read_to_string(ground.host("granted/new")).unwrap(), "text");
        root.remove_file(path("new")).unwrap();
        assert_eq!(root.stat_at(path(".."), Follow::Links), Err(Errno::Perm));
    });
}

#[test]
fn grants_within_grants_are_seen_and_stay() {
    let ground = Ground::new();
    let grants = [
        ground.grant("granted", "/", Access::ReadWrite),
        ground.grant("other", "/sub/deep/other", Access::ReadOnly),
        ground.grant("outside", "/sub/inner", Access::ReadOnly),
    ];
    each_way(&grants, |_, root| {
        assert_eq!(list(root), [".", "..", "file", "sub"]);
        let sub = open_folder(root, "sub").unwrap();
        assert_eq!(list(&sub), [".", "..", "deep", "inner"]);
        // The host has no such folder, so nothing can be made there.
        let deep = open_folder(&sub, "deep").unwrap();
        assert_eq!(list(&deep), [".", "..", "other"]);
        assert_eq!(write(&deep, "new", "text"), Err(Errno::RoFs));
        assert_eq!(deep.create_folder(path("new")), Err(Errno::RoFs));
        assert_eq!(read(&deep, "new"), Err(Errno::NoEnt));
        let stat = deep.stat().unwrap();
        assert!(stat.inode != 0 && stat.kind == Kind::Folder);
        assert_eq!(read(root, "sub/deep/other/file").unwrap(), "other");
        // What is shown is the granted folder, and not the host's file of that name.
        assert_eq!(read(root, "sub/inner/secret").unwrap(), "secret");
        assert_eq!(read(root, "sub/inner"), Err(Errno::IsDir));
        assert_eq!(write(root, "sub/inner/new", "text"), Err(Errno::RoFs));
        assert_eq!(read(root, "sub/deep/../inner/../../file").unwrap(), "file");
        assert_eq!(read(root, "sub/../../file"), Err(Errno::Perm));
        for place in ["sub/inner", "sub/deep", "sub/deep/other", "sub"] {
            assert_eq!(root.remove_folder(path(place)), Err(Errno::Busy), "{place}");
            assert_eq!(root.remove_file(path(place)), Err(Errno::IsDir), "{place}");
            assert_eq!(root.create_folder(path(place)), Err(Errno::Exist), "{place}");
            assert_eq!(root.rename(path(place), root, path("x")), Err(Errno::Busy), "{place}");
            assert_eq!(root.rename(path("file"), root, path(place)), Err(Errno::Busy), "{place}");
        }
        assert_eq!(root.rename(path("file"), &sub, path("inner/x")), Err(Errno::XDev));
        assert_eq!(write(&sub, "new", "text"), Ok(4));
        sub.rename(path("new"), root, path("new")).unwrap();
        root.remove_file(path("new")).unwrap();
    });
}

#[test]
fn a_folder_that_is_renamed_within_a_grant_is_still_granted() {
    for resolver in RESOLVERS {
        let ground = Ground::new();
        let grants = [
            ground.grant("granted", "/out", Access::ReadWrite),
            ground.grant("granted/sub", "/in", Access::ReadWrite),
        ];
        let grants = Arc::new(Grants::open_with(&grants, resolver).unwrap());
        for round in ["first", "second"] {
            let file_system = FileSystem::new(&grants, 1 << 20, Arc::new(|| 1));
            let root = root(&file_system);
            assert_eq!(read(&root, "in/inner").unwrap(), "inner");
            let to = format!("out/{round}");
            let from = if round == "first" { "out/sub" } else { "out/first" };
            root.rename(path(from), &root, path(&to)).unwrap();
            assert_eq!(read(&root, "in/inner").unwrap(), "inner");
            assert_eq!(read(&root, &format!("{to}/inner")).unwrap(), "inner");
        }
    }
}

#[test]
fn places_in_memory_that_lead_to_grants_stay() {
    let ground = Ground::new();
    each_way(&[ground.grant("granted", "/data/in", Access::ReadWrite)], |_, root| {
        for place in ["data", "data/in"] {
            assert_eq!(root.remove_folder(path(place)), Err(Errno::Busy));
            assert_eq!(root.rename(path(place), root, path("x")), Err(Errno::Busy));
        }
        root.create_folder(path("own")).unwrap();
        assert_eq!(root.rename(path("own"), root, path("data/in")), Err(Errno::Busy));
        assert_eq!(root.rename(path("own"), root, path("data")), Err(Errno::Busy));
        assert_eq!(root.rename(path("own"), root, path("data/in/own")), Err(Errno::XDev));
        assert_eq!(root.rename(path("data/in/file"), root, path("file")), Err(Errno::XDev));
        root.rename(path("own"), root, path("data/own")).unwrap();
        assert_eq!(list(&open_folder(root, "data").unwrap()), [".", "..", "in", "own"]);
        assert_eq!(read(root, "data/in/../in/sub/../file").unwrap(), "file");
        assert_eq!(read(root, "data/in/../../../file"), Err(Errno::Perm));
        root.symlink(path("data/in/file"), path("link")).unwrap();
        assert_eq!(read(root, "link").unwrap(), "file");
    });
}

#[test]
fn a_read_only_folder_is_only_read() {
    let ground = Ground::new();
    symlink("file", ground.host("granted/link")).unwrap();
    each_way(&[ground.grant("granted", "/", Access::ReadOnly)], |file_system, root| {
        assert_eq!(read(root, "file").unwrap(), "file");
        assert_eq!(read(root, "link").unwrap(), "file");
        let read_write = OpenHow { write: true, ..LOOK };
        let truncate = OpenHow { truncate: true, ..read_write };
        let create = OpenHow { presence: Presence::Created, ..LOOK };
        let exclusive = OpenHow { presence: Presence::Exclusive, ..LOOK };
        let error = |name, how| open(root, name, how).map(|_| "opened").unwrap_err();
        for name in ["file", "link"] {
            assert_eq!(error(name, read_write), Errno::RoFs);
            assert_eq!(error(name, truncate), Errno::RoFs);
            assert_eq!(error(name, OpenHow { truncate: true, ..LOOK }), Errno::Inval);
            assert_eq!(error(name, exclusive), Errno::Exist);
            assert!(open(root, name, create).is_ok());
        }
        assert_eq!(error("new", WRITE), Errno::RoFs);
        assert_eq!(error("new", create), Errno::RoFs);
        assert_eq!(error("new", read_write), Errno::NoEnt);
        assert_eq!(error("sub", WRITE), Errno::IsDir);
        assert_eq!(root.create_folder(path("sub")), Err(Errno::Exist));
        assert_eq!(root.create_folder(path("new")), Err(Errno::RoFs));
        assert_eq!(root.create_folder(path("no/new")), Err(Errno::NoEnt));
        assert_eq!(root.remove_folder(path("sub")), Err(Errno::RoFs));
        assert_eq!(root.remove_file(path("file")), Err(Errno::RoFs));
        assert_eq!(root.remove_file(path("new")), Err(Errno::NoEnt));
        assert_eq!(root.rename(path("file"), root, path("new")), Err(Errno::RoFs));
        assert_eq!(root.rename(path("no"), root, path("new")), Err(Errno::NoEnt));
        assert_eq!(root.symlink(path("file"), path("new")), Err(Errno::RoFs));
        let times = SetTimes { accessed: SetTime::Now, modified: SetTime::To(5) };
        assert_eq!(root.set_times(times), Err(Errno::RoFs));
        assert_eq!(root.set_times_at(path("file"), Follow::Links, times), Err(Errno::RoFs));
        let file = open(root, "file", LOOK).unwrap();
        assert_eq!(file.set_times(times), Err(Errno::RoFs));
        assert!(file.set_len(0).is_err());
        assert!(file.allocate(0, 100).is_err());
        assert!(file.write_at(&[IoSlice::new(b"x")], 0, Durability::Eventual).is_err());
        assert!(file.append(&[IoSlice::new(b"x")], Durability::All).is_err());
        assert_eq!(std::fs::read_to_string(ground.host("granted/file")).unwrap(), "file");
        assert!(file_system.has_changed_host() || list(root).len() == 5);
    });
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
        for (root, before) in [(memory, "granted/"), (memory, "granted/../granted/"), (granted, "")] {
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
fn an_open_file_survives_its_names() {
    let ground = Ground::new();
    let grants = [ground.grant("other", "/granted", Access::ReadWrite)];
    each_way(&grants, |file_system, memory| {
        for root in [memory, &file_system.preopened().unwrap()[1].1] {
            write(root, "a", "first").unwrap();
            write(root, "b", "second").unwrap();
            let (first, second) = (open(root, "a", LOOK).unwrap(), open(root, "b", LOOK).unwrap());
            root.rename(path("a"), root, path("b")).unwrap();
            assert_eq!(read(root, "b").unwrap(), "first");
            assert_eq!(contents(&second).unwrap(), "second");
            assert_eq!(second.stat().unwrap().links, 0);
            assert_eq!(first.stat().unwrap(), root.stat_at(path("b"), Follow::Never).unwrap());
            root.remove_file(path("b")).unwrap();
            assert_eq!(contents(&first).unwrap(), "first");
            assert_eq!(read(root, "b"), Err(Errno::NoEnt));
            write(root, "b", "third").unwrap();
            assert_eq!(contents(&first).unwrap(), "first");
            root.remove_file(path("b")).unwrap();
        }
    });
}

#[test]
fn a_removed_folder_that_is_open_takes_nothing() {
    let ground = Ground::new();
    let grants = [ground.grant("other", "/granted", Access::ReadWrite)];
    each_way(&grants, |file_system, memory| {
        for root in [memory, &file_system.preopened().unwrap()[1].1] {
            root.create_folder(path("a")).unwrap();
            root.create_folder(path("a/b")).unwrap();
            write(root, "f", "text").unwrap();
            let b = open_folder(root, "a/b").unwrap();
            root.remove_folder(path("a/b")).unwrap();
            root.remove_folder(path("a")).unwrap();
            assert_eq!(write(&b, "new", "text"), Err(Errno::NoEnt));
            assert_eq!(b.create_folder(path("new")), Err(Errno::NoEnt));
            assert_eq!(root.rename(path("f"), &b, path("new")), Err(Errno::NoEnt));
            assert_eq!(list(&b), [".", ".."]);
            root.remove_file(path("f")).unwrap();
        }
    });
}

#[test]
fn a_listing_stays_as_it_was() {
    let ground = Ground::new();
    let grants = [ground.grant("other", "/granted", Access::ReadWrite)];
    each_way(&grants, |file_system, memory| {
        for root in [memory, &file_system.preopened().unwrap()[1].1] {
            let before = list(root).len();
            for number in 0..300 {
                write(root, &format!("file{number}"), "").unwrap();
            }
            let listing = root.list().unwrap();
            for number in 0..300 {
                root.remove_file(path(&format!("file{number}"))).unwrap();
            }
            let mut names: Vec<_> =
                (0..listing.len() as u64).map(|at| listing.entry(at).unwrap().name).collect();
            assert_eq!(&names[..2], &[".", ".."]);
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), before + 300);
            assert_eq!(list(root).len(), before);
        }
    });
}

#[test]
fn numbers_of_files_tell_them_apart_and_stay() {
    let ground = Ground::new();
    let grants = [ground.grant("granted", "/granted", Access::ReadWrite)];
    each_way(&grants, |file_system, memory| {
        write(memory, "a", "").unwrap();
        let granted = &file_system.preopened().unwrap()[1].1;
        for root in [memory, granted] {
            let listing = root.list().unwrap();
            let mut seen = std::collections::HashSet::new();
            for at in (0..listing.len() as u64).filter(|at| *at != 1) {
                let entry = listing.entry(at).unwrap();
                assert!(entry.inode != 0 && seen.insert(entry.inode));
                let stat = root.stat_at(path(entry.name), Follow::Never).unwrap();
                assert_eq!((stat.inode, stat.kind), (entry.inode, entry.kind), "{}", entry.name);
            }
        }
        let moved = memory.stat_at(path("a"), Follow::Links).unwrap().inode;
        memory.rename(path("a"), memory, path("b")).unwrap();
        assert_eq!(memory.stat_at(path("b"), Follow::Links).unwrap().inode, moved);
        assert_ne!(memory.stat().unwrap().device, granted.stat().unwrap().device);
    });
}

#[test]
fn appends_of_several_guests_and_the_host_are_all_there() {
    for resolver in RESOLVERS {
        let ground = Ground::new();
        std::fs::write(ground.host("granted/log"), "").unwrap();
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let grants = [ground.grant("granted", "/", Access::ReadWrite)];
                std::thread::spawn(move || {
                    let file_system = file_system(&grants, resolver);
                    let log = open(&root(&file_system), "log", WRITE).unwrap();
                    for number in 0..300 {
                        let line = format!("{writer} {number}\n");
                        let (one, two) = line.as_bytes().split_at(2);
                        let parts = [IoSlice::new(one), IoSlice::new(two)];
                        let appended = log.append(&parts, Durability::Eventual).unwrap();
                        assert_eq!(appended.written, line.len());
                        assert!(appended.end <= log.stat().unwrap().size);
                    }
                })
            })
            .collect();
        let mut log =
            std::fs::OpenOptions::new().append(true).open(ground.host("granted/log")).unwrap();
        for number in 0..300 {
            log.write_all(format!("2 {number}\n").as_bytes()).unwrap();
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        let text = std::fs::read_to_string(ground.host("granted/log")).unwrap();
        for writer in 0..3 {
            let lines = text.lines().filter_map(|line| line.strip_prefix(&format!("{writer} ")));
            let numbers: Vec<u32> = lines.map(|number| number.parse().unwrap()).collect();
            assert_eq!(numbers, (0..300).collect::<Vec<_>>());
        }
    }
}

#[test]
fn appending_begins_where_another_descriptor_cut() {
    let ground = Ground::new();
    let grants = [ground.grant("other", "/granted", Access::ReadWrite)];
    each_way(&grants, |file_system, memory| {
        for root in [memory, &file_system.preopened().unwrap()[1].1] {
            write(root, "a", "a long line").unwrap();
            let (one, other) = (open(root, "a", WRITE).unwrap(), open(root, "a", WRITE).unwrap());
            assert_eq!(one.append(&[IoSlice::new(b"!")], Durability::Data).unwrap().end, 12);
            other.set_len(2).unwrap();
            assert_eq!(one.append(&[IoSlice::new(b"b")], Durability::Eventual).unwrap().end, 3);
            assert_eq!(read(root, "a").unwrap(), "a b");
            root.remove_file(path("a")).unwrap();
        }
    });
}

#[test]
fn times_at_the_extremes_are_kept_or_bounded() {
    let ground = Ground::new();
    let grants = [ground.grant("granted", "/granted", Access::ReadWrite)];
    each_way(&grants, |file_system, memory| {
        write(memory, "file", "").unwrap();
        for root in [memory, &file_system.preopened().unwrap()[1].1] {
            for time in [0, 1, 999_999_999, 1 << 32, i64::MAX as u64, u64::MAX - 1, u64::MAX] {
                let times = SetTimes { accessed: SetTime::To(time), modified: SetTime::To(time) };
                root.set_times_at(path("file"), Follow::Links, times).unwrap();
                let stat = root.stat_at(path("file"), Follow::Links).unwrap();
                // A file system of the host may end earlier.
                assert!(stat.modified <= time, "{} for {time}", stat.modified);
                let small = time < 1 << 33;
                assert!(!small || stat.modified == time && stat.accessed == time, "{stat:?}");
                let keep = SetTimes { modified: SetTime::To(5), ..SetTimes::default() };
                open(root, "file", LOOK).unwrap().set_times(keep).unwrap();
                let kept = root.stat_at(path("file"), Follow::Links).unwrap();
                assert_eq!((kept.accessed, kept.modified), (stat.accessed, 5));
            }
        }
    });
    // Before 1970, and after what 64 bits of nanoseconds hold.
    let times = rustix::fs::Timestamps {
        last_access: rustix::fs::Timespec { tv_sec: -5, tv_nsec: 0 },
        last_modification: rustix::fs::Timespec { tv_sec: i64::MAX, tv_nsec: 999_999_999 },
    };
    rustix::fs::utimensat(
        rustix::fs::CWD,
        ground.host("granted/file"),
        &times,
        rustix::fs::AtFlags::empty(),
    )
    .unwrap();
    each_way(&grants, |_, root| {
        let stat = root.stat_at(path("granted/file"), Follow::Links).unwrap();
        assert_eq!(stat.accessed, 0);
        assert!(stat.modified > 1 << 60);
    });
}

#[test]
fn offsets_at_the_extremes_are_refused() {
    let ground = Ground::new();
    let grants = [ground.grant("granted", "/granted", Access::ReadWrite)];
    each_way(&grants, |file_system, memory| {
        for root in [memory, &file_system.preopened().unwrap()[1].1] {
            write(root, "file", "text").unwrap();
            let file = open(root, "file", WRITE).unwrap();
            for beyond in [1 << 63, u64::MAX] {
                let mut bytes = [0; 4];
                let mut buffers = [std::io::IoSliceMut::new(&mut bytes)];
                assert_eq!(file.read_at(&mut buffers, beyond), Err(Errno::Inval));
                for durability in [Durability::Eventual, Durability::Data, Durability::All] {
                    let written = file.write_at(&[IoSlice::new(b"x")], beyond, durability);
                    assert_eq!(written, Err(Errno::Inval));
                }
                assert_eq!(file.set_len(beyond), Err(Errno::FBig));
                assert_eq!(file.allocate(beyond, 1), Err(Errno::FBig));
                assert_eq!(file.allocate(1, beyond), Err(Errno::FBig));
                assert_eq!(file.advise(beyond, beyond, Advice::WillNeed), Ok(()));
            }
            assert_eq!(file.allocate(0, 0), Err(Errno::Inval));
            assert_eq!(contents(&file).unwrap(), "text");
        }
    });
}

#[test]
fn a_sparse_file_of_the_host_is_read_anywhere() {
    let ground = Ground::new();
    let sparse = std::fs::File::create(ground.host("granted/sparse")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    each_way(&[ground.grant("granted", "/", Access::ReadOnly)], |_, root| {
        let file = open(root, "sparse", LOOK).unwrap();
        assert_eq!(file.stat().unwrap().size, 1 << 40);
        let mut bytes = [1; 16];
        let mut buffers = [std::io::IoSliceMut::new(&mut bytes)];
        assert_eq!(file.read_at(&mut buffers, (1 << 40) - 4), Ok(4));
        assert_eq!(&bytes[..6], &[0, 0, 0, 0, 1, 1]);
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
