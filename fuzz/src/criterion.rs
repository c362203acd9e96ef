//! Criterion's folders.

use std::fs;

use bench_analyzer::ingest::criterion::{self, CustomUnit, Wanted};
use camino::{Utf8Path, Utf8PathBuf};

use crate::importers::ENVIRONMENT;

/// Files that a result consists of, of which the bytes are one after the other.
const FILES: [&str; 4] = ["benchmark.json", "sample.json", "estimates.json", "tukey.json"];

/// Takes bytes, and panics if the promise is broken.
pub fn run(data: &[u8]) {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let root = Utf8PathBuf::try_from(folder.path().to_owned()).expect("the path is UTF-8");
    let new = root.join("group/function/new");
    fs::create_dir_all(&new).expect("there is room for a folder");
    // Each file is missing, or has its part of the bytes.
    let mut parts = data.split(|byte| *byte == 0);
    for name in FILES {
        match parts.next() {
            Some([]) | None => {}
            Some(bytes) => fs::write(new.join(name), bytes).expect("there is room for a file"),
        }
    }
    match criterion::read(&root, Wanted::CurrentAndBaselines, &CustomUnit::default(), &ENVIRONMENT)
    {
        Ok(found) => {
            for run in &found.runs {
                for measurement in run.measurements.iter() {
                    let _ = measurement.expect("what was read can be read again");
                }
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Bytes to begin with: the real folders of the analyzer's own tests.
pub fn seeds() -> Vec<Vec<u8>> {
    let fixtures =
        Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/bench-analyzer/tests/fixtures");
    let mut todo = vec![fixtures];
    let mut seeds = Vec::new();
    while let Some(folder) = todo.pop() {
        if folder.join("sample.json").is_file() {
            let files = FILES.map(|name| fs::read(folder.join(name)).unwrap_or_default());
            seeds.push(files.join(&[0][..]));
        }
        let entries = folder.read_dir_utf8().into_iter().flatten().flatten();
        todo.extend(entries.map(|entry| entry.path().to_owned()).filter(|path| path.is_dir()));
    }
    seeds.retain(|seed| seed.len() < 64 * 1024);
    seeds.sort();
    seeds
}
