//! Alerts: what somebody was told, and what there is to tell.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::job::JobId;
use bench_stats::model::{RunId, Series};

/// Subject of an alert.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The suite itself, which failed.
    Suite,
    /// One metric of one benchmark.
    Benchmark {
        /// The benchmark.
        name: String,
        /// The quantity.
        metric: String,
    },
    /// A lasting change in the history of a benchmark.
    Step {
        /// The benchmark.
        name: String,
        /// The quantity.
        metric: String,
        /// The first run of the new level.
        run: RunId,
    },
}

impl Subject {
    pub(crate) fn of(series: &Series) -> Self {
        Self::Benchmark {
            name: series.benchmark.as_str().to_owned(),
            metric: series.metric.as_str().to_owned(),
        }
    }

    pub(crate) fn columns(&self) -> (&str, &str) {
        match self {
            Self::Suite => ("", ""),
            Self::Benchmark { name, metric } | Self::Step { name, metric, .. } => (name, metric),
        }
    }

    pub(crate) fn of_columns(benchmark: &str, metric: &str) -> Self {
        if benchmark.is_empty() && metric.is_empty() {
            Self::Suite
        } else {
            Self::Benchmark { name: benchmark.to_owned(), metric: metric.to_owned() }
        }
    }
}

/// An alert that is not over.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OpenAlert {
    /// The suite.
    pub suite: String,
    /// Subject.
    pub subject: Subject,
    /// The job that opened it.
    pub opened_job: JobId,
    /// When.
    pub opened_at: Timestamp,
    /// By which factor it got worse, as it was last told.
    pub factor: f64,
    /// The lower end of that factor's interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// A change of what there is to tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// Kind of what happened.
    pub kind: TransitionKind,
    /// To what.
    pub subject: Subject,
    /// By which factor it is worse than its baseline, or than before the step.
    pub factor: f64,
    /// The lower end of that factor's interval; steps have none, and the factor stands here.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// The evidence, in a sentence.
    pub evidence: String,
    /// The step of the history, if that is what was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepEvidence>,
}

/// Kind of change to an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransitionKind {
    /// It is new.
    Opened,
    /// It was known and became worse beyond doubt.
    Worsened,
    /// It is over, for this reason.
    Resolved(String),
}

/// A step that somebody was told about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToldStep {
    /// The suite.
    pub suite: String,
    /// The benchmark.
    pub name: String,
    /// The quantity.
    pub metric: String,
    /// The first run of the new level, as it was seen then.
    pub run: RunId,
    /// The job that found it.
    pub opened_job: JobId,
    /// When.
    pub opened_at: Timestamp,
    /// The level before.
    pub level: f64,
    /// By which factor the new level is worse.
    pub factor: f64,
    /// Whether its end was told.
    pub over: bool,
}

/// All that decides which steps of a suite are news.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KnownSteps {
    /// Steps that were told, whether they are over or not.
    pub told: Vec<ToldStep>,
    /// When a comparison was last told to be worse, by benchmark.
    pub compared: Vec<(Subject, Timestamp)>,
    /// When the suite was first run.
    pub watched_since: Option<Timestamp>,
}

/// Where a step is, how large and how sure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepEvidence {
    /// When the first run of the new level measured.
    pub measured_at: Timestamp,
    /// The last commit known to have the old level.
    pub after_commit: Option<String>,
    /// The first commit known to have the new level.
    pub up_to_commit: Option<String>,
    /// The level before.
    pub before: f64,
    /// The level since.
    pub after: f64,
    /// The probability of such a step around there without any change.
    pub p_value: f64,
}
