//! The programs that measure and the one that reads what they measured.

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::compilation::{Bench, Compilation};
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

impl Benches {
    /// Compiles the targets of a checkout. `target_folder` is cargo's, if it is not to be the usual one.
    pub(super) fn build(workspace: &Workspace, target_folder: Option<&Utf8Path>) -> Result<Self> {
        // Without the baseline of the comparison, which is not measured here, and the crates that it needs.
        let arguments = ["bench", "--no-run", "-p", PACKAGE, "--no-default-features"];
        let compilation = Compilation {
            title: "Compiling the benchmarks",
            folder: workspace.root(),
            arguments: &arguments,
            target_folder,
        };
        let mut programs = compilation.run("bench")?;
        programs.retain(|bench| bench.target != BESIDE_PEERS);
        if programs.is_empty() {
            bail!("{PACKAGE} has no benchmarks");
        }
        Ok(Self { programs, folder: package_folder(workspace) })
    }

    /// Compiles one target of this checkout.
    pub(super) fn build_target(workspace: &Workspace, target: &str) -> Result<Self> {
        let arguments = ["bench", "--no-run", "-p", PACKAGE, "--bench", target];
        let compilation = Compilation {
            title: "Compiling a benchmark",
            folder: workspace.root(),
            arguments: &arguments,
            target_folder: None,
        };
        let programs = compilation.run("bench")?;
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
        let compilation = Compilation {
            title: "Compiling the other engines",
            folder: &workspace.peers(),
            arguments: &arguments,
            target_folder: Some(&target_folder),
        };
        compilation.run("bin")
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

/// Compiles the analyzer, in the profile of the benchmarks, so that what both need is compiled once, and without what
/// no first report needs.
pub(super) fn build_analyzer(workspace: &Workspace) -> Result<Utf8PathBuf> {
    let compilation = Compilation {
        title: "Compiling the analyzer",
        folder: workspace.root(),
        arguments: &[
            "build",
            "--profile",
            "bench",
            "-p",
            "bench-analyzer",
            "--no-default-features",
        ],
        target_folder: None,
    };
    let analyzer =
        compilation.run("bin")?.into_iter().next().context("bench-analyzer is no program")?;
    Ok(analyzer.executable)
}

fn package_folder(workspace: &Workspace) -> Utf8PathBuf {
    workspace.root().join("crates").join(PACKAGE)
}
