//! `target/guests/manifest.json`: what lies there and what it was built from.

use std::io;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::fingerprint::{Fingerprint, sha256};
use super::toolchain::{Source, Toolchain};

const FILE: &str = "manifest.json";

/// The guests that the last build produced.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    toolchain: Option<BuiltWith>,
    /// Of the inputs that all guests below were built from.
    fingerprint: Option<Fingerprint>,
    guests: Vec<Built>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct BuiltWith {
    source: Source,
    version: String,
}

/// A finished guest.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Built {
    name: String,
    sha256: String,
    bytes: u64,
}

impl Manifest {
    pub(crate) fn new(toolchain: &Toolchain, fingerprint: Fingerprint, guests: Vec<Built>) -> Self {
        let Toolchain { source, version, .. } = toolchain;
        let toolchain = BuiltWith { source: *source, version: version.clone() };
        Self { toolchain: Some(toolchain), fingerprint: Some(fingerprint), guests }
    }

    /// Reads the manifest of a folder. One that is missing or unreadable claims nothing, so that
    /// everything is built.
    pub(crate) fn read(folder: &Utf8Path) -> Result<Self> {
        match fs::read_to_string(folder.join(FILE)) {
            Ok(text) => Ok(serde_json::from_str(&text).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn write(&self, folder: &Utf8Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("failed to write the manifest")?;
        replace(&folder.join(FILE), (text + "\n").as_bytes())
    }

    pub(crate) fn was_built_with(&self, toolchain: &Toolchain) -> bool {
        self.toolchain.as_ref().is_some_and(|built_with| built_with.version == toolchain.version)
    }

    /// Whether every guest is there, whole, and built from these inputs.
    pub(crate) fn is_current(
        &self,
        names: &[String],
        fingerprint: &Fingerprint,
        folder: &Utf8Path,
    ) -> Result<bool> {
        let same_inputs = self.fingerprint.as_ref() == Some(fingerprint);
        if !same_inputs || !self.guests.iter().map(|guest| &guest.name).eq(names) {
            return Ok(false);
        }
        for guest in &self.guests {
            match fs::read(path(folder, &guest.name)) {
                Ok(bytes) if sha256(&bytes) == guest.sha256 => {}
                Ok(_) => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }
}

impl Built {
    /// Copies a module to where everybody looks for it.
    pub(crate) fn store(name: &str, module: &Utf8Path, folder: &Utf8Path) -> Result<Self> {
        let bytes = fs::read(module)?;
        replace(&path(folder, name), &bytes)?;
        Ok(Self { name: name.to_owned(), sha256: sha256(&bytes), bytes: bytes.len() as u64 })
    }
}

/// Removes the modules of guests that are gone or no longer compile: a benchmark must not run
/// yesterday's.
pub(crate) fn remove_others(folder: &Utf8Path, kept: &[Built]) -> Result<()> {
    for entry in folder.read_dir_utf8().with_context(|| format!("failed to read {folder}"))? {
        let path = entry.with_context(|| format!("failed to read {folder}"))?.into_path();
        let is_kept = kept.iter().any(|guest| path.file_stem() == Some(&guest.name));
        if path.extension() == Some("wasm") && !is_kept {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn path(folder: &Utf8Path, name: &str) -> Utf8PathBuf {
    folder.join(name).with_extension("wasm")
}

/// Writes a file so that readers see the old or the new one, never a part.
fn replace(path: &Utf8Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, bytes)?;
    fs::rename(&unfinished, path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::toolchain::Compiler;
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> &Utf8Path {
            Utf8Path::from_path(self.0.path()).unwrap()
        }

        fn store(&self, name: &str, bytes: &[u8]) -> Built {
            let source = self.path().join("compiled");
            fs::write(&source, bytes).unwrap();
            Built::store(name, &source, self.path()).unwrap()
        }
    }

    fn toolchain(version: &str) -> Toolchain {
        let (source, compiler) = (Source::Active, Compiler::Ambient);
        Toolchain { source, version: version.to_owned(), compiler }
    }

    fn fingerprint(text: &str) -> Fingerprint {
        serde_json::from_value(text.into()).unwrap()
    }

    #[test]
    fn a_manifest_survives_its_file() {
        let folder = Folder::new();
        let guests = vec![folder.store("one", b"1")];
        let manifest = Manifest::new(&toolchain("rustc 1"), fingerprint("a"), guests);
        manifest.write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), manifest);
        assert!(manifest.was_built_with(&toolchain("rustc 1")));
        assert!(!manifest.was_built_with(&toolchain("rustc 2")));
    }

    #[test]
    fn a_missing_or_broken_manifest_claims_nothing() {
        let folder = Folder::new();
        assert_eq!(Manifest::read(folder.path()).unwrap(), Manifest::default());
        fs::write(folder.path().join(FILE), "{\"guests\":[").unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), Manifest::default());
    }

    #[test]
    fn guests_are_current_only_while_inputs_and_bytes_are_the_same() {
        let folder = Folder::new();
        let guests = vec![folder.store("one", b"1"), folder.store("two", b"2")];
        let manifest = Manifest::new(&toolchain("rustc 1"), fingerprint("a"), guests);
        let names = ["one", "two"].map(str::to_owned);
        let current = |names: &[String], inputs| {
            manifest.is_current(names, &fingerprint(inputs), folder.path()).unwrap()
        };
        assert!(current(&names, "a"));
        assert!(!current(&names, "b"), "other sources");
        assert!(!current(&names[..1], "a"), "another set of guests");
        fs::write(folder.path().join("two.wasm"), b"half").unwrap();
        assert!(!current(&names, "a"), "a damaged file");
        fs::remove_file(folder.path().join("two.wasm")).unwrap();
        assert!(!current(&names, "a"), "a missing file");
    }

    #[test]
    fn modules_that_no_longer_compile_are_removed() {
        let folder = Folder::new();
        let one = folder.store("one", b"1");
        folder.store("two", b"2");
        remove_others(folder.path(), &[one]).unwrap();
        assert!(folder.path().join("one.wasm").exists());
        assert!(!folder.path().join("two.wasm").exists());
    }
}
