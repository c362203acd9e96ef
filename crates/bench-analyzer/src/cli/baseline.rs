//! `baseline`: lists, sets and removes names.

use bench_analyzer::environment::Environment;
use bench_analyzer::store::Store;
use comfy_table::{Table, presets};

use super::Outcome;
use super::args::{Baseline, ListFormat};
use super::output::Output;

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
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["baseline", "runs", "benchmarks", "updated", "commits"]);
    for baseline in baselines {
        let commits = baseline.commits.iter().map(|sha| sha.get(..10).unwrap_or(sha));
        table.add_row([
            baseline.name.to_string(),
            baseline.runs.to_string(),
            baseline.benchmarks.to_string(),
            baseline.updated_at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            commits.collect::<Vec<_>>().join(", "),
        ]);
    }
    output.data(|stdout| writeln!(stdout, "{}", table.trim_fmt()))?;
    Ok(())
}
