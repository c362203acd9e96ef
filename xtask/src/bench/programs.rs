//! The programs that measure and the one that reads what they measured.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::Deserialize;

use crate::process::cargo;
use crate::workspace::Workspace;

/// The package whose bench targets are measured.
const PACKAGE: &str = "sandbox-bench";

/// The target that says something only beside other engines, and is left to `bench-peers`.
pub(super) const BESIDE_PEERS: &str = "comparison";

/// The compiled bench targets of one checkout. They are started directly: cargo between two runs might find a
/// reason to compile something.
pub(super) struct Benches {
    pub(super) programs: Vec<Bench>,
    /// Where cargo would start them: the package's folder.
    pub(super) folder: Utf8PathBuf,
}

/// A compiled bench target.
pub(super) struct Bench {
    pub(super) target: String,
    pub(super) executable: Utf8PathBuf,
}

/// A line of cargo's report.
#[derive(Deserialize)]
struct Report {
    target: Option<Target>,
    executable: Option<Utf8PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Benches {
    /// Compiles the targets of a checkout. `target_folder` is cargo's, if it is not to be the usual one.
    pub(super) fn build(workspace: &Workspace, target_folder: Option<&Utf8Path>) -> Result<Self> {
        // Without the baseline of the comparison, which is not measured here, and the crates that it needs.
        let arguments = ["bench", "--no-run", "-p", PACKAGE, "--no-default-features"];
        let mut programs = build(workspace.root(), &arguments, "bench", target_folder)?;
        programs.retain(|bench| bench.target != BESIDE_PEERS);
        if programs.is_empty() {
            bail!("{PACKAGE} has no benchmarks");
        }
        Ok(Self { programs, folder: package_folder(workspace) })
    }

    /// Compiles one target of this checkout.
    pub(super) fn build_target(workspace: &Workspace, target: &str) -> Result<Self> {
        let arguments = ["bench", "--no-run", "-p", PACKAGE, "--bench", target];
        let programs = build(workspace.root(), &arguments, "bench", None)?;
        Ok(Self { programs, folder: package_folder(workspace) })
    }

    /// Compiles programs of the workspace of other engines.
    pub(super) fn build_peers(
        workspace: &Workspace,
        profile: &str,
        packages: &[&str],
    ) -> Result<Vec<Bench>> {
        let mut arguments = vec!["build", "--profile", profile];
        arguments.extend(packages.iter().flat_map(|package| ["-p", package]));
        let target_folder = workspace.peers_build();
        build(&workspace.peers(), &arguments, "bin", Some(&target_folder))
    }

    /// Finds the targets that [`Benches::keep`] left in a folder.
    pub(super) fn kept(workspace: &Workspace, folder: &Utf8Path) -> Result<Option<Self>> {
        let Ok(entries) = folder.read_dir_utf8() else { return Ok(None) };
        let mut programs = Vec::new();
        for entry in entries {
            let entry = entry.with_context(|| format!("failed to read {folder}"))?;
            let target = entry.file_name().to_owned();
            programs.push(Bench { target, executable: entry.path().to_owned() });
        }
        programs.sort_by(|one, other| one.target.cmp(&other.target));
        Ok((!programs.is_empty()).then(|| Self { programs, folder: package_folder(workspace) }))
    }

    /// Copies the targets to a folder of their own, where the next compilation does not overwrite them. The
    /// folder appears when it is complete.
    pub(super) fn keep(&self, workspace: &Workspace, folder: &Utf8Path) -> Result<Self> {
        let unfinished = folder.with_extension("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        fs::create_dir_all(&unfinished)?;
        for bench in &self.programs {
            fs::copy(&bench.executable, unfinished.join(&bench.target))?;
        }
        fs::rename(&unfinished, folder)?;
        Self::kept(workspace, folder)?.context("failed to keep the compiled benchmarks")
    }
}

/// Compiles the analyzer.
pub(super) fn build_analyzer(workspace: &Workspace) -> Result<Utf8PathBuf> {
    let analyzer = build(workspace.root(), &["build", "-p", "bench-analyzer"], "bin", None)?;
    let analyzer = analyzer.into_iter().next().context("bench-analyzer is no program")?;
    Ok(analyzer.executable)
}

fn package_folder(workspace: &Workspace) -> Utf8PathBuf {
    workspace.root().join("crates").join(PACKAGE)
}

/// Runs cargo in a workspace, shows its messages, and returns the executables of one kind.
fn build(
    folder: &Utf8Path,
    arguments: &[&str],
    kind: &str,
    target_folder: Option<&Utf8Path>,
) -> Result<Vec<Bench>> {
    let mut cargo: Command = cargo();
    cargo
        .args(arguments)
        .args(["--locked", "--message-format=json-render-diagnostics"])
        .current_dir(folder)
        .stdout(Stdio::piped());
    if let Some(folder) = target_folder {
        cargo.env("CARGO_TARGET_DIR", folder);
    }
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
    executables.sort_by(|one, other| one.target.cmp(&other.target));
    Ok(executables)
}

fn executable(line: &str, kind: &str) -> Result<Option<Bench>> {
    let report: Report = serde_json::from_str(line)
        .with_context(|| format!("failed to read cargo's report: {line}"))?;
    Ok(match (report.target, report.executable) {
        (Some(target), Some(executable)) if target.kind.iter().any(|own| own == kind) => {
            Some(Bench { target: target.name, executable })
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_of_one_kind_are_picked() {
        let bench = r#"{"reason":"compiler-artifact","target":{"name":"core","kind":["bench"]},"executable":"/t/core-1"}"#;
        let library = r#"{"reason":"compiler-artifact","target":{"name":"x","kind":["lib"]},"executable":null}"#;
        let end = r#"{"reason":"build-finished","success":true}"#;
        let picked = executable(bench, "bench").unwrap().unwrap();
        assert_eq!((picked.target.as_str(), picked.executable.as_str()), ("core", "/t/core-1"));
        assert!(executable(bench, "bin").unwrap().is_none());
        assert!(executable(library, "bench").unwrap().is_none());
        assert!(executable(end, "bench").unwrap().is_none());
    }
}
