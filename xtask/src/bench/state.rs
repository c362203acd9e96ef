//! Progress of a measurement, kept in a file, so that one that was killed can go on.

use std::time::UNIX_EPOCH;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::plan::Visit;

const FILE: &str = "state.json";

/// All that decides what is measured and how: visits may only be combined if it is the same for all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Question {
    pub(super) visits: Vec<Visit>,
    pub(super) arguments: Vec<String>,
    /// The programs that measure and the guests that they run.
    pub(super) files: Vec<FileState>,
}

/// A file, as far as one can see without reading it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileState {
    path: Utf8PathBuf,
    bytes: u64,
    modified_ns: u128,
}

/// The visits that are made.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    #[serde(skip)]
    folder: Utf8PathBuf,
    question: Question,
    done: Vec<Visit>,
}

impl FileState {
    pub(super) fn of(path: &Utf8Path) -> Result<Self> {
        let metadata = fs::metadata(path)?;
        let modified = metadata.modified().with_context(|| format!("failed to date {path}"))?;
        let modified_ns = modified.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
        Ok(Self { path: path.to_owned(), bytes: metadata.len(), modified_ns })
    }
}

impl State {
    /// The state of an unfinished measurement of the same, if there is one in the folder.
    pub(super) fn unfinished(folder: &Utf8Path, question: &Question) -> Option<Self> {
        let text = fs::read_to_string(folder.join(FILE)).ok()?;
        let state: Self = serde_json::from_str(&text).ok()?;
        let same = state.question == *question;
        (same && !state.done.is_empty()).then(|| Self { folder: folder.to_owned(), ..state })
    }

    /// Begins anew: whatever the folder held is removed, lest this measurement claims it.
    pub(super) fn begin(folder: &Utf8Path, question: Question) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        let state = Self { folder: folder.to_owned(), question, done: Vec::new() };
        state.write()?;
        Ok(state)
    }

    pub(super) fn is_done(&self, visit: &Visit) -> bool {
        self.done.contains(visit)
    }

    pub(super) fn done(&self) -> usize {
        self.done.len()
    }

    pub(super) fn finish(&mut self, visit: &Visit) -> Result<()> {
        self.done.push(visit.clone());
        self.write()
    }

    /// Removes the file, so that the next measurement begins anew.
    pub(super) fn close(self) -> Result<()> {
        Ok(fs::remove_file(self.folder.join(FILE))?)
    }

    /// Writes the file so that a kill leaves the old one or the new one.
    fn write(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("failed to write down the state")?;
        let unfinished = self.folder.join(FILE).with_extension("unfinished");
        fs::write(&unfinished, text)?;
        Ok(fs::rename(&unfinished, self.folder.join(FILE))?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan;
    use super::*;

    fn question(folder: &Utf8Path, runs: u32) -> Question {
        let program = folder.with_extension("program");
        fs::write(&program, "program").unwrap();
        Question {
            visits: plan::visits(1, runs, &["a".to_owned(), "b".to_owned()], &[]),
            arguments: vec!["--noplot".to_owned()],
            files: vec![FileState::of(&program).unwrap()],
        }
    }

    #[test]
    fn a_killed_measurement_goes_on_where_it_was() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(temp.path()).unwrap().join("runs");
        let question = question(&folder, 2);
        let mut state = State::begin(&folder, question.clone()).unwrap();
        assert_eq!(State::unfinished(&folder, &question), None, "nothing is done yet");
        let visit = question.visits[0].clone();
        state.finish(&visit).unwrap();
        drop(state);
        let again = State::unfinished(&folder, &question).unwrap();
        assert!(again.is_done(&visit) && !again.is_done(&question.visits[1]));
        again.close().unwrap();
        assert_eq!(State::unfinished(&folder, &question), None);
    }

    #[test]
    fn another_question_or_program_begins_anew() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(temp.path()).unwrap().join("runs");
        let asked = question(&folder, 2);
        State::begin(&folder, asked.clone()).unwrap().finish(&asked.visits[0]).unwrap();
        let more = Question { visits: plan::visits(1, 3, &["a".to_owned()], &[]), ..asked.clone() };
        assert_eq!(State::unfinished(&folder, &more), None);
        let program = folder.with_extension("program");
        fs::write(&program, "another program").unwrap();
        let rebuilt = Question { files: vec![FileState::of(&program).unwrap()], ..asked.clone() };
        assert_eq!(State::unfinished(&folder, &rebuilt), None);
        assert!(State::unfinished(&folder, &asked).is_some());
    }
}
