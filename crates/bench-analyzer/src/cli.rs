//! Commands, one file each, and what they share: the store and the output.

mod aa;
mod accept;
mod baseline;
mod completions;
mod continuous;
mod doctor;
mod export;
mod filter;
mod gate;
mod history;
mod import;
mod jobs;
mod merge;
mod outcome;
mod output;
mod progress;
mod rename;
mod report;
mod run;
mod runs;
mod serve;
mod values;
mod watch;
mod withdraw;

use std::process::ExitCode;

use anyhow::Context;
use bench_analyzer::Error;
use bench_analyzer::config::Config;
use bench_analyzer::environment::Environment;
use bench_analyzer::store::{Location, Store};
use camino::Utf8PathBuf;
use clap::{ColorChoice, Parser, Subcommand};

use self::aa::Aa;
use self::accept::Accept;
use self::baseline::Baseline;
use self::completions::{Completions, Man, Names};
use self::doctor::Doctor;
use self::export::Export;
use self::history::History;
use self::import::Import;
use self::jobs::{Jobs, Retry};
use self::merge::{Pull, Push};
use self::outcome::Outcome;
use self::output::Output;
use self::rename::Rename;
use self::report::{Compare, Report};
use self::run::Run;
use self::runs::Runs;
use self::serve::Serve;
use self::watch::Watch;
use self::withdraw::Withdraw;

/// Stores benchmark results and says what changed, by how much, and how sure that is
///
/// Works on the folder that Criterion leaves behind, without any set-up:
///
///   cargo bench -- --save-baseline main     measure, and call the result `main`
///   (change the code)
///   cargo bench                             measure again
///   bench-analyzer report --baseline main   what changed?
///
/// One run a side can only show large changes. For verdicts that hold, measure each side three
/// times or more, as processes of their own, and import them as one:
///
///   for i in 1 2 3 4 5; do CRITERION_HOME=runs/$i cargo bench; done
///   bench-analyzer import --baseline main runs/*
///
/// Exit codes: 0 fine; 1 the gate failed; 2 wrong usage; 3 failure; 4 the gate could not judge (machine or
/// code).
#[derive(Debug, Parser)]
#[command(version, verbatim_doc_comment, propagate_version = true, max_term_width = 100)]
struct Arguments {
    /// The history to use: a file, or postgres://USER@HOST/DATABASE for one that a team shares
    /// [default: .bench/history.db of the project around the working folder]
    // The value may hold a password: it must not show up in --help.
    #[arg(
        long,
        global = true,
        value_name = "FILE|ADDRESS",
        env = "BENCH_ANALYZER_DB",
        hide_env_values = true
    )]
    db: Option<String>,

    /// The configuration [default: bench-analyzer.toml here or above]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<Utf8PathBuf>,

    /// Colour the output; NO_COLOR is respected
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Import(Import),
    Report(Report),
    Compare(Compare),
    History(History),
    #[command(visible_alias = "bless")]
    Accept(Accept),
    Withdraw(Withdraw),
    Export(Export),
    Push(Push),
    Pull(Pull),
    Runs(Runs),
    Rename(Rename),
    #[command(subcommand)]
    Baseline(Baseline),
    Aa(Aa),
    Run(Run),
    Watch(Watch),
    Jobs(Jobs),
    Retry(Retry),
    Serve(Serve),
    Doctor(Doctor),
    Completions(Completions),
    #[command(hide = true)]
    Man(Man),
    #[command(hide = true)]
    Names(Names),
}

impl Command {
    /// Whether it stores something of its own, so that a history that is named and not there is to be made. Another
    /// command that names one has a typo in it.
    fn begins_a_history(&self) -> bool {
        match self {
            Self::Report(report) => !report.paths.is_empty(),
            Self::Import(_)
            | Self::Pull(_)
            | Self::Aa(_)
            | Self::Run(_)
            | Self::Watch(_)
            | Self::Serve(_)
            | Self::Doctor(_)
            | Self::Completions(_)
            | Self::Man(_) => true,
            Self::Compare(_)
            | Self::History(_)
            | Self::Accept(_)
            | Self::Withdraw(_)
            | Self::Export(_)
            | Self::Push(_)
            | Self::Runs(_)
            | Self::Rename(_)
            | Self::Baseline(_)
            | Self::Jobs(_)
            | Self::Names(_)
            | Self::Retry(_) => false,
        }
    }
}

/// Surroundings of commands that run suites.
#[derive(Clone, Copy)]
struct Surroundings<'s> {
    config: &'s Config,
    environment: &'s Environment,
    output: &'s Output,
    /// The store, as it was named.
    db: Option<&'s str>,
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output::new(arguments.color);
    let outcome = match run(arguments, &output) {
        Ok(outcome) => outcome,
        Err(error) if output::is_broken_pipe(&error) => Outcome::Fine,
        Err(error) => {
            output.error(&error);
            Outcome::Failed
        }
    };
    outcome.into()
}

fn run(arguments: Arguments, output: &Output) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the async runtime")?;
    runtime.block_on(execute(arguments, output))
}

async fn execute(arguments: Arguments, output: &Output) -> anyhow::Result<Outcome> {
    match arguments.command {
        Command::Completions(command) => return completions::run(command, output),
        Command::Man(command) => return completions::write_man_pages(&command),
        _ => {}
    }
    let environment = Environment::capture(&working_dir()?);
    let config_path = arguments.config.or_else(|| Config::find(&environment.working_dir));
    let config = config_path.as_deref().map(Config::read).transpose()?.unwrap_or_default();
    if let (Some(path), Some(word)) = (&config_path, config.outdated()) {
        output.note(&format!("{path}: {word}"));
    }
    let folder = default_folder(&environment);
    let location: Location = match &arguments.db {
        Some(text) => text.parse()?,
        None => folder.join("history.db").into(),
    };
    if let Command::Doctor(_) = arguments.command {
        return doctor::run(&location, &folder, config_path.as_deref(), &environment, output).await;
    }
    if let Some(path) = location.file().filter(|path| arguments.db.is_some() && !path.exists())
        && !arguments.command.begins_a_history()
    {
        return Err(Error::NoHistory { path: path.to_owned() }.into());
    }
    let mut store = Store::open(&location).await?;
    if location.file().is_none() {
        store = store.with_folder(folder);
    }
    let surroundings = Surroundings {
        config: &config,
        environment: &environment,
        output,
        db: arguments.db.as_deref(),
    };
    // These keep the store as long as they run.
    match arguments.command {
        Command::Run(command) => return run::run(store, command, surroundings).await,
        Command::Watch(command) => return watch::run(store, command, surroundings).await,
        Command::Serve(command) => {
            return serve::run(store, command, &config, &environment, output).await;
        }
        _ => {}
    }
    let outcome = match arguments.command {
        Command::Import(command) => import::run(&mut store, command, &environment, output).await,
        Command::Report(command) => {
            report::run(&mut store, command, &config, &environment, output).await
        }
        Command::Compare(command) => {
            report::compare(&mut store, command, &config, &environment, output).await
        }
        Command::History(command) => {
            history::run(&mut store, command, &config, &environment, output).await
        }
        Command::Accept(command) => {
            accept::run(&mut store, command, &config, &environment, output).await
        }
        Command::Withdraw(command) => {
            withdraw::run(&mut store, command, &environment, output).await
        }
        Command::Push(command) => merge::push(&mut store, command, &environment, output).await,
        Command::Pull(command) => merge::pull(&mut store, command, &environment, output).await,
        Command::Export(command) => export::run(&mut store, command, output).await,
        Command::Names(command) => completions::names(&mut store, command, output).await,
        Command::Runs(command) => runs::run(&mut store, command, &environment, output).await,
        Command::Rename(command) => rename::run(&mut store, command, &environment, output).await,
        Command::Jobs(command) => jobs::list(&mut store, command, output).await,
        Command::Retry(command) => jobs::retry(&mut store, command, &environment, output).await,
        Command::Baseline(command) => {
            baseline::run(&mut store, command, &environment, output).await
        }
        Command::Aa(command) => {
            aa::run(&mut store, command, &config, config_path, &environment, output).await
        }
        // Done above.
        Command::Doctor(_)
        | Command::Completions(_)
        | Command::Man(_)
        | Command::Run(_)
        | Command::Watch(_)
        | Command::Serve(_) => Ok(Outcome::Fine),
    }?;
    store.close().await?;
    Ok(outcome)
}

fn working_dir() -> anyhow::Result<Utf8PathBuf> {
    let dir = std::env::current_dir().context("failed to find the working folder")?;
    Utf8PathBuf::try_from(dir).context("the working folder's name is not UTF-8")
}

/// The folder of the project around the working folder: the nearest `.bench` here or above,
/// else one beside the nearest `Cargo.lock` or `.git`, else one here.
fn default_folder(environment: &Environment) -> Utf8PathBuf {
    let above = || environment.working_dir.ancestors();
    let existing = above().find(|dir| dir.join(".bench").is_dir());
    let project =
        || above().find(|dir| dir.join("Cargo.lock").is_file() || dir.join(".git").exists());
    let dir = existing.or_else(project).unwrap_or(&environment.working_dir);
    dir.join(".bench")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
