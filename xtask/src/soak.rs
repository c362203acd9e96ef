//! `cargo xtask soak`: bad days, played against the real programs.
//!
//! `--sandbox` plays honest and hostile guests side by side on all cores, in a test of sandbox-core that is ignored otherwise
//! (`tests/it/soak.rs`), which counts what the process takes. `--analyzer` plays an operator's:
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
    #[arg(long, conflicts_with = "sandbox", required_unless_present = "sandbox")]
    analyzer: bool,

    /// Play against the sandbox
    #[arg(long, conflicts_with = "seed")]
    sandbox: bool,

    /// For how long
    #[arg(long, value_name = "N", default_value = "60", value_parser = minutes)]
    minutes: Duration,

    /// Seed of the order of events [default: one of its own each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// Reads a number of minutes.
pub(crate) fn minutes(text: &str) -> Result<Duration, String> {
    let minutes = text.parse::<f64>().ok().filter(|minutes| (0.1..=1440.0).contains(minutes));
    let minutes = minutes.ok_or("write minutes from 0.1 to 1440")?;
    Ok(Duration::from_secs_f64(minutes * 60.0))
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    if arguments.sandbox {
        return against_sandbox(workspace, arguments.minutes);
    }
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    let seed = arguments.seed.unwrap_or_else(|| u64::from(since.subsec_nanos()));
    let mut days = Days::begin(workspace, seed)?;
    days.by_chance(arguments.minutes)?;
    let account = days.end()?;
    println!("{account}");
    Ok(if account.faults() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Guests side by side, whose account the test itself prints.
fn against_sandbox(workspace: &Workspace, time: Duration) -> Result<ExitCode> {
    let mut test = cargo();
    test.current_dir(workspace.root()).env("SOAK_MINUTES", (time.as_secs_f64() / 60.0).to_string());
    test.args(["test", "--quiet", "-p", "sandbox-core", "--locked", "--test", "it", "--"]);
    test.args(["--ignored", "--exact", "--nocapture", "soak::for_a_time"]);
    let status = test.status().context("failed to start cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every event once, as part of the tests. Nothing is timed: each event is followed by whatever has to
/// come of it, however long that takes. Returns what was counted, in lines.
pub(crate) fn briefly(workspace: &Workspace) -> Result<Vec<String>> {
    let mut days = Days::begin(workspace, 1)?;
    days.one_by_one()?;
    let account = days.end()?;
    if account.faults() > 0 {
        bail!("{account}");
    }
    Ok(account.to_string().lines().map(|line| line.trim().to_owned()).collect())
}

/// Event that disturbs the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Event {
    Kill,
    Stop,
    ClockAhead,
    ClockBack,
    FullDisk,
    RoomAgain,
    NewName,
    Commit,
    Slower,
    Breaks,
}

/// All of them, in an order in which each shows by itself.
const EVENTS: [Event; 10] = [
    Event::Commit,
    Event::Breaks,
    Event::ClockAhead,
    Event::Kill,
    Event::Slower,
    Event::FullDisk,
    Event::RoomAgain,
    Event::NewName,
    Event::ClockBack,
    Event::Stop,
];

/// Time that the program has at the end to catch up with everything.
const CALM: Duration = Duration::from_secs(300);
/// Time after which something that has to come counts as lost: no judgement of speed.
const PATIENCE: Duration = Duration::from_secs(120);
/// Time between two looks for something that has to come.
const LOOK: Duration = Duration::from_millis(250);
/// No notice waits longer for its next attempt, nor does a job of a commit in its first attempts.
const LONGEST_WAIT: i64 = 2 * 3600;

/// Bad days in the making.
struct Days {
    chance: Pcg64,
    receiver: Receiver,
    project: Project,
    program: Program,
    account: Account,
    now: Circumstances,
    progress: Progress,
}

impl Days {
    fn begin(workspace: &Workspace, seed: u64) -> Result<Self> {
        let analyzer = build(workspace)?;
        let receiver = Receiver::start(seed).context("failed to listen on loopback")?;
        let mut program = Program::new(analyzer, workspace.soak(seed))?;
        let project = Project::make(
            program.folder(),
            seed,
            [receiver.port(), receiver.silent_port()],
            program.escapes(),
        )?;
        let now = Circumstances::default();
        program.start(&now)?;
        Ok(Self {
            chance: Pcg64::seed_from_u64(seed),
            account: Account::new(seed, program.unplayed()),
            receiver,
            project,
            program,
            now,
            progress: Progress::quiet_spinner("soak"),
        })
    }

    /// Has events happen at random for some time.
    fn by_chance(&mut self, time: Duration) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < time {
            std::thread::sleep(Duration::from_millis(self.chance.random_range(300..2500)));
            let event = EVENTS[self.chance.random_range(0..EVENTS.len())];
            let left = time.saturating_sub(began.elapsed()).as_secs();
            self.progress.detail(format!("{event:?}, {left} s to go"));
            self.meet(event)?;
            self.account.watch(&self.project)?;
        }
        Ok(())
    }

    /// Has each event happen once, and waits for runs after each.
    fn one_by_one(&mut self) -> Result<()> {
        self.see_runs("the start")?;
        for event in EVENTS {
            self.progress.detail(format!("{event:?}"));
            self.meet(event)?;
            if event == Event::FullDisk {
                // Whether it can measure now is not known; that it noticed is in its log.
                std::thread::sleep(Duration::from_secs(3));
            } else {
                self.see_runs(&format!("{event:?}"))?;
            }
        }
        Ok(())
    }

    /// Waits until something was measured that was not yet before.
    fn see_runs(&mut self, after: &str) -> Result<()> {
        let (before, began) = (self.project.runs()?, Instant::now());
        while self.project.runs()? < before + 3 {
            if began.elapsed() >= PATIENCE {
                let log = self.project.folder().join("watch.log");
                bail!("nothing was measured after {after}; {log} says why");
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    fn meet(&mut self, event: Event) -> Result<()> {
        self.account.played(event);
        let Self { chance, project, program, account, now, .. } = self;
        match event {
            Event::Kill => account.ended(program.kill()?),
            Event::Stop => account.ended(program.stop()?),
            Event::ClockAhead => now.clock = 86_400 * chance.random_range(1..60),
            Event::ClockBack => now.clock = [0, -7200][chance.random_range(0..2)],
            Event::FullDisk => {
                account.ended(program.kill()?);
                now.disk_is_full = true;
            }
            Event::RoomAgain => program.give_room(),
            Event::NewName => {
                account.ended(program.kill()?);
                now.name = format!("host-{}", chance.random_range(0..1000));
            }
            Event::Commit => project.commit(chance.random_range(0..1_000_000))?,
            Event::Slower => project.take(100 + 50 * chance.random_range(0..3))?,
            Event::Breaks => project.break_down(chance.random_bool(0.5))?,
        }
        program.set_clock(now.clock)?;
        if !program.is_running()? {
            program.start(now)?;
            now.disk_is_full = false;
        }
        Ok(())
    }

    /// Ends them with a calm while, in which everything outside works and what was begun comes to
    /// its end, and counts. What waits for a later hour has the clock move there.
    fn end(mut self) -> Result<Account> {
        self.progress.detail("a calm while, to catch up");
        let Self { receiver, project, program, account, .. } = &mut self;
        account.ended(program.kill()?);
        receiver.behave();
        project.break_down(false)?;
        project.quiet()?;
        program.start(&Circumstances::default())?;
        let (calm, mut moved, mut clock) = (Instant::now(), Instant::now(), 0);
        while !account.is_settled(project, program, receiver)? && calm.elapsed() < CALM {
            if moved.elapsed() >= Duration::from_secs(3) {
                clock += LONGEST_WAIT;
                program.set_clock(clock)?;
                moved = Instant::now();
            }
            std::thread::sleep(LOOK);
        }
        account.ended(program.stop()?);
        account.close(project, program, receiver)?;
        Ok(self.account)
    }
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
