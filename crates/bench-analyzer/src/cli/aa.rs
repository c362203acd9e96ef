//! `aa`: how often identical code raises an alarm here.

use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use bench_analyzer::config::{Config, FILE_NAME};
use bench_analyzer::detect::aa::{SelfComparison, compare_with_itself};
use bench_analyzer::environment::Environment;
use bench_analyzer::model::Selector;
use bench_analyzer::store::{Destination, Store};
use camino::Utf8PathBuf;

use super::args::Aa;
use super::output::Output;
use super::{Outcome, import};

pub(super) async fn run(
    store: &mut Store,
    command: Aa,
    config: &Config,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<Outcome> {
    let selector = if command.command.is_empty() {
        command.baseline
    } else {
        measure(store, &command, environment, output).await?;
        Selector::Latest
    };
    let results = store.results(&selector).await?;
    let Some(found) = compare_with_itself(&results, &config.settings()) else {
        bail!(
            "{selector} has {} runs, and fewer than 4 cannot be compared with each other: measure \
             more with `bench-analyzer aa --runs 10 -- cargo bench`",
            results.runs.len()
        );
    };
    output.data(|stdout| writeln!(stdout, "{}", describe(&found)))?;
    Ok(Outcome::Fine)
}

/// Runs the command again and again, and stores its results as replicates.
async fn measure(
    store: &mut Store,
    command: &Aa,
    environment: &Environment,
    output: &Output,
) -> anyhow::Result<()> {
    let (program, arguments) = command.command.split_first().context("there is no command")?;
    let folder = store.path().with_file_name("aa");
    let mut roots: Vec<Utf8PathBuf> = Vec::new();
    for number in 1..=command.runs {
        output.message(&format!("run {number} of {}: {}", command.runs, command.command.join(" ")));
        let root = folder.join(number.to_string());
        if root.exists() {
            std::fs::remove_dir_all(&root).with_context(|| format!("failed to clear {root}"))?;
        }
        let status = Command::new(program)
            .args(arguments)
            .env("CRITERION_HOME", &root)
            .stdout(Stdio::null())
            .status()
            .with_context(|| format!("failed to start `{program}`"))?;
        ensure!(status.success(), "`{program}` ended with {status}");
        roots.push(root);
    }
    let destination = Destination::NewSet;
    let batch = import::read(&roots, None, &destination, environment)?;
    let now = Environment::capture(&environment.working_dir).now;
    store.import(&batch, &destination, now).await?;
    Ok(())
}

fn describe(found: &SelfComparison) -> String {
    let percent = |value: f64| format!("{:.2}%", value * 100.0);
    let single = found.single;
    #[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
    let single_rate = single.false_alarms as f64 / single.comparisons.max(1) as f64;
    format!(
        "{} runs of the same code, split into halves {} times:\n\
         \u{20} false alarms     {} of {} comparisons ({})\n\
         \u{20} one run a side   {} of {} comparisons ({})\n\
         \u{20} spread of runs   {} in the median, {} at the 90th percentile\n\n\
         To judge by this machine's spread, put into {FILE_NAME}:\n\n\
         spread = {:.4}",
        found.runs,
        found.splits,
        found.false_alarms,
        found.comparisons,
        percent(found.false_alarm_rate()),
        single.false_alarms,
        single.comparisons,
        percent(single_rate),
        percent(found.median_spread),
        percent(found.p90_spread),
        found.suggested_spread
    )
}
