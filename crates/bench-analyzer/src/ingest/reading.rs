//! Reads all that one import names, into one batch.

use std::collections::{HashMap, HashSet};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;

use super::criterion::{self, CustomUnit, Wanted};
use super::format::{self, FileFormat};
use super::identity::Matching;
use super::machine::NamedMachine;
use super::remark::Remark;
use super::{Digest, ImportBatch, RunDraft, RunRole};
use crate::environment::Environment;
use crate::error::{Error, Result};
use bench_stats::model::CommitPosition;

/// How to read what an import names.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The format of files, if it is not to be found out.
    pub format: Option<FileFormat>,
    /// Which results of Criterion folders are wanted.
    pub wanted: Wanted,
    /// The unit of what Criterion measured, if it is not time.
    pub unit: CustomUnit,
    /// Treatment of files that are partly bad.
    pub strictness: Strictness,
    /// Circumstances of the measurement beyond its files.
    pub circumstances: Circumstances,
}

impl Reading {
    /// Takes everything, as lenient as possible, and knows nothing more.
    pub fn everything() -> Self {
        Self {
            format: None,
            wanted: Wanted::CurrentAndBaselines,
            unit: CustomUnit::default(),
            strictness: Strictness::KeepWhatIsGood,
            circumstances: Circumstances::default(),
        }
    }
}

/// Treatment of files that are partly bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// What is bad is left out with a remark.
    KeepWhatIsGood,
    /// Anything bad refuses everything.
    RefuseAnyLoss,
}

/// Circumstances that files cannot say of themselves, or say wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// The commit that was measured.
    pub commit: Option<String>,
    /// The branch that was measured.
    pub branch: Option<String>,
    /// When it was measured.
    pub at: Option<Timestamp>,
    /// The machine that measured.
    pub machine: Option<String>,
}

/// Reads folders and files; `next` is called before each.
///
/// # Errors
/// If one of them cannot be opened, if nothing in them can be used, or if anything cannot and that
/// is to refuse it.
pub fn read(
    paths: &[Utf8PathBuf],
    how: &Reading,
    environment: &Environment,
    next: &mut dyn FnMut(),
) -> Result<ImportBatch> {
    let mut batch = ImportBatch::default();
    let mut failed = None;
    let mut known = HashSet::new();
    for path in paths {
        next();
        // The same file twice is no second run.
        if !known.insert(path.canonicalize_utf8().unwrap_or_else(|_| path.clone())) {
            continue;
        }
        match read_one(path, how, environment, &mut batch) {
            Ok(()) => {}
            Err(error @ Error::Read { .. }) => return Err(error),
            Err(error) => {
                batch.remarks.push(Remark::LeftOut(error.to_string()));
                failed.get_or_insert(error);
            }
        }
    }
    if let Some(error) = failed.filter(|_| batch.runs.is_empty()) {
        return Err(error);
    }
    if how.strictness == Strictness::RefuseAnyLoss {
        let losses: Vec<String> =
            batch.remarks.iter().filter(|one| one.is_loss()).map(ToString::to_string).collect();
        if !losses.is_empty() {
            return Err(Error::Strict { losses });
        }
    }
    how.circumstances.apply(&mut batch);
    number_copies(&mut batch);
    place_commits(&mut batch, environment);
    Ok(batch)
}

fn read_one(
    path: &Utf8Path,
    how: &Reading,
    environment: &Environment,
    batch: &mut ImportBatch,
) -> Result<()> {
    if !path.is_file() {
        let found = criterion::read(path, how.wanted, &how.unit, environment)?;
        batch.runs.extend(found.runs);
        batch.remarks.extend(found.remarks);
        return Ok(());
    }
    if how.format.is_none()
        && let Some(export) = format::read_export(path)?
    {
        // Sets of several exports are different sets.
        let offset = batch.runs.len() << 32;
        batch.runs.extend(export.runs.into_iter().map(|run| shifted(run, offset)));
        batch.baselines.extend(export.baselines);
        batch.accepted_changes.extend(export.accepted_changes);
        batch.found_steps.extend(export.found_steps);
        batch.triage.extend(export.triage);
        return Ok(());
    }
    let found = format::read(path, how.format, environment)?;
    // Groups are numbered by file.
    let offset = batch.runs.len();
    batch.runs.extend(found.runs.into_iter().map(|run| shifted(run, offset)));
    batch.remarks.extend(found.remarks.into_iter().map(|remark| remark.of(path)));
    Ok(())
}

fn shifted(run: RunDraft, offset: usize) -> RunDraft {
    RunDraft { group: run.group.map(|group| group + offset), ..run }
}

impl Circumstances {
    fn apply(&self, batch: &mut ImportBatch) {
        for run in batch.runs.iter_mut().filter(|run| run.role == RunRole::Current) {
            if run.claims.matching == Matching::ByContent {
                run.claims.at = self.at;
                run.claims.commit.clone_from(&self.commit);
            }
            if let Some(at) = self.at {
                run.measured_at = at;
            }
            if self.commit.is_some() {
                run.revision.commit.clone_from(&self.commit);
                run.revision.dirty = None;
                run.place = None;
            }
            if self.branch.is_some() {
                run.revision.branch.clone_from(&self.branch);
            }
            if let Some(name) = &self.machine {
                let named = NamedMachine { cpu: Some(name.clone()), ..NamedMachine::default() };
                run.fingerprint = named.fingerprint(&run.fingerprint);
                run.attributes.clear();
            }
        }
    }
}

/// Tells files of the same content apart, which are runs of their own where values repeat exactly.
/// In whatever order they come, the same numbers are given.
fn number_copies(batch: &mut ImportBatch) {
    let mut counts: HashMap<(Digest, String), usize> = HashMap::new();
    let fresh = |run: &&mut RunDraft| {
        run.role == RunRole::Current && run.claims.matching == Matching::ByContent
    };
    for run in batch.runs.iter_mut().filter(fresh) {
        let Some(content) = run.measurements.content() else { continue };
        let count = counts.entry((content, run.claims.identity())).or_default();
        run.claims.copy = *count;
        *count += 1;
        run.measurements.claim(&run.claims);
    }
}

/// Asks git where the commits stand, each once.
fn place_commits(batch: &mut ImportBatch, environment: &Environment) {
    let mut places: HashMap<String, Option<CommitPosition>> = HashMap::new();
    for run in batch.runs.iter_mut().filter(|run| run.place.is_none()) {
        let Some(commit) = &run.revision.commit else { continue };
        let place = places.entry(commit.clone()).or_insert_with(|| environment.position_of(commit));
        run.place = *place;
    }
}
