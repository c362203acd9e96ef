//! Interfaces of the published libraries against those of the last release, by cargo-semver-checks.

use std::process::Command;

use anyhow::Result;
use camino::Utf8Path;

use super::publishing;
use crate::process::{cargo, read};
use crate::workspace::Workspace;

/// Returns the commands that compare them, or says what is missing for that.
pub(super) fn comparison(workspace: &Workspace) -> Result<Vec<Command>, String> {
    if read(cargo().args(["semver-checks", "--version"])).is_err() {
        return Err(
            "cargo-semver-checks is not installed: cargo install --locked cargo-semver-checks"
                .to_owned(),
        );
    }
    let Some(release) = last_release(workspace) else {
        return Err(
            "no release to compare with: no tag such as v0.1.0 is an ancestor of this commit"
                .to_owned(),
        );
    };
    let libraries = publishing::libraries(workspace).map_err(|error| format!("{error:#}"))?;
    let had = libraries.iter().filter(|library| was_there(workspace, &release, &library.manifest));
    Ok(had
        .map(|library| {
            let mut compare = cargo();
            compare.args(["semver-checks", "--baseline-rev", &release, "--package", &library.name]);
            // By itself it takes nearly all features, and one of them wants LLVM.
            compare.arg("--default-features").args(&library.features);
            compare.current_dir(workspace.root());
            compare
        })
        .collect())
}

/// The newest tag of a version among the ancestors of what is checked out.
fn last_release(workspace: &Workspace) -> Option<String> {
    let mut describe = git(workspace);
    describe.args(["describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"]);
    Some(read(&mut describe).ok()?.trim().to_owned())
}

/// Whether a release had a crate, by its manifest. What is new breaks nothing.
fn was_there(workspace: &Workspace, release: &str, manifest: &Utf8Path) -> bool {
    let manifest = manifest.strip_prefix(workspace.root()).unwrap_or(manifest);
    let manifest = format!("{release}:{manifest}");
    read(git(workspace).args(["cat-file", "-e", &manifest])).is_ok()
}

fn git(workspace: &Workspace) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(workspace.root());
    git
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_release_is_the_nearest_tag_of_a_version() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let workspace = Workspace::at(root);
        let git = |arguments: &[&str]| {
            let identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
            read(git(&workspace).args(identity).args(arguments)).unwrap()
        };
        git(&["init", "--quiet"]);
        git(&["commit", "--quiet", "--allow-empty", "-m", "first"]);
        assert_eq!(last_release(&workspace), None);
        git(&["tag", "v0.1.0"]);
        std::fs::create_dir_all(root.join("crates/new")).unwrap();
        std::fs::write(root.join("crates/new/Cargo.toml"), "").unwrap();
        git(&["add", "."]);
        git(&["commit", "--quiet", "-m", "second"]);
        git(&["tag", "nightly"]);
        assert_eq!(last_release(&workspace).as_deref(), Some("v0.1.0"));
        assert!(!was_there(&workspace, "v0.1.0", &root.join("crates/new/Cargo.toml")));
        git(&["tag", "v0.2.0"]);
        assert_eq!(last_release(&workspace).as_deref(), Some("v0.2.0"));
        assert!(was_there(&workspace, "v0.2.0", &root.join("crates/new/Cargo.toml")));
    }
}
