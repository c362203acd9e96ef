use super::*;

const KIB: u64 = 1024;

fn path(text: &str) -> Vec<String> {
    text.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn writing() -> OpenOptionsConfig {
    OpenOptionsConfig {
        read: true,
        write: true,
        create_new: false,
        create: true,
        append: false,
        truncate: false,
    }
}

fn open(scratch: &Scratch, name: &str) -> FsResult<Box<dyn Backing>> {
    scratch.open(&path(name), &writing())
}

#[test]
fn what_is_written_is_read_back() {
    let scratch = Scratch::new(64 * KIB);
    let mut file = open(&scratch, "a").unwrap();
    assert_eq!(file.write_at(3, b"text").unwrap(), 4);
    let mut buffer = [9; 16];
    assert_eq!(file.read_at(0, &mut buffer).unwrap(), 7);
    assert_eq!(&buffer[..8], b"\0\0\0text\x09");
    assert_eq!(file.read_at(u64::MAX, &mut buffer).unwrap(), 0);
}

#[test]
fn nothing_is_kept_that_the_budget_does_not_hold() {
    let scratch = Scratch::new(16 * KIB);
    let mut file = open(&scratch, "a").unwrap();
    for len in [u64::MAX, 1 << 62, 1 << 40, 16 * KIB] {
        assert_eq!(file.set_len(len).unwrap_err(), FsError::StorageFull, "{len}");
        assert_eq!(file.size(), 0);
    }
    file.set_len(15 * KIB).unwrap();
    assert_eq!(open(&scratch, "b").unwrap_err(), FsError::StorageFull);
    assert_eq!(scratch.create_dir(&path("c")).unwrap_err(), FsError::StorageFull);
    assert!(file.write_at(15 * KIB, b"x").is_err());
    assert!(file.write_at(u64::MAX, b"x").is_err());
    file.set_len(0).unwrap();
    assert!(open(&scratch, "b").is_ok());
}

#[test]
fn a_removed_file_counts_until_it_is_closed() {
    let scratch = Scratch::new(16 * KIB);
    let mut file = open(&scratch, "a").unwrap();
    file.set_len(10 * KIB).unwrap();
    scratch.remove_file(&path("a")).unwrap();
    assert!(open(&scratch, "b").unwrap().set_len(10 * KIB).is_err());
    drop(file);
    assert!(open(&scratch, "b").unwrap().set_len(10 * KIB).is_ok());
}

#[test]
fn folders_cannot_be_moved_to_be_deeper_than_a_path_goes() {
    let scratch = Scratch::new(1024 * KIB);
    for root in ["a", "b"] {
        let mut deep = Vec::new();
        for _ in 0..PATH_DEPTH / 2 {
            deep.push(root.to_owned());
            scratch.create_dir(&deep).unwrap();
        }
    }
    let deep_b = vec!["b".to_owned(); PATH_DEPTH / 2];
    let mut to = deep_b;
    to.push("a".to_owned());
    assert_eq!(scratch.rename(&path("a"), &to).unwrap_err(), FsError::InvalidInput);
    let below = path("a/a");
    scratch.rename(&below, &to).unwrap();
}

#[test]
fn a_folder_cannot_be_moved_into_itself() {
    let scratch = Scratch::new(64 * KIB);
    scratch.create_dir(&path("a")).unwrap();
    assert_eq!(scratch.rename(&path("a"), &path("a/b")).unwrap_err(), FsError::InvalidInput);
    assert!(scratch.rename(&path("a"), &path("a")).is_ok());
}
