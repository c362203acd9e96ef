//! `baseline`: lists, sets and removes names.

use bench_analyzer::environment::Environment;
use bench_analyzer::report::table::Table;
use bench_analyzer::store::Store;
use bench_stats::model::{BaselineName, RunId};
use clap::Subcommand;

use super::Outcome;
use super::output::Output;
use super::values::{ListFormat, run_id};

/// List, set and remove baselines
#[derive(Debug, Subcommand)]
pub(crate) enum Baseline {
    /// List all baselines
    List {
        /// How to show them
        #[arg(long, value_name = "FORMAT", default_value = "human")]
        format: ListFormat,
    },
    /// Make a baseline of stored runs, whatever it held before
    Set {
        /// Its name
        name: BaselineName,
        /// The runs, as `runs` numbers them: 12 or run:12
        #[arg(required = true, value_parser = run_id)]
        runs: Vec<RunId>,
    },
    /// Remove a baseline; its runs stay stored
    ///
    /// A folder of that name that Criterion still keeps brings it back at the next import.
    Rm {
        /// Its name
        name: BaselineName,
    },
}

pub(super) async fn run(
    store: &mut Store,
    command: Baseline,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    match command {
        Baseline::List { format } => list(store, format, output).await?,
        Baseline::Set { name, runs } => {
            store.set_baseline(&name, &runs, environment.now).await?;
            output.message(&format!("baseline {name} now consists of {} runs", runs.len()));
        }
        Baseline::Rm { name } => {
            store.remove_baseline(&name).await?;
            output.message(&format!("baseline {name} is gone; its runs stay stored"));
        }
    }
    Ok(Outcome::Fine)
}

async fn list(store: &mut Store, format: ListFormat, output: &Output) -> anyhow::Result<()> {
    let baselines = store.baselines().await?;
    if format == ListFormat::Json {
        output.data(|stdout| {
            serde_json::to_writer_pretty(&mut *stdout, &baselines)?;
            writeln!(stdout)
        })?;
        return Ok(());
    }
    if baselines.is_empty() {
        output.message(
            "there is no baseline yet: make one with `cargo bench -- --save-baseline NAME` or \
             `bench-analyzer import --baseline NAME`",
        );
        return Ok(());
    }
    let mut table = Table::fitting(None);
    table.push_texts(["baseline", "runs", "benchmarks", "updated", "commits"].map(str::to_owned));
    for baseline in baselines {
        let commits = baseline.commits.iter().map(|sha| sha.get(..10).unwrap_or(sha));
        table.push_texts([
            baseline.name.to_string(),
            baseline.runs.to_string(),
            baseline.benchmarks.to_string(),
            baseline.updated_at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            commits.collect::<Vec<_>>().join(", "),
        ]);
    }
    output.data(|stdout| table.write(stdout))?;
    Ok(())
}
