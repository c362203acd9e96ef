//! `report`: imports what is new and says what changed.

use bench_analyzer::Error;
use bench_analyzer::analysis::{self, LookBack, PREVIOUS, Sides};
use bench_analyzer::config::Config;
use bench_analyzer::environment::{self, Environment};
use bench_analyzer::ingest::Reading;
use bench_analyzer::links::Links;
use bench_analyzer::report::html::HtmlReporter;
use bench_analyzer::store::{Destination, Store};
use bench_stats::detect::reference::Reference;
use bench_stats::detect::settings::{Pattern, Settings};
use bench_stats::model::Selector;
use bench_stats::stats::spending::Plan;
use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};
use destination::Destinations;

use super::filter::Filters;
use super::output::Output;
use super::progress::Progress;
use super::values::{FailOn, probability, ratio};
use super::{Outcome, gate, import};

const REPORT_EXAMPLES: &str = "\
Examples:
  bench-analyzer report --baseline main                        what changed since `main`?
  bench-analyzer report --baseline main --fail-on regression   the same as a gate
  bench-analyzer report --baseline main --filter 'parse/*' --threshold 0.03
  bench-analyzer report --baseline main --format json | jq '.regressions[].test_name'

Exit codes:
  0  fine, or nothing was asked to fail
  1  the gate failed: what --fail-on names was found, or nothing was compared
  2  wrong usage
  3  failure: nothing could be said
  4  the gate could not judge: most benchmarks moved together, and it may be the machine or the
     code. Measure both sides in turns, or name a --control";

const COMPARE_EXAMPLES: &str = "\
Examples:
  bench-analyzer compare main            `main` with the latest runs
  bench-analyzer compare v1.0 v1.1       two baselines, tags or branches that were measured
  bench-analyzer compare HEAD~1 HEAD     two commits that were measured; 1a2b3c4 is one too
  bench-analyzer compare run:12 run:15   two single runs

Exit codes: 0 fine; 1 the gate failed (--fail-on, or nothing was compared); 2 wrong usage; 3 failure;
4 the gate could not judge (machine or code).";

/// Say what changed
///
/// Imports what is new in the Criterion folder first, so that it needs no other command before it.
///
/// A regression or improvement is listed when it is statistically significant and its whole
/// interval lies beyond the practical threshold. `no change seen (within ±3%)` says that the whole interval
/// lies inside ±3%, `unchanged` that it lies inside the threshold. `inconclusive` is what may have changed by
/// a tenth and more, or likely changed and is not sure yet; it says how many more runs would tell. With fewer
/// than three runs a side and no history there are only hints, which never fail a build. Of what is counted
/// (instructions, allocations), one run a side is enough.
#[derive(Debug, Args)]
#[command(after_long_help = REPORT_EXAMPLES)]
pub(crate) struct Report {
    /// Criterion folders to import first [default: as `import`; none is no error]
    #[arg(value_name = "DIR")]
    pub(crate) paths: Vec<Utf8PathBuf>,

    /// Compare with this baseline, with a single run as run:12, or with a commit, tag or branch that was
    /// measured [default: the results before the latest, if there are no baselines]
    #[arg(long, value_name = "NAME")]
    pub(crate) baseline: Option<Selector>,

    /// Results to compare: a baseline, run:12, a commit that was measured, or latest
    #[arg(long, value_name = "NAME", default_value = "latest")]
    pub(crate) current: Selector,

    /// Look at what is stored only
    #[arg(long, conflicts_with = "paths")]
    pub(crate) no_import: bool,

    #[command(flatten)]
    pub(crate) options: ReportOptions,
}

/// Compare two sides that are stored already
///
/// Like `report`, but nothing is imported, and both sides are named: baselines, single runs as
/// run:12, latest, previous (the results before the latest), or commits, tags and branches that were measured.
#[derive(Debug, Args)]
#[command(after_long_help = COMPARE_EXAMPLES)]
pub(crate) struct Compare {
    /// The old side
    pub(crate) baseline: Selector,

    /// The new side
    #[arg(default_value = "latest")]
    pub(crate) current: Selector,

    #[command(flatten)]
    pub(crate) options: ReportOptions,
}

/// How to judge, and how to show it.
#[derive(Debug, Args)]
pub(crate) struct ReportOptions {
    /// How to show it
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: ReportFormat,

    /// Write to FILE, in the format of its ending (html, md, json, csv, xml, svg, png, txt), or without one in
    /// that of --format; may be given several times
    ///
    /// What --format names goes to stdout as well, unless one of the files has that format.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Vec<Utf8PathBuf>,

    /// Where the whole report can be read: the Markdown report ends with a link to it [default: the run of the
    /// GitHub workflow, in one]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) link: Option<String>,

    /// Append the Markdown report to the file that GITHUB_STEP_SUMMARY names
    #[arg(long)]
    pub(crate) step_summary: bool,

    /// List every benchmark, however many did not change; always so where stdout is no terminal
    #[arg(long)]
    pub(crate) all: bool,

    /// For how many benchmarks an HTML report draws samples and history, worst first
    #[arg(long, value_name = "N", default_value_t = HtmlReporter::PLOTS)]
    pub(crate) plots: usize,

    /// Exit with 1 if this is found, or if nothing was compared; several with commas
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) fail_on: Vec<FailOn>,

    /// Only benchmarks whose name contains this, or matches it as a whole if it has a `*`
    #[arg(long = "filter", value_name = "NAME")]
    pub(crate) filters: Vec<String>,

    /// The practical threshold: relative changes inside it are of no interest, as 0.02 or 2% [default: 0.01,
    /// or what the configuration says]
    #[arg(long, value_name = "RATIO", value_parser = ratio)]
    pub(crate) threshold: Option<f64>,

    /// Of all changes listed, at most this share may be false in the long run [default: 0.1, or what
    /// the configuration says]
    #[arg(long, value_name = "SHARE", value_parser = probability)]
    pub(crate) fdr: Option<f64>,

    /// How many runs a side were decided on before measuring: such a look finds more
    ///
    /// Without it a report stays valid however often you add runs and look again, and pays for that with
    /// a smaller level at each look.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) planned_runs: Option<u32>,

    /// A control: a benchmark that the change cannot touch, as --filter names them: where most benchmarks moved
    /// together, it tells the machine from the code; may be given several times
    #[arg(long = "control", alias = "reference", value_name = "NAME")]
    pub(crate) controls: Vec<String>,

    /// The largest p-value of a change [default: 0.01, or what the configuration says]
    #[arg(long, value_name = "P", value_parser = probability)]
    pub(crate) alpha: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For a terminal
    Human,
    /// For programs; docs/report.schema.json describes it
    Json,
    /// For pull requests
    Markdown,
    /// One page with plots, for browsers, phones and paper
    Html,
    /// For spreadsheets
    Csv,
    /// Test results in XML, for CI systems
    Junit,
    /// Annotations in the log of a GitHub workflow
    Github,
    /// Both sides in columns, as critcmp prints them
    Critcmp,
    /// Both sides in columns, as benchstat prints them
    Benchstat,
    /// A picture of all changes; with --filter for one benchmark, of its samples and history
    Svg,
    /// The same as pixels
    Png,
}

mod busy;
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
    let mut progress = Progress::new();
    progress.phase("reading the results");
    let dir = &environment.working_dir;
    let baseline = baseline(store, &command, output).await?;
    let mut sides = Sides::load(store, baseline.as_ref(), &command.current, dir).await?;
    let filters = Filters::new(&command.options.filters);
    let complaint = {
        let both = sides.baseline.iter().chain([&sides.current]);
        filters.complaint(both.flat_map(|side| side.results.keys()).map(|one| &one.benchmark))
    };
    if let Some(complaint) = complaint {
        // A gate says by itself that nothing was compared.
        anyhow::ensure!(!command.options.fail_on.is_empty(), complaint);
        output.note(&complaint);
    }
    sides.retain(|series| filters.accept(&series.benchmark));
    if let (Some(baseline), true) = (&sides.baseline, sides.are_the_same()) {
        let (baseline, current) = (baseline.name.clone(), sides.current.name);
        return Err(Error::SameRuns { baseline, current }.into());
    }
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
    let mut evidence = sides.into_evidence(histories);
    let remote = environment::remote(dir).map(|address| Links::of_remote(&address));
    evidence.links = config.links.clone().or(remote.unwrap_or_default());
    progress.finish();
    let standing = gate::judge(&report, &command.options.fail_on);
    destinations.write(&report, &evidence, standing.as_ref(), output)?;
    if let Some(note) = busy::note(&report, environment) {
        output.note(&note);
    }
    Ok(gate::say(standing.as_ref(), output))
}

/// Finds the side to compare with: the one that was named, else the results before the latest, as long as there are no baselines to
/// choose from.
async fn baseline(
    store: &mut Store,
    command: &Report,
    output: &Output,
) -> anyhow::Result<Option<Selector>> {
    if command.baseline.is_some() || !command.options.fail_on.is_empty() {
        return Ok(command.baseline.clone());
    }
    let known: Vec<String> =
        store.baselines().await?.into_iter().map(|one| one.name.to_string()).collect();
    if !known.is_empty() {
        output.note(&format!(
            "this only describes what was measured; --baseline NAME says what changed, and there \
             are: {}",
            known.join(", ")
        ));
        return Ok(None);
    }
    if command.current != Selector::Latest || !analysis::has_previous(store).await? {
        return Ok(None);
    }
    output.note("compared with the results before these, as no --baseline is named");
    Ok(PREVIOUS.parse().ok())
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
        settings.controls = options.controls.iter().map(Pattern::part_or_whole).collect();
    }
    settings
}
