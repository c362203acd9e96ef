//! Wasmer has the same features whatever part of the workspace is built, and so is compiled once.
//!
//! Cargo unites the features that the packages of one build ask of a dependency. A build of one package asks for
//! fewer than one of the whole workspace, and every dependency that differs is compiled again, with all that needs it.
//!
//! The crates that are compiled are read from the graph that Cargo makes of a build. `cargo tree` would not do: it shows only one of
//! two packages that are compiled both for programs and for build scripts.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::process::{cargo, read};
use crate::workspace::Workspace;

/// Builds of a part of the workspace, as arguments of Cargo.
///
/// The features of `workspace-features` reach a package only with its tests (`--all-targets`): a dependency that is not
/// published cannot be one of the published program itself. Selected by its name alone, the program is built with the features of
/// everything that is in the workspace; with `--package` but without tests it is built as its users build it, anew.
const BUILT_ALONE: [&[&str]; 4] = [
    &["--package", "sandbox-core", "--all-targets"],
    &["--package", "sandbox-bench", "--all-targets"],
    &["--package", "sandbox-cli", "--all-targets"],
    &["--bin", "sandbox"],
];
/// Where the features are named that such a build would lack.
const UNION: &str = "crates/workspace-features/Cargo.toml";

/// The library whose dependencies, Wasmer among them, are not to be compiled again.
const SANDBOX: &str = "sandbox_core";

/// Returns what is compiled again, a sentence for each package that is built by itself.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let graph = |selection: &[&str]| {
        let mut build = cargo();
        // The graph is an unstable feature of Cargo, and nothing is compiled.
        build.args(["build", "--locked", "--unit-graph", "-Z", "unstable-options"]);
        build.args(selection).current_dir(workspace.root()).env("RUSTC_BOOTSTRAP", "1");
        read(&mut build)
            .context("failed to list what a build compiles")
            .and_then(|text| Graph::read(&text))
    };
    let whole = graph(&["--workspace", "--all-targets"])?;
    let mut broken = Vec::new();
    for selection in BUILT_ALONE {
        let again = graph(selection)?.beyond(&whole);
        if !again.is_empty() {
            broken.push(format!(
                "`cargo build {}` compiles the sandbox's dependencies again, as it asks for fewer features \
                 than a build of the whole workspace: name them in {UNION} ({})",
                selection.join(" "),
                again.into_iter().collect::<Vec<_>>().join("; ")
            ));
        }
    }
    Ok(broken)
}

/// All that a build compiles.
#[derive(Deserialize)]
struct Graph {
    version: u32,
    units: Vec<Unit>,
}

/// A call of the compiler.
#[derive(Deserialize)]
struct Unit {
    pkg_id: String,
    target: Target,
    mode: String,
    features: Vec<String>,
    profile: serde_json::Value,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    name: String,
}

#[derive(Deserialize)]
struct Dependency {
    /// Of a unit.
    index: usize,
}

impl Graph {
    fn read(text: &str) -> Result<Self> {
        let graph: Self =
            serde_json::from_str(text).context("failed to understand Cargo's graph of a build")?;
        ensure!(
            graph.version == 1,
            "this Cargo writes its graph of a build in version {}, not 1",
            graph.version
        );
        Ok(graph)
    }

    /// Describes what the sandbox needs and another build does not compile, unless only what that needs differs.
    fn beyond(&self, other: &Self) -> BTreeSet<String> {
        let (identities, others) = (self.identities(), other.identities());
        let there: HashSet<u64> = others.iter().copied().collect();
        let is_there = |index: usize| there.contains(&identities[index]);
        let needed = self.needed_by_sandbox();
        needed
            .into_iter()
            .filter(|&index| !is_there(index))
            .map(|index| &self.units[index])
            .filter(|unit| unit.dependencies.iter().all(|needed| is_there(needed.index)))
            .map(|unit| format!("{} with {}", unit.package(), unit.features.join(",")))
            .collect()
    }

    /// The units that the library needs, and its own.
    fn needed_by_sandbox(&self) -> BTreeSet<usize> {
        let is_sandbox = |unit: &Unit| unit.mode == "build" && unit.target.name == SANDBOX;
        let mut next: Vec<usize> =
            (0..self.units.len()).filter(|&index| is_sandbox(&self.units[index])).collect();
        let mut needed = BTreeSet::new();
        while let Some(index) = next.pop() {
            if needed.insert(index) {
                next.extend(self.units[index].dependencies.iter().map(|needed| needed.index));
            }
        }
        needed
    }

    /// Numbers that are the same in two builds for what is compiled alike, with all that it needs.
    fn identities(&self) -> Vec<u64> {
        let mut known = HashMap::new();
        (0..self.units.len()).map(|index| self.identity(index, &mut known)).collect()
    }

    fn identity(&self, index: usize, known: &mut HashMap<usize, u64>) -> u64 {
        if let Some(identity) = known.get(&index) {
            return *identity;
        }
        let unit = &self.units[index];
        let mut needed: Vec<u64> =
            unit.dependencies.iter().map(|needed| self.identity(needed.index, known)).collect();
        needed.sort_unstable();
        let mut hasher = DefaultHasher::new();
        (&unit.pkg_id, &unit.target.kind, &unit.target.name, &unit.mode).hash(&mut hasher);
        (&unit.features, unit.profile.to_string(), needed).hash(&mut hasher);
        *known.entry(index).or_insert(hasher.finish())
    }
}

impl Unit {
    /// Name and version of the package.
    fn package(&self) -> &str {
        self.pkg_id.rsplit(['#', '/']).next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn unit(package: &str, features: &[&str], needed: &[usize]) -> Value {
        let needed: Vec<Value> = needed.iter().map(|index| json!({ "index": index })).collect();
        let name = package.split('@').next();
        json!({
            "pkg_id": format!("registry+https://example.com/index#{package}"), "mode": "build", "profile": { "lto": "false" },
            "target": { "kind": ["lib"], "name": name }, "features": features, "dependencies": needed,
        })
    }

    fn graph(units: &[Value]) -> Graph {
        Graph::read(&json!({ "version": 1, "units": units }).to_string()).unwrap()
    }

    /// The sandbox, which needs `tracing`, which needs `log`, and a package that it does not need.
    fn build(log: &[&str], other: &[&str]) -> Graph {
        graph(&[
            unit("log@0.4.35", log, &[]),
            unit("tracing@0.1.44", &["log"], &[0]),
            unit("sandbox_core@0.1.0", &[], &[1]),
            unit("other@1.0.0", other, &[0]),
        ])
    }

    #[test]
    fn what_is_compiled_alike_is_not_compiled_again() {
        let whole = build(&["std"], &["more"]);
        assert!(build(&["std"], &[]).beyond(&whole).is_empty());
    }

    #[test]
    fn what_is_compiled_again_is_named_by_its_first_cause() {
        let whole = build(&["std"], &[]);
        assert_eq!(build(&[], &[]).beyond(&whole), ["log@0.4.35 with ".to_owned()].into());
    }

    #[test]
    fn another_choice_between_two_that_are_there_is_found_too() {
        let both = |chosen: usize| {
            graph(&[
                unit("log@0.4.35", &[], &[]),
                unit("log@0.4.35", &["std"], &[]),
                unit("sandbox_core@0.1.0", &[], &[chosen]),
                unit("other@1.0.0", &[], &[1 - chosen]),
            ])
        };
        assert!(both(0).beyond(&both(0)).is_empty());
        assert_eq!(both(0).beyond(&both(1)), ["sandbox_core@0.1.0 with ".to_owned()].into());
    }
}
