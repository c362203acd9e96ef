//! Importing: once, completely, and into the right place.

use std::time::Duration;

use crate::workspace::Workspace;

#[test]
fn importing_twice_stores_once() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save_baseline("a", "main", 100.0, 1);
    criterion.save_baseline("b", "main", 100.0, 2);
    workspace.run(&["import"], 0);
    let before = workspace.run(&["runs", "--format", "json"], 0).stdout;
    let again = workspace.run(&["import"], 0);
    assert!(again.stderr.contains("nothing new"), "{}", again.stderr);
    assert_eq!(workspace.run(&["runs", "--format", "json"], 0).stdout, before);
}

#[test]
fn a_filtered_run_adds_only_what_it_measured() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save("a", "new", 100.0, 1);
    criterion.save("b", "new", 100.0, 2);
    criterion.age("a", "new", Duration::from_secs(60));
    criterion.age("b", "new", Duration::from_secs(60));
    workspace.run(&["import"], 0);
    criterion.save("a", "new", 101.0, 3);
    workspace.run(&["import"], 0);
    let runs = workspace.run(&["runs", "--format", "json"], 0).json();
    assert_eq!(runs[0]["benchmarks"], 1);
    assert_eq!(runs[1]["benchmarks"], 2);
}

#[test]
fn several_folders_in_one_call_are_replicates() {
    let workspace = Workspace::new();
    for (index, factor) in [1.0, 1.01, 0.99].into_iter().enumerate() {
        workspace.criterion_at(&format!("r{index}")).save("a", "new", 100.0 * factor, index);
    }
    workspace.run(&["import", "r0", "r1", "r2"], 0);
    let runs = workspace.run(&["runs", "--format", "json"], 0).json();
    let sets: Vec<_> = runs.as_array().unwrap().iter().map(|run| &run["set"]).collect();
    assert_eq!(sets.len(), 3);
    assert!(sets.iter().all(|set| *set == sets[0]));
    let report = workspace.run(&["report", "--format", "json"], 0).json();
    assert_eq!(report["measured"][0]["runs"], 3);
}

#[test]
fn one_more_run_can_join_the_latest_set() {
    let workspace = Workspace::new();
    workspace.criterion_at("r0").save("a", "new", 100.0, 1);
    workspace.criterion_at("r1").save("a", "new", 101.0, 2);
    workspace.run(&["import", "r0"], 0);
    workspace.run(&["import", "--replicate", "r1"], 0);
    let report = workspace.run(&["report", "--format", "json"], 0).json();
    assert_eq!(report["measured"][0]["runs"], 2);
}

#[test]
fn circumstances_can_be_told() {
    let workspace = Workspace::new();
    workspace.criterion().save("a", "new", 100.0, 1);
    let arguments = ["import", "--commit", "abc", "--branch", "b", "--at", "2020-01-01T00:00:00Z"];
    workspace.run(&arguments, 0);
    let runs = workspace.run(&["runs", "--format", "json"], 0).json();
    assert_eq!(runs[0]["revision"]["commit"], "abc");
    assert_eq!(runs[0]["revision"]["branch"], "b");
    assert_eq!(runs[0]["measured_at"], "2020-01-01T00:00:00Z");
}

#[test]
fn results_from_the_future_are_stored_as_of_now() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save("a", "new", 100.0, 1);
    let file = criterion.saved("a", "new").join("sample.json");
    let file = std::fs::File::options().write(true).open(file).unwrap();
    file.set_modified(std::time::SystemTime::now() + Duration::from_secs(1_000_000)).unwrap();
    workspace.run(&["import"], 0);
    let runs = workspace.run(&["runs", "--format", "json"], 0).json();
    assert_eq!(runs[0]["measured_at"], runs[0]["imported_at"]);
}

#[test]
fn one_unreadable_folder_of_several_stores_none() {
    let workspace = Workspace::new();
    workspace.criterion_at("good").save("a", "new", 100.0, 1);
    let finished = workspace.run(&["import", "good", "missing"], 3);
    assert!(finished.stderr.contains("missing"), "{}", finished.stderr);
    assert_eq!(workspace.run(&["runs", "--format", "json"], 0).stdout.trim(), "[]");
}

#[test]
fn environment_variables_name_the_folder() {
    let workspace = Workspace::new();
    workspace.criterion_at("elsewhere").save("a", "new", 100.0, 1);
    workspace.criterion_at("build/criterion").save("b", "new", 100.0, 1);
    for (variable, value, benchmark) in
        [("CRITERION_HOME", "elsewhere", "a"), ("CARGO_TARGET_DIR", "build", "b")]
    {
        let import = ["import", "--db", benchmark];
        workspace.command(&import).env(variable, value).assert().success();
        let arguments = ["report", "--format", "json", "--db", benchmark];
        let output = workspace.command(&arguments).env(variable, value).output().unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["measured"][0]["benchmark"], benchmark);
    }
}

#[test]
fn two_processes_at_once_both_succeed_and_double_nothing() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    for index in 0..40 {
        criterion.save_baseline(&format!("b{index}"), "main", 100.0, index);
    }
    let start = || {
        std::process::Command::new(assert_cmd::cargo::cargo_bin("bench-analyzer"))
            .arg("import")
            .current_dir(workspace.path())
            .env_remove("BENCH_ANALYZER_DB")
            .envs(workspace.store_variable())
            .env_remove("CRITERION_HOME")
            .env_remove("CARGO_TARGET_DIR")
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children = [start(), start(), start()];
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let runs = workspace.run(&["runs", "--format", "json"], 0).json();
    assert_eq!(runs.as_array().unwrap().len(), 1);
    assert_eq!(runs[0]["benchmarks"], 40);
}
