//! What an operator's bad days do to the program: things outside that hang, fork, echo, fill up or
//! lie. Whatever they do, it goes on, and ends when it is asked to.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command};
use std::time::Duration;

use bench_analyzer::clock::{Clock, SimulatedClock, Stop};
use bench_analyzer::continuous::steward::{News, Patience, Steward};
use bench_analyzer::jobs::job::{Cause, JobDraft};
use bench_analyzer::jobs::letter::LetterFate;
use bench_analyzer::store::{Location, Store};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{ConnectOptions, Connection, Executor};

use crate::alerts::{Behaviour, Receiver, START, channels, queue, steward};
use crate::simulated::runtime;
use crate::watching::{SUITE, command, count, is_gone, process, project, spawn, wait_until};
use crate::workspace::Workspace;

/// A server that takes connections and says nothing.
fn silent() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Asks a program to end, and demands that it does.
fn ends(mut program: Child) {
    kill_process(Pid::from_child(&program), Signal::TERM).unwrap();
    let mut status = None;
    wait_until("the end of the program", || {
        status = program.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(0));
}

/// Kills a program whatever becomes of the test.
struct Ended(Option<Child>);

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Ended {
    fn ends(mut self) {
        ends(self.0.take().unwrap());
    }
}

fn watch(workspace: &Workspace) -> Ended {
    Ended(Some(spawn(workspace, &["watch"])))
}

const FAILS: &str = "[[suite]]\nname = \"fails\"\ncommand = [\"false\"]\nruns = 1\n\
                     schedule = [{ every = \"1h\" }]\n";

#[test]
fn an_alert_command_that_leaves_a_child_holds_up_nobody() {
    let alert = "[[alert]]\nto = \"command\"\ntimeout = \"10m\"\ncommand = [\"sh\", \"-c\", \
                 \"setsid sh -c 'echo $$ > child; exec sleep 1000' & while ! [ -s child ]; do :; done\"]\n";
    let workspace = project(&format!("{FAILS}{SUITE}{alert}"));
    let watch = watch(&workspace);
    let child = process(&workspace, "child");
    wait_until("the job behind the alert", || count(&workspace, "started") == 3);
    wait_until("the end of what the alert left", || is_gone(child));
    watch.ends();
}

#[test]
fn an_alert_command_that_hangs_keeps_nobody_from_stopping() {
    let alert = "[[alert]]\nto = \"command\"\ntimeout = \"10m\"\ncommand = [\"sh\", \"-c\", \
                 \"echo $$ > child; sleep 1000\"]\n";
    let workspace = project(&format!("{FAILS}{SUITE}{alert}"));
    let watch = watch(&workspace);
    process(&workspace, "child");
    wait_until("the job behind the alert", || count(&workspace, "started") == 3);
    watch.ends();
}

#[test]
fn a_remote_that_says_nothing_holds_up_no_suite() {
    let (_listener, port) = silent();
    let far = "[[suite]]\nname = \"far\"\ncommand = [\"true\"]\n\
               schedule = [{ branch = \"main\", remote = \"origin\", poll = \"1s\" }]\n";
    let workspace = project(&format!("{far}{SUITE}"));
    workspace.git(&["init", "-q", "-b", "main"]);
    workspace.git(&["remote", "add", "origin", &format!("git://127.0.0.1:{port}/x")]);
    let watch = watch(&workspace);
    wait_until("the job beside the remote", || count(&workspace, "started") == 3);
    watch.ends();
}

#[test]
fn letters_to_a_receiver_that_hangs_hold_up_no_suite() {
    let (_listener, port) = silent();
    let alert = format!(
        "[[alert]]\nname = \"team\"\nto = \"webhook\"\nurl = \"http://127.0.0.1:{port}/hook\"\n\
         timeout = \"10m\"\n[[alert]]\nname = \"file\"\nto = \"file\"\npath = \"alerts.jsonl\"\n"
    );
    let workspace = project(&format!("{FAILS}{SUITE}{alert}"));
    runtime().block_on(async {
        let mut store = Store::open(&workspace.location()).await.unwrap();
        for _ in 0..10 {
            queue(&mut store, "team", jiff::Timestamp::now()).await;
        }
    });
    let watch = watch(&workspace);
    wait_until("the job beside the letters", || count(&workspace, "started") == 3);
    wait_until("the letter to somebody else", || count(&workspace, "alerts.jsonl") == 1);
    watch.ends();
}

#[test]
fn only_regular_files_are_results() {
    let fifo = "[[suite]]\nname = \"fifo\"\ncommand = [\"mkfifo\", \"out.csv\"]\n\
                results = [\"out.csv\"]\nruns = 1\n";
    let inside = "[[suite]]\nname = \"inside\"\nruns = 1\ncommand = [\"sh\", \"-c\", \
                  \"mkdir -p $CRITERION_HOME/a/new && mkfifo $CRITERION_HOME/a/new/sample.json\"]\n";
    let device = "[[suite]]\nname = \"device\"\ncommand = [\"ln\", \"-s\", \"/dev/zero\", \"out.csv\"]\n\
                  results = [\"out.csv\"]\nruns = 1\n";
    for (suite, name) in [(fifo, "fifo"), (inside, "inside"), (device, "device")] {
        let workspace = project(suite);
        let mut run = command(&workspace, &["run", name]);
        let output = run.timeout(Duration::from_secs(120)).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{name}: {said}");
        assert!(said.contains("no regular file"), "{name}: {said}");
    }
}

#[test]
fn what_got_away_from_a_run_is_ended_with_it_and_after_a_crash() {
    // In a session of its own, without a mark in its environment, and with its output elsewhere.
    let away = "setsid env -i sh -c 'echo $$ > child; exec sleep 1000' > /dev/null 2>&1 &\n\
                while ! [ -s child ]; do :; done\n";
    let workspace = project(&format!("{}{FAILS}", SUITE.replace("runs = 3", "runs = 1")));
    let script = std::fs::read_to_string(workspace.path().join("measure.sh")).unwrap();
    std::fs::write(workspace.path().join("measure.sh"), format!("{away}{script}")).unwrap();
    let output = command(&workspace, &["run", "core"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(is_gone(process(&workspace, "child")), "a run that succeeded left it");

    // After a crash, it is known by its control group, or by what was noted while it ran. Whatever runs
    // next ends it, also where that is not the same suite.
    std::fs::remove_file(workspace.path().join("child")).unwrap();
    std::fs::write(workspace.path().join("measure.sh"), format!("{away}sleep 1000\n")).unwrap();
    let mut run = spawn(&workspace, &["run", "core"]);
    let child = process(&workspace, "child");
    let note = workspace.path().join(".bench/continuous/job-2/process.json");
    let noted = format!("\"pid\":{},", child.as_raw_nonzero());
    wait_until("the note about what got away", || {
        std::fs::read_to_string(&note).is_ok_and(|text| text.contains(&noted))
    });
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(!is_gone(child));
    command(&workspace, &["run", "fails"]).output().unwrap();
    assert!(is_gone(child), "the crash left it");
    std::fs::write(workspace.path().join("measure.sh"), script).unwrap();
    let output = command(&workspace, &["run", "core"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn the_measured_code_knows_no_secret_and_tells_none() {
    let suite = "[[suite]]\nname = \"spy\"\nruns = 1\ncommand = [\"sh\", \"-c\", \
                 \"env > seen; echo token T0k3n-of-the-team; exit 1\"]\n\
                 [[alert]]\nto = \"webhook\"\nurl_env = \"HOOK\"\ntimeout = \"1s\"\n\
                 [[alert]]\nto = \"file\"\npath = \"alerts.jsonl\"\n";
    let workspace = project(suite);
    let mut run = command(&workspace, &["run"]);
    run.env("HOOK", "http://127.0.0.1:9/services/T0k3n-of-the-team");
    run.env("PGPASSWORD", "pg-s3cr3t").env("PGUSER", "ada").env("HARMLESS", "yes");
    let output = run.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let seen = std::fs::read_to_string(workspace.path().join("seen")).unwrap();
    assert!(seen.contains("HARMLESS=yes"), "{seen}");
    for hidden in ["HOOK", "PGPASSWORD", "PGUSER", "BENCH_ANALYZER_DB", "pg-s3cr3t", "T0k3n"] {
        assert!(!seen.contains(hidden), "{hidden}: {seen}");
    }
    let log = workspace.path().join(".bench/continuous/job-1/run-1.log");
    let told = std::fs::read_to_string(workspace.path().join("alerts.jsonl")).unwrap();
    assert!(told.contains("token ..."), "{told}");
    for text in [told, std::fs::read_to_string(log).unwrap()] {
        assert!(!text.contains("T0k3n"), "{text}");
    }
    let said = [output.stdout, output.stderr].concat();
    assert!(!String::from_utf8_lossy(&said).contains("T0k3n"));
}

#[test]
fn programs_that_say_what_is_here_know_no_secret() {
    let hook = "[[alert]]\nto = \"webhook\"\nurl_env = \"HOOK\"\ntimeout = \"1s\"\n";
    let branch = "[[suite]]\nname = \"branch\"\ncommand = [\"true\"]\n\
                  schedule = [{ branch = \"main\", poll = \"1h\" }]\n";
    let workspace = project(&format!("{SUITE}{branch}{hook}"));
    let folder = workspace.path().join("bin");
    std::fs::create_dir(&folder).unwrap();
    for program in ["git", "rustc"] {
        let path = folder.join(program);
        std::fs::write(&path, "#!/bin/sh\nenv >> \"$0.seen\"\nexit 1\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut watch = command(&workspace, &["watch", "--once"]);
    let path = std::env::var("PATH").unwrap();
    watch.env("PATH", format!("{folder}:{path}")).env("RUSTC", folder.join("rustc"));
    watch.env("HOOK", "http://127.0.0.1:9/services/T0k3n-of-the-team");
    watch.env("PGPASSWORD", "pg-s3cr3t").env("CARGO_REGISTRY_TOKEN", "cr4tes");
    let output = watch.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let git = std::fs::read_to_string(folder.join("git.seen")).unwrap();
    let rustc = std::fs::read_to_string(folder.join("rustc.seen")).unwrap();
    assert!(git.contains("GIT_TERMINAL_PROMPT=0"), "the branch was not looked at: {git}");
    assert!(git.contains("GIT_OPTIONAL_LOCKS=0"), "it may be in the way of the user's git: {git}");
    for seen in [git, rustc.clone()] {
        assert!(seen.contains("PATH="), "{seen}");
        for hidden in ["T0k3n", "pg-s3cr3t", "BENCH_ANALYZER_DB"] {
            assert!(!seen.contains(hidden), "{hidden}: {seen}");
        }
    }
    assert!(!rustc.contains("cr4tes"), "{rustc}");
}

#[test]
fn equal_results_are_each_jobs_own() {
    let suite = "[[suite]]\nname = \"size\"\nruns = 2\nresults = [\"out.csv\"]\ncommand = \
                 [\"sh\", \"-c\", \"printf 'benchmark,value,metric,unit\\\\nbinary,4096,size,bytes\\\\n' > out.csv\"]\n";
    let workspace = project(suite);
    for job in 1..=3_usize {
        let output = command(&workspace, &["run"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        let runs = workspace.run(&["runs", "--format", "json"], 0).json();
        assert_eq!(runs.as_array().unwrap().len(), 2 * job);
    }
}

#[test]
fn a_log_without_end_is_kept_in_part() {
    let suite = "[[suite]]\nname = \"loud\"\nruns = 1\ncommand = [\"sh\", \"-c\", \
                 \"echo first; head -c 60000000 /dev/zero | tr '\\\\0' x; echo last; exit 1\"]\n";
    let workspace = project(suite);
    let output = command(&workspace, &["run"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let log = std::fs::read(workspace.path().join(".bench/continuous/job-1/run-1.log")).unwrap();
    assert!(log.len() < 10_000_000, "{}", log.len());
    assert!(log.starts_with(b"first\n") && log.ends_with(b"last\n"));
}

#[test]
fn a_full_disk_leaves_no_half_notice() {
    let alert = "[[alert]]\nto = \"file\"\npath = \"alerts.jsonl\"\n";
    let workspace = project(&format!("{FAILS}{alert}"));
    // A megabyte is all that a file may have here, and only this one has as much.
    let line = format!("{{\"schema\":1,\"filler\":\"{}\"}}\n", "x".repeat(1000));
    let room = (1 << 20) - 40;
    let mut filler = line.repeat(room / line.len());
    filler.push_str(&" ".repeat(room - filler.len() - 1));
    filler.push('\n');
    let path = workspace.path().join("alerts.jsonl");
    std::fs::write(&path, &filler).unwrap();
    let full = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_bench-analyzer"))
        .args(["watch", "--once"])
        .current_dir(workspace.path())
        .env_remove("BENCH_ANALYZER_DB")
        .envs(workspace.store_variable())
        .env("BENCH_ANALYZER_LOCK", workspace.path().join("lock"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&full.stderr);
    assert!(said.contains("did not arrive"), "{said}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), filler, "a half notice stayed");
    // What somebody else left of a notice does not spoil the next.
    let mut file = std::fs::File::options().append(true).open(&path).unwrap();
    file.write_all(b"{\"schema\":1,\"id\":\"cut o").unwrap();
    runtime().block_on(async {
        let mut store = Store::open(&workspace.location()).await.unwrap();
        queue(&mut store, "file-1", jiff::Timestamp::now()).await;
    });
    command(&workspace, &["watch", "--once"]).output().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let told: Vec<&str> = text.strip_prefix(&filler).unwrap().lines().collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(serde_json::from_str::<serde_json::Value>(told[0]).is_ok(), "{told:?}");
}

/// Changes a history behind the program's back.
async fn sql(database: &camino::Utf8Path, text: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
    let mut connection = options.connect().await.unwrap();
    connection.execute(text).await.unwrap();
    connection.close().await.unwrap();
}

#[test]
fn a_letter_whose_fate_cannot_be_stored_is_sent_once() {
    let workspace = Workspace::new();
    // The refusal of a full disk is played by a trigger of SQLite.
    let Location::File(path) = workspace.location() else { return };
    let answer = Behaviour::Answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let receiver = Receiver::new(vec![answer; 1000]);
    let clock = SimulatedClock::new(START.parse().unwrap());
    runtime().block_on(async {
        let mut store = Store::open(&workspace.location()).await.unwrap();
        queue(&mut store, "team", clock.now()).await;
    });
    let full = "CREATE TRIGGER full BEFORE UPDATE ON outbox BEGIN
                SELECT RAISE(ABORT, 'database or disk is full'); END";
    runtime().block_on(sql(&path, full));
    let steward = steward(&workspace.location(), channels(receiver.port, "json"), &clock);
    let deliver =
        |steward: &Steward| steward.deliver(Patience::Whole(Duration::from_secs(10)), &Stop::new());
    let arrived =
        |news: &News| matches!(news, News::Tried(one) if one.fate == LetterFate::Delivered);
    let mut news = Vec::new();
    for _ in 0..5 {
        news.extend(deliver(&steward));
        clock.advance(Duration::from_secs(7200));
    }
    assert_eq!(news.iter().filter(|one| arrived(one)).count(), 1, "{news:?}");
    let said = |news: &News| matches!(news, News::Note(text) if text.contains("notices wait"));
    assert_eq!(news.iter().filter(|one| said(one)).count(), 1, "{news:?}");
    runtime().block_on(sql(&path, "DROP TRIGGER full"));
    deliver(&steward);
    assert_eq!(receiver.requests().len(), 1);
    let waits = runtime().block_on(async {
        let mut store = Store::open(&workspace.location()).await.unwrap();
        store.next_letter_at().await.unwrap()
    });
    assert_eq!(waits, None, "its fate is not stored");
}

#[test]
fn a_history_that_refused_once_takes_what_comes_later() {
    let workspace = Workspace::new();
    // As SQLite does on a full disk, the trigger undoes the whole transaction.
    let Location::File(path) = workspace.location() else { return };
    runtime().block_on(async {
        let mut store = Store::open(&workspace.location()).await.unwrap();
        drop(store.lock_for_writing().await.unwrap());
        let full = "CREATE TRIGGER full BEFORE INSERT ON jobs BEGIN
                    SELECT RAISE(ROLLBACK, 'database or disk is full'); END";
        sql(&path, full).await;
        let job = JobDraft {
            suite: "core".to_owned(),
            cause: Cause::Asked,
            due_at: START.parse().unwrap(),
            commit: None,
            runs_wanted: 1,
        };
        for _ in 0..2 {
            let error = store.plan_job(&job).await.unwrap_err().with_causes();
            assert!(error.contains("disk is full"), "{error}");
        }
        sql(&path, "DROP TRIGGER full").await;
        store.plan_job(&job).await.unwrap();
        assert_eq!(store.unfinished_jobs().await.unwrap().len(), 1);
    });
}
