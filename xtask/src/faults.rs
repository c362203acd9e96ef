//! `cargo xtask faults`: every system call of the sandbox and of the analyzer's store fails, one at a time.
//!
//! A scene is a program and what it does. It is played once as it is, which tells how often it makes each of the calls, and then
//! once for each of those, with that one failing ([`injection`]). Whatever fails, the program says so by an error, loses nothing that it had,
//! keeps nothing that it should give back, and is well afterwards.

use std::fmt;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, ValueEnum};
use serde::Deserialize;

use crate::process::{capture, cargo, essence, read};
use crate::progress::{Progress, counted};
use crate::workspace::Workspace;

mod injection;

use injection::{Begin, CALLS, Fault, Played, play};

/// No scene takes a fraction of that.
const LIMIT: Duration = Duration::from_secs(120);

#[derive(Args)]
pub(crate) struct Arguments {
    /// Scenes to play [default: all]
    #[arg(value_enum, value_name = "SCENE")]
    scenes: Vec<SceneName>,

    /// Have only every Nth of the calls fail
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,

    /// Have only this system call fail
    #[arg(long, value_name = "NAME", value_parser = call_named)]
    call: Option<usize>,
}

fn call_named(name: &str) -> Result<usize, String> {
    let known = || CALLS.iter().map(|call| call.name).collect::<Vec<_>>().join(", ");
    CALLS.iter().position(|call| call.name == name).ok_or_else(|| format!("there are {}", known()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SceneName {
    /// A sandbox is built, called, stopped, reset and dropped
    Sandbox,
    /// Results are imported into a store that has some
    Import,
    /// Results are imported into a store that is not there yet
    NewStore,
    /// A report is written from a store
    Report,
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let all = SceneName::value_variants();
    let scenes = if arguments.scenes.is_empty() { all } else { &arguments.scenes };
    let mut is_well = true;
    for &name in scenes {
        let account = Account::of(workspace, name, arguments.every as usize, arguments.call)?;
        println!("{account}");
        is_well &= account.findings.is_empty();
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every tenth fault of each scene, as part of the tests. Returns what was played, in lines.
pub(crate) fn briefly(workspace: &Workspace) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for &name in SceneName::value_variants() {
        let account = Account::of(workspace, name, 10, None)?;
        if !account.findings.is_empty() {
            bail!("{account}");
        }
        lines.push(account.to_string());
    }
    Ok(lines)
}

/// A program that is played, in a folder of its own.
struct Scene {
    name: SceneName,
    program: Utf8PathBuf,
    /// The compiler itself, which the analyzer asks for its version.
    compiler: Utf8PathBuf,
    /// A result file, and a store with a run in it.
    results: Utf8PathBuf,
    store: Utf8PathBuf,
    /// Resources that the sandbox holds in the end if nothing fails.
    holdings: Option<Holdings>,
}

impl Scene {
    fn prepare(workspace: &Workspace, name: SceneName, folder: &Utf8Path) -> Result<Self> {
        let build: &[&str] = match name {
            SceneName::Sandbox => &["test", "-p", "sandbox-core", "--test", "it", "--no-run"],
            _ => &["build", "-p", "bench-analyzer", "--bin", "bench-analyzer"],
        };
        let mut command = cargo();
        command.args(build).args(["--locked", "--message-format", "json-render-diagnostics"]);
        command.stderr(std::process::Stdio::inherit());
        let said = read(command.current_dir(workspace.root()))?;
        let built = said.lines().filter_map(|line| serde_json::from_str::<Artifact>(line).ok());
        let program = built.filter_map(|artifact| artifact.executable).next_back();
        let sysroot = read(Command::new("rustc").args(["--print", "sysroot"]))?;
        let scene = Self {
            name,
            compiler: Utf8Path::new(sysroot.trim()).join("bin/rustc"),
            program: program.context("cargo built no program")?,
            results: folder.join("results.csv"),
            store: folder.join("store.db"),
            holdings: None,
        };
        if name != SceneName::Sandbox {
            let results =
                |run: &str| format!("benchmark,value,run\nsort,10,{run}\nsort,11,{run}\n");
            fs_err::write(&scene.results, results("earlier"))?;
            read(scene.analyzer(&scene.store).args(["import", scene.results.as_str()]))?;
            fs_err::write(&scene.results, results("later"))?;
        }
        Ok(scene)
    }

    fn analyzer(&self, store: &Utf8Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--db", store.as_str()]);
        command.current_dir(store.parent().unwrap_or(Utf8Path::new("/")));
        // The analyzer asks for the compiler's version. By way of rustup's proxy, the faults would be rustup's too, and one that
        // cannot read its settings writes new ones over them.
        command.env("RUSTC", &self.compiler);
        command
    }

    fn begin(&self) -> Begin {
        if self.name == SceneName::Sandbox { Begin::AtMarks } else { Begin::AtMain }
    }

    /// Plays the scene once, and says what is wrong with what came of it.
    fn play(&self, fault: Option<Fault>) -> Result<(Played, Option<String>)> {
        let folder = tempfile::tempdir().context("failed to make a folder")?;
        let folder = Utf8Path::from_path(folder.path()).context("the folder is not UTF-8")?;
        let store = folder.join("store.db");
        if matches!(self.name, SceneName::Import | SceneName::Report) {
            fs_err::copy(&self.store, &store)?;
        }
        let mut command = match self.name {
            SceneName::Sandbox => {
                let mut test = Command::new(&self.program);
                test.args(["--ignored", "--exact", "--nocapture", "faults::scene"]);
                // One arena that grows by `brk`: memory of the heap that is refused ends any program in Rust.
                test.env(
                    "GLIBC_TUNABLES",
                    "glibc.malloc.arena_max=1:glibc.malloc.mmap_threshold=33554432",
                );
                test.current_dir(folder);
                test
            }
            SceneName::Import | SceneName::NewStore => {
                let mut import = self.analyzer(&store);
                import.args(["import", self.results.as_str()]);
                import
            }
            SceneName::Report => {
                let mut report = self.analyzer(&store);
                report.args(["report", "--no-import", "--baseline", "run:1"]);
                report.args(["--output", folder.join("report.html").as_str()]);
                report
            }
        };
        command.env("RUST_BACKTRACE", "0");
        let played = play(&mut command, self.begin(), fault, LIMIT)?;
        let wrong = match self.name {
            SceneName::Sandbox => self.judge_sandbox(&played),
            _ => self.judge_analyzer(&played, &store),
        };
        Ok((played, wrong.err()))
    }

    fn judge_sandbox(&self, played: &Played) -> Result<(), String> {
        if !played.status.success() {
            return Err(format!("{}: {}", played.status, last_words(&played.said)));
        }
        let held = Holdings::read(&played.said).ok_or("it did not say what it holds")?;
        match self.holdings {
            Some(usual) if !held.is_within(usual) => {
                Err(format!("it holds {held} in the end, and {usual} if nothing fails"))
            }
            _ => Ok(()),
        }
    }

    fn judge_analyzer(&self, played: &Played, store: &Utf8Path) -> Result<(), String> {
        /// Faults in the beginning of a thread after which Rust's standard library ends the program: it cannot be told that there is
        /// no stack for handlers of signals.
        const ENDED_BY_RUST: [&str; 2] = [
            "failed to allocate an alternative stack",
            "failed to set up alternative stack guard page",
        ];
        let is_ended_by_rust = ENDED_BY_RUST.iter().any(|said| played.said.contains(said));
        let has_crashed = played.status.code().is_none() || played.said.contains("panicked at");
        if has_crashed && !is_ended_by_rust {
            return Err(format!("{}: {}", played.status, last_words(&played.said)));
        }
        if !played.status.success() && !is_ended_by_rust && !played.said.contains("error") {
            return Err(format!("it failed without an error: {}", last_words(&played.said)));
        }
        // The store is well, has what it had, and what it was said to have taken.
        let is_new = self.name == SceneName::NewStore;
        if is_new && !played.status.success() && !store.exists() {
            return Ok(());
        }
        let output =
            capture(self.analyzer(store).arg("runs")).map_err(|error| error.to_string())?;
        let runs = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() && (!is_new || played.status.success()) {
            let said = essence(&String::from_utf8_lossy(&output.stderr));
            return Err(format!("the store is not well afterwards: {said}"));
        }
        if !is_new && !runs.contains("earlier") {
            return Err(format!("a run was lost: {runs}"));
        }
        let has_taken = played.status.success() && self.name != SceneName::Report;
        if has_taken && !runs.contains("later") {
            return Err(format!("a run was said to be imported, and is not there: {runs}"));
        }
        let mut again = self.analyzer(store);
        let again = read(again.args(["import", self.results.as_str()]));
        again.map(drop).map_err(|error| format!("the next import fails: {error:#}"))
    }
}

/// The part of cargo's messages that says what was built.
#[derive(Deserialize)]
struct Artifact {
    executable: Option<Utf8PathBuf>,
}

/// Resources of a process in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Holdings {
    descriptors: usize,
    threads: usize,
    mappings: usize,
}

impl Holdings {
    /// Reads the line that the scene prints.
    fn read(said: &str) -> Option<Self> {
        let line = said.lines().find_map(|line| line.split_once("holds ")).map(|(_, rest)| rest)?;
        let numbers: Vec<usize> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [descriptors, threads, mappings] = numbers[..] else { return None };
        Some(Self { descriptors, threads, mappings })
    }

    /// Whether it is no more than usual, with room for what threads do when they like.
    fn is_within(self, usual: Self) -> bool {
        self.descriptors <= usual.descriptors
            && self.threads <= usual.threads + 1
            && self.mappings <= usual.mappings + 12
    }
}

impl fmt::Display for Holdings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { descriptors, threads, mappings } = self;
        write!(f, "{descriptors} descriptors, {threads} threads and {mappings} mappings")
    }
}

/// The last lines of what a program said, as one.
fn last_words(said: &str) -> String {
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(8)..].join(" | ")
}

/// Account of all faults of a scene.
struct Account {
    scene: SceneName,
    /// Calls that were made to fail, and how many of each.
    failed: Vec<(&'static str, usize)>,
    /// Faults that did not take place, because the program made fewer calls than before.
    missed: usize,
    findings: Vec<String>,
}

impl Account {
    fn of(
        workspace: &Workspace,
        name: SceneName,
        every: usize,
        only: Option<usize>,
    ) -> Result<Self> {
        let folder = tempfile::tempdir().context("failed to make a folder")?;
        let folder = Utf8Path::from_path(folder.path()).context("the folder is not UTF-8")?;
        let mut scene = Scene::prepare(workspace, name, folder)?;
        let (usual, wrong) = scene.play(None)?;
        if let Some(wrong) = wrong {
            return Err(anyhow!("{name:?} fails without a fault: {wrong}"));
        }
        scene.holdings = Holdings::read(&usual.said);
        let faults: Vec<Fault> = usual
            .made
            .iter()
            .enumerate()
            .filter(|(call, _)| only.is_none_or(|only| only == *call))
            .flat_map(|(call, &made)| (0..made).map(move |nth| Fault { call, nth }))
            .step_by(every)
            .collect();
        Self::play_all(&scene, &faults)
    }

    fn play_all(scene: &Scene, faults: &[Fault]) -> Result<Self> {
        let progress = Progress::parts_with_time_left(
            format!("{:?}: {}", scene.name, counted(faults.len(), "fault")),
            faults.len() as u64,
        );
        let (next, done, missed) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let findings = Mutex::new(Vec::new());
        let play_some = || -> Result<()> {
            while let Some(&fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                let outcome = scene.play(Some(fault));
                let finding = match outcome {
                    Ok((played, wrong)) => {
                        missed.fetch_add(usize::from(!played.happened), Ordering::Relaxed);
                        wrong
                    }
                    Err(error) => Some(format!("{error:#}")),
                };
                if let Some(finding) = finding {
                    let at = format!("{}, the {}.", CALLS[fault.call].name, fault.nth + 1);
                    let mut findings = findings.lock().map_err(|_| anyhow!("a thread panicked"))?;
                    findings.push(format!("{at}: {finding}"));
                }
                progress.set(1 + done.fetch_add(1, Ordering::Relaxed) as u64);
            }
            Ok(())
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            let players: Vec<_> = (0..threads).map(|_| scope.spawn(play_some)).collect();
            players.into_iter().try_for_each(|player| {
                player.join().map_err(|_| anyhow!("a thread panicked")).flatten()
            })
        })?;
        let count = |call| faults.iter().filter(|fault| fault.call == call).count();
        let failed = CALLS.iter().enumerate().map(|(at, call)| (call.name, count(at)));
        Ok(Self {
            scene: scene.name,
            failed: failed.filter(|(_, count)| *count > 0).collect(),
            missed: missed.into_inner(),
            findings: findings.into_inner().unwrap_or_default(),
        })
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: usize = self.failed.iter().map(|(_, count)| count).sum();
        let calls: Vec<String> =
            self.failed.iter().map(|(name, count)| format!("{name} {count}")).collect();
        write!(f, "{:?}: {} ({})", self.scene, counted(all, "fault"), calls.join(", "))?;
        if self.missed > 0 {
            write!(f, ", {} of them of calls that were not made", self.missed)?;
        }
        write!(f, "; {}", counted(self.findings.len(), "finding"))?;
        self.findings.iter().try_for_each(|finding| write!(f, "\n  {finding}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holdings_are_read_from_the_line_that_says_them() {
        let held = Holdings::read("test faults::scene ... holds 12 3 140\nok").unwrap();
        assert_eq!(held, Holdings { descriptors: 12, threads: 3, mappings: 140 });
        assert!(held.is_within(held));
        assert!(!Holdings { descriptors: 13, ..held }.is_within(held));
        assert!(Holdings::read("nothing of it").is_none());
    }

    #[test]
    fn one_call_fails_and_the_others_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let shell = || {
            // A program that looks for a file again where the first look fails.
            let mut shell = Command::new(std::env::current_exe().unwrap());
            shell.args(["--ignored", "--exact", "--nocapture", "faults::tests::writes_a_file"]);
            shell.env("FAULTS_FILE", &file);
            shell
        };
        let call = call_named("fsync").unwrap();
        let usual = play(&mut shell(), Begin::AtMarks, None, LIMIT).unwrap();
        assert!(usual.status.success(), "{}", usual.said);
        assert_eq!(usual.made[call], 2);
        for (nth, said) in [(0, "failed ok"), (1, "ok failed")] {
            let fault = Some(Fault { call, nth });
            let played = play(&mut shell(), Begin::AtMarks, fault, LIMIT).unwrap();
            assert!(played.happened && played.said.contains(said), "{}", played.said);
        }
    }

    /// Not a test: the program of another test.
    #[test]
    #[ignore = "runs only as a process of another test"]
    fn writes_a_file() {
        let mark = || rustix::process::getpgid(None).unwrap();
        let file = std::fs::File::create(std::env::var_os("FAULTS_FILE").unwrap()).unwrap();
        mark();
        let outcomes = [file.sync_all(), file.sync_all()];
        mark();
        let words = outcomes.map(|outcome| if outcome.is_ok() { "ok" } else { "failed" });
        println!("{}", words.join(" "));
    }
}
