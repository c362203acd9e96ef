//! `withdraw`: says that a step of a history was none.

use anyhow::bail;
use bench_analyzer::environment::Environment;
use bench_analyzer::store::Store;
use bench_stats::model::{FoundStep, RunId, Withdrawal};
use clap::Args;

use super::Outcome;
use super::output::Output;
use super::values::{JudgedStep, run_id};

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
    #[command(flatten)]
    pub(crate) step: JudgedStep,

    /// Why it was no change
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) reason: String,

    /// The first run of the new level; needed where several steps were found
    #[arg(long, value_name = "RUN", value_parser = run_id)]
    pub(crate) run: Option<RunId>,
}

pub(super) async fn run(
    store: &mut Store,
    command: Withdraw,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let steps = store.found_steps().await?;
    let own = |step: &&FoundStep| {
        command.step.is_of(&step.series) && command.run.is_none_or(|run| run == step.run)
    };
    let open: Vec<&FoundStep> =
        steps.iter().filter(own).filter(|step| step.withdrawn.is_none()).collect();
    let step = match open.as_slice() {
        [step] => *step,
        [] => bail!(
            "no step of `{}` [{}] is there to withdraw: `history` lists those that were found, with \
             the first run of the new level",
            command.step.benchmark,
            command.step.metric
        ),
        several => {
            let runs: Vec<String> = several.iter().map(|step| step.run.to_string()).collect();
            bail!("several steps were found, at {}: say which one with --run", runs.join(", "))
        }
    };
    let withdrawal = Withdrawal {
        author: Some(command.step.author(environment)?),
        reason: command.reason,
        withdrawn_at: Some(environment.now),
    };
    store.withdraw_step(&step.series, step.run, &withdrawal, environment.now).await?;
    output.message(&format!(
        "the step of {} at {} is withdrawn: {}",
        step.series, step.run, withdrawal.reason
    ));
    Ok(Outcome::Fine)
}
