//! `withdraw`: says that a step of a history was none.

use anyhow::{Context, bail};
use bench_analyzer::environment::{self, Environment};
use bench_analyzer::store::Store;
use bench_stats::model::{FoundStep, RunId, Withdrawal};
use clap::Args;

use super::Outcome;
use super::output::Output;
use super::values::run_id;

const WITHDRAW_EXAMPLES: &str = "\
Examples:
  bench-analyzer withdraw parse/large --reason 'the disk was full that week'
  bench-analyzer withdraw parse/large --run 71 --reason 'two machines shared a name' --by Ada

Exit codes: 0 withdrawn; 2 wrong usage; 3 failure, such as no step to withdraw.";

/// Say that a step which a history shows was none
///
/// What was found in a history stays, so that it does not come and go as values are added. A step
/// that was real and is fine is accepted with `accept`; one that was no change of the code at all is
/// withdrawn. It stays listed, with the reason, and never alarms again.
#[derive(Debug, Args)]
#[command(after_long_help = WITHDRAW_EXAMPLES)]
pub(crate) struct Withdraw {
    /// The benchmark's full name
    pub(crate) benchmark: String,

    /// Why it was no change
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) reason: String,

    /// The first run of the new level; needed where several steps were found
    #[arg(long, value_name = "RUN", value_parser = run_id)]
    pub(crate) run: Option<RunId>,

    /// The quantity
    #[arg(long, value_name = "NAME", default_value = "time")]
    pub(crate) metric: String,

    /// Who says so [default: the user of git, or of the system]
    #[arg(long, value_name = "WHO", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) by: Option<String>,
}

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
