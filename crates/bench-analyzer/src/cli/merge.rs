//! `push` and `pull`: a local history and a team's.

use anyhow::ensure;
use bench_analyzer::environment::Environment;
use bench_analyzer::store::{BaselineMerge, Location, MergeOutcome, Store};
use bench_stats::model::BaselineName;
use clap::{Args, ValueEnum};

use super::Outcome;
use super::output::Output;
use super::progress::Progress;

const PUSH_EXAMPLES: &str = "\
Examples:
  bench-analyzer push --to postgres://ada@db.example/bench
  bench-analyzer push --to postgres://ada@db.example/bench --baselines newer

The password is best left to PGPASSWORD or ~/.pgpass: arguments can be seen by others.

Exit codes: 0 fine; 2 wrong usage; 3 failure: the runs before it are stored, and the same command
goes on behind them.";

const PULL_EXAMPLES: &str = "\
Examples:
  bench-analyzer pull --from postgres://ada@db.example/bench
  bench-analyzer pull --from postgres://ada@db.example/bench && bench-analyzer report --baseline main

Exit codes: 0 fine; 2 wrong usage; 3 failure: the runs before it are stored, and the same command
goes on behind them.";

/// Add this history to another one, such as a team's
///
/// Adds the runs that the other history does not have, each whole or not at all. Measurements are
/// known by their content, so pushing twice adds nothing, and pushing again goes on where it was
/// cut off. Baselines that the other history has stay as they are, unless --baselines says
/// otherwise; of a change that was accepted in both, the later word holds. Schedules, jobs and
/// alerts stay here.
#[derive(Debug, Args)]
#[command(after_long_help = PUSH_EXAMPLES)]
pub(crate) struct Push {
    /// The other history: postgres://USER@HOST/DATABASE, or a file
    #[arg(long, value_name = "ADDRESS|FILE")]
    pub(crate) to: String,

    /// What becomes of baselines that both have [default: keep]
    #[arg(long, value_name = "HOW")]
    pub(crate) baselines: Option<BaselineChoice>,
}

/// Take over another history, such as a team's, into this one
///
/// The reverse of `push`: adds the runs that are not here. Of a baseline that both have, each
/// benchmark takes the results that were measured later, unless --baselines says otherwise.
#[derive(Debug, Args)]
#[command(after_long_help = PULL_EXAMPLES)]
pub(crate) struct Pull {
    /// The other history: postgres://USER@HOST/DATABASE, or a file
    #[arg(long, value_name = "ADDRESS|FILE")]
    pub(crate) from: String,

    /// What becomes of baselines that both have [default: newer]
    #[arg(long, value_name = "HOW")]
    pub(crate) baselines: Option<BaselineChoice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BaselineChoice {
    /// They stay as they are in the history that is added to
    Keep,
    /// Benchmark by benchmark, whichever results were measured later
    Newer,
    /// No baseline is taken over at all
    Skip,
}

pub(super) async fn push(
    store: &mut Store,
    command: Push,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let mut team = open_other(store, &command.to).await?;
    let baselines = command.baselines.unwrap_or(BaselineChoice::Keep).into();
    let outcome = merge(&mut team, store, baselines, environment).await?;
    output.message(&describe(&outcome, team.location()));
    team.close().await?;
    Ok(Outcome::Fine)
}

pub(super) async fn pull(
    store: &mut Store,
    command: Pull,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let mut team = open_other(store, &command.from).await?;
    let baselines = command.baselines.unwrap_or(BaselineChoice::Newer).into();
    let outcome = merge(store, &mut team, baselines, environment).await?;
    output.message(&describe(&outcome, store.location()));
    team.close().await?;
    Ok(Outcome::Fine)
}

async fn open_other(store: &Store, address: &str) -> anyhow::Result<Store> {
    let location: Location = address.parse()?;
    ensure!(
        location.to_string() != store.location().to_string(),
        "both histories are {location}: name the local one with --db FILE"
    );
    Ok(Store::open(&location).await?)
}

async fn merge(
    target: &mut Store,
    source: &mut Store,
    baselines: BaselineMerge,
    environment: &Environment,
) -> anyhow::Result<MergeOutcome> {
    let mut progress = Progress::new();
    progress.phase("comparing the histories");
    let mut follow = progress.follow("merging runs");
    let outcome = target.merge(source, baselines, environment.now, &mut follow).await?;
    drop(follow);
    progress.finish();
    Ok(outcome)
}

fn describe(outcome: &MergeOutcome, target: &Location) -> String {
    let MergeOutcome { runs, known_runs, measurements, baselines, accepted_changes } = outcome;
    if *runs == 0 && baselines.is_empty() && *accepted_changes == 0 {
        return format!("{target} has all {known_runs} runs already");
    }
    let mut parts = vec![format!(
        "{runs} {} with {measurements} {} added to {target}",
        if *runs == 1 { "run" } else { "runs" },
        if *measurements == 1 { "measurement" } else { "measurements" },
    )];
    if *known_runs > 0 {
        parts.push(format!("{known_runs} were there"));
    }
    if !baselines.is_empty() {
        let names: Vec<&str> = baselines.iter().map(BaselineName::as_str).collect();
        parts.push(format!("baselines brought up to date: {}", names.join(", ")));
    }
    if *accepted_changes > 0 {
        parts.push(format!("{accepted_changes} accepted changes taken over"));
    }
    parts.join("; ")
}

impl From<BaselineChoice> for BaselineMerge {
    fn from(choice: BaselineChoice) -> Self {
        match choice {
            BaselineChoice::Keep => Self::Keep,
            BaselineChoice::Newer => Self::Newer,
            BaselineChoice::Skip => Self::Skip,
        }
    }
}
