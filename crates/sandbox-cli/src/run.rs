//! `sandbox run`: a WASI program, from beginning to end.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use clap::Args;
use sandbox_core::{CoreDumps, RunReport, RunRequest, SandboxError};

use crate::failure::Failure;
use crate::options::{ModuleFile, PolicyOptions, write_privately};
use crate::profile::ProfileOptions;
use crate::usage;

/// Time that a program is given to notice that it was stopped. It does so at once, unless it waits for standard input.
const GRACE: Duration = Duration::from_millis(500);

/// Run a WASI program
///
/// Standard input, output and error are the program's, and its exit code is the one of this command. Everything after the
/// module is an argument of the program.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sandbox run hello.wasm
  sandbox run --policy strict --dir data::/data:ro wc.wasm /data/words.txt
  sandbox run --time 2s --memory 64MiB --usage generated.wasm < input.csv
  sandbox run --profile slow.json slow.wasm    # then open slow.json with https://www.speedscope.app")]
pub(crate) struct Run {
    #[command(flatten)]
    policy: PolicyOptions,
    /// Name that the program sees as its own; without it, that of its file
    #[arg(long, value_name = "NAME")]
    argv0: Option<String>,
    /// Say on standard error what the program used
    #[arg(long)]
    usage: bool,
    /// Write the state of the program to this file if it traps or panics, for a debugger of WebAssembly core dumps. All of its
    /// memory is in it
    #[arg(long, value_name = "FILE")]
    coredump: Option<PathBuf>,
    #[command(flatten)]
    profile: ProfileOptions,
    #[command(flatten)]
    module: ModuleFile,
    /// Arguments of the program
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Run {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let policy = self.policy.policy()?;
        let limit = policy.wall_clock;
        let core_dumps = if self.coredump.is_some() { CoreDumps::OnTrap } else { CoreDumps::Never };
        let profiling = self.profile.begin()?;
        let builder = self.module.builder(policy)?.core_dumps(core_dumps);
        let built = profiling.attach(builder).build_blocking();
        let sandbox = profiling.unless_failed(built)?;
        let program = self.argv0.unwrap_or_else(|| {
            let name = self.module.path().file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        });
        let request = RunRequest::new()
            .program(program)
            .arguments(self.arguments)
            .stdin_from(std::io::stdin())
            .stdout_to(std::io::stdout())
            .stderr_to(std::io::stderr());
        let (sender, receiver) = mpsc::channel();
        let running = std::thread::Builder::new().spawn(move || {
            // Nobody waits for it where the program hung in a read.
            let _ = sender.send(sandbox.run_reported_blocking(request));
        });
        running.map_err(|error| Failure::system(&error))?;
        let report = wait(&receiver, limit);
        // Also of a program that was stopped, or that hangs in a read.
        profiling.write()?;
        let report = report?;
        if self.usage {
            usage::report(&report.usage);
        }
        if let (Err(error), Some(path)) = (&report.ended, &self.coredump) {
            write_core_dump(error, path)?;
        }
        let code = report.ended?;
        // A system has eight bits for it.
        Ok(ExitCode::from(code.to_le_bytes()[0]))
    }
}

/// Writes what a program left that trapped, and says so on standard error.
fn write_core_dump(error: &SandboxError, path: &Path) -> Result<(), Failure> {
    let Some(dump) = error.core_dump() else { return Ok(()) };
    write_privately(path, dump.as_bytes())?;
    eprintln!("sandbox: the program's core dump is in {}", path.display());
    Ok(())
}

/// Waits for the program. One that reads from a terminal is not waited for longer than it may take.
fn wait(
    receiver: &mpsc::Receiver<RunReport>,
    limit: Option<Duration>,
) -> Result<RunReport, Failure> {
    let lost = || Failure::system(&std::io::Error::other("the thread of the program ended early"));
    let Some(limit) = limit else { return receiver.recv().map_err(|_| lost()) };
    match receiver.recv_timeout(limit.saturating_add(GRACE)) {
        Ok(report) => Ok(report),
        Err(RecvTimeoutError::Disconnected) => Err(lost()),
        Err(RecvTimeoutError::Timeout) => Err(Failure::timeout(limit)),
    }
}
