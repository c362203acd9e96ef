//! `runs`: lists what is stored.

use bench_analyzer::store::Store;
use comfy_table::{Table, presets};

use super::Outcome;
use super::args::{ListFormat, Runs};
use super::output::Output;

pub(super) async fn run(
    store: &mut Store,
    command: Runs,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let runs = store.runs(Some(command.limit)).await?;
    if command.format == ListFormat::Json {
        output.data(|stdout| {
            serde_json::to_writer_pretty(&mut *stdout, &runs)?;
            writeln!(stdout)
        })?;
        return Ok(Outcome::Fine);
    }
    if runs.is_empty() {
        output.message("no run is stored yet: run `cargo bench`, then `bench-analyzer import`");
        return Ok(Outcome::Fine);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "run",
        "set",
        "measured",
        "commit",
        "branch",
        "benchmarks",
        "baselines",
        "origin",
    ]);
    for listing in runs {
        let run = listing.run;
        table.add_row([
            run.id.to_string(),
            listing.set.to_string(),
            run.measured_at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            run.revision.short().unwrap_or_default(),
            run.revision.branch.unwrap_or_default(),
            listing.benchmarks.to_string(),
            listing.baselines.join(", "),
            run.label.unwrap_or(run.origin),
        ]);
    }
    output.data(|stdout| writeln!(stdout, "{}", table.trim_fmt()))?;
    Ok(Outcome::Fine)
}
