//! `run`: runs suites now.

use anyhow::{Context, bail, ensure};
use bench_analyzer::AnalysisReport;
use bench_analyzer::continuous::suites::{self, BenchmarkConfig};
use bench_analyzer::continuous::{ContinuousBenchmark, Decision, JobOutcome, Question};
use bench_analyzer::environment::Environment;
use bench_analyzer::jobs::machine::Machine;
use bench_analyzer::report::Reporter;
use bench_analyzer::report::terminal::TerminalReporter;
use bench_analyzer::store::Store;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::continuous::SuitesFile;
use super::output::Output;
use super::values::FailOn;
use super::{Outcome, Surroundings, continuous, gate};

/// Run suites now: measure, store, compare, report, alert
///
/// A suite is a command that measures, described in suites.toml:
///
///   [[suite]]
///   name = "core"
///   command = ["cargo", "bench", "--bench", "core"]
///   runs = 5                      # processes a job; three or more a side make verdicts hold
///   timeout = "30m"               # a run; then its whole process group is ended
///   tags = ["nightly"]
///   schedule = [{ every = "6h" }, { cron = "0 3 * * *" }, { branch = "main" }]
///
///   [[alert]]
///   to = "webhook"                # or stdout, file, command
///   shape = "slack"               # or json, discord, teams
///   url_env = "SLACK_WEBHOOK"     # the variable that holds the secret address
///
/// The first results of a suite become its baseline, unless it names another with `baseline`.
/// One suite runs at a time on a machine. Logs and reports lie in .bench/continuous.
///
/// Exit codes: 0 fine; 1 the gate failed (--fail-on, or nothing was compared); 2 wrong usage; 3 a suite
/// failed; 4 the gate could not judge (machine or code).
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Run {
    /// Suites by name, or by tag as tag:nightly [default: all]
    #[arg(value_name = "SUITE")]
    pub(crate) suites: Vec<String>,

    #[command(flatten)]
    pub(crate) file: SuitesFile,

    /// How many runs a job takes [default: what the suite says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) runs: Option<u32>,

    /// Measure another commit in turns with what is checked out, and stop when nothing is open any more
    ///
    /// Looks at the results after every run from the third on, and measures only what is open, where the
    /// suite says with `narrow = ["--", "{}"]` how its command measures some benchmarks only. At most
    /// --runs runs a side are made, or ten. What is reported holds whenever it stops, and how many
    /// measurements that saved is said. A call that was stopped or killed goes on behind its last run when it
    /// is made again, if no file differs from its commit.
    #[arg(long, requires = "against")]
    pub(crate) until_decided: bool,

    /// The commit to compare with, for --until-decided
    #[arg(long, value_name = "REV", requires = "until_decided")]
    pub(crate) against: Option<String>,

    /// Exit with 1 if this is found, or if nothing was compared; several with commas
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) fail_on: Vec<FailOn>,
}

pub(super) async fn run(
    store: Store,
    command: Run,
    Surroundings { config, environment, output, db }: Surroundings<'_>,
) -> anyhow::Result<Outcome> {
    let mut suites = read(&command.file, environment)?;
    let named: Vec<String> = suites
        .suites
        .iter()
        .filter(|suite| suite.baseline.is_some())
        .map(|suite| suite.name.clone())
        .collect();
    let labels = command.file.labels.clone();
    let parts = continuous::parts(&mut suites, &store, labels, db, output)?;
    let chosen = choose(&suites, &command.suites, &parts.machine, output)?;
    let stop = parts.stop.clone();
    let mut benchmark = ContinuousBenchmark::new(suites, config.settings(), store, parts);
    if let Some(against) = command.against.filter(|_| command.until_decided) {
        let most = command.runs.unwrap_or(MOST_RUNS);
        let decisions = benchmark.run_until_decided(&chosen, &Question { against, most }).await?;
        benchmark.close().await?;
        return conclude(&decisions, &command.fail_on, output);
    }
    let outcomes = benchmark.run_now(&chosen, command.runs).await?;
    benchmark.close().await?;
    output.data(|stdout| {
        for outcome in &outcomes {
            if let Some(report) = &outcome.report {
                TerminalReporter::default().write(report, stdout)?;
            }
        }
        Ok(())
    })?;
    ensure!(!stop.is_asked(), "stopped; `run` of the same suite goes on where this ended");
    let failed: Vec<&str> =
        outcomes.iter().filter(|one| one.failure.is_some()).map(|one| one.suite.as_str()).collect();
    if !failed.is_empty() {
        bail!("{} of {} suites failed: {}", failed.len(), outcomes.len(), failed.join(", "));
    }
    // The first results of a suite that names no baseline become its own: there is nothing to compare them
    // with, and nothing wrong.
    let compared = |one: &&JobOutcome| {
        let first = one.report.as_ref().is_some_and(|report| report.baseline.is_none());
        !first || named.contains(&one.suite)
    };
    let reports = outcomes.iter().filter(compared).filter_map(|one| one.report.as_ref());
    Ok(judge(reports, &command.fail_on, output))
}

/// How many runs a side are made of what nothing decides.
const MOST_RUNS: u32 = 10;

/// Shows what measuring until it was decided came to.
fn conclude(
    decisions: &[Decision],
    fail_on: &[FailOn],
    output: &Output,
) -> anyhow::Result<Outcome> {
    for decision in decisions {
        match &decision.outcome {
            Ok(report) => {
                output.data(|stdout| TerminalReporter::default().write(report, stdout))?;
                output.message(&format!("{}: {}", decision.suite, decision.saved()));
            }
            Err(why) => output.message(&format!("{}: {why}", decision.suite)),
        }
    }
    let failed = decisions.iter().filter(|one| one.outcome.is_err()).count();
    ensure!(failed == 0, "{failed} of {} suites failed", decisions.len());
    let reports = decisions.iter().filter_map(|one| one.outcome.as_ref().ok());
    Ok(judge(reports, fail_on, output))
}

fn judge<'r>(
    reports: impl Iterator<Item = &'r AnalysisReport>,
    fail_on: &[FailOn],
    output: &Output,
) -> Outcome {
    let judged = reports.map(|report| gate::say(gate::judge(report, fail_on).as_ref(), output));
    judged.fold(Outcome::Fine, Outcome::and)
}

/// Reads the file that was named, or the nearest one.
pub(super) fn read(
    file: &SuitesFile,
    environment: &Environment,
) -> anyhow::Result<BenchmarkConfig> {
    let path = path(file, &environment.working_dir)?;
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    Ok(BenchmarkConfig::read(&path, variable)?)
}

fn path(file: &SuitesFile, working_dir: &Utf8Path) -> anyhow::Result<Utf8PathBuf> {
    let found = match &file.suites_file {
        Some(path) => Some(working_dir.join(path)),
        None => BenchmarkConfig::find(working_dir),
    };
    found.with_context(|| {
        format!(
            "there is no {} here or above: `bench-analyzer run --help` shows one",
            suites::FILE_NAME
        )
    })
}

fn choose(
    config: &BenchmarkConfig,
    wanted: &[String],
    machine: &Machine,
    output: &Output,
) -> anyhow::Result<Vec<String>> {
    let all = || config.suites.iter();
    if wanted.is_empty() {
        ensure!(!config.suites.is_empty(), "the file of suites has none");
        let (chosen, left): (Vec<_>, Vec<_>) =
            all().partition(|suite| machine.lacks(&suite.runs_on).is_empty());
        for suite in left {
            let lacking = machine.lacks(&suite.runs_on).join(", ");
            output.note(&format!("{} is left out: this machine is not {lacking}", suite.name));
        }
        return Ok(chosen.into_iter().map(|suite| suite.name.clone()).collect());
    }
    let mut chosen = Vec::new();
    for word in wanted {
        let tag = word.strip_prefix("tag:");
        let matching: Vec<String> = all()
            .filter(|suite| match tag {
                Some(tag) => suite.tags.iter().any(|one| one == tag),
                None => suite.name == *word,
            })
            .map(|suite| suite.name.clone())
            .collect();
        let names: Vec<&str> = all().map(|suite| suite.name.as_str()).collect();
        ensure!(
            !matching.is_empty(),
            "there is no suite `{word}`; there are: {}",
            names.join(", ")
        );
        for suite in all().filter(|suite| matching.contains(&suite.name)) {
            let lacking = machine.lacks(&suite.runs_on).join(",");
            ensure!(
                lacking.is_empty(),
                "suite `{}` runs on machines that are {}: if this one is, add --labels {lacking}",
                suite.name,
                suite.runs_on.join(", ")
            );
        }
        chosen.extend(matching);
    }
    Ok(chosen)
}
