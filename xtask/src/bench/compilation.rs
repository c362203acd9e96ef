//! Compiling with cargo, with a bar that says how long it will take.

use std::io::{BufRead as _, BufReader, IsTerminal as _, stderr};
use std::process::{ChildStderr, Stdio};
use std::thread;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use crate::process::{cargo, read};
use crate::progress::Progress;

/// One call of cargo that compiles programs.
pub(super) struct Compilation<'a> {
    /// Says for a person what is compiled.
    pub(super) title: &'a str,
    /// Folder of the workspace.
    pub(super) folder: &'a Utf8Path,
    /// Arguments for cargo, the first of which is `build` or `bench`.
    pub(super) arguments: &'a [&'a str],
    /// Target folder, if it is not cargo's usual one.
    pub(super) target_folder: Option<&'a Utf8Path>,
}

/// A compiled program: a bench target, or another.
pub(super) struct Bench {
    pub(super) target: String,
    pub(super) executable: Utf8PathBuf,
}

/// Crates that take a processor longer than a second or so, with how many it took them on 2026-11-30 in the benchmarks' profile.
/// The time left would be told far too short if each counted like the hundreds of little ones.
const LONG: [(&str, u64); 14] = [
    ("bench_analyzer", 40),
    ("bench_stats", 15),
    ("cranelift_assembler_x64", 10),
    ("cranelift_codegen", 150),
    ("criterion", 15),
    ("libwild", 15),
    ("minijinja", 20),
    ("object", 10),
    ("sandbox_core", 40),
    ("sqlx_postgres", 15),
    ("wasmer_compiler", 100),
    ("wasmer_compiler_singlepass", 45),
    ("wasmparser", 15),
    ("wast", 20),
];

/// Seconds that a bench target takes.
const BENCH: u64 = 18;

/// Cargo's graph of a build.
#[derive(Deserialize)]
struct Graph {
    units: Vec<Unit>,
}

#[derive(Deserialize)]
struct Unit {
    target: Target,
}

/// A line of cargo's report.
#[derive(Deserialize)]
struct Report {
    reason: String,
    target: Option<Target>,
    executable: Option<Utf8PathBuf>,
    /// Whether it was there before.
    #[serde(default)]
    fresh: bool,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// One line of cargo's report.
enum Step {
    /// A crate is compiled, or a build script has run.
    Unit { name: Option<String>, cost: u64, executable: Option<Bench>, fresh: bool },
    /// Something else.
    Other,
}

impl Compilation<'_> {
    /// Compiles, shows the messages, and returns the executables of one kind, in order.
    pub(super) fn run(&self, kind: &str) -> Result<Vec<Bench>> {
        let mut cargo = self.cargo();
        // With a bar of its own, cargo would draw over ours.
        cargo.args(["--quiet", "--message-format=json-render-diagnostics"]);
        if stderr().is_terminal() {
            cargo.args(["--color", "always"]);
        }
        let progress = match self.cost() {
            Some(cost) => Progress::parts_with_time_left(self.title, cost),
            None => Progress::spinner(self.title),
        };
        let mut child = cargo
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("failed to start cargo")?;
        let stdout = child.stdout.take().context("failed to read from cargo")?;
        let messages = child.stderr.take().context("failed to read from cargo")?;
        let executables = thread::scope(|scope| {
            scope.spawn(|| show(messages, &progress));
            let mut executables = Vec::new();
            for line in BufReader::new(stdout).lines() {
                let line = line.context("failed to read from cargo")?;
                if let Step::Unit { name, cost, executable, fresh } = Step::read(&line, kind)? {
                    let position = progress.position() + cost;
                    if fresh {
                        progress.begin_at(position);
                    } else {
                        progress.set(position);
                    }
                    progress.detail(name.unwrap_or_default());
                    executables.extend(executable);
                }
            }
            anyhow::Ok(executables)
        });
        let status = child.wait().context("failed to wait for cargo")?;
        if !status.success() {
            let arguments = self.arguments.join(" ");
            bail!("failed to compile: cargo {arguments} ended with {status}, see above");
        }
        let mut executables = executables?;
        executables.sort_by(|one, other| one.target.cmp(&other.target));
        progress.finish();
        Ok(executables)
    }

    /// Adds up what cargo will compile, or has compiled already. Its graph is an unstable feature of Cargo, and nothing but a bar
    /// depends on it.
    fn cost(&self) -> Option<u64> {
        let mut cargo = self.cargo();
        cargo.args(["--unit-graph", "-Z", "unstable-options"]).env("RUSTC_BOOTSTRAP", "1");
        let graph: Graph = serde_json::from_str(&read(&mut cargo).ok()?).ok()?;
        Some(graph.units.iter().map(|unit| unit.target.cost()).sum())
    }

    fn cargo(&self) -> std::process::Command {
        let mut cargo = cargo();
        cargo.args(self.arguments).arg("--locked").current_dir(self.folder);
        if let Some(folder) = self.target_folder {
            cargo.env("CARGO_TARGET_DIR", folder);
        }
        cargo
    }
}

impl Target {
    /// Seconds that a processor takes to compile it, roughly.
    fn cost(&self) -> u64 {
        let is = |kind: &str| self.kind.iter().any(|own| own == kind);
        if is("bench") {
            return BENCH;
        }
        let long = LONG.iter().find(|(name, _)| *name == self.name && !is("custom-build"));
        long.map_or(1, |(_, seconds)| *seconds)
    }
}

/// Passes warnings and errors on, above the bar.
fn show(messages: ChildStderr, progress: &Progress) {
    BufReader::new(messages).lines().map_while(Result::ok).for_each(|line| progress.line(&line));
}

impl Step {
    fn read(line: &str, kind: &str) -> Result<Self> {
        let report: Report = serde_json::from_str(line)
            .with_context(|| format!("failed to read cargo's report: {line}"))?;
        if !["compiler-artifact", "build-script-executed"].contains(&report.reason.as_str()) {
            return Ok(Self::Other);
        }
        let name = report.target.as_ref().map(|target| target.name.clone());
        // A script that has run has no target.
        let cost = report.target.as_ref().map_or(1, Target::cost);
        let executable = match (report.target, report.executable) {
            (Some(target), Some(executable)) if target.kind.iter().any(|own| own == kind) => {
                Some(Bench { target: target.name, executable })
            }
            _ => None,
        };
        Ok(Self::Unit { name, cost, executable, fresh: report.fresh })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The executable that a line of a report speaks of, and whether it counts as compiled.
    fn executable(line: &str, kind: &str) -> (bool, Option<Bench>) {
        match Step::read(line, kind).unwrap() {
            Step::Unit { executable, .. } => (true, executable),
            Step::Other => (false, None),
        }
    }

    #[test]
    fn executables_of_one_kind_are_picked() {
        let bench = r#"{"reason":"compiler-artifact","target":{"name":"core","kind":["bench"]},"executable":"/t/core-1"}"#;
        let library = r#"{"reason":"compiler-artifact","target":{"name":"x","kind":["lib"]},"executable":null}"#;
        let picked = executable(bench, "bench").1.unwrap();
        assert_eq!((picked.target.as_str(), picked.executable.as_str()), ("core", "/t/core-1"));
        assert!(executable(bench, "bin").1.is_none());
        assert!(executable(library, "bench").1.is_none());
    }

    #[test]
    fn what_is_compiled_and_what_has_run_are_counted() {
        let script = r#"{"reason":"build-script-executed","package_id":"registry+x#ring@1.0.0"}"#;
        let message = r#"{"reason":"compiler-message","target":{"name":"x","kind":["lib"]}}"#;
        let end = r#"{"reason":"build-finished","success":true}"#;
        assert!(executable(script, "bin").0);
        assert!(!executable(message, "bin").0);
        assert!(!executable(end, "bin").0);
    }

    #[test]
    fn a_long_crate_counts_for_many_little_ones_in_the_graph_and_in_the_report() {
        let cost = |target: &str| {
            let graph: Graph =
                serde_json::from_str(&format!(r#"{{"units":[{{"target":{target}}}]}}"#)).unwrap();
            let line = format!(r#"{{"reason":"compiler-artifact","target":{target}}}"#);
            let Step::Unit { cost, .. } = Step::read(&line, "bin").unwrap() else {
                panic!("{line}")
            };
            assert_eq!(cost, graph.units[0].target.cost());
            cost
        };
        assert_eq!(cost(r#"{"name":"cranelift_codegen","kind":["lib"]}"#), 150);
        assert_eq!(cost(r#"{"name":"calls","kind":["bench"]}"#), BENCH);
        assert_eq!(cost(r#"{"name":"build-script-build","kind":["custom-build"]}"#), 1);
        assert_eq!(cost(r#"{"name":"itoa","kind":["lib"]}"#), 1);
        let names = LONG.map(|(name, _)| name);
        assert!(names.is_sorted(), "each is named once, in order");
    }

    #[test]
    fn a_program_is_compiled_of_as_many_units_as_were_counted() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let manifest =
            "[package]\nname = \"little\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
        fs_err::write(folder.join("Cargo.toml"), manifest).unwrap();
        fs_err::create_dir(folder.join("src")).unwrap();
        fs_err::write(folder.join("src/main.rs"), "fn main() {}").unwrap();
        fs_err::write(folder.join("build.rs"), "fn main() {}").unwrap();
        let lock = "version = 4\n\n[[package]]\nname = \"little\"\nversion = \"0.1.0\"\n";
        fs_err::write(folder.join("Cargo.lock"), lock).unwrap();
        let target = folder.join("target");
        let compilation = |arguments| Compilation {
            title: "Compiling little",
            folder,
            arguments,
            target_folder: Some(&target),
        };
        // The script, its run, and the program.
        assert_eq!(compilation(&["build"]).cost(), Some(3));
        let programs = compilation(&["build"]).run("bin").unwrap();
        assert_eq!(programs.len(), 1);
        assert!(programs[0].executable.is_file());
        fs_err::write(folder.join("src/main.rs"), "fn main() { none() }").unwrap();
        let error = compilation(&["build"]).run("bin").err().unwrap().to_string();
        assert!(error.starts_with("failed to compile: cargo build ended with"), "{error}");
    }
}
