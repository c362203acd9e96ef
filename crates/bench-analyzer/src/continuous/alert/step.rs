//! Alerts about steps: lasting changes that the history of a benchmark shows.
//!
//! A step is told once, when enough values follow to be sure that it stays. It is not told
//! if a comparison told of the benchmark since, because that spoke of the same change; nor if it
//! happened before the suite was first run, because then it is no news. It is over when the level is
//! back where it was before, or when somebody accepted it.

use crate::jobs::alert::{KnownSteps, StepEvidence, Subject, ToldStep, Transition, TransitionKind};
use crate::report::words::commits;
use crate::report::{format_change, format_quantity};
use bench_stats::detect::changes::{ChangePoint, SeriesChanges};
use bench_stats::detect::settings::Settings;
use bench_stats::detect::steps::tolerance;
use bench_stats::model::{Direction, RunId, Series};
use bench_stats::stats::quantile::median;

/// What there is to tell of the histories of all that a job measured, beside the `comparisons` that
/// it tells of anyway.
pub fn after_looking_back(
    known: &KnownSteps,
    histories: &[SeriesChanges],
    comparisons: &[Transition],
    settings: &Settings,
) -> Vec<Transition> {
    let mut transitions = Vec::new();
    for told in known.told.iter().filter(|told| !told.over) {
        let history = histories.iter().find(|one| told.is_about(&one.timeline.series));
        let why = match history {
            None => Some("no longer measured".to_owned()),
            Some(history) => end_of(told, history, settings),
        };
        if let Some(why) = why {
            transitions.push(told.resolved(why, history));
        }
    }
    let own = histories.iter().filter(|one| !one.timeline.series.metric.is_resource());
    for history in own.filter(|one| settings.gates(&one.timeline.series)) {
        let new = history
            .change_points
            .iter()
            .filter(|change| change.alarms())
            .filter(|change| known.watched_since.is_none_or(|since| change.measured_at >= since))
            .filter(|change| !known.has_told(change, history, settings))
            .filter(|change| !is_compared(change, history, known, comparisons));
        transitions.extend(new.map(|change| opened(change, history)));
    }
    transitions
}

impl KnownSteps {
    /// Whether a regression that a comparison found was told as a step, because it is no
    /// larger.
    pub fn covers(&self, transition: &Transition) -> bool {
        let Subject::Benchmark { name, metric } = &transition.subject else { return false };
        let told = |step: &ToldStep| {
            !step.over
                && step.name == *name
                && step.metric == *metric
                && transition.low <= step.factor
        };
        transition.kind == TransitionKind::Opened && self.told.iter().any(told)
    }

    fn has_told(&self, change: &ChangePoint, history: &SeriesChanges, settings: &Settings) -> bool {
        let series = &history.timeline.series;
        let reach = tolerance(&settings.steps(series));
        self.told
            .iter()
            .filter(|told| told.is_about(series))
            .filter_map(|told| point_of(history, told.run))
            .any(|at| at.abs_diff(change.index) <= reach)
    }
}

impl ToldStep {
    fn is_about(&self, series: &Series) -> bool {
        series.benchmark.as_str() == self.name && series.metric.as_str() == self.metric
    }

    fn resolved(&self, why: String, history: Option<&SeriesChanges>) -> Transition {
        let now = history.and_then(|one| Some((one, one.timeline.points.last()?)));
        let evidence = match now {
            Some((history, last)) => {
                let unit = &history.timeline.series.unit;
                format!(
                    "{} before {}, {} in the latest runs",
                    format_quantity(self.level, unit),
                    self.run,
                    format_quantity(last.value, unit)
                )
            }
            None => "the suite does not measure it any more".to_owned(),
        };
        Transition {
            kind: TransitionKind::Resolved(why),
            subject: Subject::Step {
                name: self.name.clone(),
                metric: self.metric.clone(),
                run: self.run,
            },
            factor: 1.0,
            low: 1.0,
            high: 1.0,
            evidence,
            step: None,
        }
    }
}

const BACK: &str = "back at its level before";

/// Why a step is over; nothing while it lasts.
fn end_of(told: &ToldStep, history: &SeriesChanges, settings: &Settings) -> Option<String> {
    /// A level is no single value.
    const LEVEL: usize = 4;
    let series = &history.timeline.series;
    let rules = settings.steps(series);
    let reach = tolerance(&rules);
    let points = &history.timeline.points;
    let at = point_of(history, told.run)?;
    let near = |change: &&ChangePoint| change.index.abs_diff(at) <= reach;
    let own = history.change_points.iter().filter(near).min_by_key(|one| one.index.abs_diff(at));
    if let Some(accepted) = own.and_then(|change| change.acknowledged.as_ref()) {
        return Some(format!("accepted by {}: {}", accepted.author, accepted.reason));
    }
    if let Some(withdrawn) = own.and_then(|change| change.withdrawn.as_ref())
        && let Some(author) = &withdrawn.author
    {
        return Some(format!("withdrawn by {author}: {}", withdrawn.reason));
    }
    // What later values took back may come back, so the values decide.
    let own = own.filter(|change| change.withdrawn.is_none());
    if own.is_some_and(|change| change.machine_event) {
        return Some("most other benchmarks turned out to have changed with it".to_owned());
    }
    if history.epochs.last().is_some_and(|start| *start > at) {
        return Some("measured on another machine since, which cannot tell".to_owned());
    }
    let told_log = told.factor.ln();
    let worse = |level: f64| factor_worse(series, told.level, level).ln();
    match own {
        // A partial repair is no end, and neither is one that may not last.
        Some(own) => {
            let later = |change: &&ChangePoint| change.index > own.index && !change.provisional;
            let level = history.change_points.iter().rev().find(later)?.after;
            (worse(level) <= rules.threshold).then(|| BACK.to_owned())
        }
        // What was measured since made the step doubtful. It may come back, so the values decide.
        None => {
            let recent = points.get(points.len().saturating_sub(LEVEL)..)?;
            let mut recent: Vec<f64> = recent.iter().map(|point| point.value).collect();
            let worse = worse(median(&mut recent));
            if worse <= rules.threshold {
                Some(BACK.to_owned())
            } else {
                let doubtful = worse <= told_log / 2.0;
                doubtful.then(|| "its history shows no such change any more".to_owned())
            }
        }
    }
}

/// Whether a comparison was told to be worse after the step, and so spoke of it.
fn is_compared(
    change: &ChangePoint,
    history: &SeriesChanges,
    known: &KnownSteps,
    comparisons: &[Transition],
) -> bool {
    let subject = Subject::of(&history.timeline.series);
    let now = comparisons
        .iter()
        .any(|one| one.subject == subject && !matches!(one.kind, TransitionKind::Resolved(_)));
    now || known.compared.iter().any(|(told, at)| *told == subject && *at >= change.measured_at)
}

fn opened(change: &ChangePoint, history: &SeriesChanges) -> Transition {
    let series = &history.timeline.series;
    let factor = factor_worse(series, change.before, change.after);
    let range = commits(change.after_commit.as_deref(), change.up_to_commit.as_deref());
    let evidence = format!(
        "{} -> {} ({}) since {} of {}{}, a lasting step of its history: p {:.1e}, {} sets of runs since",
        format_quantity(change.before, &series.unit),
        format_quantity(change.after, &series.unit),
        format_change(change.change),
        change.run,
        change.measured_at.strftime("%Y-%m-%d %H:%M UTC"),
        range.map(|range| format!(", {range}")).unwrap_or_default(),
        change.p_value,
        history.timeline.points.len() - change.index,
    );
    Transition {
        kind: TransitionKind::Opened,
        subject: Subject::Step {
            name: series.benchmark.as_str().to_owned(),
            metric: series.metric.as_str().to_owned(),
            run: change.run,
        },
        factor,
        low: factor,
        high: factor,
        evidence,
        step: Some(StepEvidence {
            measured_at: change.measured_at,
            after_commit: change.after_commit.clone(),
            up_to_commit: change.up_to_commit.clone(),
            before: change.before,
            after: change.after,
            p_value: change.p_value,
        }),
    }
}

/// By which factor a level is worse than another; finite, because it is stored.
fn factor_worse(series: &Series, before: f64, after: f64) -> f64 {
    let factor = match series.direction {
        Direction::Higher => before / after,
        Direction::Lower | Direction::Neutral => after / before,
    };
    if factor.is_finite() { factor } else { f64::MAX }
}

/// The point that a run belongs to.
fn point_of(history: &SeriesChanges, run: RunId) -> Option<usize> {
    history.timeline.points.iter().position(|point| point.runs.contains(&run))
}

#[cfg(test)]
mod tests;
