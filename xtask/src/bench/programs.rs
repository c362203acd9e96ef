//! The programs that measure and the one that reads what they measured.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use camino::Utf8PathBuf;
use serde::Deserialize;

use crate::process::cargo;
use crate::workspace::Workspace;

/// The package whose bench targets are measured.
const PACKAGE: &str = "sandbox-bench";

/// Compiled programs. They are started directly: cargo between two runs might find a reason to
/// compile something.
pub(super) struct Programs {
    pub(super) benches: Vec<Utf8PathBuf>,
    pub(super) analyzer: Utf8PathBuf,
    /// Where cargo would start them: the package's folder.
    pub(super) folder: Utf8PathBuf,
}

/// A line of cargo's report.
#[derive(Deserialize)]
struct Report {
    target: Option<Target>,
    executable: Option<Utf8PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

impl Programs {
    pub(super) fn build(workspace: &Workspace) -> Result<Self> {
        let benches = build(workspace, &["bench", "--no-run", "-p", PACKAGE], "bench")?;
        if benches.is_empty() {
            bail!("{PACKAGE} has no benchmarks");
        }
        let analyzer = build(workspace, &["build", "-p", "bench-analyzer"], "bin")?;
        let analyzer = analyzer.into_iter().next().context("bench-analyzer is no program")?;
        Ok(Self { benches, analyzer, folder: workspace.root().join("crates").join(PACKAGE) })
    }
}

/// Runs cargo, whose messages are shown, and returns the executables of one kind.
fn build(workspace: &Workspace, arguments: &[&str], kind: &str) -> Result<Vec<Utf8PathBuf>> {
    let mut cargo: Command = cargo();
    cargo
        .args(arguments)
        .args(["--locked", "--message-format=json-render-diagnostics"])
        .current_dir(workspace.root())
        .stdout(Stdio::piped());
    let mut child = cargo.spawn().context("failed to start cargo")?;
    let stdout = child.stdout.take().context("failed to read from cargo")?;
    let mut executables = Vec::new();
    for line in BufReader::new(stdout).lines() {
        executables.extend(executable(&line.context("failed to read from cargo")?, kind)?);
    }
    let status = child.wait().context("failed to wait for cargo")?;
    if !status.success() {
        bail!("failed to compile: cargo {} ended with {status}, see above", arguments.join(" "));
    }
    executables.sort();
    Ok(executables)
}

fn executable(line: &str, kind: &str) -> Result<Option<Utf8PathBuf>> {
    let report: Report = serde_json::from_str(line)
        .with_context(|| format!("failed to read cargo's report: {line}"))?;
    let is_wanted = report.target.is_some_and(|target| target.kind.iter().any(|own| own == kind));
    Ok(report.executable.filter(|_| is_wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_of_one_kind_are_picked() {
        let bench = r#"{"reason":"compiler-artifact","target":{"kind":["bench"]},"executable":"/t/core-1"}"#;
        let library =
            r#"{"reason":"compiler-artifact","target":{"kind":["lib"]},"executable":null}"#;
        let end = r#"{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(bench, "bench").unwrap(), Some("/t/core-1".into()));
        assert_eq!(executable(bench, "bin").unwrap(), None);
        assert_eq!(executable(library, "bench").unwrap(), None);
        assert_eq!(executable(end, "bench").unwrap(), None);
    }
}
