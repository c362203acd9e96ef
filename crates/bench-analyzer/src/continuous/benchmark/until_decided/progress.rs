//! How far measuring until it is decided came, kept in a file, so that who was stopped or killed goes on.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::continuous::suites::BenchmarkSuite;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::jobs::job::JobRun;

const FILE: &str = "progress.json";

/// The file, and what it says.
#[derive(Debug)]
pub(super) struct Progress {
    path: Utf8PathBuf,
    state: State,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// A hash of all that decides what is measured; secrets may be among that.
    question: String,
    /// The runs of the other commit, then those of the present code.
    runs: [Vec<JobRun>; 2],
}

impl Progress {
    /// Takes up what an earlier call left in a folder, if it measured the same, or begins anew in an empty
    /// one. Whether two states of files that were never committed are the same, nobody can tell, so these
    /// are measured anew.
    pub(super) fn take_up(
        folder: &Utf8Path,
        suite: &BenchmarkSuite,
        [there, here]: [&Environment; 2],
    ) -> Result<Self> {
        let path = folder.join(FILE);
        let question = hash(&format!(
            "{:?} {:?} {:?} {:?} {:?} {:?}",
            there.revision,
            here.revision,
            suite.command,
            suite.narrow,
            suite.environment,
            suite.results
        ));
        let committed = [there, here].iter().all(|one| one.revision.dirty == Some(false));
        let earlier = std::fs::read_to_string(&path).ok();
        let earlier = earlier.and_then(|text| serde_json::from_str::<State>(&text).ok());
        if let Some(state) = earlier.filter(|state| committed && state.question == question) {
            return Ok(Self { path, state });
        }
        // What is there belongs to other code.
        let _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir_all(folder)
            .map_err(|source| Error::Write { path: folder.to_owned(), source })?;
        Ok(Self { path, state: State { question, runs: [Vec::new(), Vec::new()] } })
    }

    /// The runs that a side has, the other commit first.
    pub(super) fn runs(&self, side: usize) -> &[JobRun] {
        &self.state.runs[side]
    }

    /// Notes a run of a side. A kill leaves the old file or the new one.
    pub(super) fn note(&mut self, side: usize, run: JobRun) -> Result<()> {
        self.state.runs[side].push(run);
        let unfinished = self.path.with_extension("unfinished");
        let text = serde_json::to_string_pretty(&self.state).unwrap_or_default();
        std::fs::write(&unfinished, text)
            .and_then(|()| std::fs::rename(&unfinished, &self.path))
            .map_err(|source| Error::Write { path: self.path.clone(), source })
    }

    /// Leaves nothing to take up: everything is decided and stored.
    pub(super) fn close(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
