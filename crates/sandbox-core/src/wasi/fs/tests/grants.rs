//! Where granted folders are shown, and what may be done in them.

use std::io::IoSlice;
use std::os::unix::fs::symlink;

use super::*;

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
    assert!(Grants::open(&twice, &[]).is_err());
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
        let error = Grants::open(&[ground.grant(host, guest, Access::ReadOnly)], &[]).unwrap_err();
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
        let grants = Arc::new(Grants::open_with(&grants, &[], resolver).unwrap());
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
