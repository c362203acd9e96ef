//! `watch`: runs suites when they are due.

use bench_analyzer::continuous::ContinuousBenchmark;
use bench_analyzer::store::Store;

use super::args::Watch;
use super::run::read as read_suites;
use super::{Outcome, Surroundings, continuous};

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
    continuous::leave_in_time(parts.stop.clone());
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
