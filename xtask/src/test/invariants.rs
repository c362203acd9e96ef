//! Rules about the workspace as a whole that no compiler checks.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, anyhow, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{features, layers, named_tests, publishing};
use crate::book;
use crate::links;
use crate::process::{capture, cargo, failure, read};
use crate::workspace::Workspace;

/// They must compile in seconds, and the first three are of use without the sandbox.
const WITHOUT_WASMER: [&str; 6] = [
    "bench-analyzer",
    "bench-stats",
    "sandbox-guest",
    "sandbox-guest-macros",
    "workspace-features",
    "xtask",
];

/// A crate of pure functions.
const PURE: &str = "bench-stats";

/// Packages that such a crate must not need: databases, runtimes, command lines, files, networks.
const OF_INPUT_AND_OUTPUT: [&str; 8] =
    ["camino", "clap", "fs-err", "rustix", "sqlx", "tempfile", "tokio", "ureq"];

/// Packages that are there for Wasmer packages and for the comparison with WASIX only.
const OF_WASIX: [&str; 4] = ["virtual-", "wasmer-package", "wasmer-wasix", "webc"];

/// Packages of Wasmer that production use takes a sponsorship for.
const OWN_LICENCE: &str = "wasmer-compiler-singlepass";

/// Packages that are there for pictures as pixels, alerts and servers far away.
const OF_EXTRAS: [&str; 5] = ["lettre ", "resvg ", "rustls ", "ureq ", "usvg "];

/// They do without those packages if their features are off, and `cargo xtask bench` compiles them so.
const WITHOUT_FEATURES: [(&str, &[&str]); 3] =
    [("sandbox-core", &OF_WASIX), ("sandbox-bench", &OF_WASIX), ("bench-analyzer", &OF_EXTRAS)];

/// Documents that say how many crates the library needs.
const OF_COUNTS: [&str; 2] = ["README.md", "crates/sandbox-core/README.md"];

/// Where unsafe code may be: one place for each crate that needs any. Everywhere else the lint
/// `unsafe_code` denies it.
const UNSAFE: [&str; 9] = [
    "benches/peers/on_wasmtime/src/artifact.rs",
    "crates/bench-analyzer/src/sys.rs",
    "crates/sandbox-bench/src/resources/snapshot.rs",
    "crates/sandbox-core/src/sys",
    "crates/sandbox-guest/macros/src/expansion.rs",
    "crates/sandbox-guest/src/exports.rs",
    "crates/sandbox-guest/src/imports.rs",
    "guest-modules/hostile/src/lies.rs",
    "xtask/src/faults/injection.rs",
];

pub(super) fn check(workspace: &Workspace) -> Result<()> {
    for package in WITHOUT_WASMER {
        check_without_wasmer(workspace, package)?;
    }
    check_pure(workspace)?;
    for (package, optional) in WITHOUT_FEATURES {
        check_without_features(workspace, package, optional)?;
    }
    check_without_singlepass(workspace, "sandbox-core")?;
    let mut broken = Vec::new();
    for folder in ["benches", "crates", "fuzz", "guest-modules", "models", "xtask"] {
        check_folder(workspace.root(), &workspace.root().join(folder), &mut broken)?;
    }
    broken.extend(features::check(workspace)?);
    broken.extend(layers::check(workspace.root())?);
    broken.extend(links::check(workspace.root())?);
    broken.extend(book::unlisted(workspace.root())?);
    broken.extend(miscounted(workspace)?);
    broken.extend(named_tests::check(workspace.root())?);
    broken.extend(publishing::check(workspace)?);
    let peers = workspace.peers();
    let manifest = fs::read_to_string(peers.join("Cargo.toml"))?;
    let lock = fs::read_to_string(peers.join("Cargo.lock"))?;
    broken.extend(unlocked(&manifest, &lock).into_iter().map(|pinned| {
        format!("benches/peers/Cargo.lock has not {pinned}: run `cargo update --workspace` there")
    }));
    let lock = fs::read_to_string(workspace.fuzz().join("Cargo.lock"))?;
    for package in ["bench-analyzer", "bench-stats", "sandbox-core"] {
        let manifest = workspace.root().join("crates").join(package).join("Cargo.toml");
        let missing = not_in_lock(package, &fs::read_to_string(manifest)?, &lock);
        broken.extend(missing.into_iter().map(|needed| {
            format!("fuzz/Cargo.lock has not {needed} of {package}: run `cargo metadata` there")
        }));
    }
    if broken.is_empty() { Ok(()) } else { Err(anyhow!(broken.join("\n       "))) }
}

fn check_without_wasmer(workspace: &Workspace, package: &str) -> Result<()> {
    let mut tree = cargo();
    tree.args(["tree", "--locked", "-p", package, "-i", "wasmer"]).current_dir(workspace.root());
    let output = capture(&mut tree)?;
    let paths = String::from_utf8_lossy(&output.stdout);
    if paths.contains("wasmer") {
        bail!("{package} must not depend on wasmer, and does:\n{paths}");
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() || said.contains("did not match any packages") {
        Ok(())
    } else {
        Err(failure(&tree, &output)).with_context(|| format!("failed to list what {package} needs"))
    }
}

fn check_pure(workspace: &Workspace) -> Result<()> {
    let mut tree = cargo();
    tree.args(["tree", "--locked", "-p", PURE, "-e", "normal", "--prefix", "none"]);
    let needed = read(tree.current_dir(workspace.root()))
        .with_context(|| format!("failed to list what {PURE} needs"))?;
    let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    match needed.lines().map(name).find(|name| OF_INPUT_AND_OUTPUT.contains(&name.as_str())) {
        None => Ok(()),
        Some(found) => bail!("{PURE} does no input and output, so it must not depend on {found}"),
    }
}

/// Lists the packages that a package is built with, one a line.
fn needed(workspace: &Workspace, package: &str, features: &[&str]) -> Result<String> {
    let mut tree = cargo();
    tree.args(["tree", "--locked", "-p", package, "-e", "normal,build", "--prefix", "none"]);
    tree.args(features).current_dir(workspace.root());
    read(&mut tree).with_context(|| format!("failed to list what {package} needs"))
}

/// Whoever does not ask for a compiler under a licence of its own does not get it.
fn check_without_singlepass(workspace: &Workspace, package: &str) -> Result<()> {
    let has_it = |features: &[&str]| {
        Ok::<_, anyhow::Error>(needed(workspace, package, features)?.contains(OWN_LICENCE))
    };
    if has_it(&[])? {
        bail!("{package} must not depend on {OWN_LICENCE} without its feature `singlepass`");
    }
    if !has_it(&["--features", "singlepass"])? {
        bail!("{package} does not depend on {OWN_LICENCE} with its feature `singlepass`");
    }
    Ok(())
}

fn check_without_features(workspace: &Workspace, package: &str, optional: &[&str]) -> Result<()> {
    let needed = |features: &[&str]| needed(workspace, package, features);
    let without = needed(&["--no-default-features"])?;
    if let Some(found) = listed(&without, optional).next() {
        bail!("{package} must not depend on {found} without its default features");
    }
    // Or the names in the list would be those of nothing.
    if listed(&needed(&[])?, optional).next().is_none() {
        bail!("{package} depends on nothing of {optional:?} with its default features");
    }
    Ok(())
}

/// Returns the documents in which the number of crates that the library needs is another than it is.
fn miscounted(workspace: &Workspace) -> Result<Vec<String>> {
    let count = |features: &[&str]| {
        // On other systems it is another number.
        let of_linux = [&["--target", "x86_64-unknown-linux-gnu"], features].concat();
        needed(workspace, "sandbox-core", &of_linux).map(|packages| distinct(&packages) - 1)
    };
    let (without, with) = (count(&["--no-default-features"])?, count(&[])?);
    let sentence = format!("without it the library needs {without} crates instead of {with}");
    let mut broken = Vec::new();
    for document in OF_COUNTS {
        let text = fs::read_to_string(workspace.root().join(document))?;
        if !text.split_whitespace().collect::<Vec<_>>().join(" ").contains(&sentence) {
            broken.push(format!("{document} does not say that {sentence}"));
        }
    }
    Ok(broken)
}

/// Number of packages in a list with one a line, in which those that were there before are marked.
fn distinct(packages: &str) -> usize {
    let packages: BTreeSet<&str> = packages
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty())
        .collect();
    packages.len()
}

/// The lines of a list with one package a line that begin with one of these.
fn listed<'l>(packages: &'l str, names: &[&str]) -> impl Iterator<Item = &'l str> {
    let is_one = |line: &&str| names.iter().any(|name| line.starts_with(name));
    packages.lines().filter(is_one)
}

fn check_folder(root: &Utf8Path, folder: &Utf8Path, broken: &mut Vec<String>) -> Result<()> {
    for entry in folder.read_dir_utf8().with_context(|| format!("failed to read {folder}"))? {
        let path = entry.with_context(|| format!("failed to read {folder}"))?.into_path();
        if path.is_dir() {
            if path.file_name() != Some("target") {
                check_folder(root, &path, broken)?;
            }
            continue;
        }
        let relative = path.strip_prefix(root).unwrap_or(&path).to_owned();
        if path.file_name() == Some("Cargo.toml") {
            if !has_common_lints(&fs::read_to_string(&path)?) {
                broken.push(format!("{relative} does not inherit the lints of its workspace"));
            }
        } else if path.extension() == Some("rs")
            && lifts_unsafe_lint(&fs::read_to_string(&path)?)
            && !may_be_unsafe(&relative)
        {
            broken.push(format!("{relative} allows unsafe code, which has places of its own"));
        }
    }
    Ok(())
}

fn may_be_unsafe(file: &Utf8PathBuf) -> bool {
    UNSAFE.iter().any(|place| file.starts_with(place))
}

/// Whether a package's manifest says `[lints] workspace = true`; a workspace's need not.
fn has_common_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_package = lines.clone().any(|line| line == "[package]");
    !is_package || (lines.any(|line| line == "[lints]") && lines.next() == Some("workspace = true"))
}

/// The versions that a manifest pins exactly and its lock file does not have. Cargo finds that out itself, but only
/// where the registry can be reached or was, and the other engines are compiled by hand.
fn unlocked(manifest: &str, lock: &str) -> Vec<String> {
    let pinned = manifest.lines().filter_map(|line| {
        let (name, requirement) = line.split_once(" = ")?;
        let (_, version) = requirement.split_once("\"=")?;
        let (version, _) = version.split_once('"')?;
        Some(format!("{name} {version}"))
    });
    let lines: Vec<&str> = lock.lines().collect();
    let locked: Vec<String> = lines
        .windows(2)
        .filter_map(|pair| {
            let quoted =
                |line: &str, key| Some(line.strip_prefix(key)?.trim_matches('"').to_owned());
            let (name, version) = (quoted(pair[0], "name = ")?, quoted(pair[1], "version = ")?);
            Some(format!("{name} {version}"))
        })
        .collect();
    pinned.filter(|pinned| !locked.contains(pinned)).collect()
}

/// The dependencies that a package of this repository has and the lock file of another workspace does not know of. Whoever adds one
/// compiles only their own workspace.
fn not_in_lock(package: &str, manifest: &str, lock: &str) -> Vec<String> {
    let name = format!("name = \"{package}\"");
    let known: Vec<&str> = lock
        .lines()
        .skip_while(|line| *line != name)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.trim_start().strip_prefix('"')?.split(['"', ' ']).next())
        .collect();
    let section = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let entries = section.take_while(|line| !line.starts_with('['));
    let needed = entries.filter(|line| !line.contains("optional = true")).filter_map(|line| {
        let (name, _) = line.split_once([' ', '.'])?;
        (!name.is_empty() && name != "#").then_some(name)
    });
    needed.filter(|name| !known.contains(name)).map(str::to_owned).collect()
}

/// Whether an attribute of a file names the lint, on one line or several.
fn lifts_unsafe_lint(source: &str) -> bool {
    source.lines().map(str::trim_start).any(|line| {
        line.contains("unsafe_code") && (line.starts_with('#') || line.starts_with("unsafe_code"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_that_lift_the_lint_are_found() {
        assert!(lifts_unsafe_lint("#![expect(unsafe_code, reason = \"a reason\")]\n"));
        assert!(lifts_unsafe_lint("fn f() {}\n    #[allow(unsafe_code)]\n"));
        assert!(lifts_unsafe_lint("#![expect(\n    unsafe_code,\n    reason = \"long\"\n)]\n"));
        assert!(!lifts_unsafe_lint("//! No unsafe_code here.\nlet name = \"unsafe_code\";\n"));
    }

    #[test]
    fn only_the_named_places_may_be_unsafe() {
        assert!(may_be_unsafe(&"crates/sandbox-core/src/sys/guest.rs".into()));
        assert!(!may_be_unsafe(&"crates/sandbox-core/src/system.rs".into()));
        assert!(!may_be_unsafe(&"crates/sandbox-guest/src/runtime.rs".into()));
    }

    #[test]
    fn pinned_versions_are_those_of_the_lock_file() {
        let manifest = "[workspace.dependencies]\n\
                        plain = \"=2.0.0\"\n\
                        long = { version = \"=48.0.8\", features = [\n\
                        loose = \"1.0\"\n";
        let lock = |plain: &str, long: &str| {
            format!(
                "[[package]]\nname = \"plain\"\nversion = \"{plain}\"\n\n\
                 [[package]]\nname = \"long\"\nversion = \"{long}\"\n"
            )
        };
        assert!(unlocked(manifest, &lock("2.0.0", "48.0.8")).is_empty());
        assert_eq!(unlocked(manifest, &lock("2.0.1", "48.0.8")), ["plain 2.0.0"]);
        assert_eq!(unlocked(manifest, ""), ["plain 2.0.0", "long 48.0.8"]);
    }

    #[test]
    fn a_dependency_that_another_lock_file_does_not_know_is_found() {
        let manifest = "[package]\nname = \"one\"\n\n[dependencies]\n# Reads.\nold.workspace = true\n\
                        new = { version = \"1\" }\nrare = { version = \"1\", optional = true }\n\n\
                        [dev-dependencies]\ntests = \"1\"\n";
        let lock = "[[package]]\nname = \"one\"\ndependencies = [\n \"old 1.0.0\",\n]\n\n\
                    [[package]]\nname = \"new\"\n";
        assert_eq!(not_in_lock("one", manifest, lock), ["new"]);
    }

    #[test]
    fn a_package_that_is_listed_twice_is_counted_once() {
        let tree = "one v1.0.0\ntwo v1.0.0\none v2.0.0\n\ntwo v1.0.0 (*)\n";
        assert_eq!(distinct(tree), 3);
    }

    #[test]
    fn packages_of_a_list_are_found() {
        let tree =
            "sandbox-core v0.1.0 (/here)\nwasmer v7.4.2\nwebc v12.0.1\nvirtual-fs v0.704.2 (*)\n";
        assert_eq!(
            listed(tree, &OF_WASIX).collect::<Vec<_>>(),
            ["webc v12.0.1", "virtual-fs v0.704.2 (*)"]
        );
    }

    #[test]
    fn packages_inherit_their_lints() {
        assert!(has_common_lints("[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n"));
        assert!(!has_common_lints("[package]\nname = \"a\"\n"));
        assert!(!has_common_lints("[package]\nname = \"a\"\n[lints]\n[lints.rust]\n"));
        assert!(has_common_lints("[workspace]\nmembers = []\n"));
    }
}
