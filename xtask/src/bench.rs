//! `cargo xtask bench`: builds the guests, measures, stores the results and prints the report.
//!
//! The benchmarks run several times, each time as processes of their own with a Criterion folder of
//! their own. Between processes the same code differs by more than Criterion can see inside one, so
//! the runs, not the samples, are what the analyzer compares.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fs_err as fs;

use crate::build_guests;
use crate::progress::{counted, seconds};
use crate::workspace::Workspace;

mod analyzer;
mod effort;
mod measure;
mod programs;

use analyzer::Analyzer;
use effort::Effort;
use measure::Measurement;
use programs::Programs;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Take a first look: fewer and shorter samples, about five minutes in all
    #[arg(long)]
    quick: bool,
    /// Measure only the benchmarks whose name contains this, such as `function_calls`
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// How often to run each benchmark [default: 5, with --quick 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// Keep the results under this name, to compare with later
    #[arg(long, value_name = "NAME")]
    save_baseline: Option<String>,
    /// Compare with results that were kept under this name
    #[arg(long, value_name = "NAME")]
    baseline: Option<String>,
    /// More arguments for Criterion
    #[arg(last = true, value_name = "CRITERION ARGUMENTS")]
    criterion: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    build_guests::ensure_built(workspace)?;
    println!("Compiling the benchmarks and their analyzer");
    let programs = Programs::build(workspace)?;
    let analyzer = Analyzer::new(workspace, &programs.analyzer);
    if let Some(baseline) = &arguments.baseline {
        // Now, because five minutes from now it would be annoying.
        if let Some(complaint) = analyzer.complains_about(baseline)? {
            return Ok(complaint);
        }
    }

    let started = Instant::now();
    let effort = Effort::of(arguments.quick, arguments.runs);
    let measurement = Measurement {
        effort: &effort,
        filter: arguments.group.as_deref(),
        criterion: &arguments.criterion,
    };
    let folder = workspace.bench_runs();
    if folder.exists() {
        // Results of other benchmarks, perhaps, which this run must not claim.
        fs::remove_dir_all(&folder)?;
    }
    let benchmarks = measurement.list(&programs)?;
    if benchmarks == 0 {
        let filter = arguments.group.as_deref().unwrap_or_default();
        bail!("no benchmark's name contains `{filter}`; `cargo bench -- --list` lists them");
    }
    let runs = measurement.conduct(&programs, benchmarks, &folder)?;
    let (count, time) = (counted(runs.len(), "run"), seconds(started.elapsed()));
    println!("{benchmarks} benchmarks measured in {count} ({time})\n");

    let stored = analyzer.import(&runs, arguments.save_baseline.as_deref())?;
    if !stored.success() {
        bail!("failed to store the results: bench-analyzer import ended with {stored}");
    }
    let current = arguments.save_baseline.as_deref();
    let status = analyzer.report(current, arguments.baseline.as_deref())?;
    exit_code(status.code()).context("bench-analyzer report was killed")
}

/// Passes an exit code on.
fn exit_code(code: Option<i32>) -> Option<ExitCode> {
    Some(ExitCode::from(u8::try_from(code?).unwrap_or(u8::MAX)))
}
