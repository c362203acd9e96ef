//! Options of commands that run a guest: a profile of where it spends its time.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sandbox_core::{Profile, Profiler, SandboxError, WasmSandbox, WasmSandboxBuilder};

use crate::failure::Failure;
use crate::options::{duration, write};
use crate::usage;

/// Options for a profile.
#[derive(Debug, Args)]
pub(crate) struct ProfileOptions {
    /// Write to this file where the guest spends its time, also if it is stopped or traps: a JSON file for
    /// <https://www.speedscope.app>, with the guest's functions by name and time in functions of the host as `[host]`
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Time between two samples of a profile, from `100us` to `1s`
    #[arg(long, value_name = "DURATION", value_parser = interval, default_value = "1ms", requires = "profile")]
    profile_interval: Duration,
}

impl ProfileOptions {
    /// Begins with the profile, if one is asked for: whether it can be written is known before the guest has run.
    pub(crate) fn begin(self) -> Result<Profiling, Failure> {
        let Some(path) = self.profile else { return Ok(Profiling(None)) };
        let profiler = Profiler::with_interval(self.profile_interval);
        let profiling = Wanted { profiler, path };
        profiling.write(&profiling.profiler.profile())?;
        Ok(Profiling(Some(profiling)))
    }
}

/// A profile that is being made, if one is asked for.
#[derive(Debug)]
pub(crate) struct Profiling(Option<Wanted>);

#[derive(Debug)]
struct Wanted {
    profiler: Profiler,
    path: PathBuf,
}

impl Profiling {
    /// Has the guests of the sandbox be in the profile.
    pub(crate) fn attach(&self, builder: WasmSandboxBuilder) -> WasmSandboxBuilder {
        match &self.0 {
            Some(wanted) => builder.profiler(&wanted.profiler),
            None => builder,
        }
    }

    /// Passes a sandbox on. One that could not be built leaves the profile of its start.
    pub(crate) fn unless_failed(
        &self,
        built: Result<WasmSandbox, SandboxError>,
    ) -> Result<WasmSandbox, Failure> {
        if built.is_err() {
            self.write()?;
        }
        Ok(built?)
    }

    /// Writes what was found so far, and says on standard error what that is.
    pub(crate) fn write(&self) -> Result<(), Failure> {
        let Some(wanted) = &self.0 else { return Ok(()) };
        let profile = wanted.profiler.profile();
        wanted.write(&profile)?;
        eprintln!(
            "sandbox: {} samples, one for each {}, {} of them in functions of the host, {} more lost: open {} with \
             https://www.speedscope.app",
            profile.samples(),
            usage::in_words(profile.interval()),
            profile.in_host(),
            profile.lost(),
            wanted.path.display()
        );
        Ok(())
    }
}

impl Wanted {
    fn write(&self, profile: &Profile) -> Result<(), Failure> {
        write(&self.path, profile.to_speedscope().as_bytes())
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    if (Profiler::SHORTEST_INTERVAL..=Profiler::LONGEST_INTERVAL).contains(&interval) {
        Ok(interval)
    } else {
        Err("it is not from `100us` to `1s`".to_owned())
    }
}
