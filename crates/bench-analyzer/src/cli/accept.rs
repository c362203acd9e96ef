//! `accept`: accepts a change.

use anyhow::{Context, bail};
use bench_analyzer::config::Config;
use bench_analyzer::environment::Environment;
use bench_analyzer::ingest::TakenBack;
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
  bench-analyzer accept parse/large --undo

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
    #[arg(long, value_name = "TEXT", required_unless_present = "undo", conflicts_with = "undo",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) reason: Option<String>,

    /// Take back what was accepted last, or at --run or --commit, so that it alarms again
    #[arg(long)]
    pub(crate) undo: bool,

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
    let author = command.step.author(environment)?;
    let Some(reason) = command.reason.clone() else {
        return undo(store, &command, &timeline, TakenBack { author, at: environment.now }, output)
            .await;
    };
    let point = accepted_point(store, &command, config, &timeline).await?;
    let run = point.runs[0];
    let accepted = AcceptedChange {
        series: timeline.series.clone(),
        run,
        measured_at: point.measured_at,
        reason,
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

impl Accept {
    /// The point that the user named, if one was.
    fn named_point<'t>(&self, timeline: &'t Timeline) -> anyhow::Result<Option<&'t TimelinePoint>> {
        let is_named = |point: &&TimelinePoint| match (&self.run, &self.commit) {
            (Some(run), _) => point.runs.contains(run),
            (None, Some(commit)) => {
                point.commit.as_deref().is_some_and(|sha| sha.starts_with(commit.as_str()))
            }
            (None, None) => false,
        };
        if self.run.is_none() && self.commit.is_none() {
            return Ok(None);
        }
        let found = timeline.points.iter().find(is_named);
        found.map(Some).with_context(|| {
            format!("{} was never measured in that run or commit", timeline.series)
        })
    }
}

/// Opens a change again that was accepted.
async fn undo(
    store: &mut Store,
    command: &Accept,
    timeline: &Timeline,
    taken_back: TakenBack,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let named = command.named_point(timeline)?;
    let of_point = |one: &AcceptedChange| named.is_none_or(|point| point.runs.contains(&one.run));
    let accepted_changes = store.accepted_changes().await?;
    let last = accepted_changes
        .iter()
        .filter(|one| one.series == timeline.series && of_point(one))
        .max_by_key(|one| one.accepted_at);
    let Some(last) = last else {
        bail!("no change of {} is accepted there: `history` lists those that are", timeline.series);
    };
    store.take_back_acceptance(&last.series, last.run, &taken_back).await?;
    output.message(&format!(
        "the change of {} at {} is open again: {} took back what {} had accepted",
        last.series, last.run, taken_back.author, last.author
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
    if let Some(named) = command.named_point(timeline)? {
        return Ok(named.clone());
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
