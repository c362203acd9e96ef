//! Criterion's output folder, as versions 0.5 to 0.8 write it.
//!
//! Every benchmark has a folder `<group>/[<function>/][<value>/]` with a sub-folder for each saved
//! result: `new` is the last one, `base` a copy of it, any other name a baseline that was
//! saved with `--save-baseline`. Names of folders are shortened and made unique, so a benchmark is
//! known by the `full_id` inside its `benchmark.json` only.
//!
//! Criterion keeps no time. Benchmarks of one process are written one after the other, so
//! modification times tell which results belong together: see `into_sessions`.

mod files;
mod unit;

use std::collections::BTreeMap;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;

use self::files::SavedResult;
use super::identity::Claims;
use super::remark::Remarks;
use super::{Digest, MeasurementDraft, Remark, RunDraft, RunRole};
use crate::environment::Environment;
use crate::error::{Error, Result};
use bench_stats::model::{BaselineName, Exactness};

pub use self::unit::CustomUnit;

/// Which of the saved results are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Only what was measured last.
    Current,
    /// That, and the baselines that Criterion keeps beside it.
    CurrentAndBaselines,
}

/// Content of a Criterion folder.
#[derive(Debug, Clone, Default)]
pub struct CriterionRuns {
    /// The runs: the current one first, then earlier ones and baselines.
    pub runs: Vec<RunDraft>,
    /// Remarks: what was left out, and what else is worth knowing.
    pub remarks: Vec<Remark>,
}

const SOURCE: &str = "criterion";
const NEW: &str = "new";
const BASE: &str = "base";

/// Reads a Criterion folder. A result that cannot be used is left out with a remark.
///
/// # Errors
/// If the folder cannot be read, or holds no result that can be used.
pub fn read(
    root: &Utf8Path,
    wanted: Wanted,
    unit: &CustomUnit,
    environment: &Environment,
) -> Result<CriterionRuns> {
    let folders = saved_folders(root)?;
    if folders.is_empty() {
        return Err(Error::NoResults { path: root.to_owned() });
    }
    let mut by_name: BTreeMap<String, Vec<SavedResult>> = BTreeMap::new();
    let mut runs = CriterionRuns::default();
    let mut remarks = Remarks::default();
    let mut failed = None;
    for SavedFolder { name, path } in folders {
        if name != NEW && wanted == Wanted::Current {
            continue;
        }
        match files::read(&path, unit, &mut remarks) {
            Ok(result) => by_name.entry(name).or_default().push(result),
            Err(error) => {
                remarks.leave_out(error.to_string());
                failed.get_or_insert(error);
            }
        }
    }
    if let Some(error) = failed.filter(|_| by_name.is_empty()) {
        return Err(error);
    }
    let current = by_name.remove(NEW).unwrap_or_default();
    drop_unchanged_base(&current, &mut by_name);

    let sessions = into_sessions(one_a_benchmark(current, &mut remarks));
    for (age, session) in sessions.into_iter().rev().enumerate() {
        let role = if age == 0 { RunRole::Current } else { RunRole::Earlier };
        if age > 0 {
            remarks.note(describe_stale(root, &session));
        }
        runs.runs.push(draft(role, root.to_owned(), session, environment));
    }
    for (name, results) in by_name {
        let Ok(baseline) = name.parse::<BaselineName>() else {
            remarks.leave_out(format!("{root}: a baseline cannot be called `{name}`"));
            continue;
        };
        for session in into_sessions(one_a_benchmark(results, &mut remarks)) {
            let role = RunRole::Mirror(baseline.clone());
            runs.runs.push(draft(role, root.to_owned(), session, environment));
        }
    }
    runs.remarks = remarks.finish();
    Ok(runs)
}

/// Where Criterion writes: what its environment variables say, else where cargo builds, else
/// `target/criterion` in the working folder or the nearest one above that has it.
///
/// # Errors
/// If none of these places exists.
pub fn default_root(environment: &Environment) -> Result<Utf8PathBuf> {
    let named = environment.criterion_home.clone();
    let target = environment.cargo_target_dir.as_ref().map(|dir| dir.join("criterion"));
    let cargo = environment.target_dir.as_ref().map(|dir| dir.join("criterion"));
    let above = environment.working_dir.ancestors().map(|dir| dir.join("target/criterion"));
    named
        .into_iter()
        .chain(target)
        .chain(cargo)
        .chain(above)
        .find(|dir| dir.is_dir())
        .ok_or(Error::NoCriterionFolder)
}

/// A plain run copies `new` to `base`; such a copy is no result of its own.
fn drop_unchanged_base(current: &[SavedResult], by_name: &mut BTreeMap<String, Vec<SavedResult>>) {
    let Some(base) = by_name.get_mut(BASE) else { return };
    base.retain(|saved| {
        !current.iter().any(|new| new.series == saved.series && new.samples == saved.samples)
    });
    if base.is_empty() {
        by_name.remove(BASE);
    }
}

/// Where a renamed folder left the same benchmark twice, the newer result counts.
fn one_a_benchmark(results: Vec<SavedResult>, remarks: &mut Remarks) -> Vec<SavedResult> {
    let mut unique: BTreeMap<_, SavedResult> = BTreeMap::new();
    for result in results {
        let Some(other) = unique.get(&result.series) else {
            unique.insert(result.series.clone(), result);
            continue;
        };
        let (kept, left) = if other.written_at >= result.written_at {
            (other.path.clone(), result.path.clone())
        } else {
            (result.path.clone(), other.path.clone())
        };
        remarks.note(format!(
            "{left} and {kept} both hold `{}`: the newer one, {kept}, counts",
            result.series.benchmark
        ));
        if kept == result.path {
            unique.insert(result.series.clone(), result);
        }
    }
    unique.into_values().collect()
}

fn describe_stale(root: &Utf8Path, session: &[SavedResult]) -> String {
    let count = session.len();
    let noun = if count == 1 { "benchmark was" } else { "benchmarks were" };
    let name = session.first().map_or("", |result| result.series.benchmark.as_str());
    let more = if count > 1 { " and others" } else { "" };
    format!(
        "{root}: {count} {noun} not part of the last run ({name}{more}): stored as an earlier run \
         of its own. Delete their folders if they are gone for good"
    )
}

fn draft(
    role: RunRole,
    origin: Utf8PathBuf,
    session: Vec<SavedResult>,
    environment: &Environment,
) -> RunDraft {
    let written_at = session.iter().map(|result| result.written_at).max();
    let measured_at = written_at.unwrap_or(Timestamp::UNIX_EPOCH).min(environment.now);
    let mut measurements = Vec::with_capacity(session.len());
    for result in session {
        let context = result.context();
        let context: Vec<&str> = context.iter().map(String::as_str).collect();
        let digest = Digest::of(&context, &result.series, &result.samples);
        for (series, samples) in result.resources {
            // Bare counts are often equal by chance: the times they came with identify them.
            let digest = Digest::of(&[&digest.to_string()], &series, &samples);
            measurements.push(MeasurementDraft {
                series,
                samples,
                throughput: Vec::new(),
                estimates: Vec::new(),
                declared: Exactness::Sampled,
                digest,
                content: digest,
            });
        }
        measurements.push(MeasurementDraft {
            series: result.series,
            samples: result.samples,
            throughput: result.throughput,
            estimates: result.estimates,
            declared: Exactness::Sampled,
            digest,
            content: digest,
        });
    }
    RunDraft {
        role,
        group: None,
        source: SOURCE.into(),
        origin,
        label: None,
        measured_at,
        imported_at: None,
        revision: environment.revision_at(measured_at),
        place: None,
        fingerprint: environment.fingerprint.clone(),
        attributes: environment.attributes.clone(),
        claims: Claims::default(),
        excluded: None,
        measurements: measurements.into(),
    }
}

/// A folder that holds one saved result.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SavedFolder {
    /// Its name: `new`, `base` or a baseline's.
    name: String,
    /// Where it is.
    path: Utf8PathBuf,
}

/// Criterion nests at most group, function, value and the saved result; deeper folders are
/// something else.
const MAX_DEPTH: usize = 6;

/// All saved results below `root`, in the order of their paths.
fn saved_folders(root: &Utf8Path) -> Result<Vec<SavedFolder>> {
    let mut found = Vec::new();
    visit(root, 0, &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn visit(folder: &Utf8Path, depth: usize, found: &mut Vec<SavedFolder>) -> Result<()> {
    let unreadable = |source| Error::Read { path: folder.to_owned(), source };
    for entry in folder.read_dir_utf8().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_type().map_err(unreadable)?.is_dir() {
            continue;
        }
        let (name, path) = (entry.file_name(), entry.path());
        // Criterion writes the samples first and names the benchmark last: a folder with either
        // file is a result, though perhaps one that was cut short.
        let is_result = path.join("sample.json").is_file() || path.join("benchmark.json").is_file();
        match name {
            // Criterion's own, but a benchmark may have that name too, and then holds results.
            "report" | "change" if is_result => {}
            _ if is_result => found.push(SavedFolder { name: name.to_owned(), path: path.into() }),
            _ if depth < MAX_DEPTH => visit(path, depth + 1, found)?,
            _ => {}
        }
    }
    Ok(())
}

/// Beside measuring, a benchmark sets up, warms up, is analysed and plotted. Nothing that
/// anybody waits for takes longer than this between two benchmarks of one process.
const PAUSE: Duration = Duration::from_secs(30 * 60);

/// How much longer than its measured time a benchmark may take: warm-up is about a third of the
/// measurement, and set-up for every batch can well double it.
const TIMES_MEASURED: u32 = 4;

/// Splits results into sessions, oldest first. Two neighbours in time belong to one session if the
/// gap between them can be explained by the later one's own measurement.
fn into_sessions(mut results: Vec<SavedResult>) -> Vec<Vec<SavedResult>> {
    results.sort_by(|a, b| a.written_at.cmp(&b.written_at).then_with(|| a.series.cmp(&b.series)));
    let mut sessions: Vec<Vec<SavedResult>> = Vec::new();
    for result in results {
        let measured = result.measured_for().saturating_mul(TIMES_MEASURED);
        let allowed = PAUSE.saturating_add(measured);
        match sessions.last_mut() {
            Some(session)
                if session.last().is_some_and(|previous| {
                    let gap = result.written_at.duration_since(previous.written_at);
                    Duration::try_from(gap).is_ok_and(|gap| gap <= allowed)
                }) =>
            {
                session.push(result);
            }
            _ => sessions.push(vec![result]),
        }
    }
    sessions
}
