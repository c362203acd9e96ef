//! Which guests there are: the members of the workspace in `guest-modules`.

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::process::{independent_cargo, read};
use crate::workspace::Workspace;

/// A guest as its manifest describes it.
#[derive(Deserialize)]
pub(crate) struct Guest {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) description: String,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Guest>,
}

/// Names the guests, sorted. A folder with a manifest is a guest named like the folder.
pub(crate) fn names(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.guest_modules();
    let mut names = Vec::new();
    for entry in folder.read_dir_utf8().with_context(|| format!("failed to read {folder}"))? {
        let entry = entry.with_context(|| format!("failed to read {folder}"))?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_owned());
        }
    }
    if names.is_empty() {
        bail!("failed to find any guest: no folder in {folder} has a Cargo.toml");
    }
    names.sort();
    Ok(names)
}

/// Reads the guests' descriptions, sorted by name.
pub(crate) fn describe(workspace: &Workspace) -> Result<Vec<Guest>> {
    let mut cargo = independent_cargo();
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    cargo.arg("--manifest-path").arg(workspace.guest_modules().join("Cargo.toml"));
    let metadata: Metadata = serde_json::from_str(&read(&mut cargo)?)
        .context("failed to read the guests' manifests from cargo metadata")?;
    let mut guests = metadata.packages;
    guests.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(guests)
}
