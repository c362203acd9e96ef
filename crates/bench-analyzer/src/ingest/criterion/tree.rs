//! Finds saved results below a Criterion folder.

use camino::{Utf8Path, Utf8PathBuf};

use crate::error::{Error, Result};

/// A folder that holds one saved result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SavedFolder {
    /// Its name: `new`, `base` or a baseline's.
    pub(super) name: String,
    /// Where it is.
    pub(super) path: Utf8PathBuf,
}

/// Criterion nests at most group, function, value and the saved result; deeper folders are
/// something else.
const MAX_DEPTH: usize = 6;

/// All saved results below `root`, in the order of their paths.
pub(super) fn saved_folders(root: &Utf8Path) -> Result<Vec<SavedFolder>> {
    let mut found = Vec::new();
    visit(root, 0, &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn visit(folder: &Utf8Path, depth: usize, found: &mut Vec<SavedFolder>) -> Result<()> {
    let unreadable = |source| Error::Read { path: folder.to_owned(), source };
    for entry in folder.read_dir_utf8().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_type().map_err(unreadable)?.is_dir() {
            continue;
        }
        let (name, path) = (entry.file_name(), entry.path());
        // Criterion writes the samples first and names the benchmark last: a folder with either
        // file is a result, though perhaps one that was cut short.
        let is_result = path.join("sample.json").is_file() || path.join("benchmark.json").is_file();
        match name {
            // Criterion's own, but a benchmark may have that name too, and then holds results.
            "report" | "change" if is_result => {}
            _ if is_result => found.push(SavedFolder { name: name.to_owned(), path: path.into() }),
            _ if depth < MAX_DEPTH => visit(path, depth + 1, found)?,
            _ => {}
        }
    }
    Ok(())
}
