//! Other targets than this machine: what compiles for them, and what passes its tests there.

use std::process::Command;

use clap::ValueEnum;

use super::Work;
use super::stage::Check;
use crate::process::{cargo, is_on_path, read};
use crate::workspace::Workspace;

/// A target that something is promised of. README has the tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Target {
    #[value(name = "aarch64-unknown-linux-gnu")]
    Aarch64Linux,
    #[value(name = "x86_64-unknown-linux-musl")]
    Musl,
    #[value(name = "aarch64-apple-darwin")]
    MacOs,
    #[value(name = "x86_64-pc-windows-gnu")]
    Windows,
}

/// Runner of a target's programs.
enum Runner {
    /// This machine.
    Itself,
    /// One of these emulators, with the libraries in that folder.
    Emulator(&'static [&'static str], &'static str),
    /// None that could be here.
    Nothing,
}

impl Target {
    fn triple(self) -> &'static str {
        match self {
            Self::Aarch64Linux => "aarch64-unknown-linux-gnu",
            Self::Musl => "x86_64-unknown-linux-musl",
            Self::MacOs => "aarch64-apple-darwin",
            Self::Windows => "x86_64-pc-windows-gnu",
        }
    }

    /// Packages that have to compile.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Aarch64Linux | Self::Musl => &["sandbox-core", "sandbox-guest", "bench-stats"],
            Self::MacOs | Self::Windows => &["sandbox-guest", "bench-stats"],
        }
    }

    /// The compiler of the C in what they need, which links too; and how to get it.
    fn compiler(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Aarch64Linux => {
                Some(("aarch64-linux-gnu-gcc", "apt install gcc-aarch64-linux-gnu"))
            }
            Self::Musl => Some(("musl-gcc", "apt install musl-tools")),
            // Those packages have no C, and are not linked.
            Self::MacOs | Self::Windows => None,
        }
    }

    fn runner(self) -> Runner {
        match self {
            Self::Aarch64Linux => {
                Runner::Emulator(&["qemu-aarch64", "qemu-aarch64-static"], "/usr/aarch64-linux-gnu")
            }
            Self::Musl => Runner::Itself,
            Self::MacOs | Self::Windows => Runner::Nothing,
        }
    }

    /// Lists what is checked and tested, in order.
    pub(super) fn work(self, workspace: &Workspace) -> Vec<Work> {
        let (triple, packages) = (self.triple(), self.packages().join(", "));
        let missing = self.missing();
        let of = |check: Check| match &missing {
            Some(missing) => Check::Missing(missing.clone()),
            None => check,
        };
        let mut check = self.cargo(workspace, "check");
        check.args(self.packages().iter().flat_map(|package| ["--package", package]));
        vec![
            Work {
                name: "check".to_owned(),
                title: format!("{packages} compile for {triple}"),
                check: of(Check::Commands(vec![check])),
                untested: Vec::new(),
            },
            Work {
                name: "tests".to_owned(),
                title: format!("the unit tests of sandbox-core pass on {triple}"),
                check: of(self.tests(workspace)),
                untested: Vec::new(),
            },
        ]
    }

    fn tests(self, workspace: &Workspace) -> Check {
        let mut tests = self.cargo(workspace, "test");
        tests.args(["--package", "sandbox-core", "--lib", "--no-fail-fast"]);
        match self.runner() {
            Runner::Itself => {}
            Runner::Emulator(names, libraries) => {
                let Some(emulator) = names.iter().find(|name| is_on_path(&[**name])) else {
                    return Check::Missing(format!(
                        "NOT TESTED: {} is not installed: apt install qemu-user",
                        names.join(" or ")
                    ));
                };
                tests.env(self.variable("RUNNER"), format!("{emulator} -L {libraries}"));
            }
            Runner::Nothing => {
                return Check::Missing("NOT TESTED: nothing here runs its programs".to_owned());
            }
        }
        Check::Commands(vec![tests])
    }

    /// Says what is not installed that compiling takes.
    fn missing(self) -> Option<String> {
        let triple = self.triple();
        let mut libraries = Command::new("rustc");
        libraries.args(["--print", "target-libdir", "--target", triple]);
        let is_installed =
            read(&mut libraries).is_ok_and(|folder| std::path::Path::new(folder.trim()).is_dir());
        if !is_installed {
            return Some(format!(
                "NOT CHECKED: the standard library for {triple} is not installed: rustup target add {triple}"
            ));
        }
        let (compiler, remedy) = self.compiler()?;
        (!is_on_path(&[compiler])).then(|| {
            format!(
                "NOT CHECKED: {compiler}, for the C in dependencies, is not installed: {remedy}"
            )
        })
    }

    fn cargo(self, workspace: &Workspace, subcommand: &str) -> Command {
        let mut cargo = cargo();
        cargo
            .args([subcommand, "--locked", "--target", self.triple()])
            .current_dir(workspace.root());
        if let Some((compiler, _)) = self.compiler() {
            cargo.env(format!("CC_{}", self.triple().replace('-', "_")), compiler);
            cargo.env(self.variable("LINKER"), compiler);
        }
        cargo
    }

    /// The name of a variable by which cargo is told something about the target.
    fn variable(self, what: &str) -> String {
        format!("CARGO_TARGET_{}_{what}", self.triple().to_uppercase().replace('-', "_"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_is_told_of_a_compiler_for_the_target() {
        let workspace = Workspace::find().unwrap();
        let check = Target::Aarch64Linux.cargo(&workspace, "check");
        let variables: Vec<_> = check
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)))
            .collect();
        for name in
            ["CC_aarch64_unknown_linux_gnu", "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER"]
        {
            assert!(variables.contains(&(name, "aarch64-linux-gnu-gcc")), "{variables:?}");
        }
    }

    #[test]
    fn a_target_is_named_by_its_triple() {
        for target in Target::value_variants() {
            let value = target.to_possible_value().unwrap();
            assert_eq!(value.get_name(), target.triple());
        }
    }
}
