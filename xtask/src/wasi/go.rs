//! Go's own tests.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use camino::Utf8PathBuf;
use clap::Args;

use super::{Places, run_tests};
use crate::process::read;
use crate::workspace::Workspace;

/// The packages, as the tests of sandbox-core name them.
const PACKAGES: [&str; 3] = ["os", "io/fs", "path/filepath"];

#[derive(Args)]
pub(super) struct Arguments {
    /// Go's program, where it is not on the path
    #[arg(long, value_name = "PROGRAM", default_value = "go")]
    go: Utf8PathBuf,
    #[command(flatten)]
    places: Places,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let folder = workspace.wasi_programs().join("go");
    fs_err::create_dir_all(&folder)?;
    let go = || Command::new(&arguments.go);
    let root = read(go().args(["env", "GOROOT"])).context(
        "failed to ask Go where its sources are: install Go, or name its program with `--go`",
    )?;
    for package in PACKAGES {
        let program = folder.join(format!("{}.test.wasm", package.replace('/', "_")));
        eprintln!("Compiling the tests of {package}");
        let mut compile = go();
        compile.args(["test", "-c", "-o", program.as_str(), package]);
        // Whatever the user's own settings are.
        compile.env_remove("GOFLAGS").env("GOOS", "wasip1").env("GOARCH", "wasm");
        read(compile.current_dir(&folder))?;
    }
    let environment = [("WASI_GO_TESTS", folder.into()), ("WASI_GO_ROOT", root.trim().into())];
    run_tests(workspace, "go", &environment, &arguments.places)
}
