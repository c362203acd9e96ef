//! Quotas of granted folders.

use std::collections::HashMap;
use std::io::IoSlice;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use super::*;

const KIB: u64 = 1024;
/// Charge for a new file or folder.
const PLACE: u64 = 4 * KIB;

fn limited(ground: &Ground, bytes: u64) -> Vec<FolderGrant> {
    vec![ground.grant("granted", "/g", Access::ReadWrite).with_quota(bytes)]
}

fn put(file: &File, offset: u64, len: u64) -> Result<usize> {
    let bytes = vec![b'x'; usize::try_from(len).unwrap()];
    file.write_at(&[IoSlice::new(&bytes)], offset, Durability::Eventual)
}

/// The most that fits into one more file now, which is removed again.
fn room(root: &Folder) -> u64 {
    let Ok(file) = open(root, "g/room", OpenHow { presence: Presence::Exclusive, ..WRITE }) else {
        return 0;
    };
    let written = put(&file, 0, 1 << 20).unwrap_or(0);
    drop(file);
    root.remove_file(path("g/room")).unwrap();
    PLACE + written as u64
}

#[test]
fn a_write_beyond_the_quota_does_what_there_is_room_for() {
    each_way(&limited(&Ground::new(), 10 * KIB), |_, root| {
        let file = open(root, "g/new", WRITE).unwrap();
        assert_eq!(put(&file, 0, 5 * KIB), Ok(5 * 1024));
        assert_eq!(put(&file, 5 * KIB, 5 * KIB), Ok(1024));
        assert_eq!(put(&file, 6 * KIB, 1), Err(Errno::DQuot));
        let buffers = [IoSlice::new(b"one"), IoSlice::new(b"two")];
        assert_eq!(file.append(&buffers, Durability::Eventual), Err(Errno::DQuot));
        assert_eq!(put(&file, 0, 6 * KIB), Ok(6 * 1024), "what is written over takes no more");
        assert_eq!(open(root, "g/other", WRITE).map(drop), Err(Errno::DQuot));
        assert_eq!(root.create_folder(path("g/folder")), Err(Errno::DQuot));
        assert_eq!(root.create_folder(path("g/sub")), Err(Errno::Exist));
        assert_eq!(write(root, "g/file", "FILE"), Ok(4), "what is there can be written over");
        file.set_len(1).unwrap();
        let appended = file.append(&buffers, Durability::Eventual).unwrap();
        assert_eq!((appended.written, appended.end), (6, 7));
        drop(file);
        root.remove_file(path("g/new")).unwrap();
        assert_eq!(room(root), 10 * KIB);
    });
}

#[test]
fn what_is_only_long_counts_whole() {
    each_way(&limited(&Ground::new(), 10 * KIB), |_, root| {
        let file = open(root, "g/new", WRITE).unwrap();
        assert_eq!(file.set_len(6 * KIB + 1), Err(Errno::DQuot));
        assert_eq!(file.set_len(1 << 40), Err(Errno::DQuot));
        assert_eq!(put(&file, 6 * KIB, 1), Err(Errno::DQuot));
        assert_eq!(put(&file, 1 << 40, 1), Err(Errno::DQuot));
        assert_eq!(put(&file, i64::MAX as u64, 1), Err(Errno::DQuot));
        assert_eq!(file.allocate(0, 6 * KIB + 1), Err(Errno::DQuot));
        assert_eq!(file.stat().unwrap().size, 0);
        file.set_len(6 * KIB).unwrap();
        assert_eq!(put(&file, 0, 6 * KIB), Ok(6 * 1024), "it was charged");
        file.set_len(0).unwrap();
        file.allocate(0, 6 * KIB).unwrap();
        assert_eq!(room(root), 0);
        drop(file);
        root.remove_file(path("g/new")).unwrap();
    });
}

#[test]
fn holes_in_a_file_of_the_host_are_charged_when_they_are_filled() {
    let ground = Ground::new();
    let host = ground.host("granted/sparse");
    each_way(&limited(&ground, 8 * KIB), |_, root| {
        std::fs::File::create(&host).unwrap().set_len(1 << 20).unwrap();
        let file = open(root, "g/sparse", OpenHow { write: true, ..LOOK }).unwrap();
        assert_eq!(put(&file, 0, 5 * KIB), Ok(5 * 1024));
        assert_eq!(put(&file, 100 * KIB, 5 * KIB), Ok(3 * 1024));
        assert_eq!(put(&file, 200 * KIB, 1), Err(Errno::DQuot));
        // Cutting off holes makes no room but that of what was filled.
        file.set_len(0).unwrap();
        assert_eq!(put(&file, 0, 9 * KIB), Ok(8 * 1024));
        assert_eq!(put(&file, 8 * KIB, 1), Err(Errno::DQuot));
        drop(file);
        root.remove_file(path("g/sparse")).unwrap();
        assert_eq!(room(root), 8 * KIB);
    });
}

#[test]
fn a_removed_file_counts_until_nobody_has_it_open() {
    let ground = Ground::new();
    each_way(&limited(&ground, 10 * KIB), |_, root| {
        let file = open(root, "g/new", WRITE).unwrap();
        put(&file, 0, 6 * KIB).unwrap();
        let reader = open(root, "g/new", LOOK).unwrap();
        root.remove_file(path("g/new")).unwrap();
        assert_eq!(room(root), 0);
        drop(file);
        assert_eq!(room(root), 0, "the reader keeps it");
        drop(reader);
        assert_eq!(room(root), 10 * KIB);
        // And so does a name that the host gave it.
        let file = open(root, "g/new", WRITE).unwrap();
        put(&file, 0, 6 * KIB).unwrap();
        drop(file);
        std::fs::hard_link(ground.host("granted/new"), ground.host("outside/kept")).unwrap();
        root.remove_file(path("g/new")).unwrap();
        assert_eq!(room(root), 0);
        std::fs::remove_file(ground.host("outside/kept")).unwrap();
    });
}

#[test]
fn a_file_that_a_rename_replaces_is_removed_and_nothing_else_changes() {
    let ground = Ground::new();
    each_way(&limited(&ground, 20 * KIB), |_, root| {
        for name in ["g/a", "g/b"] {
            let file = open(root, name, WRITE).unwrap();
            put(&file, 0, 6 * KIB).unwrap();
        }
        assert_eq!(room(root), 0);
        root.rename(path("g/a"), root, path("g/sub/a")).unwrap();
        assert_eq!(room(root), 0);
        let keeper = open(root, "g/b", LOOK).unwrap();
        root.rename(path("g/sub/a"), root, path("g/b")).unwrap();
        assert_eq!(room(root), 0, "the one that was replaced is open");
        drop(keeper);
        assert_eq!(room(root), 10 * KIB);
        // The host's own files make no room when they are replaced.
        root.rename(path("g/b"), root, path("g/file")).unwrap();
        assert_eq!(room(root), 10 * KIB);
        root.remove_file(path("g/file")).unwrap();
        assert_eq!(room(root), 20 * KIB);
        std::fs::write(ground.host("granted/file"), "file").unwrap();
    });
}

/// Bytes of all files in a folder, each once however many names it has.
fn bytes_in(folder: &Path, found: &mut HashMap<u64, u64>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let about = entry.metadata().unwrap();
        if about.is_dir() {
            found.insert(about.ino(), PLACE);
            bytes_in(&entry.path(), found);
        } else {
            found.insert(about.ino(), about.len());
        }
    }
}

#[test]
fn whatever_guests_do_the_folder_has_no_more_than_it_had_and_the_quota() {
    const QUOTA: u64 = 40 * KIB;
    const NAMES: [&str; 6] = ["g/a", "g/b", "g/file", "g/sub/a", "g/sub/inner", "g/d"];
    for (seed, resolver) in (0..40).zip(RESOLVERS.into_iter().cycle()) {
        let ground = Ground::new();
        std::fs::write(ground.host("granted/b"), vec![b'h'; 9_000]).unwrap();
        std::fs::hard_link(ground.host("granted/b"), ground.host("granted/twin")).unwrap();
        let mut found = HashMap::new();
        bytes_in(&ground.host("granted"), &mut found);
        let begun: u64 = found.values().sum();
        let system = file_system(&limited(&ground, QUOTA), resolver);
        let root = root(&system);
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let mut files: Vec<File> = Vec::new();
        for step in 0..400 {
            let name = path(NAMES[random.random_range(0..NAMES.len())]);
            let len = random.random_range(0..12 * KIB);
            let offset = random.random_range(0..20 * KIB);
            let at = random.random_range(0..files.len().max(1));
            match (random.random_range(0..12), files.get(at)) {
                (0..3, _) => {
                    let how = OpenHow {
                        truncate: random.random_ratio(1, 3),
                        presence: [Presence::Required, Presence::Created, Presence::Exclusive]
                            [random.random_range(0..3)],
                        ..WRITE
                    };
                    if let Ok(Opened::File(file)) = root.open(name, how) {
                        files.push(file);
                    }
                }
                (3, Some(_)) => drop(files.remove(at)),
                (4..6, Some(file)) => drop(put(file, offset, len)),
                (6, Some(file)) => {
                    let bytes = vec![b'a'; usize::try_from(len).unwrap()];
                    let _ = file.append(&[IoSlice::new(&bytes)], Durability::Eventual);
                }
                (7, Some(file)) => drop(file.set_len(offset)),
                (8, Some(file)) => drop(file.allocate(offset, len)),
                (9, _) => drop(root.remove_file(name)),
                (10, _) => {
                    let to = path(NAMES[random.random_range(0..NAMES.len())]);
                    let _ = root.rename(name, &root, to);
                }
                _ => {
                    let folder = path("g/d");
                    let _ = root.create_folder(folder).or_else(|_| root.remove_folder(folder));
                }
            }
            let mut found = HashMap::new();
            bytes_in(&ground.host("granted"), &mut found);
            for file in &files {
                let stat = file.stat().unwrap();
                found.insert(stat.inode, stat.size);
            }
            let now: u64 = found.values().sum();
            assert!(now <= begun + QUOTA, "seed {seed}, step {step}: {now} after {begun}");
        }
        // Nothing of the quota is lost for good.
        drop(files);
        for name in NAMES.into_iter().chain(["g/twin"]) {
            let _ = root.remove_file(path(name)).or_else(|_| root.remove_folder(path(name)));
        }
        assert_eq!(room(&root), QUOTA, "seed {seed}");
    }
}

#[test]
fn guests_at_once_share_one_quota() {
    let ground = Ground::new();
    let grants = Arc::new(Grants::open(&limited(&ground, 100 * KIB), &[]).unwrap());
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let grants = &grants;
            scope.spawn(move || {
                let root = root(&FileSystem::new(grants, 1 << 20, Arc::new(|| 0)));
                for round in 0..200u64 {
                    // One file that all change, and one that all make and remove.
                    let shared = open(&root, "g/shared", WRITE).unwrap_or_else(|_| {
                        open(&root, "g/file", OpenHow { write: true, ..LOOK }).unwrap()
                    });
                    let _ = put(&shared, round * 64, 4 * KIB);
                    let _ = shared.set_len(worker * KIB);
                    if let Ok(own) = open(&root, "g/own", WRITE) {
                        let _ = put(&own, 0, 8 * KIB);
                    }
                    let _ = root.remove_file(path("g/own"));
                    let _ = root.rename(path("g/shared"), &root, path("g/own"));
                }
            });
        }
    });
    let root = root(&FileSystem::new(&grants, 1 << 20, Arc::new(|| 0)));
    for name in ["g/shared", "g/own", "g/file"] {
        let _ = root.remove_file(path(name));
    }
    // Never more, and what a race of theirs loses is not theirs to gain.
    assert!(room(&root) <= 100 * KIB);
}
