//! `report`: imports what is new and says what changed.

use bench_analyzer::Error;
use bench_analyzer::analysis::{LookBack, Sides};
use bench_analyzer::config::Config;
use bench_analyzer::environment::Environment;
use bench_analyzer::ingest::Reading;
use bench_analyzer::store::{Destination, Store};
use bench_stats::detect::reference::Reference;
use bench_stats::detect::settings::{Pattern, Settings};
use bench_stats::stats::spending::Plan;

use super::args::{Compare, Report, ReportOptions};
use super::output::Output;
use super::progress::Progress;
use super::{Outcome, gate, import};
use destination::Destinations;

mod destination;

pub(super) async fn run(
    store: &mut Store,
    command: Report,
    config: &Config,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let destinations = Destinations::new(&command.options, environment)?;
    import_what_is_new(store, &command, environment, output).await?;
    if command.baseline.is_none() {
        note_baselines(store, output).await?;
    }
    let mut progress = Progress::new();
    progress.phase("reading the results");
    let mut sides = Sides::load(store, command.baseline.as_ref(), &command.current).await?;
    keep_wanted(&mut sides, &command.options.filters);
    if let (Some(baseline), true) = (&sides.baseline, sides.are_the_same()) {
        let (baseline, current) = (baseline.name.clone(), sides.current.name);
        return Err(Error::SameRuns { baseline, current }.into());
    }
    anyhow::ensure!(
        !(sides.are_empty() && command.options.fail_on.is_empty()),
        "no benchmark is named like {}: `history` lists those that are stored",
        command.options.filters.join(" or ")
    );
    let reference = match &config.since {
        Some(name) => name.resolve(store, &environment.working_dir).await?,
        None => Reference::Start,
    };
    let usual = command.options.threshold.is_none();
    let look = LookBack { reference, noted_at: usual.then_some(environment.now) };
    let settings = settings(&command.options, config);
    let mut follow = progress.follow("reading the history");
    let histories = sides.histories(store, &settings, &look, &mut follow).await?;
    drop(follow);
    progress.phase("writing the report");
    let report = sides.report(settings, &histories);
    let evidence = sides.into_evidence(histories);
    progress.finish();
    destinations.write(&report, &evidence, output)?;
    Ok(gate::judge(&report, &command.options.fail_on, output))
}

/// Who names nothing to compare with may not know what there is.
async fn note_baselines(store: &mut Store, output: &Output) -> anyhow::Result<()> {
    let known: Vec<String> =
        store.baselines().await?.into_iter().map(|one| one.name.to_string()).collect();
    if !known.is_empty() {
        output.note(&format!(
            "this only describes what was measured; --baseline NAME says what changed, and there \
             are: {}",
            known.join(", ")
        ));
    }
    Ok(())
}

/// `compare`: a report of two sides that are stored already.
pub(super) async fn compare(
    store: &mut Store,
    command: Compare,
    config: &Config,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let report = Report {
        paths: Vec::new(),
        baseline: Some(command.baseline),
        current: command.current,
        no_import: true,
        options: command.options,
    };
    run(store, report, config, environment, output).await
}

async fn import_what_is_new(
    store: &mut Store,
    command: &Report,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<()> {
    if command.no_import {
        return Ok(());
    }
    if store.is_read_only() {
        output.note("this history may only be read, so nothing new is imported");
        return Ok(());
    }
    let paths = if command.paths.is_empty() {
        match import::default_root(environment) {
            Ok(root) => vec![root],
            Err(Error::NoCriterionFolder) => return Ok(()),
            Err(error @ Error::SeveralCriterionFolders { .. }) => {
                output.note(&error.to_string());
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
    } else {
        command.paths.clone()
    };
    // What lies in the usual place may have been there for long; what is named is meant.
    let destination =
        if command.paths.is_empty() { Destination::Found } else { Destination::NewSet };
    let batch = match import::read(&paths, &Reading::everything(), environment) {
        // An empty default folder is no reason to withhold what is stored.
        Err(Error::NoResults { .. }) if command.paths.is_empty() => return Ok(()),
        other => other?,
    };
    let outcome = store.import(&batch, &destination, environment.now).await?;
    if outcome.added > 0 {
        import::say(&batch, environment, output);
        output.message(&import::describe(&outcome));
        import::note_if_older(store, &outcome, output).await?;
    }
    Ok(())
}

fn settings(options: &ReportOptions, config: &Config) -> Settings {
    let mut settings = config.settings();
    if let Some(threshold) = options.threshold {
        settings.relative_threshold = threshold;
        // Said on the spot, it counts for all.
        settings.overrides.iter_mut().for_each(|one| one.relative_threshold = None);
    }
    settings.alpha = options.alpha.unwrap_or(settings.alpha);
    settings.false_discovery_rate = options.fdr.unwrap_or(settings.false_discovery_rate);
    settings.plan = options.planned_runs.map_or(settings.plan, Plan::Stated);
    if !options.controls.is_empty() {
        settings.controls = options.controls.iter().map(|text| contains_or_matches(text)).collect();
    }
    settings
}

/// Leaves only the benchmarks that one of the patterns names.
fn keep_wanted(sides: &mut Sides, filters: &[String]) {
    if filters.is_empty() {
        return;
    }
    let patterns: Vec<Pattern> = filters.iter().map(|text| contains_or_matches(text)).collect();
    sides.retain(|series| patterns.iter().any(|one| one.matches(series.benchmark.as_str())));
}

/// What a filter means: without a star it is a part of a name, as everywhere with Cargo.
pub(super) fn contains_or_matches(text: &str) -> Pattern {
    if text.contains('*') { Pattern::new(text) } else { Pattern::new(format!("*{text}*")) }
}
