//! `completions`: scripts for shells.

use clap::{Args, CommandFactory};

use super::output::Output;
use super::{Arguments, Outcome};

/// Write a completion script for a shell
///
/// Bash: bench-analyzer completions bash > ~/.local/share/bash-completion/completions/bench-analyzer
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell
    pub(crate) shell: clap_complete::Shell,
}

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
