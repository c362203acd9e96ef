//! `cargo xtask bench-peers`: measures other engines and this project in one go, and puts them side by side.
//!
//! Each engine is a program of its own, because signal handlers and lock files differ. They are visited in turns, as
//! `cargo xtask bench` does with its targets, so that a ratio compares what was measured within the same minutes.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::effort::Effort;
use super::measure::{self, Measurement};
use super::plan;
use super::programs::Benches;
use super::state::{FileState, Question, State};
use crate::build_guests;
use crate::progress::{counted, seconds};
use crate::workspace::Workspace;

mod results;
mod table;

use results::Results;

/// The bench target with this project's side.
const OURS: &str = super::programs::BESIDE_PEERS;

/// The programs of the other engines, and the profile that each is compiled in.
const THEIRS: [(&str, &[&str]); 2] =
    [("release", &["on_wasmtime", "on_extism"]), ("interpreter", &["on_wasmi"])];

#[derive(Args)]
pub(crate) struct Arguments {
    /// Take a first look: fewer and shorter samples
    #[arg(long)]
    quick: bool,
    /// Measure only the rows and engines whose id contains this, such as `fresh_call` or `wasmtime_tuned`
    #[arg(long, value_name = "NAME")]
    row: Option<String>,
    /// How often to run each engine, each time in a process of its own [default: 5, with --quick 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// Visit the engines in the order that this number gives
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Begin anew, even if the same measurement was cut short and could go on
    #[arg(long)]
    restart: bool,
    /// More arguments for Criterion
    #[arg(last = true, value_name = "CRITERION ARGUMENTS")]
    criterion: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    build_guests::ensure_built(workspace)?;
    let benches = compile(workspace)?;
    let results = measure(workspace, arguments, &benches)?;
    table::lines(&results).iter().for_each(|line| println!("{line}"));
    let folder = workspace.bench_peers();
    let folder = folder.strip_prefix(workspace.root()).unwrap_or(&folder);
    println!("\nThe results are Criterion's, in {folder}. To keep them:");
    println!("cargo bench-analyzer import {folder}/run-*/criterion --baseline NAME");
    Ok(ExitCode::SUCCESS)
}

/// Compiles both sides.
fn compile(workspace: &Workspace) -> Result<Benches> {
    println!("Compiling the other engines, which takes minutes the first time");
    let mut programs = Vec::new();
    for (profile, packages) in THEIRS {
        let built = Benches::build_peers(workspace, profile, packages);
        programs.extend(built.context(
            "failed to build the other engines, which come from the registry the first time; nothing but this \
             comparison needs them",
        )?);
    }
    println!("Compiling this project's side");
    let mut benches = Benches::build_target(workspace, OURS)?;
    benches.programs.extend(programs);
    Ok(benches)
}

/// Visits every engine as often as wanted, or as often as an earlier call did not get to.
fn measure(workspace: &Workspace, arguments: &Arguments, benches: &Benches) -> Result<Results> {
    let started = Instant::now();
    let effort = Effort::of(arguments.quick, arguments.runs);
    let filter = arguments.row.as_deref();
    let counts = measure::count(benches, filter)?;
    if counts.is_empty() {
        bail!("no row's id contains `{}`", filter.unwrap_or_default());
    }
    let engines: Vec<String> = counts.keys().cloned().collect();
    let criterion = effort.arguments(&arguments.criterion);
    let visits = plan::visits(arguments.seed, effort.runs, &engines, &[]);
    let mut files = vec![workspace.guests().join("manifest.json")];
    files.extend(benches.programs.iter().map(|bench| bench.executable.clone()));
    let question = Question {
        visits: visits.clone(),
        arguments: criterion.iter().cloned().chain(filter.map(str::to_owned)).collect(),
        files: files.iter().map(|file| FileState::of(file)).collect::<Result<_>>()?,
    };
    let folder = workspace.bench_peers();
    let unfinished = if arguments.restart { None } else { State::unfinished(&folder, &question) };
    let mut state = match unfinished {
        Some(state) => {
            let (done, all) = (state.done(), counted(visits.len(), "visit"));
            println!("Going on after {done} of {all}; --restart begins anew");
            state
        }
        None => State::begin(&folder, question)?,
    };
    let measurement = Measurement {
        here: benches,
        against: None,
        visits: &visits,
        filter,
        arguments: &criterion,
        folder: &folder,
    };
    let runs = measurement.conduct(&counts, &mut state)?.here;
    state.close()?;
    let (count, time) = (counted(runs.len(), "run"), seconds(started.elapsed()));
    println!("{} rows measured in {count} ({time})\n", counts.values().sum::<u64>());
    Results::read(&runs)
}
