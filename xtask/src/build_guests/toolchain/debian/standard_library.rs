//! Compiling the standard library for Wasm into the toolchain.
//!
//! Debian ships it as sources. Cargo can compile it together with a program (`-Zbuild-std`); the
//! program here is empty, and the libraries go where the compiler looks for those of a target.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::Deserialize;

use super::super::{Compiler, Source, TARGET, Toolchain, version, wasm_linker};
use crate::process::essence;
use crate::progress::Progress;

/// Objects and libraries that the compiler links by itself when it finds them in the target's folder: how a program
/// starts, and the C library.
const SELF_CONTAINED: [&str; 3] = ["crt1-command.o", "crt1-reactor.o", "libc.a"];

const PROGRAM: &str =
    "[package]\nname = \"nothing\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n[workspace]\n";

/// Number of crates in the standard library, about: only for the bar.
const CRATES: u64 = 24;

/// A line of cargo's report about what it built.
#[derive(Deserialize)]
struct Artifact {
    reason: String,
    #[serde(default)]
    filenames: Vec<Utf8PathBuf>,
}

/// Compiles and installs the library. Returns the compiler's version line.
pub(super) fn install(
    toolchain: &Utf8Path,
    libraries: &Utf8Path,
    workshop: &Utf8Path,
) -> Result<String> {
    let rustc = super::rustc(toolchain);
    let version = version(Command::new(&rustc).env("LD_LIBRARY_PATH", libraries))?;
    let target = toolchain.join("usr/lib/rustlib").join(TARGET).join("lib");
    install_c_library(toolchain, &target.join("self-contained"))?;

    let compiler =
        Compiler::Private { rustc, libraries: libraries.to_owned(), linker: wasm_linker()? };
    let bare = Toolchain { source: Source::Debian, version: version.clone(), compiler };
    for library in compile(&bare, toolchain, workshop)? {
        let name = library.file_name().context("cargo reported a library without a name")?;
        fs::copy(&library, target.join(name))?;
    }
    // 70 MB that nothing reads any more.
    fs::remove_dir_all(toolchain.join("usr/src"))?;
    fs::remove_dir_all(toolchain.join("usr/lib/rustlib/src"))?;
    Ok(version)
}

fn install_c_library(toolchain: &Utf8Path, destination: &Utf8Path) -> Result<()> {
    fs::create_dir_all(destination)?;
    let source = toolchain.join("usr/lib/wasm32-wasi");
    for name in SELF_CONTAINED {
        fs::copy(source.join(name), destination.join(name))?;
    }
    Ok(())
}

/// Compiles an empty program with its own standard library. Returns the library's crates.
fn compile(
    bare: &Toolchain,
    toolchain: &Utf8Path,
    workshop: &Utf8Path,
) -> Result<Vec<Utf8PathBuf>> {
    let program = workshop.join("nothing");
    fs::create_dir_all(&program)?;
    fs::write(program.join("Cargo.toml"), PROGRAM)?;
    fs::write(program.join("lib.rs"), "#![no_std]\n")?;

    let progress =
        Progress::parts(format!("Compiling the standard library for {TARGET}, once"), CRATES);
    let flags = [
        // As in rustup's libraries: programs that are optimised as a whole need bitcode.
        "-Cembed-bitcode=yes".to_owned(),
        // Where it was compiled is nobody's business, and gone when it is done.
        format!("--remap-path-prefix={toolchain}/usr/src/=/"),
    ];
    let mut cargo = bare.cargo();
    cargo
        .args(["build", "--release", "--offline", "--target", TARGET])
        .args(["-Zbuild-std=std,panic_abort", "--message-format=json-render-diagnostics"])
        .current_dir(&program)
        .env("CARGO_TARGET_DIR", workshop.join("target"))
        // The compiler is a stable one, and this is the one step that needs more.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = cargo.spawn().context("failed to start cargo")?;
    let stdout = child.stdout.take().context("failed to read from cargo")?;
    let mut stderr = child.stderr.take().context("failed to read from cargo")?;
    // Read beside the other stream: a full pipe would stop cargo.
    let complaints = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).map(|_| text)
    });

    let mut libraries = Vec::new();
    for line in BufReader::new(stdout).lines() {
        let line = line.context("failed to read from cargo")?;
        let artifact: Artifact = serde_json::from_str(&line)
            .with_context(|| format!("failed to read cargo's report: {line}"))?;
        if artifact.reason == "compiler-artifact" {
            progress.advance();
            let of_target = |file: &Utf8PathBuf| {
                file.extension() == Some("rlib") && file.as_str().contains(TARGET)
            };
            libraries.extend(artifact.filenames.into_iter().filter(of_target));
        }
    }
    let status = child.wait().context("failed to wait for cargo")?;
    let complaints = complaints.join().ok().and_then(Result::ok).unwrap_or_default();
    if !status.success() {
        bail!("failed to compile the standard library for {TARGET}: {}", essence(&complaints));
    }
    libraries.retain(|library| library.file_name() != Some("libnothing.rlib"));
    progress.finish();
    Ok(libraries)
}
