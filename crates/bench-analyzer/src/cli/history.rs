//! `history`: shows series through time.

use std::collections::{BTreeMap, BTreeSet};

use bench_analyzer::analysis::{LookBack, ReferenceName};
use bench_analyzer::config::Config;
use bench_analyzer::environment::Environment;
use bench_analyzer::report::format_change;
use bench_analyzer::report::history::{self, HistoryReporter};
use bench_analyzer::report::text::visible;
use bench_analyzer::store::Store;
use bench_stats::detect::changes::SeriesChanges;
use bench_stats::detect::reference::Reference;
use bench_stats::detect::steps::StepSettings;
use bench_stats::detect::verdict::Verdict;
use bench_stats::model::{Fingerprint, Metric, RunId, Series, TimelinePoint};
use clap::Args;

use super::Outcome;
use super::filter::Filters;
use super::output::Output;
use super::progress::Progress;
use super::values::{FailOnStep, ListFormat, probability, ratio};

const HISTORY_EXAMPLES: &str = "\
Examples:
  bench-analyzer history --changed               every benchmark whose level changed
  bench-analyzer history parse/large             one benchmark
  bench-analyzer history --filter 'parse/*' --format json
  bench-analyzer history --fail-on regression    fails until somebody fixes or accepts it
  bench-analyzer history --since release         what small parts add up to since the last tag

Exit codes: 0 fine; 1 what --fail-on names, or nothing to look at; 2 wrong usage; 3 failure.";

/// Show series through time, and where their level changed
///
/// A change is a lasting step of the level: significant among all places where one was looked for,
/// larger than the noise and the practical threshold, and no drift. One with fewer than three
/// later points is provisional; one that most benchmarks make together is the machine's. What was
/// found stays listed as the history grows; `accept` accepts it, `withdraw` takes it back.
///
/// A level that moves slowly is said to have a trend. What no step shows, because it came in small
/// parts, the comparison with a reference does: a place that stays where it is.
#[derive(Debug, Args)]
#[command(after_long_help = HISTORY_EXAMPLES)]
pub(crate) struct History {
    /// Only benchmarks whose name contains this; `parse [instructions]` means that metric of it
    #[arg(value_name = "ID")]
    pub(crate) benchmark: Option<String>,

    /// The quantity; `all` for every one that is recorded [default: time, or what there is where that
    /// was not measured]
    #[arg(long, value_name = "NAME")]
    pub(crate) metric: Option<String>,

    /// Show only series with changes
    #[arg(long)]
    pub(crate) changed: bool,

    /// Show only what was measured on machines whose processor, system or compiler contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) machine: Option<String>,

    /// List every series, however many did not change; always so where stdout is no terminal
    #[arg(long)]
    pub(crate) all: bool,

    /// The probability of finding a step in a series that has none [default: 0.01]
    #[arg(long, value_name = "P", value_parser = probability)]
    pub(crate) alpha: Option<f64>,

    /// The practical threshold: relative steps inside it are of no interest [default: 0.01, or what
    /// the configuration says]
    #[arg(long, value_name = "RATIO", value_parser = ratio)]
    pub(crate) threshold: Option<f64>,

    /// Only benchmarks whose name contains this, or matches it as a whole if it has a `*`
    #[arg(long = "filter", value_name = "NAME")]
    pub(crate) filters: Vec<String>,

    /// Hold the latest level against this place: `start` (the first points on this machine), `release`
    /// (the newest tag of the repository), or a baseline [default: start, or what the configuration
    /// says]
    #[arg(long, value_name = "PLACE")]
    pub(crate) since: Option<ReferenceName>,

    /// Exit with 1 if there is such a lasting change that nobody accepted; several with commas
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) fail_on: Vec<FailOnStep>,

    /// How to show it
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: ListFormat,
}

pub(super) async fn run(
    store: &mut Store,
    command: History,
    config: &Config,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let Meant { benchmark, metric } = Meant::by(&command, store).await?;
    // All series, because what most of them do at once is the machine's doing.
    let of_metric = |series: &Series| metric == "all" || series.metric.as_str() == metric;
    let settings = config.settings();
    let pinned = match command.since.as_ref().or(config.since.as_ref()) {
        Some(_) => Pinned::ByName,
        None => Pinned::ByDefault,
    };
    let mut progress = Progress::new();
    let mut follow = progress.follow("reading the history");
    let named = command.since.as_ref().or(config.since.as_ref());
    let reference = match named {
        Some(name) => name.resolve(store, &environment.working_dir).await?,
        None => Reference::Start,
    };
    let rules = |series: &Series| {
        let StepSettings { threshold, alpha, .. } = settings.steps(series);
        StepSettings {
            alpha: command.alpha.unwrap_or(alpha),
            // Said on the spot, it counts for all.
            threshold: command.threshold.map_or(threshold, f64::ln_1p),
            ..StepSettings::default()
        }
    };
    let usual = command.alpha.is_none() && command.threshold.is_none();
    let look = LookBack { reference, noted_at: usual.then_some(environment.now) };
    let listed_runs = store.runs(None).await?.into_iter();
    let machines: BTreeMap<RunId, Fingerprint> =
        listed_runs.map(|one| (one.run.id, one.run.fingerprint)).collect();
    let mut changes = match &command.machine {
        None => look.at(store, of_metric, rules, &mut follow).await?,
        Some(wanted) => {
            let on_it = on_machine(wanted, &machines)?;
            look.among(on_it, store, of_metric, rules, &mut follow).await?
        }
    };
    drop(follow);
    progress.finish();
    let filters = Filters::new(&command.filters);
    let known = changes.iter().map(|one| &one.timeline.series.benchmark);
    if let Some(complaint) = filters.complaint(known) {
        anyhow::ensure!(!command.fail_on.is_empty(), complaint);
        output.note(&complaint);
    }
    changes.retain(|one| filters.accept(&one.timeline.series.benchmark));
    if let Some(wanted) = &benchmark {
        // A name that exists is meant exactly; `parse` is not `parse/large`.
        let named = |one: &Series| one.benchmark.as_str() == wanted;
        if changes.iter().any(|one| named(&one.timeline.series)) {
            changes.retain(|one| named(&one.timeline.series));
        } else {
            changes.retain(|one| one.timeline.series.benchmark.as_str().contains(wanted));
        }
        if changes.is_empty() {
            let stored = stored(store).await?;
            let names = stored.iter().map(|one| one.benchmark.to_string());
            anyhow::bail!("no benchmark with `{wanted}` in its name is stored{}", listed(names));
        }
    }
    if let Some(wanted) = command.metric.as_ref().filter(|_| changes.is_empty()) {
        let stored = stored(store).await?;
        let metrics = stored.iter().map(|one| one.metric.to_string());
        anyhow::ensure!(
            wanted == "all"
                || stored.is_empty()
                || stored.iter().any(|one| one.metric.as_str() == wanted),
            "nothing is stored of the metric `{wanted}`{}",
            listed(metrics)
        );
    }
    let found_nothing = changes.iter().all(|one| one.timeline.points.is_empty());
    let failing = |one: &&SeriesChanges| settings.gates(&one.timeline.series);
    let gate: Vec<String> = changes
        .iter()
        .filter(failing)
        .filter_map(|one| failure(one, &command.fail_on, pinned))
        .collect();
    if command.changed {
        changes
            .retain(|one| !one.change_points.is_empty() || one.trend.is_some() || one.has_moved());
    }
    let most = (output.columns().is_some() && !command.all).then_some(SHORT);
    let reporter = HistoryReporter { most, columns: output.columns(), machines: Some(&machines) };
    output.data(|stdout| match command.format {
        ListFormat::Human => reporter.write(&changes, stdout),
        ListFormat::Json => history::write_json(&changes, stdout),
    })?;
    if command.fail_on.is_empty() {
        return Ok(Outcome::Fine);
    }
    if found_nothing {
        output.message("the gate fails: there is no history to look at (--fail-on)");
        return Ok(Outcome::GateFailed);
    }
    gate.iter().for_each(|why| output.message(&format!("the gate fails: {why}")));
    Ok(if gate.is_empty() { Outcome::Fine } else { Outcome::GateFailed })
}

/// How many series without a change a terminal lists.
const SHORT: usize = 20;

/// Tells the values of the machines that are named like this.
fn on_machine(
    wanted: &str,
    machines: &BTreeMap<RunId, Fingerprint>,
) -> anyhow::Result<impl Fn(&TimelinePoint) -> bool> {
    let wanted = wanted.to_lowercase();
    let is_meant = |machine: &Fingerprint| {
        let Fingerprint { cpu, os, rustc, .. } = machine;
        [cpu, os, rustc].iter().any(|text| text.to_lowercase().contains(&wanted))
    };
    anyhow::ensure!(
        machines.values().any(is_meant),
        "no machine is named like {wanted}{}",
        listed(machines.values().map(|one| one.cpu.clone()))
    );
    let meant = machines.iter().filter(|(_, machine)| is_meant(machine));
    let runs: BTreeSet<RunId> = meant.map(|(run, _)| *run).collect();
    Ok(move |point: &TimelinePoint| point.runs.first().is_some_and(|run| runs.contains(run)))
}

/// Who chose the place that histories are held against. One that nobody named is shown, but fails
/// nothing: a machine that grows slower over a year is no fault of the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pinned {
    ByName,
    ByDefault,
}

/// Why a series fails the gate.
fn failure(one: &SeriesChanges, fail_on: &[FailOnStep], pinned: Pinned) -> Option<String> {
    let fails = |verdict: Verdict| match verdict {
        Verdict::Regression => !fail_on.is_empty(),
        Verdict::Improvement => fail_on.contains(&FailOnStep::Change),
        _ => false,
    };
    let name = &one.timeline.series;
    let step = one.change_points.iter().find(|change| change.counts() && fails(change.verdict));
    if let Some(step) = step {
        return Some(format!("{name} changed by {} at {}", format_change(step.change), step.run));
    }
    let since = one.since.as_ref().filter(|_| pinned == Pinned::ByName)?;
    fails(since.beside_steps_verdict).then(|| {
        format!(
            "{name} moved by {} in small parts since {}",
            format_change(since.beside_steps),
            since.reference
        )
    })
}

/// Every series that is stored.
async fn stored(store: &mut Store) -> bench_analyzer::Result<Vec<Series>> {
    let mut stored: Vec<Series> = Vec::new();
    store
        .timelines(|series| {
            stored.push(series.clone());
            false
        })
        .await?;
    Ok(stored)
}

/// The end of a sentence that says what there is instead.
fn listed(names: impl Iterator<Item = String>) -> String {
    const SHOWN: usize = 10;
    let names: BTreeSet<String> = names.map(|name| visible(&name)).collect();
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    match names.len() {
        0 => "; the history is empty: `import` stores results".to_owned(),
        count if count > SHOWN => {
            format!("; there are {} and {} more", shown.join(", "), count - SHOWN)
        }
        _ => format!("; there are {}", shown.join(", ")),
    }
}

/// Meaning of the arguments, given what is stored.
struct Meant {
    benchmark: Option<String>,
    metric: String,
}

impl Meant {
    async fn by(command: &History, store: &mut Store) -> bench_analyzer::Result<Self> {
        let benchmark = command.benchmark.clone();
        if let Some(metric) = &command.metric {
            return Ok(Self { benchmark, metric: metric.clone() });
        }
        let stored = stored(store).await?;
        // As reports write it.
        let named = stored.iter().find(|one| benchmark.as_ref() == Some(&one.to_string()));
        if let Some(one) = named.filter(|one| !one.metric.is_time()) {
            let metric = one.metric.to_string();
            return Ok(Self { benchmark: Some(one.benchmark.to_string()), metric });
        }
        let is_meant = |one: &&Series| {
            benchmark.as_ref().is_none_or(|wanted| one.benchmark.as_str().contains(wanted))
        };
        let mut meant = stored.iter().filter(is_meant).peekable();
        let is_time = meant.peek().is_none() || meant.any(|one| one.metric.is_time());
        let metric = if is_time { Metric::TIME } else { "all" };
        Ok(Self { benchmark, metric: metric.to_owned() })
    }
}
