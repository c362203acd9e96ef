//! A folder of its own for every test, with a program that sees nothing outside it.

use std::process::Output;
use std::time::{Duration, SystemTime};

use assert_cmd::Command;
use bench_analyzer::store::{Location, Store};
use camino::{Utf8Path, Utf8PathBuf};

/// Names the server that all histories are to be on; without it, they are files.
pub(crate) const SERVER: &str = "BENCH_ANALYZER_TEST_SERVER";

/// A project folder that goes away after the test.
pub(crate) struct Workspace {
    dir: tempfile::TempDir,
    /// The address of its history, if that is on a server.
    store: Option<String>,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        let server = std::env::var(SERVER).ok();
        let store = server.map(|address| crate::server::new_store(&address));
        Self { dir: tempfile::tempdir().unwrap(), store }
    }

    /// A project whose history is on a server.
    #[cfg(unix)]
    pub(crate) fn on(address: String) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), store: Some(address) }
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.dir.path()).unwrap()
    }

    pub(crate) fn database(&self) -> Utf8PathBuf {
        self.path().join(".bench/history.db")
    }

    pub(crate) fn location(&self) -> Location {
        match &self.store {
            Some(address) => address.parse().unwrap(),
            None => self.database().into(),
        }
    }

    /// What makes the program use the history of this folder.
    pub(crate) fn store_variable(&self) -> Option<(&str, &str)> {
        self.store.as_deref().map(|address| ("BENCH_ANALYZER_DB", address))
    }

    /// The program, in this folder and without the environment's say.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("bench-analyzer").unwrap();
        command.current_dir(self.path()).args(arguments);
        for variable in ["BENCH_ANALYZER_DB", "CRITERION_HOME", "CARGO_TARGET_DIR"] {
            command.env_remove(variable);
        }
        command.envs(self.store_variable());
        // A repository around the temporary folder is not the project's.
        command.env("GIT_CEILING_DIRECTORIES", self.path().parent().unwrap());
        command.env("NO_COLOR", "1");
        command
    }

    /// The same as a process that goes on by itself.
    pub(crate) fn process(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bench-analyzer"));
        command.current_dir(self.path()).args(arguments);
        for variable in ["BENCH_ANALYZER_DB", "CRITERION_HOME", "CARGO_TARGET_DIR"] {
            command.env_remove(variable);
        }
        command.envs(self.store_variable());
        command.env("GIT_CEILING_DIRECTORIES", self.path().parent().unwrap());
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
        command
    }

    /// Runs the program and demands this exit code.
    pub(crate) fn run(&self, arguments: &[&str], code: i32) -> Finished {
        let output = self.command(arguments).output().unwrap();
        let finished = Finished::of(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {finished:?}");
        finished
    }

    /// Has git do something in it, as somebody who may commit; returns what it says.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = std::process::Command::new("git")
            .current_dir(self.path())
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Makes a history in a file of this folder that holds nothing yet.
    pub(crate) fn make_history(&self, name: &str) -> Utf8PathBuf {
        let path = self.path().join(name);
        crate::simulated::runtime().block_on(async {
            let store = Store::open(&Location::from(path.clone())).await.unwrap();
            store.close().await.unwrap();
        });
        path
    }

    pub(crate) fn criterion(&self) -> CriterionFolder {
        CriterionFolder { root: self.path().join("target/criterion") }
    }

    pub(crate) fn criterion_at(&self, name: &str) -> CriterionFolder {
        CriterionFolder { root: self.path().join(name) }
    }
}

/// What the program said.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    fn of(output: &Output) -> Self {
        Self {
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// Writes what Criterion writes.
pub(crate) struct CriterionFolder {
    root: Utf8PathBuf,
}

/// The noise of a hundred samples: one percent, the same every time, with another phase for
/// every seed.
fn noise(seed: usize) -> impl Iterator<Item = f64> {
    (0..100).map(move |index| {
        let phase = ((index + 13 * seed) * 7919) % 97;
        1.0 + (phase as f64 / 97.0 - 0.5) * 0.02
    })
}

impl CriterionFolder {
    pub(crate) fn saved(&self, benchmark: &str, name: &str) -> Utf8PathBuf {
        self.root.join(benchmark).join(name)
    }

    /// One benchmark's saved result, around so many nanoseconds an iteration.
    pub(crate) fn save(&self, benchmark: &str, name: &str, nanoseconds: f64, seed: usize) {
        let folder = self.saved(benchmark, name);
        std::fs::create_dir_all(&folder).unwrap();
        let iterations: Vec<f64> = (1..=100).map(|index| f64::from(index) * 10.0).collect();
        let times: Vec<f64> = noise(seed)
            .zip(&iterations)
            .map(|(factor, iterations)| (factor * nanoseconds * iterations).round())
            .collect();
        let sample = serde_json::json!({
            "sampling_mode": "Linear", "iters": iterations, "times": times,
        });
        let (group, function) = benchmark.split_once('/').unwrap_or((benchmark, ""));
        let benchmark = serde_json::json!({
            "group_id": group, "function_id": function, "value_str": null,
            "throughput": {"Bytes": 1024}, "full_id": benchmark,
            "directory_name": benchmark, "title": benchmark,
        });
        std::fs::write(folder.join("sample.json"), sample.to_string()).unwrap();
        std::fs::write(folder.join("benchmark.json"), benchmark.to_string()).unwrap();
    }

    /// The same under two names, as `--save-baseline` does.
    pub(crate) fn save_baseline(&self, benchmark: &str, name: &str, nanoseconds: f64, seed: usize) {
        self.save(benchmark, "new", nanoseconds, seed);
        self.save(benchmark, name, nanoseconds, seed);
    }

    /// Makes a saved result look as if it were this old.
    pub(crate) fn age(&self, benchmark: &str, name: &str, age: Duration) {
        let file = self.saved(benchmark, name).join("sample.json");
        let file = std::fs::File::options().write(true).open(file).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }
}
