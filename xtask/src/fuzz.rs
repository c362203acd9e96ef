//! `cargo xtask fuzz`: searches for inputs that break a promise.
//!
//! The targets are functions of bytes in the workspace `fuzz`. They are built with stable Rust: the crates of this project are
//! compiled with counters at each branch ([`coverage`]), and libFuzzer, which `libfuzzer-sys` compiles from its sources, changes
//! inputs by what those count. Inputs that reach something new are kept in `target/xtask-fuzz`, and the next run begins
//! with them.

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use camino::Utf8PathBuf;
use clap::Args;

use crate::process::{independent_cargo, is_on_path, read};
use crate::progress::{Progress, counted, seconds};
use crate::workspace::Workspace;

pub(crate) mod coverage;
mod ledger;

use ledger::{Ledger, Search};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Targets to run [default: all]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,

    /// For how long, each of them
    #[arg(long, value_name = "N", default_value = "1", value_parser = crate::soak::minutes)]
    minutes: Duration,

    /// Only say which targets there are, and what was searched here so far
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let fuzzer = Fuzzer::build(workspace)?;
    if arguments.list {
        println!("{}", fuzzer.listing()?);
        return Ok(ExitCode::SUCCESS);
    }
    let known = fuzzer.targets()?;
    if let Some(unknown) = arguments.targets.iter().find(|name| !known.contains(name)) {
        bail!("there is no target `{unknown}`; there are {}", known.join(", "));
    }
    let chosen = if arguments.targets.is_empty() { &known } else { &arguments.targets };
    let findings = fuzzer.search(chosen, arguments.minutes)?;
    if findings.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("{}:", counted(findings.len(), "finding"));
    findings.iter().for_each(|finding| eprintln!("{finding}"));
    Ok(ExitCode::FAILURE)
}

/// Each target for a short time, as part of the tests. Returns what was searched, in lines.
pub(crate) fn briefly(workspace: &Workspace) -> Result<Vec<String>> {
    let fuzzer = Fuzzer::build(workspace)?;
    let targets = fuzzer.targets()?;
    let findings = fuzzer.search(&targets, Duration::from_secs(20))?;
    if !findings.is_empty() {
        bail!("{}", findings.join("\n"));
    }
    Ok(vec![format!("{} searched for 20 s each", counted(targets.len(), "target"))])
}

/// Says what is missing here to search, and how to get it.
pub(crate) fn missing() -> Option<String> {
    let has_compiler = std::env::var_os("CXX").is_some() || is_on_path(&["c++", "g++", "clang++"]);
    (!has_compiler).then(|| {
        "a C++ compiler, which libFuzzer is compiled with, is not installed: install g++".to_owned()
    })
}

/// The targets, compiled.
struct Fuzzer {
    programs: Utf8PathBuf,
    /// Folder of inputs, findings and the ledger.
    kept: Utf8PathBuf,
}

impl Fuzzer {
    fn build(workspace: &Workspace) -> Result<Self> {
        if let Some(missing) = missing() {
            bail!("{missing}");
        }
        eprintln!("Building the targets; the first time, the runtime is compiled for them");
        let mut build = independent_cargo();
        build.args(["build", "--quiet", "--locked", "--bins"]).current_dir(workspace.fuzz());
        build.env("CARGO_TARGET_DIR", workspace.fuzz_build());
        coverage::set_up(&mut build)?;
        let status = build.status().context("failed to start cargo")?;
        if !status.success() {
            bail!("the targets could not be built");
        }
        Ok(Self { programs: workspace.fuzz_build().join("debug"), kept: workspace.fuzz_findings() })
    }

    fn listing(&self) -> Result<String> {
        let listing = read(&mut Command::new(self.programs.join("seeds")))?;
        let ledger = Ledger::read(&self.kept)?;
        let lines = listing.lines().map(|line| {
            let name = line.split(' ').next().unwrap_or_default();
            format!("{line}\n{:15} {}", "", ledger.total(name))
        });
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }

    fn targets(&self) -> Result<Vec<String>> {
        let listing = read(&mut Command::new(self.programs.join("seeds")))?;
        Ok(listing.lines().filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect())
    }

    /// Searches with each of the targets, and returns what was found, a text for each.
    fn search(&self, targets: &[String], time: Duration) -> Result<Vec<String>> {
        let mut findings = Vec::new();
        for target in targets {
            match self.search_with(target, time)? {
                Outcome::Nothing(search) => println!("{target:15} {search}"),
                Outcome::Found(finding) => {
                    println!("{target:15} FOUND");
                    findings.push(finding);
                }
            }
        }
        Ok(findings)
    }

    fn search_with(&self, target: &str, time: Duration) -> Result<Outcome> {
        let corpus = self.kept.join("corpus").join(target);
        let found = self.kept.join("found");
        fs_err::create_dir_all(&corpus)?;
        fs_err::create_dir_all(&found)?;
        read(Command::new(self.programs.join("seeds")).args([target, corpus.as_str()]))?;
        let log = self.kept.join(format!("{target}.log"));
        let output = fs_err::File::create(&log)?.into_parts().0;
        let started = Instant::now();
        let mut fuzzer = Command::new(self.programs.join(target));
        fuzzer.args([
            corpus.as_str(),
            &format!("-artifact_prefix={found}/{target}-"),
            &format!("-max_total_time={}", time.as_secs()),
            "-max_len=16384",
            "-print_final_stats=1",
            // A guest's reservations are not in memory, but what it touches is.
            "-rss_limit_mb=6144",
            "-timeout=120",
        ]);
        // It writes what it finds, and else only of its progress.
        fuzzer.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output).current_dir(&self.kept);
        let mut fuzzer = fuzzer.spawn().with_context(|| format!("failed to start {target}"))?;
        let title = format!("Searching with {target}, {}", seconds(time));
        let progress = Progress::parts_with_time_left(title, time.as_secs());
        let status = loop {
            if let Some(status) = fuzzer.try_wait()? {
                break status;
            }
            progress.set(started.elapsed().as_secs().min(time.as_secs()));
            let said = String::from_utf8_lossy(&fs_err::read(&log)?).into_owned();
            progress.detail(counted(usize::try_from(executions(&said))?, "input"));
            std::thread::sleep(Duration::from_secs(1));
        };
        drop(progress);
        let said = String::from_utf8_lossy(&fs_err::read(&log)?).into_owned();
        let executions = executions(&said);
        let search = Search { seconds: started.elapsed().as_secs(), executions };
        Ledger::add(&self.kept, target, search)?;
        if status.success() {
            return Ok(Outcome::Nothing(search));
        }
        let last = said.lines().rev().take(30).collect::<Vec<_>>();
        let last: Vec<_> = last.into_iter().rev().collect();
        Ok(Outcome::Found(format!(
            "{target} ended with {status}; {log} ends with\n{}",
            last.join("\n")
        )))
    }
}

/// Outcome of a search with one target.
enum Outcome {
    Nothing(Search),
    /// With what libFuzzer says of it.
    Found(String),
}

/// Number of inputs that were tried, as libFuzzer tells it at the end or, if something was found, in its last line of progress.
fn executions(said: &str) -> u64 {
    let of_end = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let mut of_progress =
        said.lines().filter_map(|line| line.strip_prefix('#')?.split('\t').next());
    of_end
        .or_else(|| of_progress.next_back())
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_those_that_libfuzzer_tells() {
        let ended = "#2\tINITED cov: 10\n#4096\tpulse  cov: 12\nDone 5000 runs in 3 second(s)\n\
                     stat::number_of_executed_units: 5000\nstat::average_exec_per_sec: 1666\n";
        assert_eq!(executions(ended), 5000);
        assert_eq!(executions("#2\tINITED cov: 10\n#4096\tpulse  cov: 12\n== ERROR ==\n"), 4096);
        assert_eq!(executions("no word of it"), 0);
    }
}
