//! A day of schedules in seconds, with a crash every now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use bench_analyzer::continuous::runner::Ending;
use bench_analyzer::jobs::job::{Cause, JobState};
use bench_analyzer::store::Store;
use jiff::{SignedDuration, Timestamp};

use crate::simulated::{Project, TO_FILE, hours, kind, runtime, suite};

fn day() -> String {
    [
        suite("hourly", 2, "every = \"1h\""),
        suite("quarters", 1, "cron = \"*/15 * * * *\""),
        suite("nightly", 3, "cron = \"30 2 * * *\", timezone = \"Europe/Berlin\""),
        suite("commits", 1, "branch = \"main\", poll = \"5m\""),
    ]
    .concat()
}

#[test]
fn a_day_with_crashes_loses_and_repeats_nothing() {
    let mut project = Project::new(&day());
    project.observer.every = Some(17);
    project.watch_until(hours(24));
    let crashes = project.observer.crashes.load(Ordering::Relaxed);
    assert!(crashes > 20, "only {crashes} crashes");

    let jobs = project.jobs();
    let mut due: BTreeMap<&str, Vec<Timestamp>> = BTreeMap::new();
    for job in &jobs {
        assert_eq!(job.state, JobState::Done, "{job:?}");
        assert_eq!(job.runs_done, job.runs_wanted, "{job:?}");
        due.entry(&job.suite).or_default().push(job.due_at);
    }
    assert_eq!(due["hourly"], (0..24).map(hours).collect::<Vec<_>>());
    // The first quarter is after the start, and no wait is longer than a quarter.
    let quarters = (1..96)
        .map(|quarter| hours(0).checked_add(SignedDuration::from_mins(15 * quarter)).unwrap());
    assert_eq!(due["quarters"], quarters.collect::<Vec<_>>());
    assert_eq!(due["nightly"], ["2026-01-05T01:30:00Z".parse().unwrap()]);
    let commits: BTreeSet<_> = jobs.iter().filter_map(|job| job.commit.clone()).collect();
    assert_eq!((due["commits"].len(), commits.len()), (6, 6));
    assert!(jobs.iter().all(|job| (job.cause == Cause::Commit) == job.commit.is_some()));

    // Every job's runs are stored exactly once, and as replicates of each other.
    let stored = project.workspace.run(&["runs", "--limit", "10000", "--format", "json"], 0).json();
    let mut sets: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for run in stored.as_array().unwrap() {
        let origin = run["origin"].as_str().unwrap();
        let job = origin.split('/').find(|part| part.starts_with("job-")).unwrap();
        sets.entry(run["set"].as_i64().unwrap()).or_default().push(job.to_owned());
    }
    assert_eq!(sets.len(), jobs.len());
    for members in sets.values() {
        let id: i64 = members[0].trim_start_matches("job-").parse().unwrap();
        let job = jobs.iter().find(|job| job.id.0 == id).unwrap();
        assert_eq!(members.len(), usize::try_from(job.runs_wanted).unwrap());
        assert!(members.iter().all(|member| *member == members[0]));
    }
    // A crash costs at most the run that it hit.
    let wanted: u64 = jobs.iter().map(|job| u64::from(job.runs_wanted)).sum();
    let made = project.runs.load(Ordering::Relaxed);
    assert!(made >= wanted && made <= wanted + crashes, "{made} runs for {wanted}");
}

#[test]
fn moments_that_passed_unwatched_are_made_up_for_once() {
    let project = Project::new(&day());
    project.watch_until(hours(1));
    let before = project.jobs().len();
    project.clock.advance(Duration::from_secs(9 * 3600 + 60));
    project.watch_until(hours(10).checked_add(SignedDuration::from_mins(5)).unwrap());
    let after = project.jobs();
    let made_up: Vec<_> = after[before..].iter().map(|job| (&*job.suite, job.due_at)).collect();
    assert_eq!(
        made_up.iter().filter(|(suite, _)| *suite == "hourly").collect::<Vec<_>>(),
        [&("hourly", hours(10))]
    );
    assert_eq!(made_up.iter().filter(|(suite, _)| *suite == "quarters").count(), 1);
    assert_eq!(made_up.iter().filter(|(suite, _)| *suite == "nightly").count(), 1);
}

fn told() -> String {
    suite("told", 4, "every = \"1h\"") + TO_FILE
}

#[test]
fn changes_are_told_once_each_and_survive_crashes() {
    let mut project = Project::new(&told());
    project.observer.every = Some(11);
    project.watch_until(hours(3));
    assert_eq!(project.notices(), Vec::<serde_json::Value>::new());
    project.take(130.0);
    project.watch_until(hours(6));
    project.take(170.0);
    project.watch_until(hours(9));
    project.take(100.0);
    project.watch_until(hours(12));
    project.end_with(Ending::TimedOut);
    project.watch_until(hours(14));
    project.end_with(Ending::Succeeded);
    project.watch_until(hours(16));
    assert!(project.observer.crashes.load(Ordering::Relaxed) > 3);

    // At least once: a crash between delivery and noting it repeats the id, never the change.
    let told: Vec<_> = project.told().iter().map(kind).collect();
    assert_eq!(
        told,
        [
            "opened",
            "worsened",
            "resolved: no longer as slow as it was told",
            "opened",
            "resolved: the suite works again",
        ]
    );
    let first = &project.notices()[0];
    assert_eq!(first["suite"], "told");
    let report = first["report"].as_str().unwrap();
    assert!(std::fs::read_to_string(report).unwrap().contains("1 benchmark is slower"), "{report}");
}

#[test]
fn an_accepted_change_ends_its_alert() {
    let project = Project::new(&told());
    project.watch_until(hours(3));
    project.take(130.0);
    project.watch_until(hours(5));
    let first = project.jobs()[3].id;
    let runs = project.workspace.run(&["runs", "--format", "json", "--limit", "100"], 0).json();
    let of_job = format!("job-{}/", first.0);
    let run = runs
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .find(|run| run["origin"].as_str().unwrap().contains(&of_job));
    let run = run.unwrap()["id"].to_string();
    let reason = ["--reason", "it now checks its input", "--by", "Ada", "--run", &run];
    project.workspace.run(&[&["bless", "parse"][..], &reason].concat(), 0);
    project.watch_until(hours(7));
    let kinds: Vec<_> =
        project.notices().iter().map(|one| one["changes"][0]["kind"].clone()).collect();
    assert_eq!(kinds[0], "opened");
    assert_eq!(kinds[1]["resolved"], "accepted by Ada: it now checks its input");
    assert_eq!(kinds.len(), 2);
}

#[test]
fn a_clock_that_was_ahead_for_a_while_stops_no_schedule() {
    let project = Project::new(&day());
    project.watch_until(hours(2));
    let before = project.jobs().len();
    let (there, ahead) = (hours(2), hours(30 * 24));
    // Another process, because the first one knows better how much time has passed.
    project.clock.set(ahead);
    project.watch_until(ahead.checked_add(SignedDuration::from_mins(10)).unwrap());
    project.clock.set(there);
    let meanwhile = project.jobs().len();
    assert!(meanwhile > before, "the wrong clock had nothing planned");
    project.watch_until(hours(8));
    let jobs = project.jobs();
    let planned = |suite: &str| jobs[meanwhile..].iter().filter(|job| job.suite == suite).count();
    assert!(planned("hourly") >= 5, "{}", planned("hourly"));
    assert!(planned("quarters") >= 22, "{}", planned("quarters"));
    assert!(planned("commits") >= 1, "commits are not bound to the calendar");
    assert!(jobs.iter().all(|job| job.state == JobState::Done));
    let notes = project.observer.notes.lock().unwrap().clone();
    assert_eq!(notes.iter().filter(|note| note.contains("the clock was set back")).count(), 3);
}

#[test]
fn an_interval_goes_by_the_time_that_passes() {
    let project = Project::new(&suite("hourly", 1, "every = \"1h\""));
    runtime().block_on(async {
        let mut benchmark = project.start(hours(10_000)).await;
        let mut ran = Vec::new();
        // Somebody sets the clock forward and back every quarter of an hour.
        for quarter in 0..16 {
            let real = hours(0).checked_add(SignedDuration::from_mins(15 * quarter)).unwrap();
            let jump = [0, 40, -3, 0][usize::try_from(quarter % 4).unwrap()];
            project.clock.set(real.checked_add(SignedDuration::from_hours(24 * jump)).unwrap());
            ran.push(benchmark.run_scheduled_benchmarks().await.unwrap().len());
            project.clock.advance(Duration::from_secs(15 * 60 - 20));
        }
        assert_eq!(ran.iter().sum::<usize>(), 4, "{ran:?}");
    });
}

#[test]
fn letters_that_a_wrong_clock_put_off_do_not_wait_for_it() {
    use crate::alerts::{channels, deliver, queue, steward};

    let project = Project::new("");
    runtime().block_on(async {
        let mut store = Store::open(&project.workspace.location()).await.unwrap();
        project.clock.set(hours(30 * 24));
        queue(&mut store, "team", hours(30 * 24)).await;
        // Nobody listens on the discard port of this machine.
        let steward = steward(&project.workspace.location(), channels(9, "json"), &project.clock);
        assert_eq!(deliver(&steward).len(), 1);
        assert_eq!(deliver(&steward).len(), 0);
        project.clock.set(hours(0));
        assert_eq!(deliver(&steward).len(), 1);
        // It waits half a minute again, not a month.
        project.clock.advance(Duration::from_secs(61));
        assert_eq!(deliver(&steward).len(), 1);
    });
}

#[test]
fn a_commit_is_measured_once_its_repository_can_be_read_again() {
    let project =
        Project::new(&(suite("commits", 1, "branch = \"main\", poll = \"5m\"") + TO_FILE));
    *project.broken.lock().unwrap() = Some("the disk is away".to_owned());
    project.watch_until(hours(1));
    let jobs = project.jobs();
    assert_eq!((jobs.len(), jobs[0].state), (1, JobState::Pending), "{jobs:?}");
    assert!(jobs[0].put_off >= 2, "{jobs:?}");
    assert_eq!(project.notices(), Vec::<serde_json::Value>::new());
    *project.broken.lock().unwrap() = None;
    project.watch_until(hours(3));
    let jobs = project.jobs();
    assert_eq!((jobs.len(), jobs[0].state), (1, JobState::Done), "{jobs:?}");
}

#[test]
fn a_commit_that_never_can_be_measured_fails_is_told_and_can_be_asked_for_again() {
    let project =
        Project::new(&(suite("commits", 1, "branch = \"main\", poll = \"5m\"") + TO_FILE));
    *project.broken.lock().unwrap() = Some("the disk is away".to_owned());
    // Each wait is four times the last, and a commit comes every four hours.
    project.watch_until(hours(40));
    let first = project.jobs().remove(0);
    assert_eq!(first.state, JobState::Failed, "{first:?}");
    assert!(first.failure.unwrap().contains("the disk is away"));
    assert_eq!(project.told().len(), 1);
    *project.broken.lock().unwrap() = None;
    let said = project.workspace.run(&["retry", "job:1"], 0).stderr;
    assert!(said.contains("job:1 waits"), "{said}");
    project.watch_until(hours(41));
    assert_eq!(project.jobs()[0].state, JobState::Done);
    let said = project.workspace.run(&["retry", "1", "999"], 3).stderr;
    assert!(said.contains("job:1 did not fail") && said.contains("job:999 is not there"), "{said}");
    let listed = project.workspace.run(&["jobs", "--limit", "100"], 0).stdout;
    assert!(listed.contains("commits") && listed.contains("done"), "{listed}");
}
