//! What `git` knows: new commits of branches, and folders in which a commit is checked out.

use std::process::Command;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::runner::output_of;
use super::schedule::BranchWatch;

/// The source code whose commits are measured.
pub trait Repository: Send + Sync {
    /// The newest commit of a branch, by its full hash.
    ///
    /// # Errors
    /// Says why it is not known.
    fn head(&self, folder: &Utf8Path, watch: &BranchWatch) -> Result<String, String>;

    /// The full hash of what a revision such as `HEAD~1` or `main` names in a folder.
    ///
    /// # Errors
    /// Says why it is not known.
    fn commit(&self, folder: &Utf8Path, revision: &str) -> Result<String, String>;

    /// Checks a commit out beside what people work on, at `checkout`, and says where `folder` is
    /// in there. What Git ignores stays, so that a build does not begin anew.
    ///
    /// # Errors
    /// Says why that is impossible.
    fn check_out(
        &self,
        folder: &Utf8Path,
        commit: &str,
        checkout: &Utf8Path,
    ) -> Result<Utf8PathBuf, String>;
}

/// The `git` of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Git;

const FETCH_TIMEOUT: Duration = Duration::from_secs(300);
const LOCAL_TIMEOUT: Duration = Duration::from_secs(120);

impl Repository for Git {
    fn head(&self, folder: &Utf8Path, watch: &BranchWatch) -> Result<String, String> {
        let branch = &watch.branch;
        let name = match &watch.remote {
            Some(remote) => {
                let refspec = format!("+refs/heads/{branch}:refs/remotes/{remote}/{branch}");
                git(folder, &["fetch", "--quiet", remote, &refspec], FETCH_TIMEOUT)?;
                format!("refs/remotes/{remote}/{branch}")
            }
            None => format!("refs/heads/{branch}"),
        };
        let commit = format!("{name}^{{commit}}");
        git(folder, &["rev-parse", "--verify", "--quiet", &commit], LOCAL_TIMEOUT)
            .map_err(|error| format!("branch {branch} is not known: {error}"))
    }

    fn commit(&self, folder: &Utf8Path, revision: &str) -> Result<String, String> {
        let commit = format!("{revision}^{{commit}}");
        let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", &commit];
        git(folder, &arguments, LOCAL_TIMEOUT)
            .map_err(|error| format!("{revision} is no commit here: {error}"))
    }

    fn check_out(
        &self,
        folder: &Utf8Path,
        commit: &str,
        checkout: &Utf8Path,
    ) -> Result<Utf8PathBuf, String> {
        let prefix = git(folder, &["rev-parse", "--show-prefix"], LOCAL_TIMEOUT)?;
        if checkout.join(".git").exists() {
            let arguments = ["checkout", "--quiet", "--force", "--detach", commit];
            git(checkout, &arguments, LOCAL_TIMEOUT)?;
        } else {
            // Somebody may have deleted the folder that Git still remembers.
            git(folder, &["worktree", "prune"], LOCAL_TIMEOUT)?;
            let arguments = ["worktree", "add", "--quiet", "--detach", checkout.as_str(), commit];
            git(folder, &arguments, LOCAL_TIMEOUT)?;
        }
        Ok(checkout.join(prefix))
    }
}

fn git(folder: &Utf8Path, arguments: &[&str], timeout: Duration) -> Result<String, String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments);
    // Nobody is there to type a password.
    command.env("GIT_TERMINAL_PROMPT", "0");
    output_of(&mut command, timeout).map(|text| text.trim().to_owned())
}
