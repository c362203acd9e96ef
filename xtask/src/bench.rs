//! `cargo xtask bench`: builds the guests, measures, stores the results and prints the report.
//!
//! The benchmarks run several times, each time as processes of their own with a Criterion folder of
//! their own. Between processes the same code differs by more than Criterion can see inside one, so
//! the runs, not the samples, are what the analyzer compares.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::build_guests;
use crate::progress::{counted, seconds};
use crate::workspace::Workspace;

mod against;
mod analyzer;
mod compilation;
mod effort;
mod figures;
mod machine;
mod measure;
pub(crate) mod peers;
mod plan;
mod programs;
mod state;
mod until_decided;

use against::Against;
use analyzer::Analyzer;
use effort::Pace;
use measure::{Conducted, Measurement};
use plan::Runs;
use programs::Benches;
use state::{FileState, State};
use until_decided::{Names, UntilDecided};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pace: Pace,
    /// Measure only the benchmarks whose name contains this, such as `function_calls`
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Keep the results under this name, to compare with later
    #[arg(long, value_name = "NAME")]
    save_baseline: Option<String>,
    /// Compare with results that were kept under this name
    #[arg(long, value_name = "NAME")]
    baseline: Option<String>,
    /// Measure this commit too, in turns with this checkout, and compare with it: what to trust on a noisy
    /// machine
    #[arg(long, value_name = "REV", conflicts_with = "baseline")]
    against: Option<String>,
    /// Measure only what is still undecided after each run, from the third on, and stop when nothing is, or after
    /// --runs [default: 10]
    ///
    /// Looking after every run raises no false alarms: the report holds whenever one stops. How many measurements
    /// that saved is said at the end. What was interrupted goes on where it was if the same is asked for again.
    #[arg(long, requires = "against")]
    until_decided: bool,
    /// Say what makes this machine noisy and what to do about it, and measure nothing
    #[arg(long, exclusive = true)]
    list_machine: bool,
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    if arguments.list_machine {
        machine::inspect().iter().for_each(|finding| println!("{finding}"));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(plan) = arguments.pace.announcement() {
        println!("{plan}");
    }
    build_guests::ensure_built(workspace)?;
    // The other commit first: what is compiled last is what cargo finds current next time.
    let against = match &arguments.against {
        Some(revision) => Some(Against::prepare(workspace, revision)?),
        None => None,
    };
    let here = Benches::build(workspace, None)?;
    let analyzer_program = programs::build_analyzer(workspace)?;
    let analyzer = Analyzer::new(workspace, &analyzer_program);
    if let Some(baseline) = &arguments.baseline {
        // Now, because five minutes from now it would be annoying.
        if let Some(complaint) = analyzer.complains_about(baseline)? {
            return Ok(complaint);
        }
    }

    let (runs, state) = measure(workspace, arguments, &here, against.as_ref(), &analyzer)?;
    let mut baseline = arguments.baseline.clone();
    // The other commit first: what is imported last is the latest result, which the report is about.
    if let Some(against) = &against {
        let name = against.name();
        analyzer.import(&runs.against, Some(&name), Some(&against.commit))?;
        baseline = Some(name);
    }
    analyzer.import(&runs.here, arguments.save_baseline.as_deref(), None)?;
    state.close()?;
    figures::print(&runs.here);
    let current = arguments.save_baseline.as_deref();
    // A baseline that was kept may have any number of runs.
    let planned = (against.is_some() && !arguments.until_decided).then(|| arguments.pace.runs());
    let status = analyzer.report(current, baseline.as_deref(), planned)?;
    exit_code(status.code()).context("bench-analyzer report was killed")
}

/// Makes all visits, or those that an earlier call did not get to.
fn measure(
    workspace: &Workspace,
    arguments: &Arguments,
    here: &Benches,
    against: Option<&Against>,
    analyzer: &Analyzer<'_>,
) -> Result<(Runs, State)> {
    let started = Instant::now();
    let filter = arguments.group.as_deref();
    let mut names: BTreeMap<String, Names> = measure::list(here, filter)?;
    let ours: Vec<String> = names.keys().cloned().collect();
    let mut theirs = Vec::new();
    if let Some(against) = against {
        let there = measure::list(&against.benches, filter)?;
        theirs.extend(there.keys().cloned());
        for (target, there) in there {
            names.entry(target).or_default().extend(there);
        }
    }
    if names.is_empty() {
        let filter = filter.unwrap_or_default();
        bail!("no benchmark's name contains `{filter}`; `cargo bench -- --list` lists them");
    }
    let pace = &arguments.pace;
    let most = if arguments.until_decided { pace.most_runs() } else { pace.runs() };
    let folder = workspace.bench_runs();
    let measurement = Measurement {
        here,
        against: against.map(|against| &against.benches),
        visits: &plan::visits(pace.seed, most, &ours, &theirs),
        filter,
        arguments: &pace.criterion(),
        folder: &folder,
        begins_anew: pace.restart,
        until_decided: arguments
            .until_decided
            .then_some(UntilDecided { analyzer, folder: &folder }),
    };
    let files = measured_files(workspace, here, against)?;
    let Conducted { runs, state, saved } = measurement.conduct(&names, files)?;
    if let Some(saved) = saved {
        println!("{saved}");
    }
    let benchmarks: usize = names.values().map(Names::len).sum();
    let (count, time) = (counted(runs.here.len(), "run"), seconds(started.elapsed()));
    println!("{benchmarks} benchmarks measured in {count} ({time})\n");
    Ok((runs, state))
}

/// The files that results depend on: the programs, and the guests by way of their manifest.
fn measured_files(
    workspace: &Workspace,
    here: &Benches,
    against: Option<&Against>,
) -> Result<Vec<FileState>> {
    let mut files = vec![workspace.guests().join("manifest.json")];
    files.extend(here.programs.iter().map(|bench| bench.executable.clone()));
    if let Some(against) = against {
        files.push(against.workspace.guests().join("manifest.json"));
        files.extend(against.benches.programs.iter().map(|bench| bench.executable.clone()));
    }
    files.iter().map(|file| FileState::of(file)).collect()
}

/// Passes an exit code on.
fn exit_code(code: Option<i32>) -> Option<ExitCode> {
    Some(ExitCode::from(u8::try_from(code?).unwrap_or(u8::MAX)))
}
