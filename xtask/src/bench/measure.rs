//! Measuring: every program, as often as wanted.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use fs_err::File;

use super::effort::Effort;
use super::programs::Programs;
use crate::process::read;
use crate::progress::{Progress, seconds};

/// What to measure and for how long.
pub(super) struct Measurement<'a> {
    pub(super) effort: &'a Effort,
    pub(super) filter: Option<&'a str>,
    /// What the user adds to Criterion's arguments.
    pub(super) criterion: &'a [String],
}

impl Measurement<'_> {
    /// Counts the benchmarks.
    pub(super) fn list(&self, programs: &Programs) -> Result<u64> {
        let mut count = 0;
        for program in &programs.benches {
            let mut list = Command::new(program);
            list.args(["--bench", "--list"]).args(self.filter).current_dir(&programs.folder);
            count += count_listed(&read(&mut list)?);
        }
        Ok(count)
    }

    /// Runs all programs again and again. Returns the Criterion folder of each run.
    ///
    /// Each run visits every benchmark before the next run starts, so that what changes on the
    /// machine meanwhile is spread over all of them.
    pub(super) fn conduct(
        &self,
        programs: &Programs,
        benchmarks: u64,
        folder: &Utf8Path,
    ) -> Result<Vec<Utf8PathBuf>> {
        let runs = self.effort.runs;
        let title = format!("Measuring {benchmarks} benchmarks, {runs} times");
        let progress = Progress::parts_with_time_left(title, benchmarks * u64::from(runs));
        let mut folders = Vec::new();
        for number in 1..=runs {
            let started = Instant::now();
            let run = folder.join(format!("run-{number}"));
            fs::create_dir_all(&run)?;
            for program in &programs.benches {
                self.run(program, &programs.folder, &run, &progress)?;
            }
            progress.line(&format!("run {number} of {runs}: {}", seconds(started.elapsed())));
            folders.push(run);
        }
        Ok(folders)
    }

    /// Runs one program to its end.
    fn run(
        &self,
        program: &Utf8Path,
        working: &Utf8Path,
        run: &Utf8Path,
        progress: &Progress,
    ) -> Result<()> {
        let name = program.file_name().unwrap_or("benchmark");
        let log = run.join(format!("{name}.log"));
        let mut command = Command::new(program);
        command
            .arg("--bench")
            .args(self.effort.arguments(self.criterion))
            .args(self.filter)
            .env("CRITERION_HOME", run.join("criterion"))
            .current_dir(working)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log.with_extension("errors"))?.into_parts().0);
        let mut child = command.spawn().with_context(|| format!("failed to start {program}"))?;
        let stdout = child.stdout.take().context("failed to read from a benchmark")?;
        let mut file = File::create(&log)?;
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.context("failed to read from a benchmark")?;
            file.write_all(&line)?;
            file.write_all(b"\n")?;
            match Event::of(&String::from_utf8_lossy(&line)) {
                Some(Event::Started(benchmark)) => progress.detail(benchmark),
                Some(Event::Analyzed) => progress.advance(),
                None => {}
            }
        }
        let status = child.wait().with_context(|| format!("failed to wait for {program}"))?;
        if !status.success() {
            let said = fs::read_to_string(log.with_extension("errors")).unwrap_or_default();
            bail!("{name} ended with {status}: {}\n(its output is in {log})", said.trim());
        }
        Ok(())
    }
}

/// What Criterion says it does, as far as it matters for a bar.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Started(String),
    Analyzed,
}

impl Event {
    /// Reads lines such as `Benchmarking group/name: Warming up for 1.0000 s`.
    fn of(line: &str) -> Option<Self> {
        let rest = line.trim().strip_prefix("Benchmarking ")?;
        match rest.rsplit_once(": ") {
            None => Some(Self::Started(rest.to_owned())),
            Some((_, phase)) => (phase == "Analyzing").then_some(Self::Analyzed),
        }
    }
}

/// Counts the lines such as `group/name: benchmark`.
fn count_listed(listing: &str) -> u64 {
    listing.lines().map(|line| u64::from(line.ends_with(": benchmark"))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_criterion_says_moves_the_bar() {
        let name = "function_calls/batch_calls/10".to_owned();
        assert_eq!(
            Event::of("Benchmarking function_calls/batch_calls/10"),
            Some(Event::Started(name))
        );
        let prefix = "Benchmarking function_calls/batch_calls/10";
        assert_eq!(Event::of(&format!("{prefix}: Warming up for 1.0000 s")), None);
        assert_eq!(Event::of(&format!("{prefix}: Analyzing")), Some(Event::Analyzed));
        assert_eq!(Event::of("                        time:   [1 ns 2 ns 3 ns]"), None);
    }

    #[test]
    fn only_benchmarks_are_counted() {
        let listing = "a/b: benchmark\na/c: benchmark\n\n2 benchmarks\n";
        assert_eq!(count_listed(listing), 2);
    }
}
