//! Criterion's result folders.

use std::time::SystemTime;

use camino::Utf8Path;
use serde::Deserialize;

#[derive(Deserialize)]
struct BenchmarkFile {
    full_id: String,
}

/// The benchmark whose results in that folder were written since `since`, if it is such a folder.
///
/// Folders are told by the full id inside, not by their names, which Criterion shortens.
pub(crate) fn full_id(folder: &Utf8Path, since: SystemTime) -> Option<String> {
    let modified = std::fs::metadata(folder.join("estimates.json")).ok()?.modified().ok()?;
    if modified < since {
        return None;
    }
    let json = std::fs::read(folder.join("benchmark.json")).ok()?;
    serde_json::from_slice::<BenchmarkFile>(&json).ok().map(|file| file.full_id)
}

/// Enters every folder below `folder`.
pub(crate) fn visit(
    folder: &Utf8Path,
    enter: &mut impl FnMut(&Utf8Path) -> std::io::Result<()>,
) -> std::io::Result<()> {
    for entry in folder.read_dir_utf8()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            enter(entry.path())?;
            visit(entry.path(), enter)?;
        }
    }
    Ok(())
}
