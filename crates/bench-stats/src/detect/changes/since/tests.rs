use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::*;
use crate::detect::changes::find_changes;
use crate::model::{Memory, RunId, Series, Timeline, TimelinePoint};

/// A series of one run a point around `level(index)`, with normal noise of one percent.
fn timeline(length: usize, seed: u64, level: impl Fn(f64) -> f64) -> Timeline {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let points = (0..length)
        .map(|index| {
            let noise: f64 = (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
            let id = i64::try_from(index).unwrap();
            TimelinePoint {
                runs: vec![RunId(id)],
                set: id,
                measured_at: Timestamp::from_second(id * 3600).unwrap(),
                commit: Some(format!("c{index}")),
                fingerprint: 1,
                attributes: Default::default(),
                work: Vec::new(),
                value: level(to_f64(index)) * (1.0 + 0.01 * noise),
            }
        })
        .collect();
    Timeline { series: Series::time("b"), points }
}

fn changes(timeline: Timeline) -> SeriesChanges {
    find_changes(vec![timeline], &Memory::default(), &StepSettings::default()).remove(0)
}

fn since_start(changes: &SeriesChanges) -> SinceReference {
    changes.since(&Reference::Start, &StepSettings::default()).unwrap()
}

fn in_ten_parts(index: f64) -> f64 {
    100.0 * 1.008_f64.powf((index / 10.0).floor())
}

fn rising(index: f64) -> f64 {
    100.0 * (1.0 + 0.15 * index / 100.0)
}

#[test]
fn ten_steps_of_less_than_a_percent_are_seen_from_the_start_and_as_a_trend() {
    for seed in 0..20 {
        let changes = changes(timeline(100, seed, in_ten_parts));
        let since = since_start(&changes);
        assert_eq!(since.verdict, Verdict::Regression, "{seed}: {since:?}");
        assert!((0.04..0.11).contains(&since.change), "{seed}: {since:?}");
        let stepped = changes.change_points.iter().any(|one| !one.provisional);
        let trend = changes.trend.as_ref();
        assert!(stepped || trend.is_some_and(|one| one.verdict == Verdict::Regression), "{seed}");
    }
}

#[test]
fn a_steady_rise_is_seen_from_the_start_and_as_a_trend_with_its_interval() {
    for seed in 0..20 {
        let changes = changes(timeline(101, seed, rising));
        let since = since_start(&changes);
        assert_eq!(since.beside_steps_verdict, Verdict::Regression, "{seed}: {since:?}");
        let trend = changes.trend.unwrap();
        assert_eq!((trend.from, trend.points, trend.verdict), (0, 101, Verdict::Regression));
        assert!(trend.interval.0 < 0.15 && 0.15 < trend.interval.1, "{seed}: {trend:?}");
        assert!(trend.interval.0 > 0.10 && trend.interval.1 < 0.21, "{seed}: {trend:?}");
    }
}

#[test]
fn noise_alone_hardly_ever_is_a_trend_or_a_change_since_the_start() {
    let (mut trends, mut moved) = (0, 0);
    for seed in 0..200 {
        let changes = changes(timeline(60, seed, |_| 100.0));
        trends += usize::from(changes.trend.is_some());
        moved += usize::from(since_start(&changes).verdict != Verdict::Unchanged);
    }
    assert!(trends <= 5 && moved <= 6, "{trends} trends and {moved} changes in 200 series");
}

#[test]
fn what_a_step_explains_is_told_apart_from_small_parts() {
    let stepped = |index: f64| if index < 50.0 { 100.0 } else { 120.0 };
    let since = since_start(&changes(timeline(100, 3, stepped)));
    assert_eq!(since.verdict, Verdict::Regression);
    assert!((since.change - 0.2).abs() < 0.02, "{since:?}");
    assert_eq!(since.beside_steps_verdict, Verdict::Unchanged, "{since:?}");
}

#[test]
fn a_release_or_a_baseline_is_a_reference_too() {
    let changes = changes(timeline(100, 4, rising));
    let settings = StepSettings::default();
    let release = Reference::Commit { name: "v1.0".to_owned(), sha: "c20".to_owned() };
    let since = changes.since(&release, &settings).unwrap();
    assert_eq!((since.reference.as_str(), since.at), ("v1.0", 20));
    assert_eq!(since.verdict, Verdict::Regression, "{since:?}");
    let runs = (18..23).map(RunId).collect();
    let baseline = Reference::Runs { name: "main".to_owned(), runs };
    assert_eq!(changes.since(&baseline, &settings).unwrap().at, 22);
    let unknown = Reference::Commit { name: "v9".to_owned(), sha: "none".to_owned() };
    assert_eq!(changes.since(&unknown, &settings), None);
}

#[test]
fn another_machine_is_no_reference() {
    let mut moved = timeline(100, 5, rising);
    moved.points[50..].iter_mut().for_each(|point| point.fingerprint = 2);
    let changes = changes(moved);
    let release = Reference::Commit { name: "v1.0".to_owned(), sha: "c20".to_owned() };
    assert_eq!(changes.since(&release, &StepSettings::default()), None);
    assert_eq!(since_start(&changes).at, 57);
}
