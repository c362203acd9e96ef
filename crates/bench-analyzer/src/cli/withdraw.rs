//! `withdraw`: says that a step of a history was none.

use anyhow::{Context, bail};
use bench_analyzer::environment::{self, Environment};
use bench_analyzer::store::Store;
use bench_stats::model::{FoundStep, Withdrawal};

use super::Outcome;
use super::args::Withdraw;
use super::output::Output;

pub(super) async fn run(
    store: &mut Store,
    command: Withdraw,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let steps = store.found_steps().await?;
    let own = |step: &&FoundStep| {
        step.series.benchmark.as_str() == command.benchmark
            && step.series.metric.as_str() == command.metric
            && command.run.is_none_or(|run| run == step.run)
    };
    let open: Vec<&FoundStep> =
        steps.iter().filter(own).filter(|step| step.withdrawn.is_none()).collect();
    let step = match open.as_slice() {
        [step] => *step,
        [] => bail!(
            "no step of `{}` [{}] is there to withdraw: `history` lists those that were found, with \
             the first run of the new level",
            command.benchmark,
            command.metric
        ),
        several => {
            let runs: Vec<String> = several.iter().map(|step| step.run.to_string()).collect();
            bail!("several steps were found, at {}: say which one with --run", runs.join(", "))
        }
    };
    let author = match command.by {
        Some(author) => author,
        None => environment::user(&environment.working_dir)
            .context("nobody is known to say so: name yourself with --by")?,
    };
    let withdrawal = Withdrawal {
        reason: command.reason,
        author: Some(author),
        withdrawn_at: Some(environment.now),
    };
    store.withdraw_step(&step.series, step.run, &withdrawal, environment.now).await?;
    output.message(&format!(
        "the step of {} at {} is withdrawn: {}",
        step.series, step.run, withdrawal.reason
    ));
    Ok(Outcome::Fine)
}
