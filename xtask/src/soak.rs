//! `cargo xtask soak`: bad days of an operator, played against the real program.
//!
//! A project with suites, a branch, and receivers of notices is watched by `bench-analyzer watch`, and
//! whatever is outside goes wrong, in an order that a seed decides: the program is killed and asked
//! to stop, clocks jump, receivers hang and lie, a remote says nothing, children get away, the disk is
//! full, the host is renamed. In the end it gets a calm while, and then is counted what was lost,
//! doubled or left running, and how long it was silent. Everything is on loopback, bounded in number
//! and time, and only processes that were started here are ended.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;

use crate::process::{capture, cargo, failure};
use crate::progress::Progress;
use crate::workspace::Workspace;

mod account;
mod outside;
mod program;
mod project;

use account::Account;
use outside::Receiver;
use program::{Circumstances, Program};
use project::Project;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Play against `bench-analyzer watch`
    #[arg(long)]
    analyzer: bool,

    /// For how long
    #[arg(long, value_name = "N", default_value = "60", value_parser = minutes)]
    minutes: Duration,

    /// What decides the order of events [default: one of its own each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

fn minutes(text: &str) -> Result<Duration, String> {
    let minutes = text.parse::<f64>().ok().filter(|minutes| (0.1..=1440.0).contains(minutes));
    let minutes = minutes.ok_or("write minutes from 0.1 to 1440")?;
    Ok(Duration::from_secs_f64(minutes * 60.0))
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    if !arguments.analyzer {
        bail!("say what to play against: --analyzer");
    }
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    let seed = arguments.seed.unwrap_or_else(|| u64::from(since.subsec_nanos()));
    let account = play(workspace, arguments.minutes, seed)?;
    println!("{account}");
    Ok(if account.faults() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A short while, as part of the tests: the same days every time.
pub(crate) fn briefly(workspace: &Workspace) -> Result<()> {
    let account = play(workspace, Duration::from_secs(25), 1)?;
    if account.faults() > 0 {
        bail!("{account}");
    }
    Ok(())
}

/// What goes wrong next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Event {
    Kill,
    Stop,
    ClockAhead,
    ClockBack,
    FullDisk,
    NewName,
    Commit,
    Slower,
    Breaks,
}

const EVENTS: [Event; 9] = [
    Event::Kill,
    Event::Stop,
    Event::ClockAhead,
    Event::ClockBack,
    Event::FullDisk,
    Event::NewName,
    Event::Commit,
    Event::Slower,
    Event::Breaks,
];

/// How long the program has at the end to catch up with everything.
const CALM: Duration = Duration::from_secs(120);

fn play(workspace: &Workspace, time: Duration, seed: u64) -> Result<Account> {
    let analyzer = build(workspace)?;
    let mut chance = Pcg64::seed_from_u64(seed);
    let receiver = Receiver::start(seed).context("failed to listen on loopback")?;
    let project = Project::make(workspace, seed, receiver.port(), receiver.silent_port())?;
    let mut program = Program::new(analyzer, &project)?;
    let mut account = Account::new(seed, program.unplayed());
    let progress = Progress::quiet_spinner("soak");
    let began = Instant::now();
    let mut now = Circumstances::default();
    program.start(&now)?;
    while began.elapsed() < time {
        std::thread::sleep(Duration::from_millis(chance.random_range(300..2500)));
        let event = EVENTS[chance.random_range(0..EVENTS.len())];
        progress.detail(format!(
            "{event:?}, {} s to go",
            time.saturating_sub(began.elapsed()).as_secs()
        ));
        account.played(event);
        match event {
            Event::Kill => program.kill(&mut account)?,
            Event::Stop => program.stop(&mut account)?,
            Event::ClockAhead => now.clock = 86_400 * chance.random_range(1..60),
            Event::ClockBack => now.clock = [0, -7200][chance.random_range(0..2)],
            Event::FullDisk => {
                program.kill(&mut account)?;
                now.disk_is_full = true;
            }
            Event::NewName => {
                program.kill(&mut account)?;
                now.name = format!("host-{}", chance.random_range(0..1000));
            }
            Event::Commit => project.commit(chance.random_range(0..1_000_000))?,
            Event::Slower => project.take(100 + 50 * chance.random_range(0..3))?,
            Event::Breaks => project.break_down(chance.random_bool(0.5))?,
        }
        program.set_clock(now.clock)?;
        if !program.is_running()? {
            program.start(&now)?;
            now.disk_is_full = false;
        }
        account.watch(&project)?;
    }
    // The calm: everything outside works, and what was begun comes to its end.
    progress.detail("a calm while, to catch up");
    program.kill(&mut account)?;
    receiver.behave();
    project.break_down(false)?;
    project.quiet()?;
    program.set_clock(0)?;
    program.start(&Circumstances::default())?;
    let calm = Instant::now();
    while !account.is_settled(&project, &program, &receiver)? && calm.elapsed() < CALM {
        std::thread::sleep(Duration::from_millis(500));
    }
    program.stop(&mut account)?;
    account.close(&project, &program, &receiver)?;
    Ok(account)
}

fn build(workspace: &Workspace) -> Result<camino::Utf8PathBuf> {
    let mut build = cargo();
    build.args(["build", "--locked", "-p", "bench-analyzer", "--message-format=json"]);
    build.current_dir(workspace.root());
    let output = capture(&mut build)?;
    if !output.status.success() {
        return Err(failure(&build, &output));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let mut program = said.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(message["executable"].as_str()?.to_owned())
    });
    Ok(program.next_back().context("cargo built no bench-analyzer")?.into())
}
