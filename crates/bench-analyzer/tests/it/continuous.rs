//! A day of schedules in seconds, with a crash every now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bench_analyzer::continuous::clock::{Clock, SimulatedClock, Stop};
use bench_analyzer::continuous::job::{Cause, Job, JobState};
use bench_analyzer::continuous::observer::{Event, Observer};
use bench_analyzer::continuous::repository::Repository;
use bench_analyzer::continuous::runner::{Ending, Order, Runner};
use bench_analyzer::continuous::schedule::BranchWatch;
use bench_analyzer::continuous::{BenchmarkConfig, ContinuousBenchmark, JobOutcome, Parts};
use bench_analyzer::detect::settings::Settings;
use bench_analyzer::environment::Environment;
use bench_analyzer::model::{Fingerprint, Revision};
use bench_analyzer::store::Store;
use camino::{Utf8Path, Utf8PathBuf};
use jiff::{SignedDuration, Timestamp};

use crate::workspace::Workspace;

const START: &str = "2026-01-05T00:00:00Z";

/// A clock that asks to stop when its day is over.
struct DayClock {
    clock: SimulatedClock,
    end: Timestamp,
    stop: Stop,
}

impl Clock for DayClock {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn wait(&self, until: Timestamp, stop: &Stop) {
        if until >= self.end {
            self.stop.ask();
        } else {
            self.clock.wait(until, stop);
        }
    }
}

/// Every run takes twenty seconds and finds values that no other run finds.
struct FakeRunner {
    clock: SimulatedClock,
    runs: Arc<AtomicU64>,
    nanoseconds: Arc<Mutex<f64>>,
    ending: Arc<Mutex<Ending>>,
}

impl Runner for FakeRunner {
    fn run(&self, order: &Order, _stop: &Stop) -> std::io::Result<Ending> {
        self.clock.advance(Duration::from_secs(20));
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        let value = *self.nanoseconds.lock().unwrap();
        let mut rows = String::from("benchmark,value\n");
        for sample in 0..20_u64 {
            let noise = ((number * 20 + sample) * 7919 % 10_007) as f64 / 10_007.0;
            rows.push_str(&format!("parse,{}\n", value * (1.0 + noise * 0.002)));
        }
        std::fs::write(order.folder.join("out.csv"), rows)?;
        Ok(self.ending.lock().unwrap().clone())
    }

    fn environment(&self, folder: &Utf8Path) -> Environment {
        Environment {
            now: self.clock.now(),
            working_dir: folder.to_owned(),
            criterion_home: None,
            cargo_target_dir: None,
            fingerprint: Fingerprint {
                cpu: "test".to_owned(),
                cores: 2,
                os: "linux".to_owned(),
                rustc: "1.95".to_owned(),
                profile: "bench".to_owned(),
            },
            revision: Revision::default(),
            committed_at: None,
        }
    }

    fn end_leftover(&self, _mark: &Utf8Path) {}
}

/// A branch that gets a commit every four hours.
struct FakeRepository {
    clock: SimulatedClock,
}

impl Repository for FakeRepository {
    fn head(&self, _folder: &Utf8Path, _watch: &BranchWatch) -> Result<String, String> {
        let hours = self.clock.now().duration_since(START.parse().unwrap()).as_hours();
        Ok(format!("{:040x}", hours / 4 + 1))
    }

    fn check_out(
        &self,
        folder: &Utf8Path,
        _commit: &str,
        _checkout: &Utf8Path,
    ) -> Result<Utf8PathBuf, String> {
        Ok(folder.to_owned())
    }
}

/// Crashes at every seventeenth thing that happens, whatever it is.
#[derive(Clone, Default)]
struct Crashing {
    events: Arc<AtomicU64>,
    crashes: Arc<AtomicU64>,
    every: Option<u64>,
    outcomes: Arc<Mutex<Vec<JobOutcome>>>,
}

impl Observer for Crashing {
    fn event(&mut self, event: &Event<'_>) {
        if let Event::JobEnded(outcome) = event {
            self.outcomes.lock().unwrap().push((*outcome).clone());
        }
        let number = self.events.fetch_add(1, Ordering::Relaxed) + 1;
        if self.every.is_some_and(|every| number.is_multiple_of(every)) {
            self.crashes.fetch_add(1, Ordering::Relaxed);
            panic!("crash at {event:?}");
        }
    }
}

/// One project, whose continuous benchmark can be stopped and started.
struct Project {
    workspace: Workspace,
    clock: SimulatedClock,
    runs: Arc<AtomicU64>,
    nanoseconds: Arc<Mutex<f64>>,
    ending: Arc<Mutex<Ending>>,
    observer: Crashing,
    suites: String,
}

impl Project {
    fn new(suites: &str) -> Self {
        Self {
            workspace: Workspace::new(),
            clock: SimulatedClock::new(START.parse().unwrap()),
            runs: Arc::default(),
            nanoseconds: Arc::new(Mutex::new(100.0)),
            ending: Arc::new(Mutex::new(Ending::Succeeded)),
            observer: Crashing::default(),
            suites: suites.to_owned(),
        }
    }

    async fn start(&self, end: Timestamp) -> ContinuousBenchmark {
        let folder = self.workspace.path();
        let config = BenchmarkConfig::parse(&self.suites, folder, |_| None).unwrap();
        let store = Store::open(&self.workspace.location()).await.unwrap();
        let stop = Stop::new();
        let clock = self.clock.clone();
        let parts = Parts {
            clock: Arc::new(DayClock { clock: clock.clone(), end, stop: stop.clone() }),
            runner: Arc::new(FakeRunner {
                clock: clock.clone(),
                runs: Arc::clone(&self.runs),
                nanoseconds: Arc::clone(&self.nanoseconds),
                ending: Arc::clone(&self.ending),
            }),
            repository: Arc::new(FakeRepository { clock }),
            observer: Box::new(self.observer.clone()),
            stop,
            lock: folder.join("lock"),
            host: "here".to_owned(),
        };
        ContinuousBenchmark::new(config, Settings::default(), store, parts)
    }

    /// Watches until `end`, and starts anew after every crash.
    fn watch_until(&self, end: Timestamp) {
        loop {
            let ended = catch_unwind(AssertUnwindSafe(|| {
                runtime().block_on(async {
                    let mut benchmark = self.start(end).await;
                    benchmark.watch().await.unwrap();
                    benchmark.close().await.unwrap();
                });
            }));
            if ended.is_ok() {
                return;
            }
        }
    }

    fn jobs(&self) -> Vec<Job> {
        runtime().block_on(async {
            let mut store = Store::open(&self.workspace.location()).await.unwrap();
            let mut jobs = store.jobs(10_000).await.unwrap();
            jobs.reverse();
            jobs
        })
    }

    fn notices(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.workspace.path().join("alerts.jsonl"));
        text.unwrap_or_default().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn hours(count: i64) -> Timestamp {
    START.parse::<Timestamp>().unwrap().checked_add(SignedDuration::from_hours(count)).unwrap()
}

const DAY: &str = r#"
[[suite]]
name = "hourly"
command = ["measure"]
results = ["out.csv"]
runs = 2
schedule = [{ every = "1h" }]

[[suite]]
name = "quarters"
command = ["measure"]
results = ["out.csv"]
runs = 1
schedule = [{ cron = "*/15 * * * *" }]

[[suite]]
name = "nightly"
command = ["measure"]
results = ["out.csv"]
runs = 3
schedule = [{ cron = "30 2 * * *", timezone = "Europe/Berlin" }]

[[suite]]
name = "commits"
command = ["measure"]
results = ["out.csv"]
runs = 1
schedule = [{ branch = "main", poll = "5m" }]
"#;

#[test]
fn a_day_with_crashes_loses_and_repeats_nothing() {
    let mut project = Project::new(DAY);
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
    let project = Project::new(DAY);
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

const TOLD: &str = r#"
[[suite]]
name = "told"
command = ["measure"]
results = ["out.csv"]
runs = 4
schedule = [{ every = "1h" }]

[[alert]]
to = "file"
path = "alerts.jsonl"
"#;

#[test]
fn changes_are_told_once_each_and_survive_crashes() {
    let mut project = Project::new(TOLD);
    project.observer.every = Some(11);
    let set = |value: f64| *project.nanoseconds.lock().unwrap() = value;
    project.watch_until(hours(3));
    assert_eq!(project.notices(), Vec::<serde_json::Value>::new());
    set(130.0);
    project.watch_until(hours(6));
    set(170.0);
    project.watch_until(hours(9));
    set(100.0);
    project.watch_until(hours(12));
    *project.ending.lock().unwrap() = Ending::TimedOut;
    project.watch_until(hours(14));
    *project.ending.lock().unwrap() = Ending::Succeeded;
    project.watch_until(hours(16));
    assert!(project.observer.crashes.load(Ordering::Relaxed) > 3);

    let notices = project.notices();
    // At least once: a crash between delivery and noting it repeats the id, never the change.
    let mut seen = BTreeSet::new();
    let told: Vec<_> = notices
        .iter()
        .filter(|notice| seen.insert(notice["id"].as_str().unwrap().to_owned()))
        .flat_map(|notice| notice["changes"].as_array().unwrap())
        .map(|change| match &change["kind"] {
            serde_json::Value::String(kind) => kind.clone(),
            resolved => format!("resolved: {}", resolved["resolved"].as_str().unwrap()),
        })
        .collect();
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
    let first = &notices[0];
    assert_eq!(first["suite"], "told");
    let report = first["report"].as_str().unwrap();
    assert!(std::fs::read_to_string(report).unwrap().contains("1 regression"), "{report}");
}

#[test]
fn an_accepted_change_ends_its_alert() {
    let project = Project::new(TOLD);
    project.watch_until(hours(3));
    *project.nanoseconds.lock().unwrap() = 130.0;
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
    let project = Project::new(TOLD);
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
