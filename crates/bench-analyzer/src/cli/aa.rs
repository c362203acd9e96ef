//! `aa`: how often identical code raises an alarm here.

use std::process::Stdio;

use anyhow::{Context, bail, ensure};
use bench_analyzer::child;
use bench_analyzer::config::{Config, FILE_NAME};
use bench_analyzer::environment::Environment;
use bench_analyzer::ingest::Reading;
use bench_analyzer::store::{Destination, Store};
use bench_stats::detect::aa::{SelfComparison, Tally, compare_with_itself};
use bench_stats::model::Selector;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use toml_edit::{DocumentMut, Item};

use super::output::Output;
use super::{Outcome, import};

/// Measure how often identical code raises an alarm here
///
/// Takes runs of the same code, compares halves of them with each other again and again, and
/// counts: everything that is called a change is a false alarm. Says what spread between runs and
/// what threshold to put into the configuration.
///
///   bench-analyzer aa --baseline main            with stored runs
///   bench-analyzer aa --runs 10 -- cargo bench   with runs measured now
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Aa {
    /// The runs to take
    #[arg(long, value_name = "NAME", default_value = "latest", conflicts_with = "command")]
    pub(crate) baseline: Selector,

    /// How often to measure
    #[arg(long, value_name = "N", default_value = "10", requires = "command",
          value_parser = clap::value_parser!(u32).range(4..=100))]
    pub(crate) runs: u32,

    /// Put what is found into the configuration: bench-analyzer.toml here, or the one that applies
    #[arg(long)]
    pub(crate) save: bool,

    /// What measures, with CRITERION_HOME set to a folder of its own every time
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

pub(super) async fn run(
    store: &mut Store,
    command: Aa,
    config: &Config,
    config_path: Option<Utf8PathBuf>,
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
    if command.save {
        let path = config_path.unwrap_or_else(|| environment.working_dir.join(FILE_NAME));
        save(&path, &found)?;
        output.message(&format!("{path} now says so"));
    }
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
    let folder = store.folder().join("aa");
    let mut roots: Vec<Utf8PathBuf> = Vec::new();
    for number in 1..=command.runs {
        output.message(&format!("run {number} of {}: {}", command.runs, command.command.join(" ")));
        let root = folder.join(number.to_string());
        if root.exists() {
            std::fs::remove_dir_all(&root).with_context(|| format!("failed to clear {root}"))?;
        }
        let status = child::own(program)
            .args(arguments)
            .env("CRITERION_HOME", &root)
            .stdout(Stdio::null())
            .status()
            .with_context(|| format!("failed to start `{program}`"))?;
        ensure!(status.success(), "`{program}` ended with {status}");
        roots.push(root);
    }
    let batch = import::read(&roots, &Reading::everything(), environment)?;
    let now = Environment::capture(&environment.working_dir).now;
    store.import(&batch, &Destination::NewSet, now).await?;
    Ok(())
}

/// Lists what the measurement suggests for the configuration.
fn suggestions(found: &SelfComparison) -> Vec<(&'static str, f64)> {
    let rounded = |value: f64, unit: f64| (value * unit).round() / unit;
    let mut all = vec![("spread", rounded(found.suggested_spread, 1e4))];
    all.extend(found.suggested_threshold.map(|needed| ("threshold", rounded(needed, 1e3))));
    all
}

/// Puts the suggestions into the configuration and leaves the rest as its author wrote it.
fn save(path: &Utf8Path, found: &SelfComparison) -> anyhow::Result<()> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        other => other.with_context(|| format!("failed to read {path}"))?,
    };
    let mut document: DocumentMut =
        text.parse().with_context(|| format!("failed to understand {path}"))?;
    for (key, suggested) in suggestions(found) {
        match document.get_mut(key).and_then(Item::as_value_mut) {
            Some(value) => {
                let decor = value.decor().clone();
                *value = suggested.into();
                *value.decor_mut() = decor;
            }
            None => document[key] = toml_edit::value(suggested),
        }
    }
    std::fs::write(path, document.to_string()).with_context(|| format!("failed to write {path}"))
}

fn describe(found: &SelfComparison) -> String {
    let percent = |value: f64| format!("{:.2}%", value * 100.0);
    #[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
    let rate = |tally: Tally| percent(tally.false_alarms as f64 / tally.comparisons.max(1) as f64);
    let (single, in_order) = (found.single, found.in_order);
    let suggested: Vec<String> =
        suggestions(found).into_iter().map(|(key, value)| format!("{key} = {value}")).collect();
    format!(
        "{} runs of the same code, split into halves {} times:\n\
         \u{20} false alarms     {} of {} comparisons ({})\n\
         \u{20} one run a side   {} of {} comparisons ({})\n\
         \u{20} in time order    {} of {} comparisons ({}), the first half with the second\n\
         \u{20} spread of runs   {} in the median, {} at the 90th percentile\n\n\
         To judge by this machine's spread, put into {FILE_NAME}:\n\n\
         {}",
        found.runs,
        found.splits,
        found.false_alarms,
        found.comparisons,
        percent(found.false_alarm_rate()),
        single.false_alarms,
        single.comparisons,
        rate(single),
        in_order.false_alarms,
        in_order.comparisons,
        rate(in_order),
        percent(found.median_spread),
        percent(found.p90_spread),
        suggested.join("\n")
    )
}
