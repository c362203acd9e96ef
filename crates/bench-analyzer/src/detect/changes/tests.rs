use super::*;
use crate::model::Metric;

/// A series of one run a point, with a wobble of up to one percent around `level(index)`.
fn timeline(name: &str, length: usize, level: impl Fn(usize) -> f64) -> Timeline {
    let seed: usize = name.bytes().map(usize::from).sum();
    let points = (0..length)
        .map(|index| {
            let phase = ((index * 7919 + seed * 104_729) % 97) as f64 / 97.0;
            let id = i64::try_from(index).unwrap();
            TimelinePoint {
                runs: vec![RunId(id)],
                set: id,
                measured_at: Timestamp::from_second(id * 3600).unwrap(),
                commit: Some(format!("c{index}")),
                fingerprint: 1,
                value: level(index) * (1.0 + (phase - 0.5) * 0.02),
            }
        })
        .collect();
    Timeline { series: Series::time(name), points }
}

fn changes(timelines: Vec<Timeline>, blessings: &[Blessing]) -> Vec<SeriesChanges> {
    find_changes(timelines, blessings, &StepSettings::default())
}

fn blessing(series: Series, run: i64) -> Blessing {
    Blessing {
        series,
        run: RunId(run),
        measured_at: Timestamp::UNIX_EPOCH,
        reason: "a better algorithm needs more memory".to_owned(),
        author: "somebody".to_owned(),
        blessed_at: Timestamp::UNIX_EPOCH,
    }
}

#[test]
fn a_change_names_the_commits_around_it() {
    let found = changes(vec![timeline("b", 60, |at| if at < 40 { 100.0 } else { 110.0 })], &[]);
    let change = &found[0].change_points[0];
    assert_eq!(change.index, 40);
    assert_eq!(change.after_commit.as_deref(), Some("c39"));
    assert_eq!(change.up_to_commit.as_deref(), Some("c40"));
    assert_eq!(change.verdict, Verdict::Regression);
    assert!((change.change - 0.1).abs() < 0.01);
    assert!(change.alarms());
}

#[test]
fn direction_decides_what_is_worse() {
    let mut rate = timeline("b", 60, |at| if at < 40 { 100.0 } else { 110.0 });
    rate.series.direction = Direction::Higher;
    rate.series.metric = Metric::new("rate");
    assert_eq!(changes(vec![rate], &[])[0].change_points[0].verdict, Verdict::Improvement);
}

#[test]
fn another_machine_starts_another_epoch() {
    let mut moved = timeline("b", 60, |at| if at < 30 { 100.0 } else { 200.0 });
    moved.points[30..].iter_mut().for_each(|point| point.fingerprint = 2);
    let found = changes(vec![moved], &[]);
    assert_eq!(found[0].epochs, [0, 30]);
    assert!(found[0].change_points.is_empty());
}

#[test]
fn an_acknowledged_change_alarms_no_more_even_if_relocated() {
    let series = timeline("b", 60, |at| if at < 40 { 100.0 } else { 110.0 });
    for at in [38, 40, 43] {
        let found = changes(vec![series.clone()], &[blessing(series.series.clone(), at)]);
        assert!(!found[0].change_points[0].alarms(), "blessed at {at}");
    }
    let elsewhere = [blessing(series.series.clone(), 20), blessing(Series::time("other"), 40)];
    assert!(changes(vec![series], &elsewhere)[0].change_points[0].alarms());
}

#[test]
fn what_most_series_do_at_once_is_the_machines() {
    let mut timelines: Vec<Timeline> = (0..8)
        .map(|index| timeline(&format!("b{index}"), 60, |at| if at < 30 { 100.0 } else { 108.0 }))
        .collect();
    timelines.push(timeline("own", 60, |at| if at < 45 { 100.0 } else { 108.0 }));
    let found = changes(timelines, &[]);
    for one in &found[..8] {
        assert!(one.change_points[0].machine_event && !one.change_points[0].alarms());
    }
    assert!(found[8].change_points[0].alarms());
}

#[test]
fn a_spike_is_named_and_a_series_of_zeros_is_quiet() {
    let found = changes(
        vec![
            timeline("spiky", 40, |at| if at == 20 { 300.0 } else { 100.0 }),
            timeline("zeros", 40, |_| 0.0),
        ],
        &[],
    );
    assert_eq!(found[0].spikes.len(), 1);
    assert_eq!(found[0].spikes[0].index, 20);
    assert!(found[0].change_points.is_empty());
    assert!(found[1].change_points.is_empty() && found[1].spikes.is_empty());
}
