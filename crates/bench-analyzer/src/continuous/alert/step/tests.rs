use jiff::Timestamp;

use super::*;
use crate::jobs::job::JobId;
use bench_stats::detect::changes::find_changes_by;
use bench_stats::detect::settings::{Override, Pattern};
use bench_stats::model::{AcceptedChange, Memory, Timeline, TimelinePoint};

fn at(index: usize) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + 3600 * i64::try_from(index).unwrap()).unwrap()
}

fn run(index: usize) -> RunId {
    RunId(i64::try_from(index).unwrap() + 1)
}

/// Levels and how many values each has, with a little noise.
fn history(levels: &[(f64, usize)], accepted_changes: &[AcceptedChange]) -> Vec<SeriesChanges> {
    let values = levels.iter().flat_map(|&(level, count)| std::iter::repeat_n(level, count));
    let points = values
        .enumerate()
        .map(|(index, level)| TimelinePoint {
            runs: vec![run(index)],
            set: run(index).0,
            measured_at: at(index),
            commit: Some(format!("c{index}")),
            fingerprint: 1,
            attributes: Default::default(),
            work: Vec::new(),
            value: level * (1.0 + f64::from(u8::try_from(index * 37 % 11).unwrap()) * 0.0004),
        })
        .collect();
    let timeline = Timeline { series: Series::time("parse"), points };
    let memory = Memory { accepted_changes: accepted_changes.to_vec(), ..Memory::default() };
    find_changes_by(vec![timeline], &memory, |series| Settings::default().steps(series))
}

fn look(known: &KnownSteps, histories: &[SeriesChanges]) -> Vec<Transition> {
    after_looking_back(known, histories, &[], &Settings::default())
}

/// State after a transition was told.
fn told(transition: &Transition) -> KnownSteps {
    let Subject::Step { name, metric, run } = transition.subject.clone() else { panic!() };
    let told = ToldStep {
        suite: "s".to_owned(),
        name,
        metric,
        run,
        opened_job: JobId(1),
        opened_at: at(30),
        level: transition.step.as_ref().unwrap().before,
        factor: transition.factor,
        over: false,
    };
    KnownSteps { told: vec![told], ..KnownSteps::default() }
}

fn first() -> Transition {
    look(&KnownSteps::default(), &history(&[(100.0, 24), (105.0, 6)], &[])).remove(0)
}

#[test]
fn a_step_is_told_with_its_evidence() {
    let step = first();
    assert_eq!(step.kind, TransitionKind::Opened);
    assert_eq!(
        step.subject,
        Subject::Step { name: "parse".to_owned(), metric: "time".to_owned(), run: run(24) }
    );
    assert!(step.evidence.contains("(+5.0%) since run:25 of"), "{}", step.evidence);
    assert!(step.evidence.contains("c23..c24"), "{}", step.evidence);
    let evidence = step.step.unwrap();
    assert_eq!(evidence.up_to_commit.as_deref(), Some("c24"));
    assert!(evidence.p_value <= 0.01 && (step.factor - 1.05).abs() < 0.002);
}

#[test]
fn what_is_provisional_better_or_of_no_interest_is_not_told() {
    let nothing = KnownSteps::default();
    for levels in [[(100.0, 24), (105.0, 3)], [(100.0, 24), (95.0, 9)], [(100.0, 24), (100.5, 9)]] {
        assert_eq!(look(&nothing, &history(&levels, &[])), [], "{levels:?}");
    }
    let ungated = Settings {
        overrides: vec![Override {
            metric: None,
            absolute_threshold: None,
            pattern: Pattern::new("par*"),
            relative_threshold: None,
            absolute_threshold_ns: None,
            gate: false,
        }],
        ..Settings::default()
    };
    let step = history(&[(100.0, 24), (105.0, 6)], &[]);
    assert_eq!(after_looking_back(&nothing, &step, &[], &ungated), []);
}

#[test]
fn what_was_told_or_happened_before_anybody_watched_is_no_news() {
    let known = told(&first());
    let longer = history(&[(100.0, 24), (105.0, 20)], &[]);
    assert_eq!(look(&known, &longer), []);
    // A later look may place it a little differently.
    let mut moved = known.clone();
    moved.told[0].run = run(26);
    assert_eq!(look(&moved, &longer), []);
    let mut over = known;
    over.told[0].over = true;
    assert_eq!(look(&over, &longer), [], "an end is no reason to begin anew");
    let watched_since = |index| KnownSteps { watched_since: Some(at(index)), ..Default::default() };
    assert_eq!(look(&watched_since(25), &longer), []);
    assert_eq!(look(&watched_since(24), &longer).len(), 1);
}

#[test]
fn a_comparison_since_spoke_of_it() {
    let step = history(&[(100.0, 24), (105.0, 6)], &[]);
    let subject = Subject::of(&Series::time("parse"));
    let compared = |index| KnownSteps {
        compared: vec![(subject.clone(), at(index))],
        ..KnownSteps::default()
    };
    assert_eq!(look(&compared(26), &step), []);
    assert_eq!(look(&compared(10), &step).len(), 1, "that one was about something earlier");
    let worse = Transition { subject: subject.clone(), step: None, ..first() };
    let now = |one: &Transition| {
        let (known, settings) = (KnownSteps::default(), Settings::default());
        after_looking_back(&known, &step, std::slice::from_ref(one), &settings)
    };
    assert_eq!(now(&worse), []);
    // And the other way round: what a step told, a comparison need not tell, unless it is more.
    let known = told(&first());
    assert!(known.covers(&Transition { low: 1.03, ..worse.clone() }));
    assert!(!known.covers(&Transition { low: 1.2, ..worse }));
}

#[test]
fn a_second_step_is_another_change() {
    let again = look(&told(&first()), &history(&[(100.0, 24), (105.0, 20), (110.0, 8)], &[]));
    assert_eq!(again.len(), 1, "{again:?}");
    assert!((again[0].factor - 110.0 / 105.0).abs() < 0.002, "{again:?}");
}

#[test]
fn a_step_is_over_when_the_level_is_back_for_good_and_not_before() {
    let known = told(&first());
    for levels in [[(100.0, 24), (105.0, 12), (100.0, 2)], [(100.0, 24), (105.0, 12), (103.0, 12)]]
    {
        assert_eq!(look(&known, &history(&levels, &[])), [], "{levels:?}");
    }
    let back = look(&known, &history(&[(100.0, 24), (105.0, 12), (100.0, 8)], &[]));
    let why = "back at its level before".to_owned();
    assert_eq!(back.len(), 1, "{back:?}");
    assert_eq!(back[0].kind, TransitionKind::Resolved(why));
    assert!(back[0].evidence.contains("before run:25"), "{}", back[0].evidence);
}

#[test]
fn a_step_is_over_when_it_is_accepted_doubtful_or_no_longer_measured() {
    let known = told(&first());
    let reason = |histories: &[SeriesChanges]| match look(&known, histories).remove(0).kind {
        TransitionKind::Resolved(why) => why,
        other => panic!("{other:?}"),
    };
    let accepted = AcceptedChange {
        series: Series::time("parse"),
        run: run(24),
        measured_at: at(24),
        reason: "checks its input".to_owned(),
        author: "Ada".to_owned(),
        accepted_at: at(31),
    };
    let accepted = history(&[(100.0, 24), (105.0, 8)], &[accepted]);
    assert_eq!(reason(&accepted), "accepted by Ada: checks its input");
    assert_eq!(reason(&history(&[(102.0, 40)], &[])), "its history shows no such change any more");
    assert_eq!(reason(&history(&[(100.0, 40)], &[])), "back at its level before");
    assert_eq!(reason(&[]), "no longer measured");
    let mut elsewhere = history(&[(100.0, 24), (105.0, 8)], &[]);
    elsewhere[0].epochs.push(28);
    assert_eq!(reason(&elsewhere), "measured on another machine since, which cannot tell");
}
