use super::*;
use crate::BenchmarkAnalyzer;
use crate::analysis::AnalysisReport;
use crate::model::{Measurement, RunId, Samples, Series};
use crate::stats::summary::Summary;

const SIZES: [f64; 4] = [100.0, 1e3, 1e4, 1e5];

/// Five runs of `sort/N`, whose times grow linearly: `factor` says by how much each size is slower.
fn side(name: &str, seed: usize, factor: impl Fn(f64) -> f64) -> BenchmarkResults {
    let mut results = BenchmarkResults::new(name);
    for run in 0..5_usize {
        for (index, size) in SIZES.into_iter().enumerate() {
            let phase = ((run * 7919 + index * 104_729 + seed * 1_299_709) % 101) as f64 / 101.0;
            let value = 10.0 * size * factor(size) * (1.0 + (phase - 0.5) * 0.02);
            let samples = Samples::of_values([value]).unwrap();
            let summary = Summary::of(&samples);
            let id = RunId(i64::try_from(run + 1).unwrap());
            let series = Series::time(format!("sort/{size}"));
            results.add(&series, Measurement { run: id, summary, samples });
        }
    }
    results
}

fn report(factor: impl Fn(f64) -> f64) -> AnalysisReport {
    BenchmarkAnalyzer::new(side("old", 1, |_| 1.0)).analyze_results(&side("new", 2, factor))
}

fn family(factor: impl Fn(f64) -> f64) -> Family {
    let mut families = report(factor).families;
    assert_eq!(families.len(), 1);
    families.remove(0)
}

#[test]
fn a_slowdown_that_grows_with_the_number_is_told_from_an_even_one() {
    let growing = family(|size| (size / 100.0).powf(0.03));
    let scaling = growing.scaling.unwrap();
    assert_eq!(scaling.growth, Growth::GrowsWorse, "{growing:?}");
    assert!((scaling.baseline.exponent - 1.0).abs() < 0.01, "{scaling:?}");
    assert!((scaling.current.exponent - 1.03).abs() < 0.01, "{scaling:?}");
    let (low, high) = scaling.current.interval.unwrap();
    assert!(low < 1.03 && 1.03 < high && high - low < 0.02, "{scaling:?}");
    let even = family(|_| 1.1);
    assert_eq!(even.scaling.unwrap().growth, Growth::Even, "{even:?}");
    assert_eq!(even.verdict, Verdict::Regression);
    assert!((even.ratio - 1.1).abs() < 0.01);
    let numbers: Vec<f64> = even.members.iter().map(|one| one.parameter).collect();
    assert_eq!(numbers, SIZES);
}

#[test]
fn what_gets_better_with_the_number_is_no_alarm() {
    let better = family(|size| (size / 100.0).powf(-0.03));
    assert_eq!(better.scaling.unwrap().growth, Growth::GrowsBetter);
}

#[test]
fn a_family_that_did_not_change_says_within_what() {
    let same = family(|_| 1.0);
    assert!(matches!(same.verdict, Verdict::Unchanged | Verdict::NoChangeSeen), "{same:?}");
    assert_eq!(same.scaling.unwrap().growth, Growth::Even);
}

#[test]
fn one_run_a_side_judges_no_family() {
    let first = |side: BenchmarkResults| {
        let mut only = BenchmarkResults::new(side.name.clone());
        for result in side.results.values() {
            only.add(&result.series, result.measurements[0].clone());
        }
        only
    };
    let (old, new) = (first(side("old", 1, |_| 1.0)), first(side("new", 2, |size| size.powf(0.1))));
    let report = BenchmarkAnalyzer::new(old).analyze_results(&new);
    let family = &report.families[0];
    let scaling = family.scaling.unwrap();
    assert_eq!((family.verdict, family.interval), (Verdict::Inconclusive, None));
    assert_eq!(
        (scaling.growth, scaling.p_value, scaling.current.interval),
        (Growth::Even, None, None)
    );
    assert!((scaling.current.exponent - 1.1).abs() < 0.02);
}

/// Families whose exponent did not change are said to grow no more often than what is listed may be false.
#[test]
fn equal_exponents_rarely_seem_to_differ() {
    let mut wrong = 0;
    for seed in 0..200 {
        let report = BenchmarkAnalyzer::new(side("old", seed, |_| 1.0)).analyze_results(&side(
            "new",
            seed + 1000,
            |_| 1.0,
        ));
        let growth = report.families[0].scaling.unwrap().growth;
        wrong += usize::from(growth != Growth::Even);
    }
    assert!(wrong <= 4, "{wrong} of 200");
}
