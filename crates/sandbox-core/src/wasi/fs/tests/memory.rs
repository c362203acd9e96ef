//! Files in memory: what may be kept, and what templates keep.

use std::io::IoSlice;

use super::*;

const KIB: u64 = 1024;

fn small(limit_bytes: u64) -> (FileSystem, Folder) {
    let grants = Arc::new(Grants::open(&[], &[]).unwrap());
    let file_system = FileSystem::new(&grants, limit_bytes, Arc::new(|| 1_000));
    let root = root(&file_system);
    (file_system, root)
}

fn put(file: &File, offset: u64, bytes: &[u8]) -> Result<usize> {
    file.write_at(&[IoSlice::new(bytes)], offset, Durability::Eventual)
}

#[test]
fn names_and_contents_fill_one_budget_to_the_last_byte() {
    let (_, root) = small(16 * KIB);
    let file = open(&root, "a", WRITE).unwrap();
    assert_eq!(put(&file, 0, &vec![1; 20 << 10]), Ok(15 << 10));
    assert_eq!(put(&file, 15 * KIB, b"x"), Err(Errno::NoSpc));
    assert_eq!(put(&file, 0, b"y"), Ok(1));
    assert_eq!(open(&root, "b", WRITE).map(drop), Err(Errno::NoSpc));
    assert_eq!(root.create_folder(path("b")), Err(Errno::NoSpc));
    assert_eq!(root.symlink(path("a"), path("b")), Err(Errno::NoSpc));
    assert_eq!(root.link(path("a"), Follow::Never, &root, path("b")), Err(Errno::NoSpc));
    assert_eq!(list(&root), [".", "..", "a"]);
    // What needs no more room is done.
    assert_eq!(root.rename(path("a"), &root, path("b")), Ok(()));
    file.set_len(14 * KIB).unwrap();
    assert_eq!(root.create_folder(path("c")), Ok(()));
    assert_eq!(root.create_folder(path("d")), Err(Errno::NoSpc));
}

#[test]
fn what_is_removed_counts_until_it_is_closed() {
    let (_, root) = small(16 * KIB);
    let file = open(&root, "a", WRITE).unwrap();
    assert_eq!(put(&file, 0, &vec![1; 10 << 10]), Ok(10 << 10));
    root.link(path("a"), Follow::Never, &root, path("b")).unwrap();
    root.remove_file(path("a")).unwrap();
    root.remove_file(path("b")).unwrap();
    let other = open(&root, "c", WRITE).unwrap();
    assert_eq!(put(&other, 0, &vec![1; 10 << 10]), Ok(4 << 10));
    drop(file);
    assert_eq!(put(&other, 4 * KIB, &vec![1; 20 << 10]), Ok(11 << 10));
    drop(other);
    root.remove_file(path("c")).unwrap();
    // Nothing was lost on the way: all of it can be had again.
    let again = open(&root, "d", WRITE).unwrap();
    assert_eq!(put(&again, 0, &vec![1; 20 << 10]), Ok(15 << 10));
}

#[test]
fn names_of_one_file_count_one_by_one() {
    let (_, root) = small(16 * KIB);
    open(&root, "a", WRITE).unwrap();
    let made = (0..100)
        .take_while(|number| {
            root.link(path("a"), Follow::Never, &root, path(&format!("b{number}"))).is_ok()
        })
        .count();
    assert_eq!(made, 30);
    assert_eq!(root.stat_at(path("a"), Follow::Links).unwrap().links, 31);
    for number in 0..made {
        root.remove_file(path(&format!("b{number}"))).unwrap();
    }
    assert_eq!(put(&open(&root, "a", WRITE).unwrap(), 0, &vec![1; 16 << 10]), Ok(15 << 10));
}

#[test]
fn a_very_deep_tree_is_made_moved_kept_and_dropped() {
    // On a stack that recursion over it would overflow.
    let deep = || {
        let (file_system, root) = small(64 << 20);
        let mut at = root.clone();
        for _ in 0..20_000 {
            at.create_folder(path("d")).unwrap();
            at = open_folder(&at, "d").unwrap();
        }
        write(&at, "bottom", "text").unwrap();
        assert_eq!(root.rename(path("d"), &at, path("d")), Err(Errno::Inval));
        root.rename(path("d"), &root, path("e")).unwrap();
        let snapshot = file_system.snapshot();
        assert_eq!(root.remove_folder(path("e")), Err(Errno::NotEmpty));
        root.create_folder(path("f")).unwrap();
        file_system.restore(&snapshot);
        drop((at, root, snapshot, file_system));
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(deep).unwrap().join().unwrap();
}

#[test]
fn what_was_changed_is_put_back_exactly() {
    let (file_system, root) = small(1 << 20);
    write(&root, "kept", "before").unwrap();
    root.create_folder(path("folder")).unwrap();
    write(&root, "folder/inner", "inner").unwrap();
    let unnamed = open(&root, "kept", WRITE).unwrap();
    let saved = (root.save().unwrap(), unnamed.save().unwrap());
    let before = root.stat_at(path("kept"), Follow::Links).unwrap();
    let template = file_system.snapshot();

    // Looking and reading are no changes.
    assert_eq!(read(&root, "kept").unwrap(), "before");
    assert_eq!(list(&root), [".", "..", "folder", "kept"]);
    assert!(!file_system.is_changed_since(&template));

    write(&root, "kept", "after").unwrap();
    write(&root, "new", "new").unwrap();
    root.rename(path("folder"), &root, path("moved")).unwrap();
    root.remove_file(path("moved/inner")).unwrap();
    assert!(file_system.is_changed_since(&template));
    file_system.restore(&template);
    assert!(!file_system.is_changed_since(&template));

    // What was open before leads nowhere, and dropping it later harms nothing.
    assert_eq!(unnamed.stat(), Err(Errno::BadF));
    assert_eq!(root.create_folder(path("x")), Err(Errno::BadF));
    let again = file_system.reopen_folder(&saved.0).unwrap();
    let file = file_system.reopen_file(&saved.1).unwrap();
    drop((unnamed, root));
    assert_eq!(list(&again), [".", "..", "folder", "kept"]);
    assert_eq!(contents(&file).unwrap(), "before");
    assert_eq!(read(&again, "folder/inner").unwrap(), "inner");
    assert_eq!(again.stat_at(path("kept"), Follow::Links).unwrap(), before);
    assert!(!file_system.is_changed_since(&template));
}

#[test]
fn handles_of_before_do_not_count_for_files_of_after() {
    let (file_system, root) = small(1 << 20);
    write(&root, "a", "unnamed").unwrap();
    let before = open(&root, "a", LOOK).unwrap();
    root.remove_file(path("a")).unwrap();
    let (template, saved) = (file_system.snapshot(), before.save().unwrap());
    write(&root, "b", "changed").unwrap();
    file_system.restore(&template);
    let after = file_system.reopen_file(&saved).unwrap();
    drop((before, root));
    assert_eq!(contents(&after).unwrap(), "unnamed");
}

#[test]
fn instances_that_begin_from_one_template_do_not_see_each_other() {
    let grants = Arc::new(Grants::open(&[], &[]).unwrap());
    let first = FileSystem::new(&grants, 64 * KIB, Arc::new(|| 1));
    write(&root(&first), "a", "template").unwrap();
    let open_file = open(&root(&first), "a", LOOK).unwrap();
    root(&first).remove_file(path("a")).unwrap();
    write(&root(&first), "b", "named").unwrap();
    let (template, saved) = (first.snapshot(), open_file.save().unwrap());
    let instances: Vec<_> = (0..3)
        .map(|number| {
            let instance = FileSystem::from_snapshot(&grants, &template, Arc::new(move || number));
            let file = instance.reopen_file(&saved).unwrap();
            write(&root(&instance), "b", &number.to_string()).unwrap();
            assert_eq!(put(&file, 0, number.to_string().as_bytes()), Ok(1));
            (instance, file)
        })
        .collect();
    for (number, (instance, file)) in instances.iter().enumerate() {
        assert_eq!(read(&root(instance), "b").unwrap(), number.to_string());
        assert_eq!(contents(file).unwrap(), format!("{number}emplate"));
    }
    assert_eq!(read(&root(&first), "b").unwrap(), "named");
    assert_eq!(contents(&open_file).unwrap(), "template");
    // A file without a name goes with its last handle, in each instance by itself.
    let (instance, file) = instances.into_iter().next().unwrap();
    drop(file);
    assert_eq!(instance.reopen_file(&saved).map(drop), Err(Errno::BadF));
    assert!(first.reopen_file(&saved).is_ok());
}

#[test]
fn times_are_what_the_clock_says_that_was_given() {
    let (_, root) = small(64 * KIB);
    assert_eq!(root.stat().unwrap().modified, 0);
    write(&root, "a", "text").unwrap();
    assert_eq!(root.stat().unwrap().modified, 1_000);
    let stat = root.stat_at(path("a"), Follow::Links).unwrap();
    assert_eq!((stat.accessed, stat.modified, stat.changed), (1_000, 1_000, 1_000));
}

#[test]
fn links_in_memory_go_where_they_say() {
    let (_, root) = small(1024 * KIB);
    root.create_folder(path("a")).unwrap();
    root.create_folder(path("b")).unwrap();
    write(&root, "b/file", "text").unwrap();
    root.symlink(path("../b"), path("a/to b")).unwrap();
    root.symlink(path("a/to b/file"), path("file")).unwrap();
    assert_eq!(read(&root, "file").unwrap(), "text");
    assert_eq!(read(&root, "a/to b/../b/file").unwrap(), "text");
    let a = open_folder(&root, "a").unwrap();
    assert_eq!(read(&a, "to b/file"), Err(Errno::Perm));
    root.symlink(path("/b/file"), path("absolute")).unwrap();
    assert_eq!(read(&root, "absolute"), Err(Errno::Perm));
    assert_eq!(root.read_link(path("absolute")).unwrap(), "/b/file");
    assert_eq!(root.symlink(path(""), path("empty")), Err(Errno::NoEnt));
    for number in 0..50 {
        let target = format!("l{}", number + 1);
        root.symlink(path(&target), path(&format!("l{number}"))).unwrap();
    }
    write(&root, "l50", "end").unwrap();
    assert_eq!(read(&root, "l10").unwrap(), "end");
    assert_eq!(read(&root, "l9"), Err(Errno::Loop));
    // Targets as long as can be: what is left to walk grows with each, and is walked once.
    let filler = "./".repeat(2_000);
    root.create_folder(path("end")).unwrap();
    for number in 0..40 {
        let next = if number == 39 { "end".to_owned() } else { format!("y{}", number + 1) };
        let target = format!("{next}/{filler}");
        root.symlink(path(&target), path(&format!("y{number}"))).unwrap();
    }
    assert_eq!(root.stat_at(path("y0"), Follow::Links).unwrap().kind, Kind::Folder);
    assert_eq!(root.stat_at(path("y0/../y0/"), Follow::Links), Err(Errno::Loop));
    let nofollow = OpenHow { follow: Follow::Never, ..LOOK };
    assert_eq!(open(&root, "l40", nofollow).map(drop), Err(Errno::Loop));
}
