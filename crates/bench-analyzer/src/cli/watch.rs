//! `watch`: runs suites when they are due.

use bench_analyzer::config::Config;
use bench_analyzer::continuous::ContinuousBenchmark;
use bench_analyzer::environment::Environment;
use bench_analyzer::store::Store;

use super::args::Watch;
use super::output::Output;
use super::run::read as read_suites;
use super::{Outcome, continuous};

pub(super) async fn run(
    store: Store,
    command: Watch,
    config: &Config,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let suites = read_suites(&command.file, environment)?;
    let scheduled = suites.suites.iter().filter(|suite| !suite.schedules.is_empty()).count();
    output.message(&format!(
        "watching: {scheduled} of {} suites have a schedule; logs and reports lie in {}",
        suites.suites.len(),
        store.folder().join("continuous")
    ));
    let parts = continuous::parts(output)?;
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
