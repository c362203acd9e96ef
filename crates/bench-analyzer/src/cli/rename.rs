//! `rename`: gives a benchmark another name, or its own one back.

use bench_analyzer::environment::Environment;
use bench_analyzer::store::{NameGivenBack, Store};
use clap::Args;

use super::Outcome;
use super::output::Output;
use super::runs::{Told, deed};

/// Give a benchmark another name, for what is stored and for what will be imported
///
/// What is stored under OLD moves to NEW, and what is imported as OLD from now on is stored as NEW: so
/// branches that still have the old name go on in the same history. Without names, all are listed.
///
/// `--undo OLD` takes that back: what has the name OLD in its file goes by it again, what always was NEW
/// stays NEW.
#[derive(Debug, Args)]
pub(crate) struct Rename {
    /// The name that it has
    #[arg(requires = "new")]
    pub(crate) old: Option<String>,

    /// The name that it is to have
    pub(crate) new: Option<String>,

    /// Take back that this name became another
    #[arg(long, value_name = "OLD", conflicts_with_all = ["old", "new"])]
    pub(crate) undo: Option<String>,

    #[command(flatten)]
    pub(crate) told: Told,
}

pub(super) async fn run(
    store: &mut Store,
    command: Rename,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    if let Some(old) = command.undo {
        let deed = deed(command.told, environment)?;
        let found = store.give_name_back(&old, &deed).await?;
        let NameGivenBack { was, measurements } = found.ok_or_else(|| {
            anyhow::anyhow!("{old} goes by no other name: `bench-analyzer rename` lists who does")
        })?;
        output.message(&match measurements {
            0 => format!(
                "{old} is {old} from now on; nothing that is stored as {was} is known to be from it"
            ),
            1 => format!("{old} is {old} again, with 1 measurement that went by {was}"),
            _ => {
                format!("{old} is {old} again, with {measurements} measurements that went by {was}")
            }
        });
        return Ok(Outcome::Fine);
    }
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
