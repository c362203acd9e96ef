use super::*;
use crate::model::{Fingerprint, Measurement, Run, RunId, Samples, Series};
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
    results.runs.push(Run::new(
        RunId(1),
        jiff::Timestamp::UNIX_EPOCH,
        Fingerprint { cores: 4, ..Fingerprint::default() },
    ));
    results
}

fn advice(benchmarks: &[(&str, &[f64])]) -> Vec<(Rule, Option<String>)> {
    let current = results(benchmarks);
    let limits = AdviceSettings::default();
    let facts =
        Facts { current: &current, comparisons: &[], resources: &[], outliers: &[], limits };
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

/// Five runs a side of one benchmark, with values for each metric.
fn report(metrics: &[(&str, &str, f64, f64)]) -> crate::AnalysisReport {
    let side = |new: bool| {
        let mut results = results(&[]);
        for &(metric, unit, before, after) in metrics {
            let series = Series {
                metric: crate::model::Metric::new(metric),
                unit: crate::model::Unit::new(unit),
                ..Series::time("b")
            };
            for run in 1..=5_i32 {
                let value = if new { after } else { before } * (1.0 + f64::from(run) / 2000.0);
                let samples = Samples::of_values([value]).unwrap();
                let summary = Summary::of(&samples);
                results.add(&series, Measurement { run: RunId(run.into()), summary, samples });
            }
        }
        results
    };
    crate::BenchmarkAnalyzer::new(side(false)).analyze_results(&side(true))
}

fn spoken(report: &crate::AnalysisReport) -> Vec<(Rule, &str)> {
    report.recommendations.iter().map(|one| (one.rule, one.evidence.as_str())).collect()
}

#[test]
fn noisy_benchmarks_say_how_many_runs_would_decide() {
    let side = results(&[("wild", &[100.0, 130.0, 80.0])]);
    let other = results(&[("wild", &[140.0, 100.0, 150.0])]);
    let report = crate::BenchmarkAnalyzer::new(side).analyze_results(&other);
    let noisy = &report.recommendations[0];
    let needed = report.comparisons[0].runs_to_decide.unwrap();
    assert_eq!(noisy.advice, format!("measure about {needed} more runs, or on a quieter machine"));
    assert!(noisy.evidence.contains("its 3 runs differ by"), "{}", noisy.evidence);
}

#[test]
fn memory_that_grew_for_the_same_time_is_named() {
    for metric in ["peak_resident", "guest_memory", "allocated_bytes"] {
        let alone = report(&[("time", "ns", 100.0, 100.0), (metric, "bytes", 4096.0, 8192.0)]);
        let evidence = format!("{metric} grew by 100% while the time did not");
        assert_eq!(spoken(&alone), [(Rule::MemoryGrewAlone, evidence.as_str())]);
        let both = report(&[("time", "ns", 100.0, 150.0), (metric, "bytes", 4096.0, 8192.0)]);
        assert_eq!(spoken(&both), []);
    }
}

#[test]
fn time_that_is_not_computed_is_waited() {
    let waiting = report(&[
        ("time", "ns", 100.0, 150.0),
        ("cpu_user", "ns", 80.0, 80.0),
        ("cpu_system", "ns", 10.0, 10.0),
    ]);
    let evidence = "it takes 50% longer, and the processor works +0% for it";
    assert_eq!(spoken(&waiting), [(Rule::WaitsLonger, evidence)]);
    let interrupted = report(&[
        ("time", "ns", 100.0, 150.0),
        ("cpu_user", "ns", 80.0, 80.0),
        ("involuntary_switches", "count", 0.5, 2.0),
    ]);
    let found = spoken(&interrupted);
    assert!(
        found[0].1.contains("interrupted 2.003 times an iteration instead of 0.501"),
        "{found:?}"
    );
    let computing = report(&[("time", "ns", 100.0, 150.0), ("cpu_user", "ns", 80.0, 120.0)]);
    assert_eq!(spoken(&computing), []);
}

#[test]
fn outliers_in_most_benchmarks_are_the_machines() {
    let side = |disturbed: usize| {
        let mut results = results(&[]);
        for benchmark in 0..6 {
            let values = (0..40_u8).map(|index| {
                let slow = index % 5 == 0 && benchmark < disturbed;
                if slow { 500.0 } else { 100.0 + f64::from(index % 7) }
            });
            let samples = Samples::of_values(values).unwrap();
            let summary = Summary::of(&samples);
            let series = Series::time(format!("b{benchmark}"));
            results.add(&series, Measurement { run: RunId(1), summary, samples });
        }
        crate::BenchmarkAnalyzer::without_baseline().analyze_results(&results)
    };
    let evidence = "4 of 6 benchmarks have more than 10% outlying samples";
    assert_eq!(spoken(&side(4)), [(Rule::BusyMachine, evidence)]);
    assert_eq!(spoken(&side(3)), []);
}

#[test]
fn limits_decide_what_is_worth_a_word() {
    let current = results(&[("overhead/none", &[100.0]), ("overhead/basic", &[110.0])]);
    let rules = |variant_cost| {
        let settings = crate::detect::settings::Settings {
            advice: AdviceSettings { variant_cost, ..AdviceSettings::default() },
            ..Default::default()
        };
        let analyzer = crate::BenchmarkAnalyzer::without_baseline().with_settings(settings);
        analyzer.analyze_results(&current).recommendations.len()
    };
    assert_eq!((rules(0.25), rules(0.05)), (0, 1));
}
