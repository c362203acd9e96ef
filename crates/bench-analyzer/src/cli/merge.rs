//! `push` and `pull`: a local history and a team's.

use anyhow::ensure;
use bench_analyzer::environment::Environment;
use bench_analyzer::store::{BaselineMerge, Location, MergeOutcome, Store};
use bench_stats::model::BaselineName;

use super::Outcome;
use super::args::{BaselineChoice, Pull, Push};
use super::output::Output;
use super::progress::Progress;

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
    let MergeOutcome { runs, known_runs, measurements, baselines, blessings } = outcome;
    if *runs == 0 && baselines.is_empty() && *blessings == 0 {
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
    if *blessings > 0 {
        parts.push(format!("{blessings} accepted changes taken over"));
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
