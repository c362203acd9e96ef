//! Result files of other tools, in every format that the analyzer reads.

use std::fs;
use std::sync::LazyLock;

use bench_analyzer::environment::Environment;
use bench_analyzer::ingest::format::{self, FileFormat};
use camino::{Utf8Path, Utf8PathBuf};

/// Facts of this machine for an import. Asked once, because that starts programs.
pub(crate) static ENVIRONMENT: LazyLock<Environment> =
    LazyLock::new(|| Environment::capture(Utf8Path::new("/")));

/// Bytes as a file of their own, which goes when this is dropped.
pub(crate) struct File {
    _folder: tempfile::TempDir,
    pub(crate) path: Utf8PathBuf,
}

impl File {
    pub(crate) fn of(name: &str, bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let path = Utf8PathBuf::try_from(folder.path().join(name)).expect("the path is UTF-8");
        fs::write(&path, bytes).expect("there is room for a file");
        Self { _folder: folder, path }
    }
}

/// Takes bytes, and panics if the promise is broken.
pub fn run(data: &[u8]) {
    let Some((how, data)) = data.split_first() else { return };
    let file = File::of("results", data);
    // Zero is what users do: the format is found out.
    let format =
        usize::from(*how).checked_sub(1).map(|at| FileFormat::ALL[at % FileFormat::ALL.len()]);
    match format::read(&file.path, format, &ENVIRONMENT) {
        Ok(found) => {
            for run in &found.runs {
                for measurement in run.measurements.iter() {
                    let _ = measurement.expect("what was read can be read again");
                }
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if *how == 0
        && let Err(error) = format::read_export(&file.path)
    {
        assert!(!error.to_string().is_empty());
    }
}

/// Bytes to begin with: the real files of the analyzer's own tests.
pub fn seeds() -> Vec<Vec<u8>> {
    let folder =
        Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/bench-analyzer/tests/fixtures");
    let files = folder.read_dir_utf8().into_iter().flatten().flatten();
    let mut seeds: Vec<Vec<u8>> = files
        .filter(|entry| entry.path().is_file())
        .filter_map(|entry| fs::read(entry.path()).ok())
        .filter(|bytes| bytes.len() < 64 * 1024)
        .map(|bytes| [&[0][..], &bytes].concat())
        .collect();
    seeds.sort();
    seeds
}
