use super::*;
use crate::model::{Direction, Metric};

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
                attributes: Default::default(),
                work: Vec::new(),
                value: level(index) * (1.0 + (phase - 0.5) * 0.02),
            }
        })
        .collect();
    Timeline { series: Series::time(name), points }
}

fn changes(timelines: Vec<Timeline>, accepted_changes: &[AcceptedChange]) -> Vec<SeriesChanges> {
    let memory = Memory { accepted_changes: accepted_changes.to_vec(), ..Memory::default() };
    find_changes(timelines, &memory, &StepSettings::default())
}

fn accepted(series: Series, run: i64) -> AcceptedChange {
    AcceptedChange {
        series,
        run: RunId(run),
        measured_at: Timestamp::UNIX_EPOCH,
        reason: "a better algorithm needs more memory".to_owned(),
        author: "somebody".to_owned(),
        accepted_at: Timestamp::UNIX_EPOCH,
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
        let found = changes(vec![series.clone()], &[accepted(series.series.clone(), at)]);
        assert!(!found[0].change_points[0].alarms(), "accepted at {at}");
    }
    let elsewhere = [accepted(series.series.clone(), 20), accepted(Series::time("other"), 40)];
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

/// The step of a series at point 40, as it was found earlier.
fn found(series: Series, sharp: bool) -> FoundStep {
    FoundStep {
        series,
        run: RunId(40),
        before: 100.0,
        after: 110.0,
        p_value: 1e-5,
        sharp,
        found_at: Timestamp::from_second(1).unwrap(),
        withdrawn: None,
    }
}

fn remembering(timeline: Timeline, step: FoundStep) -> ChangePoint {
    let memory = Memory { steps: vec![step], ..Memory::default() };
    let mut found = find_changes(vec![timeline], &memory, &StepSettings::default()).remove(0);
    found.change_points.retain(|change| change.index.abs_diff(40) < 3);
    assert_eq!(found.change_points.len(), 1, "{:?}", found.change_points);
    found.change_points.remove(0)
}

fn stepped() -> Timeline {
    timeline("b", 60, |at| if at < 40 { 100.0 } else { 110.0 })
}

/// A level that rises between the points 20 and 60, so that nobody finds a step in it.
fn ramp() -> Timeline {
    timeline("b", 80, |at| 100.0 + 0.25 * (at.clamp(20, 60) - 20) as f64)
}

#[test]
fn a_step_is_known_again_and_keeps_the_time_it_was_found() {
    let series = Series::time("b");
    let change = remembering(stepped(), found(series.clone(), true));
    assert_eq!((change.index, change.found_at), (40, Some(Timestamp::from_second(1).unwrap())));
    assert!(change.shown && change.alarms() && change.news == News::None, "{change:?}");
    assert_eq!(changes(vec![stepped()], &[])[0].change_points[0].news, News::Found);
}

#[test]
fn a_step_without_a_jump_is_taken_back_with_the_reason_and_stays_listed() {
    let change = remembering(ramp(), found(Series::time("b"), false));
    let withdrawn = change.withdrawn.as_ref().unwrap();
    assert!(withdrawn.reason.contains("no step is seen here"), "{withdrawn:?}");
    assert_eq!((change.before, change.after, change.index), (100.0, 110.0, 40));
    assert!(!change.alarms() && change.news == News::Revised, "{change:?}");
}

#[test]
fn what_was_taken_back_counts_again_when_the_values_show_it() {
    let by_values = Withdrawal { reason: "drift".into(), author: None, withdrawn_at: None };
    let step = FoundStep { withdrawn: Some(by_values), ..found(Series::time("b"), false) };
    let change = remembering(stepped(), step);
    assert!(change.withdrawn.is_none() && change.alarms(), "{change:?}");
    assert_eq!(change.news, News::Revised);
}

#[test]
fn what_a_person_withdrew_stays_withdrawn() {
    let by_ada =
        Withdrawal { reason: "a full disk".into(), author: Some("Ada".into()), withdrawn_at: None };
    let step = FoundStep { withdrawn: Some(by_ada.clone()), ..found(Series::time("b"), true) };
    let change = remembering(stepped(), step);
    assert_eq!(change.withdrawn, Some(by_ada));
    assert!(!change.alarms(), "{change:?}");
}

#[test]
fn a_sharp_step_whose_level_went_back_is_listed_and_alarms_no_more() {
    let back = timeline("b", 60, |at| if (40..42).contains(&at) { 110.0 } else { 100.0 });
    let change = remembering(back, found(Series::time("b"), true));
    assert!(change.withdrawn.as_ref().is_some_and(|one| one.reason.contains("went back")));
    assert!(!change.alarms());
}

#[test]
fn a_step_from_zero_is_no_percentage() {
    let faults = Series {
        metric: Metric::new("major_faults"),
        unit: crate::model::Unit::count(),
        ..Series::time("b")
    };
    let mut appeared = timeline("b", 40, |at| if at < 20 { 0.0 } else { 5.0 });
    appeared.series = faults;
    let change = changes(vec![appeared], &[])[0].change_points[0].clone();
    assert_eq!((change.before, change.change), (0.0, f64::INFINITY));
    assert!(change.alarms(), "{change:?}");
}
