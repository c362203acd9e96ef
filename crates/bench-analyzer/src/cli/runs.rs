//! `runs`: lists what is stored, and cares for it.

use anyhow::{Context, ensure};
use bench_analyzer::environment::{self, Environment};
use bench_analyzer::store::{Deed, Store};
use comfy_table::{Table, presets};

use super::Outcome;
use super::args::{Care, Chosen, ListFormat, Runs, Told};
use super::output::Output;

pub(super) async fn run(
    store: &mut Store,
    command: Runs,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    if let Some(care) = command.care {
        output.message(&take_care(store, care, environment).await?);
        return Ok(Outcome::Fine);
    }
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
            match run.excluded {
                Some(reason) => format!("left out: {reason}"),
                None => run.label.unwrap_or(run.origin),
            },
        ]);
    }
    output.data(|stdout| writeln!(stdout, "{}", table.trim_fmt()))?;
    Ok(Outcome::Fine)
}

/// Does something to the history, and says what.
async fn take_care(
    store: &mut Store,
    care: Care,
    environment: &Environment,
) -> anyhow::Result<String> {
    let list = |Chosen { runs, .. }: &Chosen| {
        runs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    Ok(match care {
        Care::Exclude(chosen) => {
            let said = format!("{} left out of reports and histories", list(&chosen));
            let deed = deed(chosen.told, environment)?;
            ensure!(!deed.reason.is_empty(), "say why with --reason: others will wonder");
            store.exclude_runs(&chosen.runs, &deed).await?;
            said
        }
        Care::Include(chosen) => {
            let said = format!("{} back in reports and histories", list(&chosen));
            store.include_runs(&chosen.runs, &deed(chosen.told, environment)?).await?;
            said
        }
        Care::Remove(chosen) => {
            let said = format!("{} removed for good", list(&chosen));
            let deed = deed(chosen.told, environment)?;
            ensure!(!deed.reason.is_empty(), "say why with --reason: it cannot be undone");
            store.remove_runs(&chosen.runs, &deed).await?;
            said
        }
        Care::Prune { older_than, told } => {
            let before = older_than.before(environment.now);
            let pruned = store.prune(before, &deed(told, environment)?).await?;
            format!("gave up the samples of {pruned} measurements before {before}")
        }
    })
}

/// What is to be written down of it.
pub(super) fn deed(told: Told, environment: &Environment) -> anyhow::Result<Deed> {
    let author = match told.by {
        Some(author) => author,
        None => environment::user(&environment.working_dir)
            .context("nobody is known to say so: name yourself with --by")?,
    };
    Ok(Deed { reason: told.reason.trim().to_owned(), author, at: environment.now })
}
