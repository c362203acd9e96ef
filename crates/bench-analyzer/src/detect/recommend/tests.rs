use super::*;
use crate::model::{Fingerprint, Measurement, Revision, Run, RunId, Samples, Series};
use crate::stats::summary::Summary;

fn results(benchmarks: &[(&str, &[f64])]) -> BenchmarkResults {
    let mut results = BenchmarkResults::new("current");
    for (name, medians) in benchmarks {
        for (run, &median) in (1..).zip(*medians) {
            let samples = Samples::of_values([median]).unwrap();
            let summary = Summary::of(&samples);
            results.add(&Series::time(*name), Measurement { run: RunId(run), summary, samples });
        }
    }
    results.runs.push(Run {
        id: RunId(1),
        measured_at: jiff::Timestamp::UNIX_EPOCH,
        imported_at: jiff::Timestamp::UNIX_EPOCH,
        source: String::new(),
        origin: String::new(),
        label: None,
        revision: Revision::default(),
        fingerprint: Fingerprint {
            cpu: String::new(),
            cores: 4,
            os: String::new(),
            rustc: String::new(),
            profile: String::new(),
        },
    });
    results
}

fn advice(benchmarks: &[(&str, &[f64])]) -> Vec<(Rule, Option<String>)> {
    let current = results(benchmarks);
    let facts = Facts { current: &current, comparisons: &[], resources: &[], outliers: &[] };
    recommend(&facts).into_iter().map(|one| (one.rule, one.test_name)).collect()
}

#[test]
fn runs_that_differ_a_lot_are_noisy() {
    let found = advice(&[("wild", &[100.0, 130.0, 80.0]), ("calm", &[100.0, 101.0, 99.0])]);
    assert_eq!(found, [(Rule::NoisyBenchmark, Some("wild".to_owned()))]);
}

#[test]
fn instances_that_hinder_each_other_scale_poorly() {
    let family = |four: f64| {
        advice(&[
            ("concurrent/1", &[100.0]),
            ("concurrent/4", &[four]),
            ("concurrent/16", &[9000.0]),
        ])
    };
    assert_eq!(family(350.0), [(Rule::PoorScaling, Some("concurrent/4".to_owned()))]);
    assert_eq!(family(120.0), []);
}

#[test]
fn a_cache_that_saves_nothing_is_named() {
    let pair = |cached: f64| {
        advice(&[("start/compile_from_scratch", &[100.0]), ("start/with_cache", &[cached])])
    };
    assert_eq!(pair(98.0), [(Rule::UselessCache, Some("start/with_cache".to_owned()))]);
    assert_eq!(pair(20.0), []);
}

#[test]
fn a_variant_that_costs_much_is_named() {
    let found = advice(&[
        ("overhead/none", &[100.0]),
        ("overhead/basic", &[105.0]),
        ("overhead/paranoid", &[200.0]),
        ("other/paranoid", &[900.0]),
    ]);
    assert_eq!(found, [(Rule::CostlyVariant, Some("overhead/paranoid".to_owned()))]);
}
