use proptest::prelude::*;

mod simulated;

use super::*;
use crate::detect::settings::Pattern;
use crate::detect::verdict::Severity;
use crate::model::{
    Direction, Fingerprint, Measurement, Metric, Run, RunId, Samples, Series, Unit,
};
use crate::stats::spending::Plan;
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

/// Runs that were made at these moments, in seconds.
fn at(results: &mut BenchmarkResults, seconds: &[i64]) {
    results.runs = (1..)
        .zip(seconds)
        .map(|(run, &second)| {
            Run::new(
                RunId(run),
                jiff::Timestamp::from_second(second).unwrap(),
                Fingerprint::default(),
            )
        })
        .collect();
}

const FIRST: [i64; 5] = [0, 1, 2, 3, 4];
const AFTERWARDS: [i64; 5] = [10, 11, 12, 13, 14];
const IN_TURNS: ([i64; 5], [i64; 5]) = ([0, 3, 4, 7, 8], [1, 2, 5, 6, 9]);

/// Benchmarks that got slower by these factors, measured in that order.
fn slower(factors: &[f64], order: ([i64; 5], [i64; 5]), settings: &Settings) -> Compared {
    let (mut old, mut new) = (BenchmarkResults::new("old"), BenchmarkResults::new("new"));
    for (index, factor) in factors.iter().enumerate() {
        let series = Series::time(format!("b{index:02}"));
        add(&mut old, &series, &QUIET);
        add(&mut new, &series, &times(&QUIET, *factor));
    }
    at(&mut old, &order.0);
    at(&mut new, &order.1);
    compare(&old, &new, &History::new(), settings)
}

fn count(compared: &Compared, verdict: Verdict) -> usize {
    compared.comparisons.iter().filter(|one| one.verdict == verdict).count()
}

#[test]
fn everything_slower_in_turns_is_the_code() {
    for slow in [34, 40] {
        let factors: Vec<f64> = (0..40).map(|at| if at < slow { 1.4 } else { 1.0 }).collect();
        let compared = slower(&factors, IN_TURNS, &Settings::default());
        assert_eq!(compared.common_move.unwrap().cause, Cause::Code);
        assert_eq!(count(&compared, Verdict::Regression), slow);
        assert!(compared.comparisons[..slow].iter().all(|one| one.fails_gate(0.05)));
    }
}

#[test]
fn everything_slower_one_side_after_the_other_could_not_be_judged() {
    let compared = slower(&[1.4; 40], (FIRST, AFTERWARDS), &Settings::default());
    let common = compared.common_move.unwrap();
    assert_eq!((common.cause, common.moved), (Cause::MachineOrCode, 40));
    for comparison in &compared.comparisons {
        assert_eq!(comparison.reservation, Some(Reservation::MachineOrCode));
        assert!(comparison.could_not_be_judged());
        assert_eq!(comparison.verdict, Verdict::Inconclusive);
    }
}

#[test]
fn what_exceeds_a_common_move_is_judged_all_the_same() {
    let mut factors = [1.08; 10];
    factors[3] = 1.4;
    let compared = slower(&factors, (FIRST, AFTERWARDS), &Settings::default());
    for (index, comparison) in compared.comparisons.iter().enumerate() {
        let expected = if index == 3 { Verdict::Regression } else { Verdict::Inconclusive };
        assert_eq!(comparison.verdict, expected, "{index}");
    }
}

#[test]
fn a_control_tells_the_machine_from_the_code() {
    let settings = Settings { controls: vec![Pattern::new("b00")], ..Settings::default() };
    // The control stayed where it was: the machine is as fast as before.
    let mut factors = [1.4; 12];
    factors[0] = 1.0;
    let compared = slower(&factors, (FIRST, AFTERWARDS), &settings);
    assert_eq!(compared.common_move.unwrap().cause, Cause::Controlled);
    assert_eq!(count(&compared, Verdict::Regression), 11);
    // The control moved as well: it is the machine, but for what moved further.
    let mut factors = [1.4; 12];
    factors[7] = 1.9;
    let compared = slower(&factors, (FIRST, AFTERWARDS), &settings);
    assert_eq!(compared.comparisons[7].verdict, Verdict::Regression);
    let others = compared.comparisons.iter().filter(|one| one.verdict != Verdict::Regression);
    assert!(others.clone().all(|one| one.reservation == Some(Reservation::WithControl)));
    assert!(others.clone().all(|one| !one.could_not_be_judged()));
    assert_eq!(others.count(), 11);
}

#[test]
fn another_machine_is_no_reason_to_pass_a_gate() {
    let (mut old, mut new) = (BenchmarkResults::new("old"), BenchmarkResults::new("new"));
    add(&mut old, &Series::time("b"), &QUIET);
    add(&mut new, &Series::time("b"), &times(&QUIET, 1.4));
    at(&mut old, &FIRST);
    at(&mut new, &AFTERWARDS);
    new.runs.iter_mut().for_each(|run| run.fingerprint.cores = 2);
    let found = compare(&old, &new, &History::new(), &Settings::default());
    assert_eq!(found.comparisons[0].reservation, Some(Reservation::OtherMachine));
    assert!(found.comparisons[0].could_not_be_judged());
    assert!(!found.comparisons[0].fails_gate(1.0));
}

/// Half of them better by a fifth, half of them worse by a quarter.
#[test]
fn a_trade_of_all_benchmarks_hides_nothing() {
    let factors: Vec<f64> = (0..20).map(|at| if at % 2 == 0 { 0.8 } else { 1.25 }).collect();
    let compared = slower(&factors, (FIRST, AFTERWARDS), &Settings::default());
    assert_eq!(count(&compared, Verdict::Regression), 10);
    assert_eq!(count(&compared, Verdict::Improvement), 10);
}

fn counted(metric: &str) -> Series {
    Series { metric: Metric::new(metric), unit: Unit::count(), ..Series::time("b") }
}

/// One series of any metric.
fn of_metric(series: &Series, old: &[f64], new: &[f64]) -> Comparison {
    let (mut left, mut right) = (BenchmarkResults::new("old"), BenchmarkResults::new("new"));
    add(&mut left, series, old);
    add(&mut right, series, new);
    compare(&left, &right, &History::new(), &Settings::default()).comparisons.remove(0)
}

#[test]
fn what_is_counted_needs_no_second_run() {
    for metric in ["instructions", "allocations", "allocated_bytes"] {
        let series = counted(metric);
        let more = of_metric(&series, &[1000.0], &[1100.0]);
        assert_eq!((more.verdict, more.replication), (Verdict::Regression, Replication::Exact));
        assert!(more.fails_gate(0.05));
        assert!((more.interval.low - 1.1).abs() < 1e-9 && (more.interval.high - 1.1).abs() < 1e-9);
        assert_eq!(of_metric(&series, &[1000.0], &[1000.0]).verdict, Verdict::Unchanged);
        assert_eq!(of_metric(&series, &[1000.0], &[900.0]).verdict, Verdict::Improvement);
    }
}

#[test]
fn values_that_never_differ_are_counted_whatever_they_are_called() {
    let series = counted("tokens");
    let same = of_metric(&series, &[500.0; 3], &[500.0; 3]);
    assert_eq!((same.verdict, same.replication), (Verdict::Unchanged, Replication::Exact));
    assert_eq!(of_metric(&series, &[500.0; 3], &[550.0; 3]).verdict, Verdict::Regression);
    let differing = of_metric(&series, &[500.0, 501.0, 502.0], &[550.0; 3]);
    assert_eq!(differing.replication, Replication::Replicated);
    // One run says nothing of how the next would be.
    assert_eq!(of_metric(&series, &[500.0], &[550.0]).replication, Replication::Unreplicated);
}

#[test]
fn a_counter_that_was_seen_to_vary_is_no_exact_one() {
    let series = counted("instructions");
    let point = |(run, median)| crate::model::HistoryPoint {
        run: RunId(run),
        measured_at: jiff::Timestamp::UNIX_EPOCH,
        median,
    };
    let history =
        History::from([(series.clone(), (10..).zip(QUIET.repeat(4)).map(point).collect())]);
    let (mut old, mut new) = (BenchmarkResults::new("old"), BenchmarkResults::new("new"));
    add(&mut old, &series, &[1000.0]);
    add(&mut new, &series, &[1011.0]);
    let found = compare(&old, &new, &history, &Settings::default());
    assert_eq!(found.comparisons[0].replication, Replication::Borrowed);
}

#[test]
fn the_smallest_change_that_would_have_been_seen_tells_no_change_from_no_idea() {
    let noisy = [1000.0, 1150.0, 900.0, 1080.0, 950.0];
    let precise = verdict(&QUIET, &times(&QUIET, 1.002));
    assert_eq!(precise.verdict, Verdict::NoChangeSeen, "{precise:?}");
    assert!(precise.detectable_change < 0.1);
    let vague = verdict(&noisy, &times(&noisy, 1.002));
    assert_eq!(vague.verdict, Verdict::Inconclusive);
    assert!(vague.detectable_change > 0.1);
}

#[test]
fn a_stated_number_of_runs_finds_more_than_an_open_one() {
    let found = |plan| {
        let settings = Settings { plan, ..Settings::default() };
        slower(&[1.035], (FIRST, AFTERWARDS), &settings).comparisons.remove(0)
    };
    let (open, stated) = (found(Plan::Open), found(Plan::Stated(5)));
    assert_eq!(open.p_value, stated.p_value);
    assert!(stated.always_valid_p_value < open.always_valid_p_value);
    assert!(stated.detectable_change <= open.detectable_change);
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

fn compare_counts(direction: Direction, left: &[f64], right: &[f64]) -> Comparison {
    let counts = Series {
        metric: crate::model::Metric::new("errors"),
        unit: Unit::count(),
        direction,
        ..Series::time("b")
    };
    let (mut old, mut new) = (BenchmarkResults::new("old"), BenchmarkResults::new("new"));
    add(&mut old, &counts, left);
    add(&mut new, &counts, right);
    compare(&old, &new, &History::new(), &Settings::default()).comparisons.remove(0)
}

#[test]
fn every_increase_from_zero_is_a_regression_that_fails_a_gate() {
    for (old, new) in
        [(&[0.0; 3][..], &[5.0; 3][..]), (&[0.0], &[1.0]), (&[0.0; 5], &[0.0, 0.0, 1.0, 0.0, 0.0])]
    {
        let appeared = compare_counts(Direction::Lower, old, new);
        assert_eq!(appeared.verdict, Verdict::Regression, "{new:?}");
        assert_eq!((appeared.reservation, appeared.change()), (None, f64::INFINITY));
        assert!(appeared.fails_gate(0.05), "{new:?}");
        let vanished = compare_counts(Direction::Lower, new, old);
        assert_eq!((vanished.verdict, vanished.change()), (Verdict::Improvement, -1.0));
        assert!(!vanished.fails_gate(0.05));
    }
}

#[test]
fn direction_decides_what_zero_means() {
    let found = compare_counts(Direction::Higher, &[0.0; 3], &[5.0; 3]);
    assert_eq!(found.verdict, Verdict::Improvement);
    assert!(found.factor_worse() < 1.0);
    assert_eq!(
        compare_counts(Direction::Higher, &[5.0; 3], &[0.0; 3]).verdict,
        Verdict::Regression
    );
    let neutral = compare_counts(Direction::Neutral, &[0.0; 3], &[5.0; 3]);
    assert_eq!(neutral.verdict, Verdict::Inconclusive);
    assert_eq!(compare_counts(Direction::Lower, &[0.0; 3], &[0.0; 3]).verdict, Verdict::Unchanged);
    let mixed = compare_counts(Direction::Lower, &[0.0, 1.0, 0.0], &[5.0; 3]);
    assert_eq!(mixed.reservation, Some(Reservation::NoRatio));
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
        prop_assert!(!matches!(comparison.verdict, Verdict::Regression | Verdict::Improvement));
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
