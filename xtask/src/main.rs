//! The project's own commands. Each has a file named after it, but for `bench-peers`, which is in `bench/peers.rs`.
//!
//! They are started as `cargo xtask COMMAND`, through an alias in `.cargo/config.toml`, and need
//! nothing but cargo. This program must compile in seconds, so it never depends on Wasmer.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod book;
mod build_guests;
#[cfg(target_os = "linux")]
mod faults;
mod fuzz;
mod links;
mod manuals;
mod process;
mod progress;
mod soak;
mod test;
mod wasi;
mod workspace;

use workspace::Workspace;

/// Builds the guests, runs the benchmarks, runs the tests.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compile the guest modules to target/guests, finding or fetching a toolchain first
    BuildGuests(build_guests::Arguments),
    /// Run the benchmarks, store the results and print the report
    Bench(bench::Arguments),
    /// Measure other WebAssembly engines beside this project, and print the ratios
    BenchPeers(bench::peers::Arguments),
    /// Make a book of the documents, with mdBook
    Book(book::Arguments),
    /// Have each system call of the sandbox and of the analyzer fail, one at a time
    #[cfg(target_os = "linux")]
    Faults(faults::Arguments),
    /// Search for inputs that break a promise, for a time
    Fuzz(fuzz::Arguments),
    /// Write man pages and shell completions of `sandbox` and `bench-analyzer`
    Manuals(manuals::Arguments),
    /// Play bad days against the sandbox or the analyzer, and count what they cost
    Soak(soak::Arguments),
    /// Run everything that must pass before a change lands
    Test(test::Arguments),
    /// Run programs and testsuites that others wrote in the sandbox, which are not part of the project
    Wasi(wasi::Arguments),
}

fn main() -> ExitCode {
    if let Some(outcome) = fuzz::coverage::as_compiler() {
        return outcome;
    }
    let command_line = CommandLine::parse();
    let outcome = Workspace::find().and_then(|workspace| match command_line.command {
        Command::BuildGuests(arguments) => build_guests::run(&workspace, &arguments),
        Command::Bench(arguments) => bench::run(&workspace, &arguments),
        Command::BenchPeers(arguments) => bench::peers::run(&workspace, &arguments),
        Command::Book(arguments) => book::run(&workspace, &arguments),
        #[cfg(target_os = "linux")]
        Command::Faults(arguments) => faults::run(&workspace, &arguments),
        Command::Fuzz(arguments) => fuzz::run(&workspace, &arguments),
        Command::Manuals(arguments) => manuals::run(&workspace, &arguments),
        Command::Soak(arguments) => soak::run(&workspace, &arguments),
        Command::Test(arguments) => test::run(&workspace, &arguments),
        Command::Wasi(arguments) => wasi::run(&workspace, &arguments),
    });
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
