use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use super::*;

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn open_temporary() -> (tempfile::TempDir, Folder) {
    let temporary = tempfile::tempdir().unwrap();
    let folder = Folder::open(&temporary.path().join("made/for/this")).unwrap();
    (temporary, folder)
}

#[test]
fn only_what_the_owner_alone_can_write_is_trusted() {
    let cases = [
        (1, 0o100_600, Readers::Owner, Ok(())),
        (1, 0o100_644, Readers::Anyone, Ok(())),
        (1, 0o040_755, Readers::Anyone, Ok(())),
        (1, 0o100_640, Readers::Owner, Err(Exposure::Readable { mode: 0o640 })),
        (1, 0o100_604, Readers::Owner, Err(Exposure::Readable { mode: 0o604 })),
        (1, 0o040_720, Readers::Anyone, Err(Exposure::Writable { mode: 0o720 })),
        (1, 0o041_777, Readers::Anyone, Err(Exposure::Writable { mode: 0o1777 })),
        (1, 0o100_602, Readers::Owner, Err(Exposure::Writable { mode: 0o602 })),
        (0, 0o100_600, Readers::Owner, Err(Exposure::ForeignOwner { owner: 0, user: 1 })),
        (2, 0o040_700, Readers::Anyone, Err(Exposure::ForeignOwner { owner: 2, user: 1 })),
    ];
    for (owner, mode, readers, expected) in cases {
        assert_eq!(examine(owner, mode, 1, readers), expected, "{owner} {mode:o}");
    }
}

#[test]
fn a_new_folder_and_its_files_are_for_the_owner_only() {
    let (_temporary, folder) = open_temporary();
    folder.replace("file", b"content").unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(folder.path()), 0o700);
    assert_eq!(mode(folder.path().parent().unwrap()), 0o700);
    assert_eq!(mode(&folder.path().join("file")), 0o600);
}

#[test]
fn a_folder_that_others_may_write_to_is_refused() {
    let (_temporary, folder) = open_temporary();
    for mode in [0o770, 0o707, 0o1777] {
        set_mode(folder.path(), mode);
        let error = Folder::open(folder.path()).unwrap_err();
        assert!(matches!(error, FolderError::Exposed { .. }), "{mode:o}: {error}");
    }
    set_mode(folder.path(), 0o755);
    Folder::open(folder.path()).unwrap();
}

#[test]
fn a_folder_of_another_user_is_refused() {
    let (_temporary, folder) = open_temporary();
    if chown(folder.path(), Some(12_345), None).is_err() {
        // Only root can give a folder away; `examine` is tested for everyone above.
        return;
    }
    let error = Folder::open(folder.path()).unwrap_err();
    let foreign = matches!(
        error,
        FolderError::Exposed { exposure: Exposure::ForeignOwner { owner: 12_345, .. }, .. }
    );
    assert!(foreign, "{error}");
}

#[test]
fn a_file_in_the_place_of_the_folder_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for path in [file.path().to_owned(), file.path().join("below")] {
        let error = Folder::open(&path).unwrap_err();
        assert!(matches!(error, FolderError::Inaccessible { .. }), "{error}");
    }
}

#[test]
fn files_that_others_may_write_to_are_not_read() {
    let (_temporary, folder) = open_temporary();
    folder.replace("file", b"content").unwrap();
    set_mode(&folder.path().join("file"), 0o620);
    let error = folder.read("file", 100, Readers::Anyone).unwrap_err();
    assert!(matches!(error, FileError::Exposed(Exposure::Writable { .. })), "{error}");
    set_mode(&folder.path().join("file"), 0o640);
    assert!(folder.read("file", 100, Readers::Owner).is_err());
    assert_eq!(folder.read("file", 100, Readers::Anyone).unwrap().unwrap(), b"content");
}

#[test]
fn links_pipes_and_folders_are_not_read() {
    let (_temporary, folder) = open_temporary();
    folder.replace("file", b"content").unwrap();
    symlink("file", folder.path().join("link")).unwrap();
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    fs::mknodat(&folder.directory, "pipe", FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    for name in ["link", "folder", "pipe"] {
        let error = folder.read(name, 100, Readers::Anyone).unwrap_err();
        assert!(matches!(error, FileError::NotAFile), "{name}: {error}");
    }
    assert!(folder.read("missing", 100, Readers::Anyone).unwrap().is_none());
}

#[test]
fn a_file_over_the_limit_is_not_read() {
    let (_temporary, folder) = open_temporary();
    folder.replace("file", b"content").unwrap();
    let error = folder.read("file", 6, Readers::Anyone).unwrap_err();
    assert!(matches!(error, FileError::TooLarge { bytes: 7, limit_bytes: 6 }), "{error}");
}

#[test]
fn a_file_created_once_is_not_replaced() {
    let (_temporary, folder) = open_temporary();
    folder.create_once("file", b"first").unwrap();
    folder.create_once("file", b"second").unwrap();
    assert_eq!(folder.read("file", 100, Readers::Owner).unwrap().unwrap(), b"first");
    folder.replace("file", b"third").unwrap();
    assert_eq!(folder.read("file", 100, Readers::Owner).unwrap().unwrap(), b"third");
}

#[test]
fn a_reader_sees_a_file_whole_or_not_at_all() {
    let (_temporary, folder) = open_temporary();
    let contents = [vec![1u8; 1 << 20], vec![2u8; 1 << 19]];
    std::thread::scope(|scope| {
        let writers: Vec<_> = contents
            .iter()
            .map(|content| {
                scope.spawn(|| (0..50).for_each(|_| folder.replace("file", content).unwrap()))
            })
            .collect();
        while !writers.iter().all(|writer| writer.is_finished()) {
            if let Some(read) = folder.read("file", 1 << 21, Readers::Owner).unwrap() {
                assert!(contents.contains(&read), "{} bytes of a mixture", read.len());
            }
        }
    });
}

#[test]
fn no_unfinished_files_stay_behind() {
    let (_temporary, folder) = open_temporary();
    folder.replace("file", b"content").unwrap();
    folder.create_once("file", b"content").unwrap();
    std::fs::create_dir(folder.path().join("in the way")).unwrap();
    folder.replace("in the way", b"content").unwrap_err();
    assert!(folder.list(|name| name.starts_with(UNFINISHED)).unwrap().is_empty());
}

#[test]
fn only_old_unfinished_files_are_swept() {
    let (_temporary, folder) = open_temporary();
    let fresh = folder.write_unfinished(b"fresh", Durability::None).unwrap();
    let old = folder.write_unfinished(b"old", Durability::None).unwrap();
    let file = File::options().write(true).open(folder.path().join(&old)).unwrap();
    file.set_modified(SystemTime::now() - 2 * ABANDONED_AFTER).unwrap();
    folder.sweep_abandoned().unwrap();
    let left = folder.list(|_| true).unwrap();
    let names: Vec<&str> =
        left.iter().map(|file| file.name.as_str()).filter(|name| !name.ends_with('.')).collect();
    assert_eq!(names, [fresh.as_str()]);
}
