//! `import`: reads results and stores them.

use bench_analyzer::environment::Environment;
use bench_analyzer::ingest::criterion::{self, Wanted};
use bench_analyzer::ingest::format::{self, FileFormat};
use bench_analyzer::ingest::{ImportBatch, RunDraft, RunRole};
use bench_analyzer::model::Selector;
use bench_analyzer::store::{BaselineMode, Destination, ImportOutcome, Store};
use camino::Utf8PathBuf;

use super::Outcome;
use super::args::{Circumstances, Import};
use super::output::Output;
use super::progress::Progress;

pub(super) async fn run(
    store: &mut Store,
    command: Import,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let paths = match command.paths {
        paths if paths.is_empty() => vec![criterion::default_root(environment)?],
        paths => paths,
    };
    let destination = match command.baseline {
        Some(name) if command.append => Destination::Baseline(name, BaselineMode::Append),
        Some(name) => Destination::Baseline(name, BaselineMode::Replace),
        None if command.replicate => Destination::LatestSet,
        None => Destination::NewSet,
    };
    let mut batch = read(&paths, command.format.0, &destination, environment)?;
    command.circumstances.apply(&mut batch);
    let mut progress = Progress::new();
    let mut follow = progress.follow("storing the results");
    let outcome = store.import_watched(&batch, &destination, environment.now, &mut follow).await?;
    drop(follow);
    progress.finish();
    batch.notes.iter().for_each(|note| output.note(note));
    output.message(&describe(&outcome));
    note_if_older(store, &outcome, output).await?;
    Ok(Outcome::Fine)
}

/// Says so where what was just stored is not the latest result: nobody asked for it, and something else
/// was asked for after it was measured, or it came from another store.
pub(super) async fn note_if_older(
    store: &mut Store,
    outcome: &ImportOutcome,
    output: &Output,
) -> bench_analyzer::Result<()> {
    let Some(stored) = outcome.runs.last() else { return Ok(()) };
    let latest = store.runs_of_side(&Selector::Latest).await?;
    // Where others store too, theirs may well be the latest.
    if store.location().file().is_none() || outcome.runs.iter().any(|run| latest.contains(run)) {
        return Ok(());
    }
    if let Some(latest) = latest.first() {
        output.note(&format!(
            "{latest} stays the latest result, because it was asked for after {stored} was measured; \
             `--current {stored}` compares what was just stored, and so does importing it by name"
        ));
    }
    Ok(())
}

/// Reads every folder; the first that cannot be read fails them all.
pub(super) fn read(
    paths: &[Utf8PathBuf],
    format: Option<FileFormat>,
    destination: &Destination,
    environment: &Environment,
) -> bench_analyzer::Result<ImportBatch> {
    let wanted = match destination {
        Destination::Baseline(..) => Wanted::Current,
        Destination::NewSet | Destination::Found | Destination::LatestSet | Destination::Job(_) => {
            Wanted::CurrentAndBaselines
        }
    };
    let mut batch = ImportBatch::default();
    let mut progress = Progress::new();
    let mut counter = progress.count("reading results", paths.len());
    for path in paths {
        counter.advance();
        if path.is_file() {
            if format.is_none()
                && let Some(export) = format::read_export(path)?
            {
                // Sets of several exports are different sets.
                let offset = batch.runs.len() << 32;
                batch.runs.extend(
                    export.runs.into_iter().map(|run| RunDraft {
                        group: run.group.map(|group| group + offset),
                        ..run
                    }),
                );
                batch.baselines.extend(export.baselines);
                batch.blessings.extend(export.blessings);
                batch.found_steps.extend(export.found_steps);
                continue;
            }
            let found = format::read(path, format, environment)?;
            // Groups are numbered by file.
            let offset = batch.runs.len();
            batch.runs.extend(
                found
                    .runs
                    .into_iter()
                    .map(|run| RunDraft { group: run.group.map(|group| group + offset), ..run }),
            );
            batch.notes.extend(found.notes.into_iter().map(|note| format!("{path}: {note}")));
        } else {
            let found = criterion::read(path, wanted, environment)?;
            batch.runs.extend(found.runs);
            batch.notes.extend(found.notes);
        }
    }
    Ok(batch)
}

impl Circumstances {
    fn apply(&self, batch: &mut ImportBatch) {
        for run in batch.runs.iter_mut().filter(|run| run.role == RunRole::Current) {
            if let Some(at) = self.at {
                run.measured_at = at;
            }
            if self.commit.is_some() {
                run.revision.commit.clone_from(&self.commit);
                run.revision.dirty = None;
            }
            if self.branch.is_some() {
                run.revision.branch.clone_from(&self.branch);
            }
        }
    }
}

/// What an import did, in one sentence.
pub(super) fn describe(outcome: &ImportOutcome) -> String {
    let runs = outcome.runs.len();
    let mut text = if outcome.added == 0 {
        format!("nothing new: all {} measurements were stored already", outcome.known)
    } else {
        let numbers = match outcome.runs.as_slice() {
            [first, .., last] if runs > 5 => format!("{first} to {last}"),
            all => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        format!(
            "stored {} new measurements as {} ({})",
            outcome.added,
            if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") },
            numbers
        )
    };
    for (name, members) in &outcome.baselines {
        text.push_str(&format!("; baseline {name} takes {members} from them"));
    }
    text
}
