//! Paths and descriptors: files in memory beside those of a granted folder, and what is outside of it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use arbitrary::Unstructured;
use sandbox_core::{Access, InstanceMode, SecurityPolicy};

use crate::generated;
use crate::wasi_guest::{self, Deed};

/// Takes bytes, and panics if the promise is broken.
pub fn run(data: &[u8]) {
    let _ = scene(&mut Unstructured::new(data));
}

/// Bytes to begin with.
pub fn seeds() -> Vec<Vec<u8>> {
    generated::seeds()
}

/// Files beside the granted folder, to which its links lead.
const SECRET: &str = "nobody else's";

fn scene(input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let has_links = input.ratio(1, 3)?;
    let deeds: Vec<Deed> = (0..input.int_in_range(1..=40u8)?)
        .map(|_| Deed::arbitrary(input))
        .collect::<Result<_, _>>()?;
    let home = tempfile::tempdir().expect("there is room for a folder");
    let (granted, outside) = (home.path().join("granted"), home.path().join("outside"));
    for folder in [&granted, &outside] {
        fs::create_dir(folder).expect("the folder is new");
    }
    fs::write(outside.join("a"), SECRET).expect("the folder is ours");
    if has_links {
        for (target, at) in [("../outside", "out"), ("../outside/a", "link"), ("/", "d")] {
            std::os::unix::fs::symlink(target, granted.join(at)).expect("the folder is ours");
        }
    }
    let before = picture(&outside);
    let policy = SecurityPolicy::basic()
        .with_instances(InstanceMode::Persistent)
        .with_wall_clock(Duration::from_secs(20));
    let in_folder =
        wasi_guest::sandbox(policy.clone().with_folder(&granted, "/", Access::ReadWrite));
    let mut in_folder = in_folder.session_blocking().expect("the guest starts");
    let in_memory = wasi_guest::sandbox(policy);
    let mut in_memory = in_memory.session_blocking().expect("the guest starts");
    for deed in &deeds {
        let outcome = wasi_guest::perform(&mut in_folder, deed);
        let shown = String::from_utf8_lossy(&outcome.found);
        assert!(!shown.contains(SECRET), "{deed:?} reads what lies outside");
        // In memory there are no links to begin with.
        if !has_links {
            let other = wasi_guest::perform(&mut in_memory, deed);
            assert_eq!(outcome, other, "{deed:?} in a folder and in memory, of {deeds:?}");
        }
    }
    assert_eq!(before, picture(&outside), "{deeds:?}");
    assert_eq!(fs::read_dir(home.path()).expect("it is there").count(), 2, "{deeds:?}");
    Ok(())
}

/// Names and contents.
fn picture(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).expect("it is there").flatten();
    let mut all: Vec<_> = entries
        .map(|entry| {
            let contents = fs::read_to_string(entry.path()).unwrap_or_default();
            (entry.file_name().to_string_lossy().into_owned(), contents)
        })
        .collect();
    all.sort();
    all
}
