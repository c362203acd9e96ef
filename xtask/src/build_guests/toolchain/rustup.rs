//! The toolchain that cargo runs with, as it is or after rustup added the target to it.

use std::io;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use camino::Utf8PathBuf;

use super::search::Attempt;
use super::{Compiler, Source, TARGET, Toolchain, version};
use crate::process::{capture, failure, read};
use crate::progress::Progress;

/// The toolchain that cargo runs with, if it has the target.
pub(crate) struct ActiveToolchain;

impl Attempt for ActiveToolchain {
    fn source(&self) -> Source {
        Source::Active
    }

    fn find(&self) -> Result<Toolchain> {
        installed(Source::Active)
    }
}

/// The toolchain in use, after `rustup target add`.
pub(crate) struct RustupTarget;

impl Attempt for RustupTarget {
    fn source(&self) -> Source {
        Source::Rustup
    }

    fn find(&self) -> Result<Toolchain> {
        let mut rustup = Command::new("rustup");
        // One try: where the server cannot be reached, waiting for it again helps nobody.
        rustup.args(["target", "add", TARGET]).env("RUSTUP_MAX_RETRIES", "1");
        let progress = Progress::spinner(format!("Asking rustup for {TARGET}"));
        let output = match capture(&mut rustup) {
            Ok(output) => output,
            Err(error) if is_not_found(&error) => bail!("rustup is not installed"),
            Err(error) => return Err(error),
        };
        if !output.status.success() {
            return Err(failure(&rustup, &output));
        }
        progress.finish();
        installed(Source::Rustup)
    }
}

fn installed(source: Source) -> Result<Toolchain> {
    let mut rustc = Command::new("rustc");
    let version = version(&mut rustc)?;
    let folder =
        read(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]))?;
    if !has_standard_library(&Utf8PathBuf::from(folder.trim()))? {
        bail!("{version} has no standard library for {TARGET}");
    }
    Ok(Toolchain { source, version, compiler: Compiler::Ambient })
}

fn has_standard_library(folder: &Utf8PathBuf) -> Result<bool> {
    let entries = match folder.read_dir_utf8() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| format!("failed to read {folder}")),
    };
    let names = entries.flatten().map(|entry| entry.file_name().to_owned());
    Ok(names.into_iter().any(|name| name.starts_with("libstd-") && name.ends_with(".rlib")))
}

fn is_not_found(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::NotFound)
}
