//! `rename`: gives a benchmark another name.

use bench_analyzer::environment::Environment;
use bench_analyzer::store::Store;

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
