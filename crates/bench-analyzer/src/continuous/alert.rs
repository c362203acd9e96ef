//! Who is told what: once for every change, not once for every job.
//!
//! A regression that fails a gate opens an alert, and so does one that could not be judged, because
//! most benchmarks got worse together and it may be the machine or the code. While it lasts, nothing more is said, unless it
//! becomes worse than the whole interval that was told before. It is over when the benchmark is
//! unchanged or better, when its interval lies wholly below the one that was told, when somebody
//! accepted it, or when the benchmark is gone. A job that fails is an alert about its suite, and
//! the next one that succeeds is the end of it.
//!
//! What no comparison shows, because it came in small parts or because the baseline moved along,
//! the history does: see [`after_looking_back`].

use crate::jobs::alert::{OpenAlert, Subject, Transition, TransitionKind};
use crate::report::words::interval;
use crate::report::{format_change, format_quantity};
use bench_stats::analysis::AnalysisReport;
use bench_stats::detect::verdict::{Comparison, Reservation, Verdict};
use bench_stats::model::Direction;

mod step;

pub use step::after_looking_back;

/// Finds what there is to tell after a job of a suite succeeded.
pub fn after_success(open: &[OpenAlert], report: &AnalysisReport) -> Vec<Transition> {
    let rate = report.settings.gate_error_rate;
    let mut transitions = Vec::new();
    for comparison in &report.comparisons {
        let subject = Subject::of(&comparison.series);
        let known = open.iter().find(|alert| alert.subject == subject);
        let told = Told::of(comparison);
        let fails = comparison.fails_gate(rate) || may_have_regressed(comparison, rate);
        let kind = match known {
            None if fails => TransitionKind::Opened,
            Some(alert) if fails && told.low > alert.high => TransitionKind::Worsened,
            Some(alert) => match resolution(alert, comparison, told) {
                Some(why) => TransitionKind::Resolved(why),
                None => continue,
            },
            None => continue,
        };
        transitions.push(told.transition(kind, subject, evidence(comparison)));
    }
    for alert in open {
        let gone = report.only_in_baseline.iter().any(|one| Subject::of(one) == alert.subject);
        if alert.subject == Subject::Suite || gone {
            let (why, evidence) = if gone {
                ("no longer measured", "the suite does not measure it any more")
            } else {
                ("the suite works again", "the suite ran to its end")
            };
            transitions.push(Transition {
                kind: TransitionKind::Resolved(why.to_owned()),
                subject: alert.subject.clone(),
                factor: 1.0,
                low: 1.0,
                high: 1.0,
                evidence: evidence.to_owned(),
                step: None,
            });
        }
    }
    transitions
}

/// Finds what there is to tell after a job of a suite failed.
pub fn after_failure(open: &[OpenAlert], failure: &str) -> Vec<Transition> {
    if open.iter().any(|alert| alert.subject == Subject::Suite) {
        return Vec::new();
    }
    vec![Transition {
        kind: TransitionKind::Opened,
        subject: Subject::Suite,
        factor: 1.0,
        low: 1.0,
        high: 1.0,
        evidence: failure.to_owned(),
        step: None,
    }]
}

/// How much worse, whatever the direction of the series.
#[derive(Debug, Clone, Copy)]
struct Told {
    factor: f64,
    low: f64,
    high: f64,
}

impl Told {
    fn of(comparison: &Comparison) -> Self {
        let interval = comparison.interval;
        let (low, high) = match comparison.series.direction {
            Direction::Higher => (interval.high.recip(), interval.low.recip()),
            Direction::Lower | Direction::Neutral => (interval.low, interval.high),
        };
        // Finite, because they are stored: a change from zero has no factor.
        let [factor, low, high] =
            [comparison.factor_worse(), low, high].map(|one| one.min(f64::MAX));
        Self { factor, low, high }
    }

    fn transition(self, kind: TransitionKind, subject: Subject, evidence: String) -> Transition {
        let Self { factor, low, high } = self;
        Transition { kind, subject, factor, low, high, evidence, step: None }
    }
}

fn resolution(alert: &OpenAlert, comparison: &Comparison, told: Told) -> Option<String> {
    if let Some(accepted) = &comparison.acknowledged {
        return Some(format!("accepted by {}: {}", accepted.author, accepted.reason));
    }
    match comparison.verdict {
        Verdict::Unchanged => Some("back at its baseline".to_owned()),
        Verdict::Improvement => Some("better than its baseline".to_owned()),
        // Too noisy for a verdict, but surely not what was told.
        Verdict::Inconclusive | Verdict::NoChangeSeen
            if comparison.reservation.is_none() && told.high < alert.low =>
        {
            Some("no longer as slow as it was told".to_owned())
        }
        Verdict::Inconclusive | Verdict::NoChangeSeen | Verdict::Regression => None,
    }
}

/// Whether it got worse with most others, beyond chance, and nobody can tell whether the machine did that.
fn may_have_regressed(comparison: &Comparison, rate: f64) -> bool {
    comparison.reservation == Some(Reservation::MachineOrCode)
        && comparison.acknowledged.is_none()
        && comparison.factor_worse() > 1.0
        && comparison.gate_p_value.is_some_and(|p_value| p_value <= rate)
}

/// Says what a verdict rests on, in a sentence.
fn evidence(comparison: &Comparison) -> String {
    let unit = &comparison.series.unit;
    let open = comparison.reservation.map(|why| format!("; {why}")).unwrap_or_default();
    format!(
        "{} -> {} ({}, 95% interval {}, p {:.1e}, {} and {} runs){open}",
        format_quantity(comparison.baseline.value, unit),
        format_quantity(comparison.current.value, unit),
        format_change(comparison.change()),
        interval(comparison.interval),
        comparison.p_value,
        comparison.baseline.runs,
        comparison.current.runs,
    )
}

#[cfg(test)]
mod tests;
