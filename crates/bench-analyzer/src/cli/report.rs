//! `report`: imports what is new and says what changed.

use std::collections::BTreeSet;

use bench_analyzer::config::Config;
use bench_analyzer::environment::Environment;
use bench_analyzer::ingest::Reading;
use bench_analyzer::past;
use bench_analyzer::report::dossier::Evidence;
use bench_analyzer::store::{Destination, Store};
use bench_analyzer::{AnalysisReport, BenchmarkAnalyzer, Error};
use bench_stats::detect::reference::Reference;
use bench_stats::detect::settings::{Pattern, Settings};
use bench_stats::model::{BenchmarkResults, RunId, Series};
use bench_stats::stats::spending::Plan;
use jiff::Timestamp;

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
    // The baseline first: a name that does not exist is the likelier mistake.
    let mut baseline = match &command.baseline {
        Some(selector) => Some(store.results(selector).await?),
        None => None,
    };
    let mut current = store.results(&command.current).await?;
    keep_wanted(&mut current, &command.options.filters);
    if let Some(baseline) = &mut baseline {
        keep_wanted(baseline, &command.options.filters);
    }
    if let Some(baseline) = &baseline
        && !current.results.is_empty()
        && same_measurements(baseline, &current)
    {
        let (baseline, current) = (baseline.name.clone(), current.name);
        return Err(Error::SameRuns { baseline, current }.into());
    }
    let nothing = |side: &BenchmarkResults| side.results.is_empty();
    anyhow::ensure!(
        !(nothing(&current)
            && baseline.as_ref().is_none_or(nothing)
            && command.options.fail_on.is_empty()),
        "no benchmark is named like {}: `history` lists those that are stored",
        command.options.filters.join(" or ")
    );

    let analyzer = match &baseline {
        Some(baseline) => BenchmarkAnalyzer::new(baseline.clone()),
        None => BenchmarkAnalyzer::without_baseline(),
    };
    let runs: Vec<RunId> = current.runs.iter().map(|run| run.id).collect();
    let history = match current.runs.last() {
        Some(newest) => store.history(&newest.fingerprint, &runs).await?,
        None => Default::default(),
    };
    let report = analyzer
        .with_settings(settings(&command.options, config))
        .with_history(history)
        .with_blessings(store.blessings().await?)
        .analyze_results(&current);
    let reference = match &config.since {
        Some(name) => name.resolve(store, &environment.working_dir).await?,
        None => Reference::Start,
    };
    let usual = command.options.threshold.is_none();
    let past = Past { reference: &reference, noted_at: usual.then_some(environment.now) };
    let (report, evidence) = gather(store, report, baseline, current, past, &mut progress).await?;
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

/// Reads the past of what was measured, to say since when it changed and what moves slowly.
async fn gather(
    store: &mut Store,
    report: AnalysisReport,
    baseline: Option<BenchmarkResults>,
    current: BenchmarkResults,
    past: Past<'_>,
    progress: &mut Progress,
) -> anyhow::Result<(AnalysisReport, Evidence)> {
    let wanted: BTreeSet<&Series> = report
        .measured
        .iter()
        .map(|one| &one.series)
        .filter(|series| !series.metric.is_resource())
        .collect();
    let mut follow = progress.follow("reading the history");
    let is_wanted = |series: &Series| wanted.contains(series);
    let rules = |series: &Series| report.settings.steps(series);
    let mut histories = match past.noted_at {
        Some(now) => past::noted_histories(store, is_wanted, rules, now, &mut follow).await?,
        None => past::histories(store, is_wanted, rules, &mut follow).await?,
    };
    drop(follow);
    for one in &mut histories {
        one.since = one.since(past.reference, &rules(&one.timeline.series));
    }
    progress.phase("writing the report");
    let report = match &baseline {
        Some(baseline) => report.trace(baseline, &current, &histories),
        None => report,
    };
    Ok((report.with_slow_moves(&histories), Evidence { baseline, current, histories }))
}

/// How a report looks back.
struct Past<'r> {
    /// The place that histories are held against.
    reference: &'r Reference,
    /// When what is found is noted; not at all where it was looked for by other rules than usual.
    noted_at: Option<Timestamp>,
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
fn keep_wanted(results: &mut BenchmarkResults, filters: &[String]) {
    if filters.is_empty() {
        return;
    }
    let patterns: Vec<Pattern> = filters.iter().map(|text| contains_or_matches(text)).collect();
    results.results.retain(|series, _| {
        patterns.iter().any(|pattern| pattern.matches(series.benchmark.as_str()))
    });
}

/// What a filter means: without a star it is a part of a name, as everywhere with Cargo.
pub(super) fn contains_or_matches(text: &str) -> Pattern {
    if text.contains('*') { Pattern::new(text) } else { Pattern::new(format!("*{text}*")) }
}

/// Whether two sides hold the very same measurements, as right after saving a baseline.
fn same_measurements(left: &BenchmarkResults, right: &BenchmarkResults) -> bool {
    left.results == right.results
}
