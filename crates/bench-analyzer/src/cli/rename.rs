//! `rename`: gives a benchmark another name, or its own one back.

use bench_analyzer::environment::Environment;
use bench_analyzer::store::{NameGivenBack, Store};

use super::Outcome;
use super::args::Rename;
use super::output::Output;
use super::runs::deed;

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
