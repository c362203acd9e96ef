//! Which packages make up the toolchain.
//!
//! Named here are only the three at the root. The rest follows from their dependencies, as in the
//! machine's own package lists: the names of some carry the version.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::apt::{Apt, Package};
use crate::process::read;

/// The compiler, the sources of its standard library, and a C library for WASI.
const ROOTS: [&str; 3] = ["rustc-web", "rust-web-src", "wasi-libc"];

/// Packages that these need to link programs for the machine itself. Whoever builds this workspace has it already,
/// from wherever it came.
const NATIVE_LINKING: [&str; 3] = ["gcc", "libc-dev", "binutils"];

/// Part of the compiler: it must lie beside it, even where the machine has it installed as well.
const BESIDE_THE_COMPILER: &str = "libstd-rust-web";

/// The packages that each package depends on; of alternatives, the first.
type Dependencies = BTreeMap<String, Vec<String>>;

/// Finds all packages of the toolchain that the machine does not have.
pub(super) fn resolve(apt: &Apt) -> Result<Vec<Package>> {
    let dependencies = parse_dependencies(&apt.dependencies(&ROOTS)?);
    let installed = installed()?;
    let names = closure(&dependencies, &installed);
    names.into_iter().map(|name| candidate(apt, name)).collect()
}

fn candidate(apt: &Apt, name: String) -> Result<Package> {
    let policy = apt.policy(&name)?;
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
    let version = version
        .filter(|version| *version != "(none)")
        .with_context(|| format!("Debian's package lists have no package {name}"))?
        .to_owned();
    Ok(Package { name, version })
}

fn installed() -> Result<BTreeSet<String>> {
    let format = "-f=${db:Status-Status} ${Package}\n";
    let listing = read(Command::new("dpkg-query").args(["-W", format]))?;
    let names = listing.lines().filter_map(|line| line.strip_prefix("installed "));
    Ok(names.map(str::to_owned).collect())
}

/// Parses the output of `apt-cache depends`.
fn parse_dependencies(text: &str) -> Dependencies {
    let mut dependencies = Dependencies::new();
    let mut package = None;
    let mut after_alternative = false;
    for line in text.lines() {
        if !line.starts_with([' ', '|']) {
            package = Some(dependencies.entry(line.trim().to_owned()).or_default());
            after_alternative = false;
            continue;
        }
        // Deeper lines list who provides a virtual package.
        let Some((kind, name)) = line.trim().split_once(": ") else { continue };
        let is_alternative = kind.starts_with('|');
        let is_hard = matches!(kind.trim_start_matches('|'), "Depends" | "PreDepends");
        if let Some(needed) = &mut package
            && is_hard
            && !after_alternative
        {
            needed.push(name.trim_matches(['<', '>']).to_owned());
        }
        after_alternative = is_alternative;
    }
    dependencies
}

/// Follows the dependencies of the roots as far as the machine lacks them.
fn closure(dependencies: &Dependencies, installed: &BTreeSet<String>) -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    let mut open: VecDeque<String> = ROOTS.iter().map(|&root| root.to_owned()).collect();
    while let Some(name) = open.pop_front() {
        let is_part = ROOTS.contains(&name.as_str()) || name.starts_with(BESIDE_THE_COMPILER);
        let is_there = installed.contains(&name) || NATIVE_LINKING.contains(&name.as_str());
        if (is_part || !is_there) && needed.insert(name.clone()) {
            open.extend(dependencies.get(&name).into_iter().flatten().cloned());
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPENDS: &str = "\
rustc-web
  Depends: libc6
  Depends: libstd-rust-web-dev
  Depends: gcc
 |Depends: libz3-4
  Depends: z3-from-elsewhere
  Depends: <libc-dev>
    libc6-dev
libstd-rust-web-dev
  Depends: libstd-rust-web-1.96
libstd-rust-web-1.96
  PreDepends: libllvm22
  Suggests: lld-22
libz3-4
gcc
  Depends: cpp
";

    #[test]
    fn of_alternatives_the_first_is_taken() {
        let dependencies = parse_dependencies(DEPENDS);
        let expected = ["libc6", "libstd-rust-web-dev", "gcc", "libz3-4", "libc-dev"];
        assert_eq!(dependencies["rustc-web"], expected);
        assert_eq!(dependencies["libstd-rust-web-1.96"], ["libllvm22"]);
    }

    #[test]
    fn what_the_machine_has_is_not_downloaded_again() {
        let dependencies = parse_dependencies(DEPENDS);
        let installed = ["libc6", "libz3-4"].map(str::to_owned).into();
        let needed: Vec<_> = closure(&dependencies, &installed).into_iter().collect();
        let expected = [
            "libllvm22",
            "libstd-rust-web-1.96",
            "libstd-rust-web-dev",
            "rust-web-src",
            "rustc-web",
            "wasi-libc",
        ];
        assert_eq!(needed, expected);
    }

    #[test]
    fn parts_of_the_compiler_are_taken_even_where_they_are_installed() {
        let dependencies = parse_dependencies(DEPENDS);
        let installed =
            ["libc6", "libz3-4", "libstd-rust-web-1.96", "libllvm22"].map(str::to_owned).into();
        let needed = closure(&dependencies, &installed);
        assert!(needed.contains("libstd-rust-web-1.96"));
        assert!(!needed.contains("libllvm22"));
    }
}
