//! The manifests of the crates that are published have what a registry and its readers ask for.

use std::process::Command;

use anyhow::{Context as _, Result};
use camino::Utf8PathBuf;
use serde::Deserialize;
use serde_json::Value;

use crate::process::{cargo, read};
use crate::workspace::Workspace;

/// Published crates that need no other engine, database or server, and so are compiled from their packages in seconds.
const SMALL: [&str; 3] = ["bench-stats", "sandbox-guest", "sandbox-guest-macros"];

/// The members of the workspace, as `cargo metadata` lists them.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: Utf8PathBuf,
    /// The registries that it may be published to. `None` is any.
    publish: Option<Vec<String>>,
    description: Option<String>,
    license: Option<String>,
    readme: Option<Utf8PathBuf>,
    rust_version: Option<String>,
    keywords: Vec<String>,
    categories: Vec<String>,
    dependencies: Vec<Dependency>,
    targets: Vec<Target>,
    metadata: Option<Value>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    req: String,
    path: Option<Utf8PathBuf>,
}

/// Returns what is missing, a sentence each.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    Ok(missing(&published(&metadata(workspace)?)?))
}

/// A published crate that others compile against.
pub(super) struct Library {
    pub(super) name: String,
    pub(super) manifest: Utf8PathBuf,
    /// Arguments of Cargo for the features that its documentation has.
    pub(super) features: Vec<String>,
}

/// Lists the libraries. Macros are none: they have no interface that can be compared.
pub(super) fn libraries(workspace: &Workspace) -> Result<Vec<Library>> {
    let published = published(&metadata(workspace)?)?;
    let libraries = published.into_iter().filter(|package| package.is_a("lib"));
    Ok(libraries
        .map(|package| Library {
            features: package.documented_features(),
            name: package.name,
            manifest: package.manifest_path,
        })
        .collect())
}

/// Commands that pack all crates that are published, and compile the small ones from their packages.
pub(super) fn packing(workspace: &Workspace) -> Result<Vec<Command>> {
    let published = published(&metadata(workspace)?)?;
    let package = |names: &mut dyn Iterator<Item = &str>| {
        let mut package = cargo();
        package.args(["package", "--locked", "--allow-dirty"]).current_dir(workspace.root());
        package.args(names.flat_map(|name| ["--package", name]));
        package
    };
    let mut all = package(&mut published.iter().map(|package| package.name.as_str()));
    all.arg("--no-verify");
    Ok(vec![all, package(&mut SMALL.into_iter())])
}

fn metadata(workspace: &Workspace) -> Result<String> {
    let mut metadata = cargo();
    metadata.args(["metadata", "--no-deps", "--locked", "--format-version", "1"]);
    read(metadata.current_dir(workspace.root()))
}

fn published(metadata: &str) -> Result<Vec<Package>> {
    let metadata: Metadata =
        serde_json::from_str(metadata).context("failed to understand `cargo metadata`")?;
    Ok(metadata.packages.into_iter().filter(|package| package.publish.is_none()).collect())
}

fn missing(published: &[Package]) -> Vec<String> {
    let names: Vec<&str> = published.iter().map(|package| package.name.as_str()).collect();
    published.iter().flat_map(|package| package.missing(&names)).collect()
}

impl Package {
    fn is_a(&self, kind: &str) -> bool {
        self.targets.iter().any(|target| target.kind.iter().any(|one| one == kind))
    }

    /// Settings for docs.rs in the manifest.
    fn for_docs_rs(&self, key: &str) -> Option<&Value> {
        self.metadata.as_ref()?.pointer("/docs/rs")?.get(key)
    }

    /// Whether docs.rs is told which systems the documentation is for: by itself it takes some that nothing here was tried on.
    fn has_documented_systems(&self) -> bool {
        let systems = self.for_docs_rs("targets").and_then(Value::as_array);
        systems.is_some_and(|systems| !systems.is_empty())
    }

    fn documented_features(&self) -> Vec<String> {
        if self.for_docs_rs("all-features").and_then(Value::as_bool) == Some(true) {
            return vec!["--all-features".to_owned()];
        }
        let features = self.for_docs_rs("features").and_then(Value::as_array).into_iter().flatten();
        let features =
            features.filter_map(|feature| Some(format!("--features={}", feature.as_str()?)));
        features.collect()
    }

    fn missing(&self, published: &[&str]) -> Vec<String> {
        let folder = self.manifest_path.parent();
        let readme = self.readme.as_ref().zip(folder).map(|(readme, folder)| folder.join(readme));
        let fields = [
            ("description", self.description.is_some()),
            ("license", self.license.is_some()),
            ("rust-version", self.rust_version.is_some()),
            ("readme that exists", readme.is_some_and(|readme| readme.is_file())),
            ("keywords, five at most", (1..=5).contains(&self.keywords.len())),
            ("categories, five at most", (1..=5).contains(&self.categories.len())),
            (
                "targets for docs.rs",
                !(self.is_a("lib") || self.is_a("proc-macro")) || self.has_documented_systems(),
            ),
        ];
        let fields = fields.into_iter().filter(|(_, is_there)| !is_there);
        let mut missing: Vec<String> = fields
            .map(|(field, _)| format!("{} is published and has no {field}", self.name))
            .collect();
        // Cargo leaves those out that have no version and are only for tests.
        let local = self.dependencies.iter().filter(|needed| needed.path.is_some());
        for needed in
            local.filter(|needed| needed.kind.as_deref() != Some("dev") || needed.req != "*")
        {
            let Dependency { name, req, .. } = needed;
            if req == "*" {
                missing.push(format!("{} is published and names no version of {name}", self.name));
            }
            if !published.contains(&name.as_str()) {
                missing.push(format!("{} is published and needs {name}, which is not", self.name));
            }
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn features_are_those_of_the_documentation() {
        let package = |for_docs_rs: Value| -> Package {
            serde_json::from_value(json!({
                "name": "one", "manifest_path": "/one/Cargo.toml", "keywords": [], "categories": [],
                "dependencies": [], "targets": [], "metadata": { "docs": { "rs": for_docs_rs } },
            }))
            .unwrap()
        };
        assert_eq!(
            package(json!({ "all-features": true })).documented_features(),
            ["--all-features"]
        );
        assert_eq!(
            package(json!({ "features": ["a", "b"] })).documented_features(),
            ["--features=a", "--features=b"]
        );
        assert!(package(json!(null)).documented_features().is_empty());
    }

    #[test]
    fn what_a_published_crate_lacks_is_named() {
        let folder = env!("CARGO_MANIFEST_DIR");
        let package = |name: &str, publish: serde_json::Value| {
            json!({
                "name": name, "manifest_path": format!("{folder}/Cargo.toml"), "publish": publish,
                "description": "What it does.", "license": "MIT", "readme": "Cargo.toml",
                "rust_version": "1.95", "keywords": ["a"], "categories": ["b"], "dependencies": [],
                "targets": [{ "kind": ["lib"] }],
                "metadata": { "docs": { "rs": { "targets": ["x86_64-unknown-linux-gnu"] } } },
            })
        };
        let mut faulty = package("faulty", json!(null));
        faulty["readme"] = json!("GONE.md");
        faulty["keywords"] = json!([]);
        faulty["metadata"] = json!(null);
        faulty["dependencies"] = json!([
            { "name": "whole", "kind": null, "req": "^0.1.0", "path": "/whole" },
            { "name": "hidden", "kind": null, "req": "*", "path": "/hidden" },
            { "name": "hidden", "kind": "dev", "req": "*", "path": "/hidden" },
            { "name": "elsewhere", "kind": null, "req": "*", "path": null },
        ]);
        let packages = [package("whole", json!(null)), package("hidden", json!([])), faulty];
        assert_eq!(
            missing(&published(&json!({ "packages": packages }).to_string()).unwrap()),
            [
                "faulty is published and has no readme that exists",
                "faulty is published and has no keywords, five at most",
                "faulty is published and has no targets for docs.rs",
                "faulty is published and names no version of hidden",
                "faulty is published and needs hidden, which is not",
            ]
        );
    }
}
