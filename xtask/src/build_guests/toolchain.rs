//! Finding a compiler for `wasm32-wasip1`.
//!
//! Three places are tried in order: the active toolchain, rustup, and Debian's packages unpacked
//! into a private folder. Each says why it cannot help, so that the last error of all is a list of
//! what to do.

use std::fmt;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use camino::Utf8PathBuf;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::process::{independent_cargo, read};

mod debian;
mod rustup;
mod search;

pub(crate) use debian::Debian;
pub(crate) use rustup::{ActiveToolchain, RustupTarget};
pub(crate) use search::{Attempt, search};

/// The target of every guest: WASI preview 1, once called `wasm32-wasi`.
pub(crate) const TARGET: &str = "wasm32-wasip1";

/// Where a toolchain came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Source {
    /// The toolchain that cargo runs with, which has the target already
    Active,
    /// The toolchain in use, after `rustup target add`
    Rustup,
    /// Debian's packages, unpacked into the user's cache folder
    Debian,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "the active toolchain",
            Self::Rustup => "rustup target add",
            Self::Debian => "Debian's packages",
        })
    }
}

/// A compiler that can build guests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Toolchain {
    pub(crate) source: Source,
    /// The compiler's own version line: guests built by another one are out of date.
    pub(crate) version: String,
    pub(crate) compiler: Compiler,
}

/// Compiler of a toolchain, and how cargo is told about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// It is the one that cargo runs anyway.
    Ambient,
    /// It lies in a private folder, finds its libraries in another, and brings no linker.
    Private { rustc: Utf8PathBuf, libraries: Utf8PathBuf, linker: Utf8PathBuf },
}

impl Toolchain {
    /// A cargo that compiles guests with this toolchain.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = independent_cargo();
        if let Compiler::Private { rustc, libraries, linker } = &self.compiler {
            command
                .env("RUSTC", rustc)
                .env("LD_LIBRARY_PATH", libraries)
                .env("CARGO_TARGET_WASM32_WASIP1_LINKER", linker);
        }
        command
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.version, self.source)
    }
}

/// Reads a compiler's version line, such as `rustc 1.95.0 (59807616e 2026-04-14)`.
fn version(rustc: &mut Command) -> Result<String> {
    Ok(read(rustc.arg("--version"))?.trim().to_owned())
}

/// The triple of this machine, as the active compiler names it.
fn host_triple() -> Result<String> {
    let verbose = read(Command::new("rustc").arg("-vV"))?;
    let host = verbose.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("failed to read the host triple from rustc -vV")?.to_owned())
}

/// A linker for Wasm: the one of the active toolchain, or one that is installed.
fn wasm_linker() -> Result<Utf8PathBuf> {
    let sysroot =
        Utf8PathBuf::from(read(Command::new("rustc").args(["--print", "sysroot"]))?.trim());
    let bundled = sysroot.join("lib/rustlib").join(host_triple()?).join("bin/rust-lld");
    if bundled.is_file() {
        return Ok(bundled);
    }
    if read(Command::new("wasm-ld").arg("--version")).is_ok() {
        return Ok("wasm-ld".into());
    }
    bail!("no linker for Wasm: neither {bundled} nor wasm-ld (package lld) exists")
}
