//! Programs that this one starts. Every one begins here, so that none inherits what is secret.

use std::ffi::OsStr;
use std::process::Command;

/// Variables that hold the address of the store, or how PostgreSQL is logged in to.
const OF_THE_STORE: [&str; 2] = ["BENCH_ANALYZER_DB", "PG*"];

/// What `git`, `rustc` and `cargo` go by when they are asked what is checked out and installed here.
const OF_TOOLS: [&str; 17] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_*",
    "TMPDIR",
    "XDG_*",
    "GIT_*",
    "CARGO*",
    "RUST*",
    "LD_LIBRARY_PATH",
    "DYLD_*",
    "NIX_*",
    "SystemRoot",
    "USERPROFILE",
    "BENCH_ANALYZER_FAMILY",
];

/// Parts of names whose values are secrets: `CARGO_REGISTRY_TOKEN`.
const TELLING: [&str; 4] = ["TOKEN", "PASSWORD", "SECRET", "CREDENTIAL"];

/// Makes a command that inherits every variable whose name `may_inherit`, but never what leads to
/// the store. A name that is no text is nobody's secret, and in nobody's list.
pub(crate) fn command(
    program: impl AsRef<OsStr>,
    may_inherit: impl Fn(Option<&str>) -> bool,
) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_str();
        if text.is_some_and(is_of_the_store) || !may_inherit(text) {
            command.env_remove(&name);
        }
    }
    command
}

/// Makes a command that asks a tool what is here. It inherits only what tools go by: which variables
/// hold secrets is not known before the suites are read.
pub(crate) fn tool(program: impl AsRef<OsStr>) -> Command {
    let mut command = command(program, |name| name.is_some_and(is_of_tools));
    // `git status` would lock the index for a moment, and another git of the user's would fail then.
    command.env("GIT_OPTIONAL_LOCKS", "0");
    command
}

/// Makes a command that inherits all but what leads to the store: the user's own.
pub fn own(program: impl AsRef<OsStr>) -> Command {
    command(program, |_| true)
}

/// Whether a variable leads to the store.
pub(crate) fn is_of_the_store(name: &str) -> bool {
    OF_THE_STORE.iter().any(|one| matches(one, name))
}

fn is_of_tools(name: &str) -> bool {
    OF_TOOLS.iter().any(|one| matches(one, name)) && !TELLING.iter().any(|part| name.contains(part))
}

/// Whether a name is the one of a list, which may end in `*`.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::*;

    #[test]
    fn tools_learn_what_they_go_by_and_no_secret() {
        for name in ["PATH", "GIT_DIR", "RUSTUP_TOOLCHAIN", "CARGO_HOME"] {
            assert!(is_of_tools(name), "{name}");
        }
        for name in ["SLACK_WEBHOOK", "PGPASSWORD", "CARGO_REGISTRY_TOKEN", "AWS_SECRET_KEY"] {
            assert!(!is_of_tools(name), "{name}");
        }
        let of = |command: Command| -> Vec<String> {
            let removed = command.get_envs().filter(|(_, value)| value.is_none());
            removed.map(|(name, _)| name.to_string_lossy().into_owned()).collect()
        };
        // Every test runs with variables that tools need not know.
        let removed = of(tool("git"));
        let kept = |name: &str| !removed.iter().any(|one| one == name);
        assert!(kept("PATH"));
        assert!(std::env::vars().all(|(name, _)| is_of_tools(&name) == kept(&name)));
        assert!(of(own("make")).iter().all(|name| is_of_the_store(name)));
    }

    /// Looks for the making of commands in all of the crate's code that is no test.
    #[test]
    fn every_program_is_started_from_here() {
        fn search(folder: &Utf8Path, found: &mut Vec<String>) {
            for entry in folder.read_dir_utf8().unwrap() {
                let path = entry.unwrap().into_path();
                if path.is_dir() {
                    search(&path, found);
                } else if path.extension() == Some("rs") && path.file_name() != Some("tests.rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
                    if code.contains("Command::new(") {
                        found.push(path.to_string());
                    }
                }
            }
        }
        let sources = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = Vec::new();
        search(&sources, &mut found);
        assert_eq!(found, [sources.join("child.rs")], "use `child::command`, `tool` or `own`");
    }
}
