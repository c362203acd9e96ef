//! Fingerprint of everything that the guests were built from, in one hash.

use std::fmt::Write as _;
use std::io;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::toolchain::Toolchain;
use crate::workspace::Workspace;

/// To be raised when guests are to be built in another way from the same sources.
const RECIPE: u8 = 1;

/// A hash of all that a guest's bytes depend on: equal fingerprints give equal guests.
///
/// It covers all guests together. A change in one then makes cargo look at all of them, which costs
/// a second, and nobody has to know which guest uses which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint(String);

impl Fingerprint {
    pub(crate) fn of_guests(workspace: &Workspace, toolchain: &Toolchain) -> Result<Self> {
        let mut files = Vec::new();
        collect(&workspace.guest_modules(), &mut files)?;
        collect(&workspace.guest_crate(), &mut files)?;
        // The guest crate inherits its edition and the versions of its dependencies.
        files.push(workspace.root().join("Cargo.toml"));
        files.sort();
        let mut hash = Hash::default();
        hash.field(&[RECIPE]);
        hash.field(toolchain.version.as_bytes());
        for file in files {
            let relative = file.strip_prefix(workspace.root()).unwrap_or(&file);
            hash.field(relative.as_str().as_bytes());
            hash.field(&fs::read(&file)?);
        }
        Ok(Self(hash.finish()))
    }
}

/// Returns the SHA-256 of bytes in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// A hash over fields of any length, none of which can be mistaken for a part of its neighbour.
#[derive(Default)]
struct Hash(Sha256);

impl Hash {
    fn field(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn finish(self) -> String {
        hexadecimal(&self.0.finalize())
    }
}

/// Lists the files below a folder, except what cargo writes there and what is hidden.
fn collect(folder: &Utf8Path, files: &mut Vec<Utf8PathBuf>) -> Result<()> {
    let entries = folder.read_dir_utf8().with_context(|| format!("failed to read {folder}"))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("failed to read {folder}"))?;
        let (name, path) = (entry.file_name(), entry.path());
        if name == "target" || name.starts_with('.') {
            continue;
        }
        let kind = entry.file_type().or_else(|error| match error.kind() {
            // An editor's temporary file may be gone by now.
            io::ErrorKind::NotFound => path.symlink_metadata().map(|metadata| metadata.file_type()),
            _ => Err(error),
        });
        if kind.with_context(|| format!("failed to read {path}"))?.is_dir() {
            collect(path, files)?;
        } else {
            files.push(path.to_owned());
        }
    }
    Ok(())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string never fails");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_written_as_everybody_writes_it() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), expected);
    }

    #[test]
    fn moving_bytes_between_fields_changes_the_hash() {
        let hash = |fields: [&[u8]; 2]| {
            let mut hash = Hash::default();
            fields.iter().for_each(|field| hash.field(field));
            hash.finish()
        };
        assert_ne!(hash([b"ab", b"c"]), hash([b"a", b"bc"]));
    }

    #[test]
    fn build_output_is_not_part_of_the_sources() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        for file in ["guest/src/lib.rs", "guest/target/debug/guest.wasm", ".hidden"] {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), file).unwrap();
        }
        let mut files = Vec::new();
        collect(root, &mut files).unwrap();
        assert_eq!(files, [root.join("guest/src/lib.rs")]);
    }
}
