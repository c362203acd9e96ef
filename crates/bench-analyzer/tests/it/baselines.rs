//! Baselines: what they hold, and who may replace it.

use std::time::Duration;

use crate::workspace::Workspace;

#[test]
fn unknown_baseline_lists_those_that_exist() {
    let workspace = Workspace::new();
    workspace.criterion().save_baseline("a", "main", 100.0, 1);
    workspace.criterion().save_baseline("a", "release-1", 100.0, 2);
    let finished = workspace.run(&["report", "--baseline", "mian"], 3);
    assert!(finished.stderr.contains("there is no baseline `mian`"), "{}", finished.stderr);
    assert!(finished.stderr.contains("main, release-1"), "{}", finished.stderr);
    assert!(finished.stdout.is_empty());
}

#[test]
fn unknown_baseline_in_an_empty_store_says_how_to_make_one() {
    let workspace = Workspace::new();
    let finished = workspace.run(&["report", "--baseline", "main"], 3);
    assert!(finished.stderr.contains("--save-baseline NAME"), "{}", finished.stderr);
}

#[test]
fn saving_again_with_criterion_replaces_what_was_measured() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save_baseline("a", "main", 100.0, 1);
    criterion.save_baseline("b", "main", 100.0, 2);
    for name in ["new", "main"] {
        criterion.age("a", name, Duration::from_secs(600));
        criterion.age("b", name, Duration::from_secs(600));
    }
    workspace.run(&["import"], 0);
    criterion.save_baseline("a", "main", 200.0, 3);
    workspace.run(&["import"], 0);
    let report = workspace
        .run(&["report", "--current", "main", "--format", "json", "--no-import"], 0)
        .json();
    assert!((report["measured"][0]["value"].as_f64().unwrap() - 200.0).abs() < 3.0);
    assert_eq!(report["measured"][0]["runs"], 1);
    assert!((report["measured"][1]["value"].as_f64().unwrap() - 100.0).abs() < 3.0);
}

#[test]
fn replicates_outlive_an_older_folder_of_the_same_name() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save("a", "main", 500.0, 9);
    criterion.age("a", "main", Duration::from_secs(600));
    criterion.save("a", "new", 100.0, 8);
    for index in 0..3 {
        workspace.criterion_at(&format!("r{index}")).save("a", "new", 100.0, index);
    }
    workspace.run(&["import", "--baseline", "main", "r0", "r1", "r2"], 0);
    workspace.run(&["import"], 0);
    let baselines = workspace.run(&["baseline", "list", "--format", "json"], 0).json();
    assert_eq!(baselines[0]["runs"], 3);
}

#[test]
fn importing_under_a_name_replaces_or_appends() {
    let workspace = Workspace::new();
    for index in 0..4 {
        workspace.criterion_at(&format!("r{index}")).save("a", "new", 100.0, index);
    }
    let runs = |expected: u64| {
        let baselines = workspace.run(&["baseline", "list", "--format", "json"], 0).json();
        assert_eq!(baselines[0]["runs"], expected);
    };
    workspace.run(&["import", "--baseline", "main", "r0", "r1"], 0);
    runs(2);
    workspace.run(&["import", "--baseline", "main", "--append", "r2"], 0);
    runs(3);
    workspace.run(&["import", "--baseline", "main", "r3"], 0);
    runs(1);
}

#[test]
fn baselines_are_set_from_runs_and_removed() {
    let workspace = Workspace::new();
    workspace.criterion().save("a", "new", 100.0, 1);
    workspace.run(&["import"], 0);
    workspace.run(&["baseline", "set", "main", "run:1"], 0);
    let listed = workspace.run(&["baseline", "list"], 0);
    assert!(listed.stdout.contains("main"), "{}", listed.stdout);
    let finished = workspace.run(&["baseline", "set", "main", "1", "77"], 3);
    assert!(finished.stderr.contains("there is no run:77"), "{}", finished.stderr);
    assert!(workspace.run(&["baseline", "list"], 0).stdout.contains("main"));
    workspace.run(&["baseline", "rm", "main"], 0);
    let finished = workspace.run(&["baseline", "rm", "main"], 3);
    assert!(finished.stderr.contains("there is no baseline `main`"), "{}", finished.stderr);
    assert_eq!(workspace.run(&["runs", "--format", "json"], 0).json().as_array().unwrap().len(), 1);
}

#[test]
fn reserved_words_cannot_name_a_baseline() {
    let workspace = Workspace::new();
    let finished = workspace.run(&["import", "--baseline", "latest"], 2);
    assert!(finished.stderr.contains("has a meaning of its own"), "{}", finished.stderr);
}
