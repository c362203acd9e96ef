//! Series through time: where they changed, and who accepted that.

use crate::workspace::Workspace;

/// A history in which one benchmark gets slower at point 40 of 60, and another does not.
pub(crate) fn with_history() -> Workspace {
    let workspace = Workspace::new();
    let mut rows = String::from("benchmark,value,run,time,commit\n");
    for index in 0..60_i64 {
        let wobble = 1.0 + ((index * 7919) % 97) as f64 / 97.0 * 0.02;
        let slower = if index < 40 { 100.0 } else { 110.0 };
        let time = 1_700_000_000 + index * 3600;
        rows.push_str(&format!("step,{},r{index},{time},c{index:03}\n", slower * wobble));
        rows.push_str(&format!("level,{},r{index},{time},c{index:03}\n", 200.0 * wobble));
    }
    std::fs::write(workspace.path().join("history.csv"), rows).unwrap();
    workspace.run(&["import", "history.csv"], 0);
    workspace
}

#[test]
fn a_step_is_located_to_its_commits() {
    let workspace = with_history();
    let history = workspace.run(&["history", "--format", "json"], 0).json();
    let series = history["series"].as_array().unwrap();
    let of = |name: &str| series.iter().find(|one| one["benchmark"] == name).unwrap();
    assert_eq!(of("level")["change_points"].as_array().unwrap().len(), 0);
    let change = &of("step")["change_points"][0];
    assert_eq!(change["index"], 40);
    assert_eq!(change["after_commit"], "c039");
    assert_eq!(change["up_to_commit"], "c040");
    assert_eq!(change["provisional"], false);
    assert_eq!(change["verdict"], "regression");
    assert!(change["p_value"].as_f64().unwrap() < 0.001);
    assert_eq!(of("step")["points"].as_array().unwrap().len(), 60);
}

#[test]
fn output_is_the_same_every_time() {
    let workspace = with_history();
    let once = workspace.run(&["history", "--format", "json"], 0).stdout;
    assert_eq!(workspace.run(&["history", "--format", "json"], 0).stdout, once);
}

#[test]
fn an_accepted_change_never_alarms_again() {
    let workspace = with_history();
    workspace.run(&["history", "--fail-on", "regression"], 1);
    let arguments = ["bless", "step", "--reason", "it now checks its input", "--by", "Ada"];
    let finished = workspace.run(&arguments, 0);
    assert!(finished.stderr.contains("accepted by Ada"), "{}", finished.stderr);
    let finished = workspace.run(&["history", "--fail-on", "regression"], 0);
    assert!(finished.stdout.contains("accepted by Ada: it now checks its input"));
    let finished = workspace.run(&arguments, 3);
    assert!(finished.stderr.contains("no change that is not accepted yet"), "{}", finished.stderr);
}

#[test]
fn a_change_is_accepted_by_its_commit() {
    let workspace = with_history();
    let bless = |commit: &str, code| {
        let arguments = ["bless", "step", "--commit", commit, "--reason", "fine", "--by", "Ada"];
        workspace.run(&arguments, code)
    };
    let finished = bless("nothing", 3);
    assert!(finished.stderr.contains("was never measured"), "{}", finished.stderr);
    bless("c040", 0);
    workspace.run(&["history", "--fail-on", "regression"], 0);
}

#[test]
fn a_blessed_regression_is_shown_and_fails_no_gate() {
    let workspace = with_history();
    let runs = |range: std::ops::Range<i64>| -> Vec<String> {
        range.map(|run| format!("run:{run}")).collect()
    };
    for (name, range) in [("old", 31..36), ("new", 46..51)] {
        let mut arguments = vec!["baseline", "set", name];
        let runs = runs(range);
        arguments.extend(runs.iter().map(String::as_str));
        workspace.run(&arguments, 0);
    }
    let gate = ["report", "--baseline", "old", "--current", "new", "--fail-on", "regression"];
    workspace.run(&gate, 1);
    workspace.run(&["bless", "step", "--reason", "fine", "--by", "Ada"], 0);
    let finished = workspace.run(&gate, 0);
    assert!(finished.stdout.contains("accepted by Ada: fine"), "{}", finished.stdout);
    assert!(finished.stdout.contains("1 slower (step +10.0%"), "{}", finished.stdout);
}

#[test]
fn unknown_benchmarks_are_said_to_be_so() {
    let workspace = with_history();
    let finished = workspace.run(&["history", "nothing"], 3);
    assert!(finished.stderr.contains("no benchmark with `nothing`"), "{}", finished.stderr);
    let finished = workspace.run(&["bless", "nothing", "--reason", "x", "--by", "y"], 3);
    assert!(finished.stderr.contains("no benchmark `nothing`"), "{}", finished.stderr);
}

#[test]
fn human_history_reads_as_agreed() {
    let finished = with_history().run(&["history"], 0);
    insta::assert_snapshot!(finished.stdout);
}
