//! `watch`: runs suites when they are due.

use anyhow::Context as _;
use bench_analyzer::continuous::ContinuousBenchmark;
use bench_analyzer::store::Store;
use clap::Args;

use super::continuous::SuitesFile;
use super::run::read as read_suites;
use super::{Outcome, Surroundings, continuous};

/// Run suites whenever their schedules say, until it is stopped
///
/// What is due but not done survives a restart, and so do alerts that were not delivered. Moments
/// that passed while nothing ran are made up for by one job. SIGTERM and Ctrl-C end the running
/// command and then this program; the next start goes on behind the last run that succeeded.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) file: SuitesFile,

    /// Run what is due now, then exit: for a timer of the system
    #[arg(long)]
    pub(crate) once: bool,
}

pub(super) async fn run(
    store: Store,
    command: Watch,
    Surroundings { config, environment, output, db }: Surroundings<'_>,
) -> anyhow::Result<Outcome> {
    let mut suites = read_suites(&command.file, environment)?;
    let scheduled = suites.suites.iter().filter(|suite| !suite.schedules.is_empty()).count();
    output.message(&format!(
        "watching: {scheduled} of {} suites have a schedule; logs and reports lie in {}",
        suites.suites.len(),
        store.folder().join("continuous")
    ));
    let parts = continuous::parts(&mut suites, &store, command.file.labels, db, output)?;
    continuous::leave_in_time(parts.stop.clone()).context("failed to begin a thread")?;
    let mut benchmark = ContinuousBenchmark::new(suites, config.settings(), store, parts);
    if command.once {
        benchmark.run_scheduled_benchmarks().await?;
    } else {
        benchmark.watch().await?;
        output.message("stopped; what was begun is gone on with the next time");
    }
    benchmark.close().await?;
    Ok(Outcome::Fine)
}
