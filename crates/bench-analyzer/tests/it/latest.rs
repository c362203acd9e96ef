//! Which runs are meant by `latest`: those that somebody asked for last.

use std::time::Duration;

use bench_analyzer::store::Location;

use crate::workspace::Workspace;

const HOUR: Duration = Duration::from_secs(3600);

/// Two folders of one benchmark, the second of twice the time, and when they were measured.
fn measured(base: Duration, head: Duration) -> Workspace {
    let workspace = Workspace::new();
    for (name, nanoseconds, age) in [("base", 100.0, base), ("head", 200.0, head)] {
        let folder = workspace.criterion_at(name);
        folder.save("a", "new", nanoseconds, 1);
        folder.age("a", "new", age);
    }
    workspace
}

fn change(workspace: &Workspace, arguments: &[&str]) -> f64 {
    let arguments = [arguments, &["--format", "json"]].concat();
    let report = workspace.run(&arguments, 0).json();
    report["comparisons"][0]["ratio"].as_f64().unwrap()
}

#[test]
fn what_was_imported_last_is_compared_though_it_was_measured_first() {
    let workspace = measured(HOUR, 2 * HOUR);
    workspace.run(&["import", "--baseline", "base", "base"], 0);
    workspace.run(&["import", "head"], 0);
    for command in [&["report", "--baseline", "base"][..], &["compare", "base"]] {
        assert!((change(&workspace, command) - 2.0).abs() < 0.05);
    }
}

#[test]
fn files_that_were_touched_are_not_newer() {
    let workspace = measured(2 * HOUR, 3 * HOUR);
    workspace.criterion_at("older").save("a", "new", 700.0, 3);
    workspace.run(&["import", "older"], 0);
    workspace.run(&["import", "--baseline", "base", "base"], 0);
    workspace.run(&["import", "head"], 0);
    workspace.criterion_at("base").age("a", "new", Duration::ZERO);
    workspace.run(&["import", "--baseline", "base", "base"], 0);
    assert!((change(&workspace, &["report", "--baseline", "base"]) - 2.0).abs() < 0.05);
}

#[test]
fn sides_of_the_same_runs_are_an_error_with_a_way_out() {
    let workspace = measured(HOUR, HOUR);
    workspace.run(&["import", "head"], 0);
    workspace.run(&["import", "--baseline", "base", "base"], 0);
    let finished = workspace.run(&["report", "--baseline", "base"], 3);
    assert!(finished.stderr.contains("are the same runs"), "{}", finished.stderr);
    assert!(finished.stderr.contains("--current"), "{}", finished.stderr);
    let named = ["report", "--baseline", "base", "--current", "run:1"];
    assert!((change(&workspace, &named) - 2.0).abs() < 0.05);
}

#[test]
fn what_is_stored_already_is_the_latest_again_when_it_is_asked_for() {
    let workspace = measured(2 * HOUR, HOUR);
    workspace.run(&["import", "head"], 0);
    workspace.run(&["import", "--baseline", "base", "base"], 0);
    let finished = workspace.run(&["import", "head"], 0);
    assert!(finished.stderr.contains("nothing new"), "{}", finished.stderr);
    assert!((change(&workspace, &["report", "--baseline", "base"]) - 2.0).abs() < 0.05);
}

/// A folder that `report` names is meant, whatever lies in the usual place.
#[test]
fn a_report_compares_the_folder_that_it_names() {
    let workspace = measured(HOUR, 2 * HOUR);
    workspace.run(&["import", "--baseline", "base", "base"], 0);
    let named = ["report", "head", "--baseline", "base"];
    assert!((change(&workspace, &named) - 2.0).abs() < 0.05);
}

#[test]
fn old_results_in_the_usual_place_are_not_what_was_asked_for() {
    let workspace = measured(HOUR, HOUR);
    workspace.criterion().save("a", "new", 900.0, 5);
    workspace.criterion().age("a", "new", 24 * HOUR);
    workspace.run(&["import", "--baseline", "base", "base"], 0);
    workspace.run(&["import", "head"], 0);
    let finished = workspace.run(&["report", "--baseline", "base", "--format", "json"], 0);
    let ratio = finished.json()["comparisons"][0]["ratio"].as_f64().unwrap();
    assert!((ratio - 2.0).abs() < 0.05, "{ratio}");
    // On a server the results of others may well be the latest, so nothing is said there.
    if let Location::File(_) = workspace.location() {
        assert!(finished.stderr.contains("run:2 stays the latest result"), "{}", finished.stderr);
    }
    // What is measured there afterwards is.
    workspace.criterion().save("a", "new", 300.0, 6);
    assert!((change(&workspace, &["report", "--baseline", "base"]) - 3.0).abs() < 0.1);
}

#[test]
fn a_replicate_joins_what_was_asked_for_last() {
    let workspace = measured(HOUR, 2 * HOUR);
    workspace.criterion_at("again").save("a", "new", 202.0, 9);
    workspace.run(&["import", "--baseline", "base", "base"], 0);
    workspace.run(&["import", "head"], 0);
    workspace.run(&["import", "--replicate", "again"], 0);
    let report = workspace.run(&["report", "--baseline", "base", "--format", "json"], 0).json();
    assert_eq!(report["comparisons"][0]["current"]["runs"], 2);
    assert_eq!(report["comparisons"][0]["baseline"]["runs"], 1);
}
