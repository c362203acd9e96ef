use proptest::prelude::*;

use super::*;
use crate::detect::verdict::Severity;
use crate::model::{Measurement, RunId, Samples, Series, Unit};
use crate::stats::summary::Summary;

/// Results with a list of run medians for each benchmark.
fn results(name: &str, benchmarks: &[(&str, &[f64])]) -> BenchmarkResults {
    let mut results = BenchmarkResults::new(name);
    for (benchmark, medians) in benchmarks {
        add(&mut results, &Series::time(*benchmark), medians);
    }
    results
}

fn add(results: &mut BenchmarkResults, series: &Series, medians: &[f64]) {
    for (run, &median) in (1..).zip(medians) {
        let samples = Samples::of_values(vec![median; 10]).unwrap();
        let summary = Summary::of(&samples);
        results.add(series, Measurement { run: RunId(run), summary, samples });
    }
}

fn verdict(old: &[f64], new: &[f64]) -> Comparison {
    let (old, new) = (results("old", &[("b", old)]), results("new", &[("b", new)]));
    let compared = compare(&old, &new, &History::new(), &Settings::default());
    compared.comparisons.into_iter().next().unwrap()
}

const QUIET: [f64; 5] = [1000.0, 1004.0, 996.0, 1002.0, 999.0];

fn times(values: &[f64], factor: f64) -> Vec<f64> {
    values.iter().map(|value| value * factor).collect()
}

#[test]
fn a_clear_slowdown_of_replicated_runs_fails_a_gate() {
    let comparison = verdict(&QUIET, &times(&QUIET, 1.1));
    assert_eq!(comparison.verdict, Verdict::Regression);
    assert_eq!(comparison.replication, Replication::Replicated);
    assert!(comparison.fails_gate(0.05));
    assert!((comparison.ratio - 1.1).abs() < 1e-9);
    assert!(comparison.interval.low > 1.07 && comparison.interval.high < 1.13);
    assert_eq!(Severity::of(comparison.factor_worse()), Severity::Medium);
}

#[test]
fn identical_runs_are_no_improvement() {
    let comparison = verdict(&QUIET, &QUIET);
    assert_ne!(comparison.verdict, Verdict::Improvement);
    assert_ne!(comparison.verdict, Verdict::Regression);
}

#[test]
fn a_large_unreplicated_slowdown_is_a_hint_that_fails_nothing() {
    let comparison = verdict(&[1000.0], &[1300.0]);
    assert_eq!(comparison.verdict, Verdict::Regression);
    assert_eq!(comparison.replication, Replication::Unreplicated);
    assert!(!comparison.fails_gate(1.0));
    assert!(comparison.interval.high - comparison.interval.low > 0.2);
}

#[test]
fn an_unreplicated_change_of_a_tenth_is_left_open_and_says_what_would_decide() {
    let comparison = verdict(&[1000.0], &[1100.0]);
    assert_eq!(comparison.verdict, Verdict::Inconclusive);
    assert!(comparison.runs_to_decide.is_some_and(|runs| (1..10).contains(&runs)));
    assert!(comparison.detectable_change > 0.1);
}

#[test]
fn moves_below_a_processor_cycle_are_unchanged() {
    let comparison = verdict(&times(&QUIET, 0.001), &times(&QUIET, 0.001_1));
    assert_eq!(comparison.verdict, Verdict::Unchanged);
}

#[test]
fn history_lends_its_spread_to_a_single_run() {
    let series = Series::time("b");
    let point = |(run, median)| crate::model::HistoryPoint {
        run: RunId(run),
        measured_at: jiff::Timestamp::UNIX_EPOCH,
        median,
    };
    let points: Vec<_> = (10..).zip(QUIET.repeat(6)).map(point).collect();
    let history = History::from([(series, points)]);
    let (old, new) = (results("old", &[("b", &[1000.0])]), results("new", &[("b", &[1100.0])]));
    let compared = compare(&old, &new, &history, &Settings::default());
    let comparison = &compared.comparisons[0];
    assert_eq!(comparison.replication, Replication::Borrowed);
    assert_eq!(comparison.verdict, Verdict::Regression);
    assert!(comparison.fails_gate(0.05));
}

#[test]
fn other_benchmarks_that_move_a_lot_widen_the_yardstick() {
    let names: Vec<String> = (0..12).map(|index| format!("noise/{index}")).collect();
    let wild: Vec<[f64; 1]> =
        (0..12).map(|index| [1000.0 * if index % 2 == 0 { 1.25 } else { 0.8 }]).collect();
    let mut old: Vec<(&str, &[f64])> = vec![("b", &[1000.0])];
    let mut new: Vec<(&str, &[f64])> = vec![("b", &[1300.0])];
    for (name, value) in names.iter().zip(&wild) {
        old.push((name, &[1000.0]));
        new.push((name, value));
    }
    let compared = compare(
        &results("old", &old),
        &results("new", &new),
        &History::new(),
        &Settings::default(),
    );
    assert!(compared.comparisons.iter().all(|one| one.verdict == Verdict::Inconclusive));
}

/// Runs agree with each other to a few per mille, but benchmarks moved by ten percent in both
/// directions: the sides differ by more than their code.
#[test]
fn moves_both_ways_widen_what_replicates_do_not_show() {
    let names: Vec<String> = (0..14).map(|index| format!("b{index:02}")).collect();
    let (up, down) = (times(&QUIET, 1.1), times(&QUIET, 0.9));
    let old: Vec<(&str, &[f64])> = names.iter().map(|name| (name.as_str(), &QUIET[..])).collect();
    let new: Vec<(&str, &[f64])> = (0..14)
        .map(|index| (names[index].as_str(), if index % 2 == 0 { &up[..] } else { &down[..] }))
        .collect();
    let judge = |old: &[(&str, &[f64])], new: &[(&str, &[f64])]| {
        compare(&results("old", old), &results("new", new), &History::new(), &Settings::default())
    };
    let compared = judge(&old, &new);
    assert!(compared.comparisons.iter().all(|one| one.verdict == Verdict::Inconclusive));
    assert!(compared.comparisons.iter().all(|one| one.excess > 5.0));
    // The same move for the worse alone is the code's: nothing that got better speaks against it.
    let one_way: Vec<(&str, &[f64])> = (0..14)
        .map(|index| (names[index].as_str(), if index < 6 { &up[..] } else { &QUIET[..] }))
        .collect();
    let compared = judge(&old, &one_way);
    assert!(compared.comparisons[..6].iter().all(|one| one.verdict == Verdict::Regression));
}

#[test]
fn a_common_move_is_the_machines_and_what_exceeds_it_is_not() {
    let names: Vec<String> = (0..10).map(|index| format!("b{index}")).collect();
    let slower = times(&QUIET, 1.08);
    let much_slower = times(&QUIET, 1.4);
    let old: Vec<(&str, &[f64])> = names.iter().map(|name| (name.as_str(), &QUIET[..])).collect();
    let mut new: Vec<(&str, &[f64])> =
        names.iter().map(|name| (name.as_str(), &slower[..])).collect();
    new[3].1 = &much_slower;
    let compared = compare(
        &results("old", &old),
        &results("new", &new),
        &History::new(),
        &Settings::default(),
    );
    let event = compared.machine_event.unwrap();
    assert_eq!((event.moved, event.benchmarks), (10, 10));
    for (index, comparison) in compared.comparisons.iter().enumerate() {
        if index == 3 {
            assert_eq!(comparison.verdict, Verdict::Regression);
        } else {
            assert_eq!(comparison.verdict, Verdict::Inconclusive);
            assert_eq!(comparison.reservation, Some(Reservation::MachineEvent));
        }
    }
}

#[test]
fn higher_is_better_turns_the_verdict() {
    let rate =
        Series { unit: Unit::new("MB/s"), direction: Direction::Higher, ..Series::time("b") };
    let (mut old, mut new) = (BenchmarkResults::new("old"), BenchmarkResults::new("new"));
    add(&mut old, &rate, &QUIET);
    add(&mut new, &rate, &times(&QUIET, 1.2));
    let compared = compare(&old, &new, &History::new(), &Settings::default());
    assert_eq!(compared.comparisons[0].verdict, Verdict::Improvement);
    assert!(compared.comparisons[0].factor_worse() < 1.0);
}

#[test]
fn a_zero_side_has_no_ratio_and_two_zeros_are_equal() {
    let faults = Series {
        metric: crate::model::Metric::new("major_faults"),
        unit: Unit::count(),
        ..Series::time("b")
    };
    let compare_faults = |left: &[f64], right: &[f64]| {
        let (mut old, mut new) = (BenchmarkResults::new("old"), BenchmarkResults::new("new"));
        add(&mut old, &faults, left);
        add(&mut new, &faults, right);
        compare(&old, &new, &History::new(), &Settings::default()).comparisons.remove(0)
    };
    assert_eq!(compare_faults(&[0.0; 3], &[0.0; 3]).verdict, Verdict::Unchanged);
    let appeared = compare_faults(&[0.0; 3], &[5.0; 3]);
    assert_eq!(appeared.verdict, Verdict::Inconclusive);
    assert_eq!(appeared.reservation, Some(Reservation::NoRatio));
}

fn medians() -> impl Strategy<Value = Vec<f64>> {
    (100.0_f64..1e6, proptest::collection::vec(0.9_f64..1.1, 1..6))
        .prop_map(|(level, factors)| times(&factors, level))
}

proptest! {
    #[test]
    fn swapping_the_sides_flips_the_verdict(old in medians(), new in medians()) {
        let (forward, backward) = (verdict(&old, &new), verdict(&new, &old));
        prop_assert!((forward.p_value - backward.p_value).abs() < 1e-9);
        prop_assert!((forward.ratio * backward.ratio - 1.0).abs() < 1e-9);
        prop_assert_eq!(forward.verdict, backward.verdict.reversed());
    }

    #[test]
    fn a_tie_is_never_a_change(runs in medians()) {
        let comparison = verdict(&runs, &runs);
        prop_assert!(matches!(comparison.verdict, Verdict::Unchanged | Verdict::Inconclusive));
        prop_assert!((comparison.ratio - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_change_of_units_changes_nothing(old in medians(), new in medians(), unit in 1.0_f64..1e6) {
        let plain = verdict(&old, &new);
        let scaled = verdict(&times(&old, unit), &times(&new, unit));
        prop_assert!((plain.ratio / scaled.ratio - 1.0).abs() < 1e-9);
        prop_assert!((plain.p_value - scaled.p_value).abs() < 1e-6);
        prop_assert_eq!(plain.replication, scaled.replication);
    }
}
