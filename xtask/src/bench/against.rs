//! Another commit of this repository, checked out and compiled beside this one.

use std::env;
use std::process::Command;

use anyhow::{Context as _, Result};
use camino::Utf8PathBuf;
use fs_err as fs;

use super::programs::Benches;
use crate::build_guests;
use crate::process::read;
use crate::workspace::Workspace;

/// The commit to measure against, ready to be measured.
pub(super) struct Against {
    pub(super) commit: String,
    pub(super) workspace: Workspace,
    pub(super) benches: Benches,
}

impl Against {
    /// Checks a commit out below `target`, builds its guests, and compiles its benchmarks. What is there already
    /// from an earlier time is used again: a commit does not change.
    ///
    /// The dependencies are those of this checkout wherever both have the same, because both compile to one
    /// target folder. So the programs are copied out of it before the next compilation overwrites them.
    pub(super) fn prepare(workspace: &Workspace, revision: &str) -> Result<Self> {
        let commit = resolve(workspace, revision)?;
        let folder = workspace.bench_against().join(&commit);
        let checkout = folder.join("checkout");
        if !checkout.join("Cargo.toml").exists() {
            check_out(workspace, &commit, &checkout)?;
        }
        let other = Workspace::at(&checkout);
        build_guests::ensure_built(&other)?;
        let kept = folder.join("programs");
        let benches = match Benches::kept(&other, &kept)? {
            Some(benches) => benches,
            None => {
                println!("Compiling the benchmarks of {}", short(&commit));
                Benches::build(&other, Some(&target_folder(workspace)))?.keep(&other, &kept)?
            }
        };
        Ok(Self { commit, workspace: other, benches })
    }

    /// Name under which its results are kept.
    pub(super) fn name(&self) -> String {
        format!("against-{}", short(&self.commit))
    }
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

fn git(workspace: &Workspace) -> Command {
    let mut git = Command::new("git");
    git.current_dir(workspace.root());
    git
}

/// The full hash of a commit.
fn resolve(workspace: &Workspace, revision: &str) -> Result<String> {
    let wanted = format!("{revision}^{{commit}}");
    let hash = read(git(workspace).args(["rev-parse", "--verify", "--end-of-options", &wanted]))
        .with_context(|| format!("failed to find the commit {revision}"))?;
    Ok(hash.trim().to_owned())
}

fn check_out(workspace: &Workspace, commit: &str, checkout: &Utf8PathBuf) -> Result<()> {
    if checkout.exists() {
        // Cut short, or git would have left a manifest.
        fs::remove_dir_all(checkout)?;
    }
    // Forgets checkouts that somebody removed, such as with the whole target folder.
    read(git(workspace).args(["worktree", "prune"]))?;
    let mut add = git(workspace);
    add.args(["worktree", "add", "--detach", checkout.as_str(), commit]);
    read(&mut add).with_context(|| format!("failed to check out {}", short(commit)))?;
    Ok(())
}

/// Cargo's target folder of this checkout.
fn target_folder(workspace: &Workspace) -> Utf8PathBuf {
    let usual = workspace.root().join("target");
    match env::var("CARGO_TARGET_DIR") {
        Ok(folder) => workspace.root().join(folder),
        Err(_) => usual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_checked_out_beside_this_one_and_found_again() {
        let temp = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(temp.path().canonicalize().unwrap()).unwrap();
        let workspace = Workspace::at(&root);
        let run = |arguments: &[&str]| {
            let identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"];
            read(git(&workspace).args(identity).args(arguments)).unwrap()
        };
        run(&["init", "--quiet"]);
        for text in ["one", "two"] {
            fs::write(root.join("Cargo.toml"), text).unwrap();
            run(&["add", "Cargo.toml"]);
            run(&["commit", "--quiet", "-m", text]);
        }
        let commit = resolve(&workspace, "HEAD~1").unwrap();
        assert_eq!(commit.len(), 40);
        let checkout = workspace.bench_against().join(&commit).join("checkout");
        check_out(&workspace, &commit, &checkout).unwrap();
        assert_eq!(fs::read_to_string(checkout.join("Cargo.toml")).unwrap(), "one");
        assert_eq!(fs::read_to_string(root.join("Cargo.toml")).unwrap(), "two");
        // Removed behind git's back.
        fs::remove_dir_all(&checkout).unwrap();
        check_out(&workspace, &commit, &checkout).unwrap();
        assert!(checkout.join("Cargo.toml").exists());
        assert!(resolve(&workspace, "no-such-branch").is_err());
        assert!(resolve(&workspace, "--all").is_err());
    }
}
