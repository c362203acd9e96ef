//! A day of schedules in seconds, with a crash every now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use bench_analyzer::continuous::job::{Cause, JobState};
use bench_analyzer::continuous::runner::Ending;
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
    assert!(std::fs::read_to_string(report).unwrap().contains("1 regression"), "{report}");
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
fn a_job_of_another_host_is_left_alone() {
    let project = Project::new(&told());
    runtime().block_on(async {
        let mut benchmark = project.start(hours(1)).await;
        benchmark.run_scheduled_benchmarks().await.unwrap();
        project.clock.advance(Duration::from_secs(3600));
        let store = benchmark.store();
        let draft = bench_analyzer::continuous::job::JobDraft {
            suite: "told".to_owned(),
            cause: Cause::Asked,
            due_at: hours(1),
            commit: None,
            runs_wanted: 4,
        };
        let id = store.plan_job(&draft).await.unwrap();
        assert_eq!(store.plan_job(&draft).await.unwrap(), id, "it waits already");
        let begun = store.begin_job(id, "there", "x", hours(1)).await.unwrap();
        assert_eq!(begun, Some(Vec::new()));
        assert_eq!(store.begin_job(id, "here", "x", hours(1)).await.unwrap(), None);
        let left = store.unfinished_jobs("here").await.unwrap();
        assert!(left.iter().all(|job| job.id != id), "{left:?}");
    });
}
