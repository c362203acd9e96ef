//! `run`: runs suites now.

use anyhow::{Context, bail, ensure};
use bench_analyzer::AnalysisReport;
use bench_analyzer::continuous::suites::{self, BenchmarkConfig};
use bench_analyzer::continuous::{ContinuousBenchmark, Decision, JobOutcome, Question};
use bench_analyzer::environment::Environment;
use bench_analyzer::jobs::machine::Machine;
use bench_analyzer::report::Reporter;
use bench_analyzer::report::human::HumanReporter;
use bench_analyzer::store::Store;
use camino::{Utf8Path, Utf8PathBuf};

use super::args::{FailOn, Run, SuitesFile};
use super::output::Output;
use super::{Outcome, Surroundings, continuous, gate};

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
                HumanReporter.write(report, stdout)?;
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
                output.data(|stdout| HumanReporter.write(report, stdout))?;
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
    let judged = reports.map(|report| gate::judge(report, fail_on, output));
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
