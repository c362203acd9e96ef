//! Measuring: every program, as often as wanted.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use fs_err::File;

use super::plan::{Runs, Side, Visit};
use super::programs::Benches;
use super::state::{FileState, Question, State};
use super::until_decided::{Names, Tally, UntilDecided, exactly};
use crate::process::read;
use crate::progress::{Progress, counted, seconds};

/// Benchmarks to measure, and the arguments to do it with.
pub(super) struct Measurement<'a> {
    pub(super) here: &'a Benches,
    pub(super) against: Option<&'a Benches>,
    pub(super) visits: &'a [Visit],
    pub(super) filter: Option<&'a str>,
    /// Criterion's arguments.
    pub(super) arguments: &'a [String],
    /// Where everything goes.
    pub(super) folder: &'a Utf8Path,
    /// Even if the same measurement was cut short, and could go on.
    pub(super) begins_anew: bool,
    /// Only what is still open, if somebody is to be asked for that.
    pub(super) until_decided: Option<UntilDecided<'a>>,
}

/// Where a program runs and what it writes.
struct Place<'a> {
    working: &'a Utf8Path,
    criterion_home: &'a Utf8Path,
    log: &'a Utf8Path,
}

/// A measurement that came to its end.
pub(super) struct Conducted {
    pub(super) runs: Runs,
    /// To be closed when nobody needs to go on from it any more.
    pub(super) state: State,
    /// Measurements that were saved by measuring only what was open, in a sentence.
    pub(super) saved: Option<String>,
}

/// The benchmarks of each program that the filter leaves, where it leaves any.
pub(super) fn list(benches: &Benches, filter: Option<&str>) -> Result<BTreeMap<String, Names>> {
    let mut lists = BTreeMap::new();
    for bench in &benches.programs {
        let mut list = Command::new(&bench.executable);
        list.args(["--bench", "--list"]).args(filter).current_dir(&benches.folder);
        let names = listed(&read(&mut list)?);
        if !names.is_empty() {
            lists.insert(bench.target.clone(), names);
        }
    }
    Ok(lists)
}

impl Measurement<'_> {
    /// Makes all visits, or those that an earlier call did not get to. The results depend on those files.
    pub(super) fn conduct(
        &self,
        benchmarks: &BTreeMap<String, Names>,
        files: Vec<FileState>,
    ) -> Result<Conducted> {
        let mut state = self.state(files)?;
        let saved = self.make_all(benchmarks, &mut state)?;
        Ok(Conducted { runs: self.runs(), state, saved })
    }

    /// Takes up what an earlier call left unfinished, or begins anew.
    fn state(&self, files: Vec<FileState>) -> Result<State> {
        let arguments = self.arguments.iter().cloned().chain(self.filter.map(str::to_owned));
        let (visits, arguments) = (self.visits.to_vec(), arguments.collect());
        let question = Question { visits, arguments, files };
        if !self.begins_anew
            && let Some(unfinished) = State::unfinished(self.folder, &question)
        {
            let (done, all) = (unfinished.done(), counted(self.visits.len(), "visit"));
            println!("Going on after {done} of {all}; --restart begins anew");
            return Ok(unfinished);
        }
        State::begin(self.folder, question)
    }

    fn make_all(
        &self,
        benchmarks: &BTreeMap<String, Names>,
        state: &mut State,
    ) -> Result<Option<String>> {
        let of =
            |visit: &Visit| benchmarks.get(&visit.target).map_or(1, |names| names.len() as u64);
        let is_done = |visit: &&Visit| state.is_done(visit);
        let total = self.visits.iter().map(of).sum();
        let done = self.visits.iter().filter(is_done).map(of).sum();
        let runs = self.visits.iter().map(|visit| visit.run).max().unwrap_or(0);
        let all: Names = benchmarks.values().flatten().cloned().collect();
        let count: usize = benchmarks.values().map(Names::len).sum();
        let title = match self.until_decided {
            Some(_) => format!("Measuring {count} benchmarks, at most {runs} times"),
            None => format!("Measuring {count} benchmarks, {runs} times"),
        };
        let progress = Progress::parts_with_time_left(title, total);
        progress.begin_at(done);
        self.refresh_interrupted(state)?;
        let mut position = done;
        let mut tally = Tally::default();
        let mut open = all;
        for run in 1..=runs {
            let started = Instant::now();
            if let Some(until_decided) = &self.until_decided {
                open = until_decided.open(&self.runs_before(run), run - 1, &open)?;
                if open.is_empty() {
                    break;
                }
                tally.note(&open);
            }
            for visit in self.visits.iter().filter(|visit| visit.run == run) {
                let own = benchmarks.get(&visit.target);
                let open_here: Names = own
                    .into_iter()
                    .flatten()
                    .filter(|name| open.contains(*name))
                    .cloned()
                    .collect();
                let narrowed = own.is_some_and(|own| own.len() > open_here.len());
                let filter = narrowed.then(|| exactly(&open_here));
                let is_decided = narrowed && open_here.is_empty();
                if state.is_done(visit) || is_decided {
                    continue;
                }
                self.make(visit, filter.as_deref().or(self.filter), &progress)?;
                state.finish(visit)?;
                position += of(visit);
                // Exact again, whatever the program printed.
                progress.set(position);
            }
            let (took, count) = (seconds(started.elapsed()), open.len());
            match self.until_decided {
                Some(_) => progress.line(&format!("run {run}: {count} benchmarks, {took}")),
                None => progress.line(&format!("run {run} of {runs}: {took}")),
            }
        }
        Ok(self.until_decided.is_some().then(|| tally.saved(runs)))
    }

    /// Makes the results of a run that was cut short as new as those that are to come. The analyzer tells by their
    /// age which results belong to one run, and there may be days between these.
    fn refresh_interrupted(&self, state: &State) -> Result<()> {
        for visit in self.visits.iter().filter(|visit| state.is_done(visit)) {
            let of_same_run = |other: &&Visit| (other.run, other.side) == (visit.run, visit.side);
            if !self.visits.iter().filter(of_same_run).all(|other| state.is_done(other)) {
                refresh(&self.run_folder(visit.side, visit.run).join("criterion"))?;
            }
        }
        Ok(())
    }

    /// Where the results of a run of one side are.
    fn run_folder(&self, side: Side, run: u32) -> Utf8PathBuf {
        self.folder.join(match side {
            Side::Here => format!("run-{run}"),
            Side::Against => format!("against-{run}"),
        })
    }

    fn runs(&self) -> Runs {
        self.runs_before(u32::MAX)
    }

    /// The runs with a smaller number, of which something was measured.
    fn runs_before(&self, number: u32) -> Runs {
        let mut all = Runs::default();
        for visit in self.visits.iter().filter(|visit| visit.run < number) {
            let runs = match visit.side {
                Side::Here => &mut all.here,
                Side::Against => &mut all.against,
            };
            let run = self.run_folder(visit.side, visit.run);
            if !runs.contains(&run) && run.join("criterion").exists() {
                runs.push(run);
            }
        }
        all
    }

    /// Runs one program to its end. Only then do its results join those of its run: what a killed program left
    /// is never mistaken for them.
    fn make(&self, visit: &Visit, filter: Option<&str>, progress: &Progress) -> Result<()> {
        let benches = match visit.side {
            Side::Here => Some(self.here),
            Side::Against => self.against,
        };
        let benches = benches.context("failed to find the other side")?;
        let bench = benches.programs.iter().find(|bench| bench.target == visit.target);
        let bench = bench.with_context(|| format!("failed to find the target {}", visit.target))?;
        let run = self.run_folder(visit.side, visit.run);
        let unfinished = run.join("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        fs::create_dir_all(&unfinished)?;
        let log = run.join(format!("{}.log", visit.target));
        let place = Place { working: &benches.folder, criterion_home: &unfinished, log: &log };
        self.run(&bench.executable, filter, place, progress)?;
        merge(&unfinished, &run.join("criterion"))
    }

    fn run(
        &self,
        program: &Utf8Path,
        filter: Option<&str>,
        place: Place<'_>,
        progress: &Progress,
    ) -> Result<()> {
        let Place { working, criterion_home, log } = place;
        let mut command = Command::new(program);
        command
            .arg("--bench")
            .args(self.arguments)
            .args(filter)
            .env("CRITERION_HOME", criterion_home)
            .current_dir(working)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log.with_extension("errors"))?.into_parts().0);
        let mut child = command.spawn().with_context(|| format!("failed to start {program}"))?;
        let stdout = child.stdout.take().context("failed to read from a benchmark")?;
        let mut file = File::create(log)?;
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
            bail!("{program} ended with {status}: {}\n(its output is in {log})", said.trim());
        }
        Ok(())
    }
}

/// Moves all files below one folder to the same places below another.
fn merge(from: &Utf8Path, to: &Utf8Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in from.read_dir_utf8().with_context(|| format!("failed to read {from}"))? {
        let entry = entry.with_context(|| format!("failed to read {from}"))?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            merge(entry.path(), &target)?;
        } else {
            fs::rename(entry.path(), &target)?;
        }
    }
    Ok(fs::remove_dir(from)?)
}

/// Sets the modification time of all files below a folder to now.
fn refresh(folder: &Utf8Path) -> Result<()> {
    for entry in folder.read_dir_utf8().with_context(|| format!("failed to read {folder}"))? {
        let entry = entry.with_context(|| format!("failed to read {folder}"))?;
        if entry.path().is_dir() {
            refresh(entry.path())?;
        } else {
            let file = fs::OpenOptions::new().append(true).open(entry.path())?;
            let set = file.file().set_modified(SystemTime::now());
            set.with_context(|| format!("failed to date {}", entry.path()))?;
        }
    }
    Ok(())
}

/// Message of Criterion, as far as it matters for a bar.
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

/// The names in lines such as `group/name: benchmark`.
fn listed(listing: &str) -> Names {
    listing.lines().filter_map(|line| line.strip_suffix(": benchmark")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
