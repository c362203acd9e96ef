//! `accept`: accepts a change.

use anyhow::{Context, bail};
use bench_analyzer::config::Config;
use bench_analyzer::environment::Environment;
use bench_analyzer::store::Store;
use bench_stats::detect::changes::find_changes;
use bench_stats::model::{AcceptedChange, RunId, Timeline, TimelinePoint};
use clap::Args;

use super::Outcome;
use super::output::Output;
use super::values::{JudgedStep, run_id};

const ACCEPT_EXAMPLES: &str = "\
Examples:
  bench-analyzer accept parse/large --reason 'it checks its input now'
  bench-analyzer accept parse/large --commit 1a2b3c --reason 'see the pull request' --by Ada

Exit codes: 0 accepted; 2 wrong usage; 3 failure, such as no change to accept.";

/// Accept a change, so that it never alarms again
///
/// Without --run or --commit, the newest change of the benchmark that nobody accepted yet.
#[derive(Debug, Args)]
#[command(after_long_help = ACCEPT_EXAMPLES)]
pub(crate) struct Accept {
    #[command(flatten)]
    pub(crate) step: JudgedStep,

    /// Why the change is fine
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) reason: String,

    /// The first run of the new level
    #[arg(long, value_name = "RUN", value_parser = run_id, conflicts_with = "commit")]
    pub(crate) run: Option<RunId>,

    /// The first commit of the new level, or the start of its hash
    #[arg(long, value_name = "SHA", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) commit: Option<String>,
}

pub(super) async fn run(
    store: &mut Store,
    command: Accept,
    config: &Config,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let timelines = store.timelines(|series| command.step.is_of(series)).await?;
    let Some(timeline) = timelines.into_iter().next_back() else {
        bail!(
            "no benchmark `{}` with the metric `{}` is stored: `history` lists those that are",
            command.step.benchmark,
            command.step.metric
        );
    };
    let point = accepted_point(store, &command, config, &timeline).await?;
    let author = command.step.author(environment)?;
    let run = point.runs[0];
    let accepted = AcceptedChange {
        series: timeline.series.clone(),
        run,
        measured_at: point.measured_at,
        reason: command.reason,
        author,
        accepted_at: environment.now,
    };
    store.accept(&accepted).await?;
    output.message(&format!(
        "the change of {} at {run} is accepted by {}: {}",
        accepted.series, accepted.author, accepted.reason
    ));
    Ok(Outcome::Fine)
}

/// The point that the user named, or the newest change that nobody accepted.
async fn accepted_point(
    store: &mut Store,
    command: &Accept,
    config: &Config,
    timeline: &Timeline,
) -> anyhow::Result<TimelinePoint> {
    let named = |point: &&TimelinePoint| match (&command.run, &command.commit) {
        (Some(run), _) => point.runs.contains(run),
        (None, Some(commit)) => {
            point.commit.as_deref().is_some_and(|sha| sha.starts_with(commit.as_str()))
        }
        (None, None) => false,
    };
    if command.run.is_some() || command.commit.is_some() {
        let found = timeline.points.iter().find(named).cloned();
        return found.with_context(|| {
            format!("{} was never measured in that run or commit", timeline.series)
        });
    }
    let memory = store.memory().await?;
    // As `history` finds them, so that what it shows is what can be accepted.
    let rules = config.settings().steps(&timeline.series);
    let changes = find_changes(vec![timeline.clone()], &memory, &rules);
    let open = changes
        .iter()
        .flat_map(|one| &one.change_points)
        .rfind(|change| change.acknowledged.is_none() && change.withdrawn.is_none());
    match open {
        Some(change) => Ok(timeline.points[change.index].clone()),
        None => bail!(
            "{} has no change that is not accepted yet; name the first run of the new level with \
             --run to accept one that is not found",
            timeline.series
        ),
    }
}
