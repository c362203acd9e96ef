//! `rename`: gives a benchmark another name.

use bench_analyzer::environment::Environment;
use bench_analyzer::store::Store;
use clap::Args;

use super::Outcome;
use super::output::Output;
use super::runs::{Told, deed};

/// Give a benchmark another name, for what is stored and for what will be imported
///
/// What is stored under OLD moves to NEW, and what is imported as OLD from now on is stored as NEW: so
/// branches that still have the old name go on in the same history. Without names, all are listed.
#[derive(Debug, Args)]
pub(crate) struct Rename {
    /// The name that it has
    #[arg(requires = "new")]
    pub(crate) old: Option<String>,

    /// The name that it is to have
    pub(crate) new: Option<String>,

    #[command(flatten)]
    pub(crate) told: Told,
}

pub(super) async fn run(
    store: &mut Store,
    command: Rename,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let (Some(old), Some(new)) = (command.old, command.new) else {
        let aliases = store.aliases().await?;
        if aliases.is_empty() {
            output.message("no benchmark has another name in files");
        }
        output.data(|stdout| {
            aliases.iter().try_for_each(|one| writeln!(stdout, "{} -> {}", one.name, one.benchmark))
        })?;
        return Ok(Outcome::Fine);
    };
    anyhow::ensure!(old != new, "that is the name it has");
    anyhow::ensure!(!new.trim().is_empty(), "a benchmark needs a name");
    let deed = deed(command.told, environment)?;
    let moved = store.rename_benchmark(&old, &new, &deed).await?;
    output.message(&match moved {
        0 => format!("nothing is stored as {old} yet; what will be is stored as {new}"),
        _ => format!("{old} is {new} from now on"),
    });
    Ok(Outcome::Fine)
}
