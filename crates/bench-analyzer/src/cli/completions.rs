//! `completions`: scripts for shells.

use clap::CommandFactory;

use super::Outcome;
use super::args::{Arguments, Completions};
use super::output::Output;

pub(super) fn run(command: Completions, output: &Output) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(
        command.shell,
        &mut Arguments::command(),
        "bench-analyzer",
        &mut script,
    );
    output.data(|stdout| stdout.write_all(&script))?;
    Ok(Outcome::Fine)
}
