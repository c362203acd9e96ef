use jiff::Timestamp;

use super::*;
use crate::BenchmarkAnalyzer;
use crate::jobs::job::JobId;
use bench_stats::model::{AcceptedChange, BenchmarkResults, Measurement, RunId, Samples, Series};
use bench_stats::stats::summary::Summary;

/// Five runs around a value, a percent apart.
fn side(name: &str, value: f64) -> BenchmarkResults {
    let mut results = BenchmarkResults::new(name);
    for (run, wobble) in (1..).zip([1.0, 1.005, 0.995, 1.003, 0.997]) {
        let samples = Samples::of_values([value * wobble]).unwrap();
        let summary = Summary::of(&samples);
        results.add(&Series::time("parse"), Measurement { run: RunId(run), summary, samples });
    }
    results
}

fn report(current: f64) -> AnalysisReport {
    BenchmarkAnalyzer::new(side("main", 100.0)).analyze_results(&side("now", current))
}

fn opened(transition: &Transition) -> OpenAlert {
    OpenAlert {
        suite: "s".to_owned(),
        subject: transition.subject.clone(),
        opened_job: JobId(1),
        opened_at: Timestamp::UNIX_EPOCH,
        factor: transition.factor,
        low: transition.low,
        high: transition.high,
    }
}

#[test]
fn a_regression_is_told_once() {
    let first = after_success(&[], &report(120.0));
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].kind, TransitionKind::Opened);
    assert!(first[0].evidence.contains("100.0 ns -> 120.0 ns (+20.0%"), "{}", first[0].evidence);
    let open = [opened(&first[0])];
    assert_eq!(after_success(&open, &report(120.5)), []);
    assert_eq!(after_success(&open, &report(115.0)), [], "a partial repair is no end");
}

#[test]
fn getting_much_worse_is_told_again() {
    let open = [opened(&after_success(&[], &report(120.0))[0])];
    let worse = after_success(&open, &report(150.0));
    assert_eq!(worse[0].kind, TransitionKind::Worsened);
    assert_eq!(after_success(&[opened(&worse[0])], &report(150.0)), []);
}

#[test]
fn the_end_of_a_regression_is_told_once() {
    let open = [opened(&after_success(&[], &report(120.0))[0])];
    for (now, why) in
        [(100.0, "no longer as slow as it was told"), (80.0, "better than its baseline")]
    {
        let resolved = after_success(&open, &report(now));
        assert_eq!(resolved[0].kind, TransitionKind::Resolved(why.to_owned()));
        assert_eq!(after_success(&[], &report(now)), []);
    }
}

#[test]
fn what_is_unsure_opens_nothing() {
    let mut unsure = report(120.0);
    unsure.comparisons[0].gate_p_value = None;
    assert_eq!(after_success(&[], &unsure), []);
}

#[test]
fn an_accepted_regression_is_over() {
    let open = [opened(&after_success(&[], &report(120.0))[0])];
    let mut accepted = report(120.0);
    accepted.comparisons[0].acknowledged = Some(AcceptedChange {
        series: Series::time("parse"),
        run: RunId(1),
        measured_at: Timestamp::UNIX_EPOCH,
        reason: "checks its input".to_owned(),
        author: "Ada".to_owned(),
        accepted_at: Timestamp::UNIX_EPOCH,
    });
    let resolved = after_success(&open, &accepted);
    let why = "accepted by Ada: checks its input".to_owned();
    assert_eq!(resolved[0].kind, TransitionKind::Resolved(why));
    assert_eq!(after_success(&[], &accepted), []);
}

#[test]
fn a_benchmark_that_is_gone_ends_its_alert() {
    let open = [opened(&after_success(&[], &report(120.0))[0])];
    let gone =
        BenchmarkAnalyzer::new(side("main", 100.0)).analyze_results(&BenchmarkResults::new("now"));
    let resolved = after_success(&open, &gone);
    assert_eq!(resolved[0].kind, TransitionKind::Resolved("no longer measured".to_owned()));
}

#[test]
fn a_suite_that_fails_is_told_once_until_it_works() {
    let failed = after_failure(&[], "run 1 ended with exit status: 1");
    assert_eq!((failed.len(), &failed[0].subject), (1, &Subject::Suite));
    let open = [opened(&failed[0])];
    assert_eq!(after_failure(&open, "the same"), []);
    let works = after_success(&open, &report(100.0));
    assert_eq!(works[0].kind, TransitionKind::Resolved("the suite works again".to_owned()));
}

/// Eight benchmarks around a value.
fn suite(name: &str, value: f64) -> BenchmarkResults {
    let mut results = BenchmarkResults::new(name);
    for benchmark in 0..8 {
        for result in side(name, value).results.values() {
            for measurement in &result.measurements {
                results.add(&Series::time(format!("b{benchmark}")), measurement.clone());
            }
        }
    }
    results
}

#[test]
fn everything_slower_is_told_although_it_could_not_be_judged() {
    let all = BenchmarkAnalyzer::new(suite("main", 100.0)).analyze_results(&suite("now", 140.0));
    assert_eq!(all.failing().count(), 0);
    let told = after_success(&[], &all);
    assert_eq!(told.len(), 8);
    for one in &told {
        assert_eq!(one.kind, TransitionKind::Opened);
        assert!(
            one.evidence.ends_with("; could not be judged: machine or code"),
            "{}",
            one.evidence
        );
    }
    let open: Vec<OpenAlert> = told.iter().map(opened).collect();
    assert_eq!(after_success(&open, &all), [], "once");
    let better = BenchmarkAnalyzer::new(suite("main", 100.0)).analyze_results(&suite("now", 70.0));
    assert_eq!(after_success(&[], &better), []);
}
