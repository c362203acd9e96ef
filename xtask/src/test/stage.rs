//! The stages, in the order in which they run: what is quick to fail comes first.

use std::fmt;
use std::process::Command;
use std::sync::OnceLock;

use camino::Utf8PathBuf;
use clap::ValueEnum;

use super::{nightly, semver};
use crate::book;
use crate::fuzz;
use crate::process::{cargo, independent_cargo, is_on_path, read};
use crate::workspace::{Workspace, cargo_home};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Stage {
    Format,
    Invariants,
    Dependencies,
    Guests,
    Clippy,
    Models,
    Tests,
    Soak,
    Doctests,
    Benches,
    Docs,
    Book,
    Manuals,
    Packages,
    Semver,
    Optimised,
    GuestTests,
    FuzzTargets,
    Fuzz,
    Faults,
    Miri,
    Sanitizers,
}

/// All failures of a run are of interest, and of the tests that pass, only the slow ones.
const OF_NEXTEST: [&str; 3] = ["--no-fail-fast", "--status-level", "slow"];

/// How much is tested.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Stages that must pass before a change lands.
    Usual,
    /// And what searches by itself, in short.
    Thorough,
}

/// Work of a stage.
pub(super) enum Check {
    Commands(Vec<Command>),
    Invariants,
    Guests,
    Soak,
    Fuzz,
    #[cfg(target_os = "linux")]
    Faults,
    Book,
    Manuals,
    Packages,
    /// It cannot run here. Says what is missing.
    Missing(String),
}

impl Stage {
    /// The stages that run if none is named.
    pub(super) fn of(extent: Extent) -> Vec<Self> {
        let all = Self::value_variants().iter().copied();
        all.filter(|stage| extent == Extent::Thorough || !stage.is_thorough()).collect()
    }

    /// Whether it takes minutes more, and maybe a nightly toolchain.
    fn is_thorough(self) -> bool {
        matches!(
            self,
            Self::FuzzTargets | Self::Fuzz | Self::Faults | Self::Miri | Self::Sanitizers
        )
    }

    /// Names what a stage that passed has not tested after all, because something is not to be had here.
    pub(super) fn untested(self, workspace: &Workspace) -> Vec<&'static str> {
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
            (
                has_go(),
                "NOT TESTED: guests by Go, the kit for it and the tutorial, as Go 1.24 or newer is not installed here",
            ),
            (
                is_on_path(&["tinygo"]),
                "NOT TESTED: the kit for TinyGo, as `tinygo` is not installed here",
            ),
            (
                is_on_path(&["zig", "python-zig"]),
                "NOT TESTED: guests in Zig, C and C++ and the kits for them, as `zig` is not installed here",
            ),
            (
                is_on_path(&["asc"]),
                "NOT TESTED: guests in AssemblyScript and the kit for it, as `asc` is not installed here",
            ),
            (
                is_on_path(&["zig", "python-zig"]) && has_javascript_engine(workspace),
                "NOT TESTED: the kit for JavaScript, as `zig` or the engine's sources are not here: \
                 guest-kits/javascript/build.sh fetches those",
            ),
            (
                std::env::var_os("SANDBOX_TEST_DPRINT_MARKDOWN").is_some(),
                "NOT TESTED: a plugin of others driven by a session, as SANDBOX_TEST_DPRINT_MARKDOWN names none",
            ),
        ];
        match self {
            Self::Dependencies => match advisories(workspace) {
                Advisories::Current => Vec::new(),
                Advisories::OfEarlier => vec![
                    "NOT TESTED: advisories of the last days, as the RustSec database cannot be \
                     fetched: an earlier copy was asked",
                ],
                Advisories::Nowhere => {
                    vec!["NOT TESTED: advisories, as the RustSec database cannot be fetched here"]
                }
            },
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
            Self::Dependencies => "licences, sources and advisories of all that is depended on",
            Self::Guests => "the guests compile",
            Self::Clippy => "no warnings",
            Self::Models => "every order in which threads take turns, permits and instances",
            Self::Tests => "unit and integration tests",
            Self::Soak => "bad days in short, against the analyzer as it is",
            Self::Doctests => "the examples in the documentation",
            Self::Benches => "each benchmark runs once",
            Self::Docs => "the documentation has no broken links",
            Self::Book => "the documents are a book, and its links lead somewhere",
            Self::Manuals => "both programs have man pages and completions",
            Self::Packages => {
                "what is published can be packed, and the small crates compile from that"
            }
            Self::Semver => "libraries since the last release, against what their versions promise",
            Self::Optimised => "what is shipped and a benchmark compile with optimisation",
            Self::GuestTests => "the guests' own tests, natively",
            Self::FuzzTargets => "the fuzz targets on their seeds and on changes of them",
            Self::Fuzz => "a short search with each fuzz target",
            Self::Faults => "an error, and nothing worse, where a system call fails",
            Self::Miri => "no undefined behaviour in what Miri can run",
            Self::Sanitizers => "no race and no bad access in what sanitizers can run",
        }
    }

    pub(super) fn check(self, workspace: &Workspace) -> Check {
        let guests = workspace.guest_modules();
        let root = |arguments: &[&str]| in_workspace(workspace, arguments);
        match self {
            // Without `--all`, which would follow the guests' dependencies out of their workspace.
            Self::Format => with_component("fmt", "rustfmt", || {
                let elsewhere = |folder: &Utf8PathBuf| {
                    let mut fmt = independent_cargo();
                    fmt.args(["fmt", "--check"]).current_dir(folder);
                    fmt
                };
                let others = [&guests, &workspace.fuzz(), &workspace.models(), &workspace.peers()];
                [root(&["fmt", "--check"])].into_iter().chain(others.map(elsewhere)).collect()
            }),
            Self::Invariants => Check::Invariants,
            Self::Dependencies => {
                if !has("deny") {
                    let remedy = "cargo-deny is not installed: cargo install --locked cargo-deny";
                    return Check::Missing(remedy.to_owned());
                }
                let check = match advisories(workspace) {
                    Advisories::Current => root(&["deny", "--locked", "check"]),
                    Advisories::OfEarlier => root(&["deny", "--locked", "--offline", "check"]),
                    Advisories::Nowhere => {
                        root(&["deny", "--locked", "check", "bans", "licenses", "sources"])
                    }
                };
                Check::Commands(vec![check])
            }
            Self::Guests => Check::Guests,
            Self::Soak => Check::Soak,
            Self::Clippy => with_component("clippy", "clippy", || {
                let warnings = ["--", "-Dwarnings"];
                let mut of_guests = native_guests(workspace, "clippy");
                of_guests.args(["--workspace", "--locked", "--all-targets"]).args(warnings);
                let mut ours = root(&["clippy", "--workspace", "--locked", "--all-targets"]);
                ours.args(warnings);
                // What `cargo xtask bench` compiles.
                let mut without_features = root(&["clippy", "-p", "bench-analyzer", "--locked"]);
                without_features.arg("--no-default-features").args(warnings);
                // What whoever depends on them compiles: features of tests are not on.
                let mut as_used = root(&["clippy", "-p", "sandbox-core", "-p", "sandbox-cli"]);
                as_used.arg("--locked").args(warnings);
                vec![ours, without_features, as_used, of_guests]
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
            Self::Models => {
                let mut models = independent_cargo();
                models.args(["test", "--quiet", "--locked", "-p", "models"]);
                models.current_dir(workspace.models());
                models.env("CARGO_TARGET_DIR", workspace.models_build());
                Check::Commands(vec![models])
            }
            Self::FuzzTargets => {
                if let Some(missing) = fuzz::missing() {
                    return Check::Missing(missing);
                }
                let mut tests = independent_cargo();
                tests.args(["test", "--locked", "--test", "targets"]).current_dir(workspace.fuzz());
                tests.env("CARGO_TARGET_DIR", workspace.fuzz_build());
                // As the targets are compiled, or the two would have to be compiled by turns.
                match fuzz::coverage::set_up(&mut tests) {
                    Ok(()) => Check::Commands(vec![tests]),
                    Err(error) => Check::Missing(format!("{error:#}")),
                }
            }
            Self::Fuzz => fuzz::missing().map_or(Check::Fuzz, Check::Missing),
            #[cfg(target_os = "linux")]
            Self::Faults => Check::Faults,
            #[cfg(not(target_os = "linux"))]
            Self::Faults => Check::Missing("only Linux has filters of system calls".to_owned()),
            Self::Miri => nightly::miri(workspace).map_or_else(Check::Missing, Check::Commands),
            Self::Sanitizers => {
                nightly::sanitizers(workspace).map_or_else(Check::Missing, Check::Commands)
            }
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
            Self::Book => book::missing().map_or(Check::Book, Check::Missing),
            Self::Manuals => Check::Manuals,
            Self::Packages => Check::Packages,
            Self::Semver => {
                semver::comparison(workspace).map_or_else(Check::Missing, Check::Commands)
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

/// Where known faults of dependencies are looked up.
#[derive(Clone, Copy)]
enum Advisories {
    Current,
    /// In a copy that was fetched before.
    OfEarlier,
    Nowhere,
}

/// Fetches the database of advisories, once.
fn advisories(workspace: &Workspace) -> Advisories {
    static FOUND: OnceLock<Advisories> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let succeeds = |arguments: &[&str]| read(&mut in_workspace(workspace, arguments)).is_ok();
        if succeeds(&["deny", "fetch", "db"]) {
            Advisories::Current
        } else if has_copy_of_advisories() {
            Advisories::OfEarlier
        } else {
            Advisories::Nowhere
        }
    })
}

/// Whether there is a copy of the database, where cargo-deny keeps it.
fn has_copy_of_advisories() -> bool {
    let databases = cargo_home().map(|home| home.join("advisory-dbs"));
    databases.and_then(|folder| Ok(folder.read_dir_utf8()?.next().is_some())).unwrap_or(false)
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

/// Whether the tests find a server that they can start: on the path, or where Debian keeps it.
fn has_postgresql() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders =
        std::env::split_paths(&path).chain(debian.map(|version| version.path().join("bin")));
    folders.any(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

/// Whether the tests find a Go that exports functions.
fn has_go() -> bool {
    let go = std::env::var_os("SANDBOX_TEST_GO").unwrap_or_else(|| "go".into());
    let version = read(Command::new(go).args(["env", "GOVERSION"])).unwrap_or_default();
    let minor = version.trim().strip_prefix("go1.").and_then(|rest| rest.split('.').next());
    minor.and_then(|minor| minor.parse().ok()).is_some_and(|minor: u32| minor >= 24)
}

/// Whether the tests find what the kit for JavaScript is built from.
fn has_javascript_engine(workspace: &Workspace) -> bool {
    let fetched = workspace.root().join("guest-kits/javascript/build/vendor/rquickjs-sys/quickjs");
    std::env::var_os("SANDBOX_TEST_QUICKJS").is_some() || fetched.is_dir()
}

fn has(subcommand: &str) -> bool {
    read(cargo().args([subcommand, "--version"])).is_ok()
}
