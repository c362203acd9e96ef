//! From Criterion's files to figures, and to a file of figures.

use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use super::{Medians, Value};
use crate::results::{self, visit};

/// The folder below Criterion's in which figures are kept, a file for each target.
const FOLDER: &str = "figures";

/// Why figures could not be computed or kept.
#[derive(Debug, thiserror::Error)]
#[error("failed to compare the results in {root}")]
pub struct FiguresError {
    root: Utf8PathBuf,
    #[source]
    error: std::io::Error,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

/// Reads the medians of all results that Criterion wrote since `since`.
///
/// # Errors
/// [`FiguresError`] if the folder cannot be read; folders that are no results are passed over.
pub fn medians(root: &Utf8Path, since: SystemTime) -> Result<Medians, FiguresError> {
    let mut medians = Medians::new();
    visit(root, &mut |folder| {
        if folder.file_name() == Some("new")
            && let Some(full_id) = results::full_id(folder, since)
            && let Ok(json) = std::fs::read(folder.join("estimates.json"))
            && let Ok(estimates) = serde_json::from_slice::<Estimates>(&json)
        {
            medians.insert(full_id, estimates.median.point_estimate);
        }
        Ok(())
    })
    .map_err(|error| FiguresError { root: root.to_owned(), error })?;
    Ok(medians)
}

/// Keeps the figures of a target, in place of those that it had.
///
/// # Errors
/// [`FiguresError`] if the file cannot be written.
pub fn write(root: &Utf8Path, target: &str, figures: &[Value]) -> Result<(), FiguresError> {
    let folder = root.join(FOLDER);
    let write = || {
        fs_err::create_dir_all(&folder)?;
        let json = serde_json::to_vec_pretty(figures)?;
        fs_err::write(folder.join(target).with_extension("json"), json)
    };
    write().map_err(|error| FiguresError { root: root.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_those_of_the_last_results() {
        let temp = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temp.path()).unwrap();
        for (folder, median) in [("new", 12.5), ("main", 99.0)] {
            let folder = root.join("g/f").join(folder);
            fs_err::create_dir_all(&folder).unwrap();
            let estimates = format!(r#"{{"median":{{"point_estimate":{median}}},"mean":{{}}}}"#);
            fs_err::write(folder.join("estimates.json"), estimates).unwrap();
            fs_err::write(folder.join("benchmark.json"), r#"{"full_id":"g/f"}"#).unwrap();
        }
        let found = medians(root, SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(found, Medians::from([("g/f".to_owned(), 12.5)]));
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        assert!(medians(root, later).unwrap().is_empty());
    }
}
