//! `sandbox`: runs WebAssembly that nobody trusts, from the command line.

mod bench;
mod call;
mod compile;
mod declare;
mod failure;
mod inspect;
mod keys;
mod options;
mod profile;
mod run;
mod usage;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

/// Runs WebAssembly that nobody trusts: under a policy, with limits, and with a report of what it used.
///
/// A module may do what its policy says, and nothing else. Without `--policy` that is `basic`: 256 MiB of memory, 30 seconds, no
/// network, and only the folders that `--dir` grants.
#[derive(Debug, Parser)]
#[command(name = "sandbox", version, after_help = failure::EXIT_CODES, subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Call(call::Call),
    Inspect(inspect::Inspect),
    Bench(bench::Bench),
    Compile(compile::Compile),
    Keygen(keys::Keygen),
    Declare(declare::Declare),
    /// Print a script that completes commands and options in a shell.
    ///
    /// For bash: `sandbox completions bash > ~/.local/share/bash-completion/completions/sandbox`
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write man pages, one for each command, into a folder.
    #[command(hide = true)]
    Man {
        /// The folder. It is made if it is not there.
        folder: PathBuf,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(run) => run.execute(),
        Command::Call(call) => call.execute(),
        Command::Inspect(inspect) => inspect.execute(),
        Command::Bench(bench) => bench.execute(),
        Command::Compile(compile) => compile.execute(),
        Command::Keygen(keygen) => keygen.execute(),
        Command::Declare(declare) => declare.execute(),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "sandbox", &mut script);
            failure::print(script).map(|()| ExitCode::SUCCESS)
        }
        Command::Man { folder } => write_man_pages(&folder),
    };
    outcome.unwrap_or_else(|failure| failure.report())
}

fn write_man_pages(folder: &Path) -> Result<ExitCode, failure::Failure> {
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .map(|()| ExitCode::SUCCESS)
        .map_err(|error| {
            let folder = folder.display();
            failure::Failure::usage(format!("failed to write man pages to {folder}: {error}"))
        })
}
