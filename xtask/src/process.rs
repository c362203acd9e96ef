//! Running other programs, with errors that name the program and say what it said.

use std::env;
use std::ffi::OsStr;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, anyhow};

/// Runs a program to its end and returns what it wrote to its standard output.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = capture(command)?;
    if !output.status.success() {
        return Err(failure(command, &output));
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("failed to read the output of {}: not UTF-8", name(command)))
}

/// Runs a program to its end, whatever its exit code.
pub(crate) fn capture(command: &mut Command) -> Result<Output> {
    command.output().with_context(|| format!("failed to start {}", name(command)))
}

/// The error for a program that ended badly: its exit code and the lines that matter.
pub(crate) fn failure(command: &Command, output: &Output) -> anyhow::Error {
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow!("{} ended with {}: {}", name(command), output.status, essence(&said))
}

/// Picks out of what a program wrote to its standard error, on one line: its `error` lines, or else its last line.
pub(crate) fn essence(stderr: &str) -> String {
    let is_error = |line: &&str| {
        let start = line.split([':', ' ']).next().unwrap_or_default();
        matches!(start, "error" | "E" | "Err")
    };
    let mut lines = stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let errors: Vec<&str> = lines.clone().filter(is_error).take(3).collect();
    if errors.is_empty() {
        lines.next_back().unwrap_or("no message").to_owned()
    } else {
        errors.join("; ")
    }
}

/// The cargo that started this program. What it told this program about its package is kept from it: build
/// scripts that read the same variables, such as the one of `ring`, would run again in each build that begins
/// here, and in the next one that does not, and half the analyzer would be compiled after them.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (variable, _) in env::vars_os() {
        if is_about_this_package(&variable) {
            command.env_remove(variable);
        }
    }
    command
}

fn is_about_this_package(variable: &OsStr) -> bool {
    let about = [
        "CARGO_BIN_NAME",
        "CARGO_CRATE_NAME",
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_PRIMARY_PACKAGE",
    ];
    variable.to_str().is_some_and(|name| about.iter().any(|start| name.starts_with(start)))
}

/// A cargo for another workspace, another compiler, or both: nothing of the outer cargo's
/// environment reaches it, except how to reach the network and where its home is.
pub(crate) fn independent_cargo() -> Command {
    independent(cargo())
}

/// A cargo of another toolchain, as independent, where rustup has it.
pub(crate) fn cargo_of(toolchain: &str) -> Command {
    let mut cargo = independent(Command::new("cargo"));
    cargo.arg(format!("+{toolchain}"));
    cargo
}

fn independent(mut command: Command) -> Command {
    for (variable, _) in env::vars_os() {
        if belongs_to_outer_build(&variable) {
            command.env_remove(variable);
        }
    }
    command
}

fn belongs_to_outer_build(variable: &OsStr) -> bool {
    const KEPT: [&str; 6] = [
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTRIES_",
        "CARGO_REGISTRY_",
        "CARGO_TERM_",
    ];
    let Some(variable) = variable.to_str() else { return false };
    let of_cargo =
        variable.starts_with("CARGO_") && !KEPT.iter().any(|kept| variable.starts_with(kept));
    of_cargo || (variable.starts_with("RUST") && !variable.starts_with("RUSTUP_"))
}

/// Whether one of these programs is on the path.
pub(crate) fn is_on_path(names: &[&str]) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| names.iter().any(|name| folder.join(name).is_file()))
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inner_cargo_keeps_the_network_settings_and_loses_the_build() {
        for lost in ["CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WRAPPER"] {
            assert!(belongs_to_outer_build(OsStr::new(lost)), "{lost}");
        }
        for kept in ["CARGO_HOME", "CARGO_HTTP_PROXY", "RUSTUP_TOOLCHAIN", "PATH", "CARGO"] {
            assert!(!belongs_to_outer_build(OsStr::new(kept)), "{kept}");
        }
    }

    #[test]
    fn the_same_cargo_is_not_told_of_this_package_but_of_everything_else() {
        // The tests are started by cargo too, and told of their package.
        let of_package = ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION_PRE"];
        let cargo = cargo();
        let removed: Vec<_> = cargo.get_envs().filter(|(_, value)| value.is_none()).collect();
        for name in of_package {
            assert!(removed.iter().any(|(variable, _)| *variable == name), "{name} is passed on");
        }
        for kept in ["CARGO_TARGET_DIR", "CARGO_HOME", "RUSTFLAGS", "CARGO_PROFILE_DEV_OPT_LEVEL"] {
            assert!(!is_about_this_package(OsStr::new(kept)), "{kept} is not passed on");
        }
    }

    #[test]
    fn the_essence_of_a_complaint_is_its_error_lines() {
        let said = "Reading...\nE: Unable to locate package rustc-web\nW: something else\n";
        assert_eq!(essence(said), "E: Unable to locate package rustc-web");
        assert_eq!(essence("Errors were many\nand the last line\n"), "and the last line");
        assert_eq!(essence("\n"), "no message");
    }
}
