//! `run` and `watch` as processes: stopped, killed and started again.

use std::process::{Child, Command as StdCommand, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::served::Served;
use crate::workspace::Workspace;

/// A suite whose command writes a Criterion folder by copying one, and counts its runs. The run
/// whose number stands in a file `hang` hangs.
pub(crate) fn project(suite: &str) -> Workspace {
    let workspace = Workspace::new();
    for (number, nanoseconds) in [(1, 100.0), (2, 100.3), (3, 99.8), (4, 100.1), (5, 100.2)] {
        workspace.criterion_at(&format!("made/{number}")).save(
            "parse/a",
            "new",
            nanoseconds,
            number,
        );
    }
    let script = "echo $$ >> started\n\
                  if [ $(cat hang || echo 0) -eq $(wc -l < started) ]; then sleep 1000 & echo $! > child; wait; fi\n\
                  n=$(ls done 2>/dev/null | wc -l); n=$((n % 5 + 1))\n\
                  mkdir -p done; cp -r made/$n \"$CRITERION_HOME\"\n\
                  : > done/$$.$(date +%N)\n";
    std::fs::write(workspace.path().join("measure.sh"), script).unwrap();
    std::fs::write(workspace.path().join("suites.toml"), suite).unwrap();
    workspace
}

pub(crate) const SUITE: &str = r#"
[[suite]]
name = "core"
command = ["sh", "measure.sh"]
runs = 3
timeout = "10m"
tags = ["fast"]
schedule = [{ every = "1h" }]
"#;

pub(crate) fn count(workspace: &Workspace, file: &str) -> usize {
    let text = std::fs::read_to_string(workspace.path().join(file)).unwrap_or_default();
    text.lines().count()
}

pub(crate) fn command(workspace: &Workspace, arguments: &[&str]) -> assert_cmd::Command {
    let mut command = workspace.command(arguments);
    command.env("BENCH_ANALYZER_LOCK", workspace.path().join("lock"));
    command
}

pub(crate) fn spawn(workspace: &Workspace, arguments: &[&str]) -> Child {
    StdCommand::new(env!("CARGO_BIN_EXE_bench-analyzer"))
        .args(arguments)
        .current_dir(workspace.path())
        .env_remove("BENCH_ANALYZER_DB")
        .envs(workspace.store_variable())
        .env("BENCH_ANALYZER_LOCK", workspace.path().join("lock"))
        .env("GIT_CEILING_DIRECTORIES", workspace.path().parent().unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(120), "{what} never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn process(workspace: &Workspace, file: &str) -> rustix::process::Pid {
    let read = || {
        let text = std::fs::read_to_string(workspace.path().join(file)).unwrap_or_default();
        text.lines().next_back()?.trim().parse::<i32>().ok()
    };
    wait_until(file, || read().is_some());
    rustix::process::Pid::from_raw(read().unwrap()).unwrap()
}

pub(crate) fn is_gone(pid: rustix::process::Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.map_or(true, |stat| stat.rsplit(')').next().unwrap().trim().starts_with('Z'))
}

#[test]
fn run_measures_stores_and_compares() {
    let workspace = project(SUITE);
    let first = command(&workspace, &["run"]).output().unwrap();
    let said = String::from_utf8(first.stderr).unwrap();
    assert_eq!(first.status.code(), Some(0), "{said}");
    assert!(said.contains("core: job:1 begins"), "{said}");
    assert!(String::from_utf8(first.stdout).unwrap().contains("parse/a"));
    assert_eq!(count(&workspace, "started"), 3);
    // Half as slow again.
    for number in 1..=5 {
        let criterion = workspace.criterion_at(&format!("made/{number}"));
        criterion.save("parse/a", "new", 150.0 + number as f64, number + 10);
    }
    let second =
        command(&workspace, &["run", "tag:fast", "--fail-on", "regression"]).output().unwrap();
    let said = String::from_utf8(second.stdout).unwrap();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("Regressions") && said.contains("1 slower ("), "{said}");
    let report = workspace.path().join(".bench/continuous/job-2/report.md");
    let report = std::fs::read_to_string(report).unwrap();
    assert!(report.contains("1 benchmark is slower"), "{report}");
    assert!(!workspace.path().join(".bench/continuous/job-2/run-1").exists(), "stored already");
}

#[test]
fn a_suite_that_fails_exits_with_three_and_says_where_to_look() {
    let workspace =
        project(&SUITE.replace("sh\", \"measure.sh", "sh\", \"-c\", \"echo broken; exit 7"));
    let output = command(&workspace, &["run", "core"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("run 1 ended with exit status: 7"), "{said}");
    assert!(said.contains("run-1.log ends with: broken"), "{said}");
    let nothing = project(&SUITE.replace("sh\", \"measure.sh", "true"));
    let output = command(&nothing, &["run"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("left nothing where CRITERION_HOME points"), "{said}");
}

#[test]
fn wrong_names_and_files_are_explained() {
    let workspace = project(SUITE);
    for (arguments, said) in [
        (&["run", "cora"][..], "there is no suite `cora`; there are: core"),
        (&["run", "--suites", "none.toml"], "failed to read"),
    ] {
        let output = command(&workspace, arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
    std::fs::remove_file(workspace.path().join("suites.toml")).unwrap();
    let output = command(&workspace, &["watch", "--once"]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("there is no suites.toml here or above"), "{stderr}");
}

#[test]
fn a_killed_watch_is_gone_on_with_and_its_leftovers_end() {
    let workspace = project(SUITE);
    std::fs::write(workspace.path().join("hang"), "2").unwrap();
    let mut watch = spawn(&workspace, &["watch"]);
    let child = process(&workspace, "child");
    let served = Served::new(&workspace, &[]);
    let seen = || {
        let job = served.get("/api/jobs").json()["jobs"][0].clone();
        (job["state"].clone(), job["runs_done"].clone(), job["interrupted"].clone())
    };
    assert_eq!(seen(), (json!("running"), json!(1), json!(false)));
    watch.kill().unwrap();
    watch.wait().unwrap();
    assert!(!is_gone(child), "killing the program does not reach its command");
    assert_eq!(seen(), (json!("running"), json!(1), json!(true)));

    let output = command(&workspace, &["watch", "--once"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    wait_until("the end of the leftover", || is_gone(child));
    // Three runs succeeded in all, and only the one that hung was repeated.
    assert_eq!(std::fs::read_dir(workspace.path().join("done")).unwrap().count(), 3);
    assert_eq!(count(&workspace, "started"), 4);
    assert_eq!(seen(), (json!("done"), json!(3), json!(false)));
    let runs = workspace.run(&["runs", "--format", "json"], 0).json();
    assert_eq!(runs.as_array().unwrap().len(), 3);
    // It is not due again.
    command(&workspace, &["watch", "--once"]).output().unwrap();
    assert_eq!(count(&workspace, "started"), 4);
}

#[test]
fn being_asked_to_stop_ends_the_command_and_keeps_the_job() {
    let workspace = project(SUITE);
    std::fs::write(workspace.path().join("hang"), "1").unwrap();
    let mut watch = spawn(&workspace, &["watch"]);
    let child = process(&workspace, "child");
    let pid = rustix::process::Pid::from_raw(i32::try_from(watch.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(watch.wait().unwrap().code(), Some(0));
    wait_until("the end of the command", || is_gone(child));
    std::fs::remove_file(workspace.path().join("hang")).unwrap();
    command(&workspace, &["watch", "--once"]).output().unwrap();
    let runs = workspace.run(&["runs", "--format", "json"], 0).json();
    assert_eq!(runs.as_array().unwrap().len(), 3);
}

#[test]
fn two_programs_measure_one_after_the_other() {
    let workspace = project(SUITE);
    std::fs::write(workspace.path().join("hang"), "1").unwrap();
    let mut first = spawn(&workspace, &["run"]);
    process(&workspace, "child");
    let mut second = spawn(&workspace, &["run", "--runs", "1"]);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(count(&workspace, "started"), 1, "both measured at once");
    std::fs::remove_file(workspace.path().join("hang")).unwrap();
    let child = process(&workspace, "child");
    rustix::process::kill_process(child, rustix::process::Signal::KILL).unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(0));
    second.wait().unwrap();
    assert_eq!(count(&workspace, "started"), 4);
}
