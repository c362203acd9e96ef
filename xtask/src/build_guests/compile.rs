//! Compiling the guests with cargo.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use super::toolchain::{TARGET, Toolchain};
use crate::workspace::{Workspace, cargo_home};

/// The guests that compiled.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    modules: BTreeMap<String, Utf8PathBuf>,
}

/// A line of cargo's report. Other lines have other fields.
#[derive(Deserialize)]
struct Report {
    reason: String,
    target: Option<Target>,
    #[serde(default)]
    filenames: Vec<Utf8PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Compiles all guests. Those that fail are missing from the outcome, and the compiler's messages
/// have been shown.
pub(crate) fn compile(workspace: &Workspace, toolchain: &Toolchain) -> Result<Outcome> {
    let mut cargo = toolchain.cargo();
    cargo
        .args(["build", "--workspace", "--release", "--locked", "--keep-going"])
        .args(["--target", TARGET, "--message-format=json-render-diagnostics"])
        .current_dir(workspace.guest_modules())
        .env("CARGO_TARGET_DIR", workspace.guest_build())
        .env("CARGO_ENCODED_RUSTFLAGS", without_paths(workspace)?)
        .stdout(Stdio::piped());
    let mut child = cargo.spawn().context("failed to start cargo")?;
    let report = child.stdout.take().context("failed to read from cargo")?;
    let mut outcome = Outcome::default();
    for line in BufReader::new(report).lines() {
        outcome.note(&line.context("failed to read from cargo")?)?;
    }
    let status = child.wait().context("failed to wait for cargo")?;
    if !status.success() && outcome.modules.is_empty() {
        bail!("failed to build the guests: cargo ended with {status}, see above");
    }
    Ok(outcome)
}

/// The flags that keep this machine's folders out of the modules, where the messages of panics
/// would show them.
fn without_paths(workspace: &Workspace) -> Result<String> {
    let sources = cargo_home()?.join("registry/src");
    let remap = |folder: &Utf8Path| format!("--remap-path-prefix={folder}/=");
    Ok([remap(&sources), remap(workspace.root())].join("\x1f"))
}

impl Outcome {
    /// Returns the compiled module of a guest.
    pub(crate) fn module(&self, name: &str) -> Option<&Utf8Path> {
        self.modules.get(name).map(|path| &**path)
    }

    fn note(&mut self, line: &str) -> Result<()> {
        let report: Report = serde_json::from_str(line)
            .with_context(|| format!("failed to read cargo's report: {line}"))?;
        let module = report.filenames.into_iter().find(|file| file.extension() == Some("wasm"));
        if let ("compiler-artifact", Some(target), Some(module)) =
            (report.reason.as_str(), report.target, module)
        {
            self.modules.insert(target.name, module);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finished_modules_count() {
        let mut outcome = Outcome::default();
        for line in [
            r#"{"reason":"compiler-artifact","target":{"name":"serde"},"filenames":["/t/libserde.rlib"]}"#,
            r#"{"reason":"compiler-artifact","target":{"name":"add"},"filenames":["/t/add.wasm","/t/libadd.rlib"]}"#,
            r#"{"reason":"compiler-message","target":{"name":"broken"},"message":{}}"#,
            r#"{"reason":"build-finished","success":false}"#,
        ] {
            outcome.note(line).unwrap();
        }
        assert_eq!(outcome.module("add"), Some(Utf8Path::new("/t/add.wasm")));
        assert_eq!(outcome.modules.len(), 1);
    }

    #[test]
    fn a_report_that_is_not_json_is_an_error() {
        assert!(Outcome::default().note("warning: something").is_err());
    }
}
