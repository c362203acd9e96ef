//! What `git` knows: new commits of branches, and folders in which a commit is checked out.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::runner::{Terms, output_of};
use super::schedule::BranchWatch;
use crate::clock::Stop;
use crate::secret::Confidential;

/// The source code whose commits are measured.
pub trait Repository: Send + Sync {
    /// The newest commit of a branch, by its full hash.
    ///
    /// # Errors
    /// Says why it is not known.
    fn head(&self, folder: &Utf8Path, watch: &BranchWatch, stop: &Stop) -> Result<String, String>;

    /// The full hash of what a revision such as `HEAD~1` or `main` names in a folder.
    ///
    /// # Errors
    /// Says why it is not known.
    fn commit(&self, folder: &Utf8Path, revision: &str, stop: &Stop) -> Result<String, String>;

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
        stop: &Stop,
    ) -> Result<Utf8PathBuf, String>;
}

/// The `git` of this machine.
#[derive(Debug, Clone, Default)]
pub struct Git {
    /// What it must not know, and must not say.
    pub confidential: Arc<Confidential>,
}

/// A remote that says nothing is given up after this long; jobs run meanwhile.
const FETCH_TIMEOUT: Duration = Duration::from_secs(120);
const LOCAL_TIMEOUT: Duration = Duration::from_secs(120);

impl Repository for Git {
    fn head(&self, folder: &Utf8Path, watch: &BranchWatch, stop: &Stop) -> Result<String, String> {
        let branch = &watch.branch;
        let name = match &watch.remote {
            Some(remote) => {
                let refspec = format!("+refs/heads/{branch}:refs/remotes/{remote}/{branch}");
                let arguments = ["fetch", "--quiet", remote, &refspec];
                self.git(folder, &arguments, FETCH_TIMEOUT, stop)?;
                format!("refs/remotes/{remote}/{branch}")
            }
            None => format!("refs/heads/{branch}"),
        };
        let commit = format!("{name}^{{commit}}");
        self.git(folder, &["rev-parse", "--verify", "--quiet", &commit], LOCAL_TIMEOUT, stop)
            .map_err(|error| format!("branch {branch} is not known: {error}"))
    }

    fn commit(&self, folder: &Utf8Path, revision: &str, stop: &Stop) -> Result<String, String> {
        let commit = format!("{revision}^{{commit}}");
        let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", &commit];
        self.git(folder, &arguments, LOCAL_TIMEOUT, stop)
            .map_err(|error| format!("{revision} is no commit here: {error}"))
    }

    fn check_out(
        &self,
        folder: &Utf8Path,
        commit: &str,
        checkout: &Utf8Path,
        stop: &Stop,
    ) -> Result<Utf8PathBuf, String> {
        let git = |folder: &Utf8Path, arguments: &[&str]| {
            self.git(folder, arguments, LOCAL_TIMEOUT, stop)
        };
        let prefix = git(folder, &["rev-parse", "--show-prefix"])?;
        let arguments = ["checkout", "--quiet", "--force", "--detach", commit];
        if checkout.join(".git").exists() && git(checkout, &arguments).is_ok() {
            return Ok(checkout.join(prefix));
        }
        git(folder, &["cat-file", "-e", &format!("{commit}^{{commit}}")])
            .map_err(|error| format!("it is not in the repository any more: {error}"))?;
        // Somebody may have deleted the folder that Git still remembers, and a Git that was killed
        // leaves locks: then it is made anew.
        match std::fs::remove_dir_all(checkout) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(format!("{checkout} cannot be made anew: {error}"));
            }
            _ => {}
        }
        git(folder, &["worktree", "prune"])?;
        git(folder, &["worktree", "add", "--quiet", "--detach", checkout.as_str(), commit])?;
        Ok(checkout.join(prefix))
    }
}

impl Git {
    fn git(
        &self,
        folder: &Utf8Path,
        arguments: &[&str],
        limit: Duration,
        stop: &Stop,
    ) -> Result<String, String> {
        let mut command = self.confidential.command("git", None);
        command.arg("-C").arg(folder).args(arguments);
        // Nobody is there to type a password.
        command.env("GIT_TERMINAL_PROMPT", "0");
        let terms = Terms { limit, stop, confidential: &self.confidential };
        output_of(&mut command, Stdio::null(), terms).map(|text| text.trim().to_owned())
    }
}
