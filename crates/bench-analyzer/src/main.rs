//! The command line of the benchmark analyzer.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
