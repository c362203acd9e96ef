//! A toolchain from Debian's packages, for machines where rustup's server is out of reach.
//!
//! Debian 12 ships a recent compiler for its browsers (`rustc-web`), the sources of its standard
//! library with all they depend on, and a C library for WASI. None of them is installed: they would
//! conflict with rustup, and installing needs root. They are downloaded with package lists and
//! caches of our own, verified as apt verifies every package (the lists by Debian's signature, the
//! packages by the hashes in the lists), and unpacked into the user's cache folder.
//!
//! The standard library for Wasm is compiled once, there, so that afterwards the folder is a
//! toolchain like any other: no nightly features, and a fresh clone builds its guests in seconds.
//!
//! Everything happens in a temporary sibling that is renamed when it is whole, under a file lock: a
//! half download or a killed process leaves nothing that looks complete.

use std::env::consts::ARCH;
use std::fs::{File, TryLockError};
use std::process;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::search::Attempt;
use super::{Compiler, Source, Toolchain, wasm_linker};
use crate::workspace::user_cache;

mod apt;
mod packages;
mod sources;
mod standard_library;
mod unpack;

use apt::Apt;

/// Description of a finished folder. Written last: without it, the folder is not a toolchain.
const DESCRIPTION: &str = "toolchain.json";

/// Part of the folder's name: to be raised when the way in which it is made changes.
const LAYOUT: u32 = 2;

/// Debian's packages.
pub(crate) struct Debian {
    /// Where toolchains are kept.
    base: Utf8PathBuf,
}

/// The content of [`DESCRIPTION`].
#[derive(Serialize, Deserialize)]
struct Description {
    rustc: String,
    /// Relative to the folder: where the compiler's shared libraries lie.
    libraries: Utf8PathBuf,
    /// Every package with its version, as `name=version`.
    packages: Vec<String>,
}

impl Debian {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { base: user_cache()?.join("guest-toolchain") })
    }

    fn folder(&self) -> Utf8PathBuf {
        self.base.join(format!("debian-{ARCH}-{LAYOUT}"))
    }
}

impl Attempt for Debian {
    fn source(&self) -> Source {
        Source::Debian
    }

    fn fetched(&self) -> Option<Toolchain> {
        open(&self.folder()).ok()
    }

    fn find(&self) -> Result<Toolchain> {
        let folder = self.folder();
        if let Ok(toolchain) = open(&folder) {
            return Ok(toolchain);
        }
        // Asked first: without it, the download would be for nothing.
        wasm_linker()?;
        let release = sources::release()?;

        fs::create_dir_all(&self.base)?;
        let _lock = lock(&self.base.join("lock"))?;
        if let Ok(toolchain) = open(&folder) {
            return Ok(toolchain);
        }
        remove_abandoned(&self.base)?;
        let building = self.base.join(format!("unfinished-{}", process::id()));
        fs::create_dir_all(&building)?;
        let outcome = fetch(&building, &release).and_then(|()| {
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            Ok(fs::rename(&building, &folder)?)
        });
        if building.exists() {
            fs::remove_dir_all(&building)?;
        }
        outcome?;
        open(&folder)
    }
}

/// Makes a toolchain in an empty folder.
fn fetch(folder: &Utf8Path, release: &sources::Release) -> Result<()> {
    let workshop = folder.join("workshop");
    let apt = Apt::new(&workshop, &sources::debian_sources(release)?)?;
    apt.update()?;
    let packages = packages::resolve(&apt)?;
    let archives = apt.download(&packages)?;
    unpack::unpack(&archives, folder)?;
    let libraries = libraries(folder)?;
    let rustc = standard_library::install(folder, &folder.join(&libraries), &workshop)?;
    fs::remove_dir_all(&workshop)?;

    let packages = packages.iter().map(ToString::to_string).collect();
    let description = Description { rustc, libraries, packages };
    let text = serde_json::to_string_pretty(&description)?;
    fs::write(folder.join(DESCRIPTION), text + "\n")?;
    Ok(())
}

/// Opens a finished folder.
fn open(folder: &Utf8Path) -> Result<Toolchain> {
    let text = fs::read_to_string(folder.join(DESCRIPTION))?;
    let description: Description = serde_json::from_str(&text)
        .with_context(|| format!("failed to read {folder}/{DESCRIPTION}"))?;
    let compiler = Compiler::Private {
        rustc: rustc(folder),
        libraries: folder.join(description.libraries),
        linker: wasm_linker()?,
    };
    Ok(Toolchain { source: Source::Debian, version: description.rustc, compiler })
}

fn rustc(folder: &Utf8Path) -> Utf8PathBuf {
    folder.join("usr/bin/rustc")
}

/// Finds the folder of the compiler's shared libraries, which is named after the machine in
/// Debian's own way.
fn libraries(folder: &Utf8Path) -> Result<Utf8PathBuf> {
    let base = folder.join("usr/lib");
    for entry in base.read_dir_utf8().with_context(|| format!("failed to read {base}"))? {
        let entry = entry.with_context(|| format!("failed to read {base}"))?;
        let holds_llvm = entry.path().is_dir()
            && entry.path().read_dir_utf8()?.flatten().any(|file| {
                file.file_name().starts_with("libLLVM") || file.file_name().starts_with("librustc_")
            });
        if holds_llvm {
            return Ok(Utf8Path::new("usr/lib").join(entry.file_name()));
        }
    }
    bail!("failed to find the compiler's libraries below {base}")
}

/// Lets one process at a time make a toolchain.
fn lock(path: &Utf8Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("failed to open {path}"))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => {
            eprintln!("Another process is fetching the guest toolchain: waiting for it.");
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("failed to lock {path}"));
        }
    }
    file.lock().with_context(|| format!("failed to lock {path}"))?;
    Ok(file)
}

/// Removes what killed processes left. The caller holds the lock, so none of it is in use.
fn remove_abandoned(base: &Utf8Path) -> Result<()> {
    for entry in base.read_dir_utf8().with_context(|| format!("failed to read {base}"))? {
        let entry = entry.with_context(|| format!("failed to read {base}"))?;
        if entry.file_name().starts_with("unfinished-") {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
