//! `cargo xtask test`: everything that must pass before a change lands.
//!
//! Stage after stage, one line each. What a stage's programs say goes to a log below
//! `target/xtask-test`; it is shown when the stage fails, and otherwise only its closing lines are.
//! A stage that fails does not stop the others, so that one run tells all.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use fs_err as fs;

use crate::book;
use crate::build_guests;
#[cfg(target_os = "linux")]
use crate::faults;
use crate::fuzz;
use crate::manuals;
use crate::progress::{counted, seconds};
use crate::soak;
use crate::workspace::Workspace;

mod closing;
mod features;
mod invariants;
mod layers;
mod named_tests;
mod nightly;
mod publishing;
mod run;
mod semver;
mod stage;
mod target;

use run::{Log, Outcome};
use stage::{Check, Extent, Stage};
use target::Target;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Run only these stages
    #[arg(value_enum)]
    stages: Vec<Stage>,

    /// Run those too that search by themselves, in short: fuzz targets, faults, Miri, sanitizers
    #[arg(long)]
    thorough: bool,

    /// Check, and where that can be done here test, what is for this target, and nothing else
    #[arg(long, value_name = "TRIPLE", conflicts_with_all = ["stages", "thorough"])]
    target: Option<Target>,
}

/// One line of the result, and what is done for it.
struct Work {
    name: String,
    /// Promise that holds if it passes.
    title: String,
    check: Check,
    /// Names of what is left untested, because something is not to be had here.
    untested: Vec<String>,
}

impl Work {
    fn of(workspace: &Workspace, stage: Stage) -> Self {
        let untested = stage.untested(workspace).into_iter().map(str::to_owned).collect();
        let (name, title) = (stage.to_string(), stage.title().to_owned());
        Self { name, title, check: stage.check(workspace), untested }
    }
}

/// Result of a stage.
enum Verdict {
    Passed,
    Failed,
    /// Something that it needs is not installed.
    Skipped,
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let logs = workspace.test_logs();
    fs::create_dir_all(&logs)?;
    let extent = if arguments.thorough { Extent::Thorough } else { Extent::Usual };
    let stages =
        if arguments.stages.is_empty() { Stage::of(extent) } else { arguments.stages.clone() };
    // Each is looked at when it is its turn, because an earlier one may have made what it needs.
    let work: Box<dyn Iterator<Item = Work>> = match arguments.target {
        Some(target) => Box::new(target.work(workspace).into_iter()),
        None => Box::new(stages.into_iter().map(|stage| Work::of(workspace, stage))),
    };
    let started = Instant::now();
    let mut count = 0;
    let mut failed = Vec::new();
    let mut skipped = Vec::new();
    for work in work {
        let log = Log::new(logs.join(format!("{}.log", work.name)))?;
        let name = work.name.clone();
        count += 1;
        match conduct(workspace, work, &log)? {
            Verdict::Passed => {}
            Verdict::Failed => failed.push(name),
            Verdict::Skipped => skipped.push(name),
        }
    }
    summarise(count, &failed, &skipped, started.elapsed());
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Does the work of a stage and prints its line.
fn conduct(workspace: &Workspace, work: Work, log: &Log) -> Result<Verdict> {
    let started = Instant::now();
    let line = |mark: &str, rest: &str| {
        println!("{mark:7} {:12} {:>12}  {rest}", work.name, seconds(started.elapsed()));
    };
    let outcome = match work.check {
        Check::Missing(what) => {
            line("skipped", &what);
            return Ok(Verdict::Skipped);
        }
        Check::Commands(commands) => log.run(&work.name, commands)?,
        Check::Packages => log.run(&work.name, publishing::packing(workspace)?)?,
        Check::Invariants => Outcome::from(invariants::check(workspace)),
        Check::Soak => match soak::briefly(workspace) {
            Ok(closing) => Outcome::Passed { closing },
            Err(error) => Outcome::Failed { report: format!("error: {error:#}") },
        },
        Check::Fuzz => match fuzz::briefly(workspace) {
            Ok(closing) => Outcome::Passed { closing },
            Err(error) => Outcome::Failed { report: format!("error: {error:#}") },
        },
        #[cfg(target_os = "linux")]
        Check::Faults => match faults::briefly(workspace) {
            Ok(closing) => Outcome::Passed { closing },
            Err(error) => Outcome::Failed { report: format!("error: {error:#}") },
        },
        Check::Book => Outcome::from(book::build(workspace)),
        Check::Manuals => Outcome::from(manuals::check(workspace)),
        Check::Guests => Outcome::from(build_guests::ensure_built(workspace)),
    };
    match outcome {
        Outcome::Passed { closing } => {
            line("ok", &work.title);
            closing.iter().for_each(|closing| println!("        {closing}"));
            work.untested.iter().for_each(|untested| println!("        {untested}"));
            Ok(Verdict::Passed)
        }
        Outcome::Failed { report } => {
            line("FAILED", &work.title);
            println!("{report}");
            Ok(Verdict::Failed)
        }
    }
}

fn summarise(stages: usize, failed: &[String], skipped: &[String], time: Duration) {
    let time = seconds(time);
    let passed = stages - failed.len() - skipped.len();
    let mut parts = vec![format!("{passed} passed")];
    if !failed.is_empty() {
        parts.push(format!("{} FAILED ({})", failed.len(), failed.join(", ")));
    }
    if !skipped.is_empty() {
        parts.push(format!("{} skipped ({})", skipped.len(), skipped.join(", ")));
    }
    println!("\n{}: {} in {time}", counted(stages, "stage"), parts.join(", "));
}
