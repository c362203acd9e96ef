//! Values that several commands take as arguments.

use anyhow::Context;
use bench_analyzer::environment::{self, Environment};
use bench_stats::model::{RunId, Series};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

/// A step of a history, which somebody judges.
#[derive(Debug, Args)]
pub(super) struct JudgedStep {
    /// The benchmark's full name
    pub(super) benchmark: String,

    /// The quantity that changed
    #[arg(long, value_name = "NAME", default_value = "time")]
    pub(super) metric: String,

    /// Who says so [default: the user of git, or of the system]
    #[arg(long, value_name = "WHO", value_parser = NonEmptyStringValueParser::new())]
    by: Option<String>,
}

impl JudgedStep {
    /// Whether it is a step of this series.
    pub(super) fn is_of(&self, series: &Series) -> bool {
        series.benchmark.as_str() == self.benchmark && series.metric.as_str() == self.metric
    }

    /// Who says so.
    pub(super) fn author(&self, environment: &Environment) -> anyhow::Result<String> {
        let author = self.by.clone().or_else(|| environment::user(&environment.working_dir));
        author.context("nobody is known to say so: name yourself with --by")
    }
}

/// Findings that fail a gate. Nothing to compare always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    /// A replicated regression that stays significant among all benchmarks (Holm, 5%)
    Regression,
    /// A benchmark of the baseline that the current side lacks
    Missing,
    /// Any replicated change, for the better too
    Change,
}

/// Findings that fail a gate on histories. Nothing to look at always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOnStep {
    /// A lasting change for the worse, or what small parts add up to where a reference is named
    Regression,
    /// Any lasting change
    Change,
}

/// How a list is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ListFormat {
    /// For a terminal
    Human,
    /// For programs
    Json,
}

pub(super) fn run_id(text: &str) -> Result<RunId, String> {
    let number = text.strip_prefix("run:").unwrap_or(text);
    number.parse().map(RunId).map_err(|_| "write 12 or run:12, as `runs` lists them".to_owned())
}

pub(super) fn ratio(text: &str) -> Result<f64, String> {
    let (number, divisor) = match text.strip_suffix('%') {
        Some(percent) => (percent, 100.0),
        None => (text, 1.0),
    };
    match number.trim().parse::<f64>().map(|number| number / divisor) {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        Ok(ratio) if ratio > 1.0 && ratio.is_finite() => Err(format!(
            "that would be {:.0}%: write {number}% or {} if you mean {number} percent",
            ratio * 100.0,
            ratio / 100.0
        )),
        _ => Err("write a ratio such as 0.02, or 2%".to_owned()),
    }
}

pub(super) fn probability(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(probability) if probability > 0.0 && probability < 1.0 => Ok(probability),
        _ => Err("write a probability between 0 and 1, such as 0.01".to_owned()),
    }
}
