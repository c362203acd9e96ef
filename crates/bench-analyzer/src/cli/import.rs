//! `import`: reads results and stores them.

use bench_analyzer::Error;
use bench_analyzer::environment::Environment;
use bench_analyzer::ingest::criterion::{self, CustomUnit, Wanted};
use bench_analyzer::ingest::{self, ImportBatch, Reading, Strictness};
use bench_analyzer::store::{BaselineMode, Destination, ImportOutcome, Store};
use bench_stats::model::Selector;
use camino::Utf8PathBuf;

use super::Outcome;
use super::args::Import;
use super::output::Output;
use super::progress::Progress;

pub(super) async fn run(
    store: &mut Store,
    command: Import,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let paths = match command.paths {
        paths if paths.is_empty() => vec![default_root(environment)?],
        paths => paths,
    };
    let destination = match command.baseline {
        Some(name) if command.append => Destination::Baseline(name, BaselineMode::Append),
        Some(name) => Destination::Baseline(name, BaselineMode::Replace),
        None if command.replicate => Destination::LatestSet,
        None => Destination::NewSet,
    };
    let reading = Reading {
        format: command.format.0,
        wanted: match destination {
            Destination::Baseline(..) => Wanted::Current,
            Destination::NewSet
            | Destination::Found
            | Destination::LatestSet
            | Destination::Job(_) => Wanted::CurrentAndBaselines,
        },
        unit: CustomUnit::new(command.unit),
        strictness: if command.strict {
            Strictness::RefuseAnyLoss
        } else {
            Strictness::KeepWhatIsGood
        },
        circumstances: command.circumstances.into(),
    };
    let batch = read(&paths, &reading, environment)?;
    let mut progress = Progress::new();
    let mut follow = progress.follow("storing the results");
    let outcome = store.import_watched(&batch, &destination, environment.now, &mut follow).await?;
    drop(follow);
    progress.finish();
    say(&batch, environment, output);
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

/// Reads every folder and file.
pub(super) fn read(
    paths: &[Utf8PathBuf],
    reading: &Reading,
    environment: &Environment,
) -> bench_analyzer::Result<ImportBatch> {
    let mut progress = Progress::new();
    let mut counter = progress.count("reading results", paths.len());
    ingest::read(paths, reading, environment, &mut || counter.advance())
}

/// Says what was remarked: losses are not to be overlooked.
pub(super) fn say(batch: &ImportBatch, environment: &Environment, output: &Output) {
    environment.remarks.iter().for_each(|remark| output.note(remark));
    batch.remarks.iter().for_each(|remark| output.note(&remark.to_string()));
}

/// The usual place of Criterion's results.
pub(super) fn default_root(environment: &Environment) -> bench_analyzer::Result<Utf8PathBuf> {
    // Asking cargo takes a while, and is rarely needed.
    if environment.builds_where_configured() {
        if let found @ Ok(_) = criterion::default_root(&environment.clone().ask_cargo()) {
            return found;
        }
    } else if let found @ Ok(_) = criterion::default_root(environment) {
        return found;
    }
    let members = environment.members_that_build_elsewhere();
    let mut folders: Vec<Utf8PathBuf> =
        members.iter().filter_map(|one| criterion::default_root(one).ok()).collect();
    folders.sort_unstable();
    folders.dedup();
    match folders.len() {
        0 => criterion::default_root(&environment.clone().ask_cargo()),
        1 => Ok(folders.remove(0)),
        _ => Err(Error::SeveralCriterionFolders { folders }),
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
