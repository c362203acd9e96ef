//! Puts the counts where the results of the same benchmark are.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::Resources;
use crate::results::{self, visit};
use camino::{Utf8Path, Utf8PathBuf};

/// The name of the file, beside Criterion's `estimates.json`.
const FILE_NAME: &str = "resources.json";

/// Why the counts could not be written.
#[derive(Debug, thiserror::Error)]
#[error("failed to write {FILE_NAME} into {root}")]
pub struct WriteError {
    root: Utf8PathBuf,
    #[source]
    error: std::io::Error,
}

/// Writes `resources.json` into each result folder of `root` that Criterion wrote since `since`.
///
/// Folders are told by the full id inside, not by their names, which Criterion shortens. A saved baseline is
/// a folder like any other, so it gets its file too.
///
/// # Errors
/// [`WriteError`] if a folder cannot be read or written; folders that are no results are passed over.
pub fn write_beside_criterion(
    root: &Utf8Path,
    since: SystemTime,
    collected: &BTreeMap<String, Resources>,
) -> Result<usize, WriteError> {
    let mut written = 0;
    visit(root, &mut |folder| {
        let full_id = results::full_id(folder, since);
        let Some(resources) = full_id.and_then(|full_id| collected.get(&full_id)) else {
            return Ok(());
        };
        written += 1;
        let json = serde_json::to_vec_pretty(resources)?;
        fs_err::write(folder.join(FILE_NAME), json)
    })
    .map_err(|error| WriteError { root: root.to_owned(), error })?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result_folder(root: &Utf8Path, name: &str, full_id: &str) -> Utf8PathBuf {
        let folder = root.join(name);
        fs_err::create_dir_all(&folder).unwrap();
        fs_err::write(folder.join("estimates.json"), "{}").unwrap();
        let json = format!(r#"{{"full_id":"{full_id}","group_id":"g"}}"#);
        fs_err::write(folder.join("benchmark.json"), json).unwrap();
        folder
    }

    #[test]
    fn counts_go_into_every_fresh_folder_of_their_benchmark() {
        let temp = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temp.path()).unwrap();
        let new = result_folder(root, "g/f/new", "g/f");
        let main = result_folder(root, "g/f/main", "g/f");
        let other = result_folder(root, "g/other/new", "g/other");
        let collected = BTreeMap::from([("g/f".to_owned(), Resources::default())]);
        let written = write_beside_criterion(root, SystemTime::UNIX_EPOCH, &collected).unwrap();
        assert_eq!(written, 2);
        assert!(new.join(FILE_NAME).exists() && main.join(FILE_NAME).exists());
        assert!(!other.join(FILE_NAME).exists());
    }

    #[test]
    fn folders_of_earlier_runs_are_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temp.path()).unwrap();
        result_folder(root, "g/f/new", "g/f");
        let collected = BTreeMap::from([("g/f".to_owned(), Resources::default())]);
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        assert_eq!(write_beside_criterion(root, later, &collected).unwrap(), 0);
    }
}
