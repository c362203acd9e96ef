//! Works with files: many calls into the host, each checked by it.

use std::fs;
use std::io;
use std::path::Path;

use sandbox_guest::export;

/// Where the host must grant a folder that the guest may write to.
pub const FOLDER: &str = "/scratch";

/// A folder that no host grants.
const PRIVATE_FOLDER: &str = "/private";

/// Writes, measures, reads and removes `count` files in [`FOLDER`], one after the other. Returns how
/// many bytes came back.
///
/// # Errors
///
/// The first operation that the host refuses, with the path.
#[export]
pub fn many_file_operations(count: u32) -> Result<u64, String> {
    operations_in(Path::new(FOLDER), count)
}

/// Does many file operations in a folder that the guest makes itself, among its private files in memory.
///
/// # Errors
///
/// As [`many_file_operations`].
#[export]
pub fn many_private_file_operations(count: u32) -> Result<u64, String> {
    let folder = Path::new(PRIVATE_FOLDER);
    fs::create_dir_all(folder).map_err(|error| format!("failed at {PRIVATE_FOLDER}: {error}"))?;
    operations_in(folder, count)
}

/// Tries to read what lies outside of every folder that it was granted. Returns the paths that it
/// could open, of which there should be none.
#[export]
#[must_use]
pub fn escapes(paths: Vec<String>) -> Vec<String> {
    paths.into_iter().filter(|path| fs::File::open(path).is_ok()).collect()
}

/// Result of [`many_file_operations`] when all goes well.
#[must_use]
pub fn expected_bytes(count: u32) -> u64 {
    (0..count).map(|number| content(number).len() as u64).sum()
}

/// Writes, measures, reads and removes `count` files in a folder, as [`many_file_operations`] does.
///
/// # Errors
///
/// As [`many_file_operations`].
pub fn operations_in(folder: &Path, count: u32) -> Result<u64, String> {
    let mut total = 0;
    for number in 0..count {
        let path = folder.join(format!("file-{number}.txt"));
        let read = round_trip(&path, &content(number));
        total += read.map_err(|error| format!("failed at {}: {error}", path.display()))?;
    }
    Ok(total)
}

fn round_trip(path: &Path, content: &str) -> io::Result<u64> {
    fs::write(path, content)?;
    let size = fs::metadata(path)?.len();
    let back = fs::read_to_string(path)?;
    fs::remove_file(path)?;
    if back != content || size != content.len() as u64 {
        return Err(io::Error::other("the file has another content than was written"));
    }
    Ok(size)
}

fn content(number: u32) -> String {
    format!("file {number}\n").repeat(usize::try_from(number % 7 + 1).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_and_go() {
        let folder = std::env::temp_dir().join(format!("capability-heavy-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(operations_in(&folder, 20), Ok(expected_bytes(20)));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir(&folder).unwrap();
        assert!(operations_in(&folder, 1).unwrap_err().contains("file-0.txt"));
    }

    #[test]
    fn only_files_that_open_are_listed() {
        let here = std::env::current_exe().unwrap().to_string_lossy().into_owned();
        assert_eq!(escapes(vec!["/no/such/file".to_owned(), here.clone()]), [here]);
    }
}
