//! The stages, in the order in which they run: what is quick to fail comes first.

use std::fmt;
use std::process::Command;

use clap::ValueEnum;

use crate::process::{cargo, independent_cargo, read};
use crate::workspace::Workspace;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Stage {
    Format,
    Invariants,
    Guests,
    Clippy,
    Tests,
    Soak,
    Doctests,
    Benches,
    Docs,
    Optimised,
    GuestTests,
}

/// All failures of a run are of interest, and of the tests that pass, only the slow ones.
const OF_NEXTEST: [&str; 3] = ["--no-fail-fast", "--status-level", "slow"];

/// Work of a stage.
pub(super) enum Check {
    Commands(Vec<Command>),
    Invariants,
    Guests,
    Soak,
    /// It cannot run here. Says what is missing.
    Missing(String),
}

impl Stage {
    /// The stages that run if none is named.
    pub(super) fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }

    /// Names what a stage that passed has not tested after all, because a program is not installed.
    pub(super) fn untested(self) -> Vec<&'static str> {
        let left_out = [
            (
                has_postgresql(),
                "NOT TESTED: the analyzer's store on a server, as PostgreSQL (initdb, postgres) is \
                 not installed here",
            ),
            (
                is_on_path(&["jq"]),
                "NOT TESTED: how the workflow in docs finds its comment again, as `jq` is not \
                 installed here",
            ),
            (is_on_path(&["go"]), "NOT TESTED: guests by Go, as `go` is not installed here"),
            (
                is_on_path(&["zig", "python-zig"]),
                "NOT TESTED: guests in Zig, C and C++, as `zig` is not installed here",
            ),
            (
                is_on_path(&["asc"]),
                "NOT TESTED: guests in AssemblyScript, as `asc` is not installed here",
            ),
        ];
        match self {
            Self::Tests => left_out
                .into_iter()
                .filter_map(|(is_there, line)| (!is_there).then_some(line))
                .collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Format => "the sources are formatted",
            Self::Invariants => {
                "what may depend on what, where unsafe code may be, and where documents link to"
            }
            Self::Guests => "the guests compile",
            Self::Clippy => "no warnings",
            Self::Tests => "unit and integration tests",
            Self::Soak => "bad days in short, against the analyzer as it is",
            Self::Doctests => "the examples in the documentation",
            Self::Benches => "each benchmark runs once",
            Self::Docs => "the documentation has no broken links",
            Self::Optimised => "what is shipped and a benchmark compile with optimisation",
            Self::GuestTests => "the guests' own tests, natively",
        }
    }

    pub(super) fn check(self, workspace: &Workspace) -> Check {
        let guests = workspace.guest_modules();
        let root = |arguments: &[&str]| in_workspace(workspace, arguments);
        match self {
            // Without `--all`, which would follow the guests' dependencies out of their workspace.
            Self::Format => with_component("fmt", "rustfmt", || {
                let elsewhere = |folder| {
                    let mut fmt = independent_cargo();
                    fmt.args(["fmt", "--check"]).current_dir(folder);
                    fmt
                };
                vec![root(&["fmt", "--check"]), elsewhere(&guests), elsewhere(&workspace.peers())]
            }),
            Self::Invariants => Check::Invariants,
            Self::Guests => Check::Guests,
            Self::Soak => Check::Soak,
            Self::Clippy => with_component("clippy", "clippy", || {
                let warnings = ["--", "-Dwarnings"];
                let mut of_guests = native_guests(workspace, "clippy");
                of_guests.args(["--workspace", "--locked", "--all-targets"]).args(warnings);
                let mut ours = root(&["clippy", "--workspace", "--locked", "--all-targets"]);
                ours.args(warnings);
                vec![ours, of_guests]
            }),
            Self::Tests => Check::Commands(vec![if has("nextest") {
                let mut tests = root(&["nextest", "run", "--workspace", "--locked"]);
                tests.args(OF_NEXTEST);
                tests
            } else {
                let mut tests = root(&["test", "--workspace", "--locked"]);
                tests.args(["--lib", "--bins", "--tests", "--no-fail-fast"]);
                tests
            }]),
            Self::Doctests => Check::Commands(vec![root(&[
                "test",
                "--workspace",
                "--locked",
                "--doc",
                "--no-fail-fast",
            ])]),
            // Without `--bench`, Criterion runs each benchmark once and measures nothing. Compiled
            // like the tests, so that the runtime is not compiled again.
            Self::Benches => Check::Commands(vec![root(&[
                "test",
                "--workspace",
                "--locked",
                "--benches",
                "--no-fail-fast",
            ])]),
            Self::Docs => {
                let mut docs = root(&["doc", "--workspace", "--locked", "--no-deps"]);
                docs.env("RUSTDOCFLAGS", "-Dwarnings");
                Check::Commands(vec![docs])
            }
            // Only the members are compiled anew: what they depend on has an optimisation of its own in the profile.
            // With incremental compilation, the compiler inlines nothing of its own accord, and finds no fault in that.
            Self::Optimised => {
                let mut build =
                    root(&["build", "--workspace", "--locked", "--bins", "--bench", "core"]);
                build.env("CARGO_PROFILE_DEV_OPT_LEVEL", "3").env("CARGO_INCREMENTAL", "0");
                Check::Commands(vec![build])
            }
            Self::GuestTests => Check::Commands(vec![if has("nextest") {
                let mut tests = native_guests(workspace, "nextest");
                tests.args(["run", "--workspace", "--locked"]).args(OF_NEXTEST);
                tests
            } else {
                let mut tests = native_guests(workspace, "test");
                tests.args(["--workspace", "--locked", "--lib", "--bins"]);
                tests
            }]),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

fn in_workspace(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = cargo();
    command.args(arguments).current_dir(workspace.root());
    command
}

/// A cargo for the guests as native programs, which need no target folder as large as the runtime's.
fn native_guests(workspace: &Workspace, subcommand: &str) -> Command {
    let mut command = independent_cargo();
    command
        .arg(subcommand)
        .current_dir(workspace.guest_modules())
        .env("CARGO_TARGET_DIR", workspace.guest_build().join("native"));
    command
}

fn with_component(
    subcommand: &str,
    component: &str,
    commands: impl FnOnce() -> Vec<Command>,
) -> Check {
    if has(subcommand) {
        Check::Commands(commands())
    } else {
        let remedy = format!("{component} is not installed: rustup component add {component}");
        Check::Missing(remedy)
    }
}

/// Whether one of these programs is on the path.
fn is_on_path(names: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| names.iter().any(|name| folder.join(name).is_file()))
}

/// Whether the tests find a server that they can start: on the path, or where Debian keeps it.
fn has_postgresql() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders =
        std::env::split_paths(&path).chain(debian.map(|version| version.path().join("bin")));
    folders.any(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

fn has(subcommand: &str) -> bool {
    read(cargo().args([subcommand, "--version"])).is_ok()
}
