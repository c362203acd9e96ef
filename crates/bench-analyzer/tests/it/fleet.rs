//! Several machines that share one history: who runs what, who tells, and who goes on with what.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bench_analyzer::clock::{Clock, SimulatedClock};
use bench_analyzer::jobs::job::{Cause, Job, JobDraft, JobId, JobState};
use bench_analyzer::jobs::machine::Machine;
use bench_analyzer::store::{Location, Store};

use crate::alerts::{Behaviour, Receiver, START, channels, deliver, queue, steward};
use crate::simulated::{Project, TO_FILE, hours, machine, runtime, suite};
use crate::workspace::Workspace;

/// Three watchers deliver what waits in one store.
pub(crate) fn each_letter_goes_out_once(location: &Location) {
    const LETTERS: usize = 12;
    let answer = Behaviour::Answer("HTTP/1.1 204 No Content\r\n\r\n");
    // It would also take each of them three times.
    let receiver = Receiver::new(vec![answer; 3 * LETTERS]);
    let clock = SimulatedClock::new(START.parse().unwrap());
    runtime().block_on(async {
        let mut store = Store::open(location).await.unwrap();
        for _ in 0..LETTERS {
            queue(&mut store, "team", clock.now()).await;
        }
    });
    let watch = || {
        let steward = steward(location, channels(receiver.port, "json"), &clock);
        let waits = || {
            runtime().block_on(async {
                let mut store = Store::open(location).await.unwrap();
                store.next_letter_at().await.unwrap().is_some()
            })
        };
        while waits() {
            deliver(&steward);
        }
    };
    std::thread::scope(|scope| {
        let watchers = [scope.spawn(watch), scope.spawn(watch), scope.spawn(watch)];
        watchers.into_iter().for_each(|watcher| watcher.join().unwrap());
    });
    assert_eq!(receiver.requests().len(), LETTERS);
}

#[test]
fn watchers_that_share_a_file_send_each_letter_once() {
    let workspace = Workspace::new();
    each_letter_goes_out_once(&workspace.location());
}

fn asked(suite: &str) -> JobDraft {
    JobDraft {
        suite: suite.to_owned(),
        cause: Cause::Asked,
        due_at: hours(0),
        commit: None,
        runs_wanted: 1,
    }
}

/// Four machines take what waits in one store.
pub(crate) fn each_job_is_taken_once(location: &Location) {
    const JOBS: usize = 20;
    let planned: Vec<JobId> = runtime().block_on(async {
        let mut store = Store::open(location).await.unwrap();
        let mut planned = Vec::new();
        for number in 0..JOBS {
            planned.push(store.plan_job(&asked(&format!("suite-{number}"))).await.unwrap());
        }
        planned
    });
    let take = |name: &str| {
        let machine = machine(name);
        runtime().block_on(async {
            let mut store = Store::open(location).await.unwrap();
            let mut taken = Vec::new();
            let waiting = store.unfinished_jobs().await.unwrap();
            for job in waiting.into_iter().filter(|job| job.state == JobState::Pending) {
                if store.claim_job(&job, &machine, hours(0)).await.unwrap() {
                    taken.push(job.id);
                }
            }
            taken
        })
    };
    let mut taken: Vec<JobId> = std::thread::scope(|scope| {
        let machines: Vec<_> =
            ["a", "b", "c", "d"].map(|name| scope.spawn(move || take(name))).into_iter().collect();
        machines.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    taken.sort();
    assert_eq!(taken, planned);
}

#[test]
fn machines_that_share_a_file_take_each_job_once() {
    let workspace = Workspace::new();
    each_job_is_taken_once(&workspace.location());
}

fn told() -> String {
    suite("told", 2, "every = \"24h\"") + TO_FILE
}

/// Has another machine begin a job of the project, and leave it.
fn begin_elsewhere(project: &Project, machine: &Machine) -> JobId {
    runtime().block_on(async {
        let mut store = Store::open(&project.workspace.location()).await.unwrap();
        let id = store.plan_job(&asked("told")).await.unwrap();
        let job = store.job(id).await.unwrap().unwrap();
        assert!(store.claim_job(&job, machine, project.clock.now()).await.unwrap());
        id
    })
}

fn job(project: &Project, id: JobId) -> Job {
    project.jobs().into_iter().find(|job| job.id == id).unwrap()
}

#[test]
fn a_job_goes_on_on_the_same_machine_under_another_name() {
    let mut project = Project::new(&told());
    let before = project.machine.clone();
    let id = begin_elsewhere(&project, &before);
    project.machine = Machine { name: "another-name".to_owned(), ..before };
    project.watch_until(hours(1));
    let job = job(&project, id);
    assert_eq!((job.state, job.host.as_deref()), (JobState::Done, Some("another-name")));
}

#[test]
fn machines_that_have_one_number_do_not_run_one_job() {
    let project = Project::new(&told());
    let number = project.machine.id.clone();
    // The file with the number was copied there.
    let twin = Machine { name: "there".to_owned(), ..project.machine.clone() };
    let id = begin_elsewhere(&project, &twin);
    runtime().block_on(async {
        let mut benchmark = project.start(hours(9)).await;
        let mut store = Store::open(&project.workspace.location()).await.unwrap();
        for _ in 0..5 {
            benchmark.run_scheduled_benchmarks().await.unwrap();
            project.clock.advance(Duration::from_secs(60));
            // It is at work, and nobody took its job away.
            assert!(store.beat_job(id, &number, project.clock.now()).await.unwrap());
        }
        let held = store.job(id).await.unwrap().unwrap();
        assert_eq!((held.state, held.host.as_deref()), (JobState::Running, Some("there")));
    });
    let notes = project.observer.notes.lock().unwrap().clone();
    let said = notes.iter().filter(|note| note.contains("that has this one's number"));
    assert_eq!(said.count(), 1, "{notes:?}");
}

/// A machine's image, or its folder, was copied: what the operator has to know before both go to work.
#[test]
fn doctor_says_that_a_machines_number_was_copied() {
    let (there, here) = (Workspace::new(), Workspace::new());
    let Location::File(_) = here.location() else { return };
    let folder = |workspace: &Workspace| workspace.path().join(".bench/continuous");
    let machine = Machine::of(&folder(&there), "there".to_owned(), Vec::new()).unwrap();
    let said = there.run(&["doctor"], 0).stdout;
    assert!(said.contains(&format!("number: {} is this machine's", &machine.id[..8])), "{said}");
    std::fs::create_dir_all(folder(&here)).unwrap();
    std::fs::copy(folder(&there).join("machine"), folder(&here).join("machine")).unwrap();
    let said = here.run(&["doctor"], 0).stdout;
    assert!(said.contains("was copied or moved"), "{said}");
    runtime().block_on(async {
        let mut store = Store::open(&here.location()).await.unwrap();
        let id = store.plan_job(&asked("told")).await.unwrap();
        let job = store.job(id).await.unwrap().unwrap();
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        assert!(store.claim_job(&job, &machine, now).await.unwrap());
    });
    let said = here.run(&["doctor"], 0).stdout;
    let twin = "job:1 of told was begun under this machine's number, and not from here";
    assert!(said.contains(twin) && said.contains("delete the file"), "{said}");
    // What it advises helps.
    std::fs::remove_file(folder(&here).join("machine")).unwrap();
    let other = Machine::of(&folder(&here), "here".to_owned(), Vec::new()).unwrap();
    assert_ne!(other.id, machine.id);
    let said = here.run(&["doctor"], 0).stdout;
    assert!(!said.contains("copied") && !said.contains(twin), "{said}");
    assert!(said.contains(&format!("number: {} is this machine's", &other.id[..8])), "{said}");
}

#[test]
fn a_job_is_taken_over_when_its_machine_says_nothing_of_it_any_more() {
    let project = Project::new(&told());
    let id = begin_elsewhere(&project, &machine("there"));
    runtime().block_on(async {
        let mut benchmark = project.start(hours(9)).await;
        let mut store = Store::open(&project.workspace.location()).await.unwrap();
        // As long as it says something, it is left alone.
        for _ in 0..20 {
            benchmark.run_scheduled_benchmarks().await.unwrap();
            project.clock.advance(Duration::from_secs(60));
            let there = machine("there").id;
            assert!(store.beat_job(id, &there, project.clock.now()).await.unwrap());
        }
        assert_eq!(store.job(id).await.unwrap().unwrap().state, JobState::Running);
        benchmark.run_scheduled_benchmarks().await.unwrap();
        project.clock.advance(Duration::from_secs(91));
        benchmark.run_scheduled_benchmarks().await.unwrap();
        // Whoever had it learns that it is no longer its own.
        let now = project.clock.now();
        assert!(!store.beat_job(id, &machine("there").id, now).await.unwrap());
    });
    let job = job(&project, id);
    assert_eq!((job.state, job.runs_done, job.host.as_deref()), (JobState::Done, 1, Some("here")));
    let notes = project.observer.notes.lock().unwrap().clone();
    assert!(notes.iter().any(|note| note.contains("was left by there")), "{notes:?}");
}

#[test]
fn suites_run_where_the_machine_has_their_labels() {
    let needs = suite("quiet", 1, "every = \"1h\"") + "runs_on = [\"x86\", \"quiet\"]\n";
    let mut project = Project::new(&(needs + &suite("any", 1, "every = \"1h\"")));
    project.watch_until(hours(2));
    let done = |project: &Project, suite: &str| {
        let jobs = project.jobs();
        jobs.iter().filter(|job| job.suite == suite && job.state == JobState::Done).count()
    };
    assert_eq!((done(&project, "quiet"), done(&project, "any")), (0, 2));
    project.machine.labels = vec!["x86".to_owned(), "fast".to_owned(), "quiet".to_owned()];
    project.watch_until(hours(3));
    assert!(done(&project, "quiet") >= 1);
    assert_eq!(done(&project, "any"), 3);
}

#[test]
fn both_sides_of_a_comparison_are_of_one_kind_of_machine() {
    let project = Project::new(&(suite("told", 4, "every = \"1h\"") + TO_FILE));
    project.watch_until(hours(2));
    // A slower processor is no regression.
    "another processor".clone_into(&mut project.cpu.lock().unwrap());
    project.take(200.0);
    project.watch_until(hours(4));
    assert_eq!(project.told(), Vec::<serde_json::Value>::new());
    project.take(300.0);
    project.watch_until(hours(5));
    assert_eq!(project.told().len(), 1);
    assert!(project.runs.load(Ordering::Relaxed) >= 20);
}
