//! Files and folders in memory and on the host, used as programs use them.

use std::io::{IoSlice, Write as _};

use super::*;

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
