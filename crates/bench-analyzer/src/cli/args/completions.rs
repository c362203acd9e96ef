//! `completions`: for which shell.

use clap::Args;

/// Write a completion script for a shell
///
/// Bash: bench-analyzer completions bash > ~/.local/share/bash-completion/completions/bench-analyzer
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell
    pub(crate) shell: clap_complete::Shell,
}
