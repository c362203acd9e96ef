//! Continuous benchmarks with a simulated clock, runner and repository, which crash on request.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bench_analyzer::clock::{Clock, SimulatedClock, Stop};
use bench_analyzer::continuous::observer::{Event, Observer};
use bench_analyzer::continuous::repository::Repository;
use bench_analyzer::continuous::runner::{Ending, Order, Runner};
use bench_analyzer::continuous::schedule::BranchWatch;
use bench_analyzer::continuous::{BenchmarkConfig, ContinuousBenchmark, JobOutcome, Parts};
use bench_analyzer::environment::Environment;
use bench_analyzer::jobs::job::Job;
use bench_analyzer::jobs::machine::Machine;
use bench_analyzer::store::Store;
use bench_stats::detect::settings::Settings;
use bench_stats::model::{Fingerprint, Revision};
use camino::{Utf8Path, Utf8PathBuf};
use jiff::{SignedDuration, Timestamp};

use crate::workspace::Workspace;

pub(crate) const START: &str = "2026-01-05T00:00:00Z";

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

    fn passed(&self) -> Duration {
        self.clock.passed()
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
    cpu: Arc<Mutex<String>>,
}

impl Runner for FakeRunner {
    fn run(
        &self,
        order: &Order,
        _stop: &Stop,
        _say: &mut dyn FnMut(&str),
    ) -> std::io::Result<Ending> {
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
            target_dir: None,
            attributes: Default::default(),
            remarks: Vec::new(),
            fingerprint: Fingerprint {
                cpu: self.cpu.lock().unwrap().clone(),
                cores: 2,
                os: "linux".to_owned(),
                rustc: "1.95".to_owned(),
                profile: "bench".to_owned(),
            },
            revision: Revision::default(),
            committed_at: None,
        }
    }

    fn end_leftovers(&self, _jobs: &[&Utf8Path], _say: &mut dyn FnMut(&str)) {}
}

/// A branch that gets a commit every four hours.
struct FakeRepository {
    clock: SimulatedClock,
    /// Why nothing can be checked out.
    broken: Arc<Mutex<Option<String>>>,
}

impl Repository for FakeRepository {
    fn head(
        &self,
        _folder: &Utf8Path,
        _watch: &BranchWatch,
        _stop: &Stop,
    ) -> Result<String, String> {
        let hours = self.clock.now().duration_since(START.parse().unwrap()).as_hours();
        Ok(format!("{:040x}", hours / 4 + 1))
    }

    fn commit(&self, _folder: &Utf8Path, revision: &str, _stop: &Stop) -> Result<String, String> {
        Ok(revision.to_owned())
    }

    fn check_out(
        &self,
        folder: &Utf8Path,
        _commit: &str,
        _checkout: &Utf8Path,
        _stop: &Stop,
    ) -> Result<Utf8PathBuf, String> {
        match self.broken.lock().unwrap().clone() {
            Some(why) => Err(why),
            None => Ok(folder.to_owned()),
        }
    }
}

/// Crashes at every seventeenth thing that happens, whatever it is.
#[derive(Clone, Default)]
pub(crate) struct Crashing {
    events: Arc<AtomicU64>,
    pub(crate) crashes: Arc<AtomicU64>,
    pub(crate) every: Option<u64>,
    outcomes: Arc<Mutex<Vec<JobOutcome>>>,
    pub(crate) notes: Arc<Mutex<Vec<String>>>,
}

impl Observer for Crashing {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::JobEnded(outcome) => self.outcomes.lock().unwrap().push((*outcome).clone()),
            Event::Note(text) => self.notes.lock().unwrap().push((*text).to_owned()),
            _ => {}
        }
        let number = self.events.fetch_add(1, Ordering::Relaxed) + 1;
        if self.every.is_some_and(|every| number.is_multiple_of(every)) {
            self.crashes.fetch_add(1, Ordering::Relaxed);
            panic!("crash at {event:?}");
        }
    }
}

/// One project, whose continuous benchmark can be stopped and started.
pub(crate) struct Project {
    pub(crate) workspace: Workspace,
    pub(crate) clock: SimulatedClock,
    pub(crate) runs: Arc<AtomicU64>,
    nanoseconds: Arc<Mutex<f64>>,
    ending: Arc<Mutex<Ending>>,
    pub(crate) observer: Crashing,
    pub(crate) machine: Machine,
    pub(crate) broken: Arc<Mutex<Option<String>>>,
    pub(crate) cpu: Arc<Mutex<String>>,
    suites: String,
}

impl Project {
    pub(crate) fn new(suites: &str) -> Self {
        Self {
            workspace: Workspace::new(),
            clock: SimulatedClock::new(START.parse().unwrap()),
            runs: Arc::default(),
            nanoseconds: Arc::new(Mutex::new(100.0)),
            ending: Arc::new(Mutex::new(Ending::Succeeded)),
            observer: Crashing::default(),
            machine: machine("here"),
            broken: Arc::default(),
            cpu: Arc::new(Mutex::new("test".to_owned())),
            suites: suites.to_owned(),
        }
    }

    pub(crate) async fn start(&self, end: Timestamp) -> ContinuousBenchmark {
        let folder = self.workspace.path();
        let config = BenchmarkConfig::parse(&self.suites, folder, |_| None).unwrap();
        let store = Store::open(&self.workspace.location()).await.unwrap();
        let store = store.with_folder(folder.join(".bench"));
        let stop = Stop::new();
        let clock = self.clock.clone();
        let parts = Parts {
            clock: Arc::new(DayClock { clock: clock.clone(), end, stop: stop.clone() }),
            runner: Arc::new(FakeRunner {
                clock: clock.clone(),
                runs: Arc::clone(&self.runs),
                nanoseconds: Arc::clone(&self.nanoseconds),
                ending: Arc::clone(&self.ending),
                cpu: Arc::clone(&self.cpu),
            }),
            repository: Arc::new(FakeRepository { clock, broken: Arc::clone(&self.broken) }),
            observer: Box::new(self.observer.clone()),
            stop,
            lock: folder.join("lock"),
            machine: self.machine.clone(),
        };
        ContinuousBenchmark::new(config, Settings::default(), store, parts)
    }

    /// Watches until `end`, and starts anew after every crash.
    pub(crate) fn watch_until(&self, end: Timestamp) {
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

    pub(crate) fn jobs(&self) -> Vec<Job> {
        runtime().block_on(async {
            let mut store = Store::open(&self.workspace.location()).await.unwrap();
            let mut jobs = store.jobs(10_000).await.unwrap();
            jobs.reverse();
            jobs
        })
    }

    /// What every iteration takes from now on.
    pub(crate) fn take(&self, nanoseconds: f64) {
        *self.nanoseconds.lock().unwrap() = nanoseconds;
    }

    /// How every run ends from now on.
    pub(crate) fn end_with(&self, ending: Ending) {
        *self.ending.lock().unwrap() = ending;
    }

    /// All changes that were told, without the repetitions that a crash may cause.
    pub(crate) fn told(&self) -> Vec<serde_json::Value> {
        let mut seen = BTreeSet::new();
        self.notices()
            .iter()
            .filter(|notice| seen.insert(notice["id"].as_str().unwrap().to_owned()))
            .flat_map(|notice| notice["changes"].as_array().unwrap().clone())
            .collect()
    }

    pub(crate) fn notices(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.workspace.path().join("alerts.jsonl"));
        text.unwrap_or_default().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A machine that has no labels.
pub(crate) fn machine(name: &str) -> Machine {
    Machine { id: format!("number-of-{name}"), name: name.to_owned(), labels: Vec::new() }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn hours(count: i64) -> Timestamp {
    START.parse::<Timestamp>().unwrap().checked_add(SignedDuration::from_hours(count)).unwrap()
}

/// What happened in a change that was told: `opened`, or `resolved: why`.
pub(crate) fn kind(change: &serde_json::Value) -> String {
    match &change["kind"] {
        serde_json::Value::String(kind) => kind.clone(),
        resolved => format!("resolved: {}", resolved["resolved"].as_str().unwrap()),
    }
}

/// The entry of a suite whose command writes one file.
pub(crate) fn suite(name: &str, runs: u32, schedule: &str) -> String {
    format!(
        "[[suite]]\nname = \"{name}\"\ncommand = [\"measure\"]\nresults = [\"out.csv\"]\n\
         runs = {runs}\nschedule = [{{ {schedule} }}]\n"
    )
}

/// An entry that has everything told to the file that [`Project::notices`] reads.
pub(crate) const TO_FILE: &str = "[[alert]]\nto = \"file\"\npath = \"alerts.jsonl\"\n";
