//! Calling bench-analyzer.

use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::plan::Runs;
use crate::process::{capture, read};
use crate::workspace::Workspace;

/// The compiled analyzer. Its history is the one of this checkout.
pub(super) struct Analyzer<'a> {
    program: &'a Utf8Path,
    root: &'a Utf8Path,
}

impl<'a> Analyzer<'a> {
    pub(super) fn new(workspace: &'a Workspace, program: &'a Utf8Path) -> Self {
        Self { program, root: workspace.root() }
    }

    /// Asks whether there is such a baseline, which Criterion may have left and nobody imported yet.
    /// If there is none, the analyzer has said so, and its exit code is returned.
    pub(super) fn complains_about(&self, baseline: &str) -> Result<Option<ExitCode>> {
        let mut report = self.command();
        report.args(["report", "--baseline", baseline, "--current", baseline]);
        let output = capture(&mut report)?;
        if output.status.success() {
            return Ok(None);
        }
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        Ok(super::exit_code(output.status.code()).or(Some(ExitCode::FAILURE)))
    }

    /// Stores runs of the same code, under a name or as the latest; of that commit, or of the one here.
    pub(super) fn import(
        &self,
        runs: &[Utf8PathBuf],
        name: Option<&str>,
        commit: Option<&str>,
    ) -> Result<()> {
        let mut import = self.command();
        import.arg("import").args(runs.iter().map(|run| run.join("criterion")));
        if let Some(name) = name {
            import.args(["--baseline", name]);
        }
        if let Some(commit) = commit {
            import.args(["--commit", commit]);
        }
        let stored = status(&mut import)?;
        if !stored.success() {
            bail!("failed to store the results: bench-analyzer import ended with {stored}");
        }
        Ok(())
    }

    /// Prints the report about what was just stored. `planned` is the number of runs that was decided on
    /// before any was made; none if they were added until something was decided.
    pub(super) fn report(
        &self,
        current: Option<&str>,
        baseline: Option<&str>,
        planned: Option<u32>,
    ) -> Result<ExitStatus> {
        let mut report = self.command();
        report.args(["report", "--no-import"]);
        if let Some(planned) = planned {
            report.arg(format!("--planned-runs={planned}"));
        }
        for (option, name) in [("--current", current), ("--baseline", baseline)] {
            if let Some(name) = name {
                report.args([option, name]);
            }
        }
        status(&mut report)
    }

    /// Compares what was measured so far, in a history of its own below that folder, and returns the report
    /// in JSON.
    pub(super) fn look(&self, runs: &Runs, folder: &Utf8Path) -> Result<String> {
        let folder = folder.join("look");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let history = folder.join("history.db");
        let command = |name: &str| {
            let mut command = self.command();
            command.arg("--db").arg(&history).arg(name);
            command
        };
        let folders = |runs: &[Utf8PathBuf]| -> Vec<Utf8PathBuf> {
            runs.iter().map(|run| run.join("criterion")).collect()
        };
        read(command("import").args(["--baseline", "against"]).args(folders(&runs.against)))?;
        read(command("import").args(folders(&runs.here)))?;
        read(command("report").args(["--no-import", "--baseline", "against", "--format", "json"]))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command.current_dir(self.root);
        command
    }
}

fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().context("failed to start bench-analyzer")
}
