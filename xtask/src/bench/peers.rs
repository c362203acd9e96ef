//! `cargo xtask bench-peers`: measures other engines and this project in one go, and puts them side by side.
//!
//! Each engine is a program of its own, because signal handlers and lock files differ. They are visited in turns, as
//! `cargo xtask bench` does with its targets, so that a ratio compares what was measured within the same minutes.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::effort::Pace;
use super::measure::{self, Conducted, Measurement};
use super::programs::Benches;
use super::{measured_files, plan};
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
    #[command(flatten)]
    pace: Pace,
    /// Measure only the rows and engines whose id contains this, such as `fresh_call` or `wasmtime_tuned`
    #[arg(long, value_name = "NAME")]
    row: Option<String>,
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
    let filter = arguments.row.as_deref();
    let names = measure::list(benches, filter)?;
    if names.is_empty() {
        bail!("no row's id contains `{}`", filter.unwrap_or_default());
    }
    let engines: Vec<String> = names.keys().cloned().collect();
    let pace = &arguments.pace;
    let measurement = Measurement {
        here: benches,
        against: None,
        visits: &plan::visits(pace.seed, pace.runs(), &engines, &[]),
        filter,
        arguments: &pace.criterion(),
        folder: &workspace.bench_peers(),
        begins_anew: pace.restart,
        until_decided: None,
    };
    let Conducted { runs, state, .. } =
        measurement.conduct(&names, measured_files(workspace, benches, None)?)?;
    let runs = runs.here;
    state.close()?;
    let (count, time) = (counted(runs.len(), "run"), seconds(started.elapsed()));
    println!(
        "{} rows measured in {count} ({time})\n",
        names.values().map(BTreeSet::len).sum::<usize>()
    );
    Results::read(&runs)
}
