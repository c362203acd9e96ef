//! Steps that were found stay, and go only with a reason.

use crate::history::with_history;
use crate::workspace::Workspace;

/// Imports one value a set of a benchmark, from the place `from` in time on.
fn append(workspace: &Workspace, from: i64, values: impl IntoIterator<Item = f64>) {
    let mut rows = String::from("benchmark,value,run,time,commit\n");
    for (index, value) in (from..).zip(values) {
        let wobble = 1.0 + ((index * 7919) % 97) as f64 / 97.0 * 0.01;
        let time = 1_700_000_000 + index * 3600;
        rows.push_str(&format!("b,{},r{index},{time},c{index:03}\n", value * wobble));
    }
    let file = workspace.path().join(format!("from{from}.csv"));
    std::fs::write(&file, rows).unwrap();
    workspace.run(&["import", file.as_str()], 0);
}

fn changes(workspace: &Workspace) -> Vec<serde_json::Value> {
    let history = workspace.run(&["history", "b", "--format", "json"], 0).json();
    history["series"][0]["change_points"].as_array().unwrap().clone()
}

#[test]
fn a_step_that_was_found_stays_while_the_level_drifts_on() {
    let workspace = Workspace::new();
    append(&workspace, 0, (0..40).map(|at| if at < 20 { 100.0 } else { 120.0 }));
    let first = changes(&workspace);
    assert_eq!(first.len(), 1);
    let found_at = &first[0]["found_at"];
    assert!(found_at.is_string(), "{first:?}");
    append(&workspace, 40, (0..200).map(|at| 120.0 + 0.3 * f64::from(at)));
    let later = changes(&workspace);
    let kept = later.iter().find(|one| one["found_at"] == *found_at).unwrap();
    assert_eq!(kept["run"], first[0]["run"]);
    assert!(kept["withdrawn"].is_null(), "{kept:?}");
}

/// A slow rise looks like steps for a while; whatever of that is taken back says why.
#[test]
fn what_turned_out_to_be_drift_is_taken_back_and_stays_listed_with_the_reason() {
    let workspace = Workspace::new();
    append(&workspace, 0, (0..60).map(|at| 100.0 + f64::from((at - 25).clamp(0, 10))));
    let first = changes(&workspace);
    assert!(!first.is_empty());
    append(&workspace, 60, (60..240).map(|at| 110.0 + 0.5 * f64::from(at - 60)));
    let later = changes(&workspace);
    let mut taken_back = 0;
    for step in &first {
        let at = |one: &serde_json::Value| one["index"].as_i64().unwrap();
        let same = |one: &&serde_json::Value| {
            one["found_at"] == step["found_at"] && (at(one) - at(step)).abs() <= 3
        };
        let kept = later.iter().find(same).unwrap();
        if kept["shown"] == false {
            taken_back += 1;
            let reason = kept["withdrawn"]["reason"].as_str().unwrap();
            assert!(reason.contains("no step is seen here"), "{kept:?}");
        }
    }
    let human = workspace.run(&["history", "b"], 0).stdout;
    assert_eq!(human.matches("withdrawn on 20").count(), taken_back, "{human}");
}

#[test]
fn a_step_is_withdrawn_by_a_person_with_a_reason_and_alarms_no_more() {
    let workspace = with_history();
    workspace.run(&["history", "--fail-on", "regression"], 1);
    let withdraw = ["withdraw", "step", "--reason", "the disk was full", "--by", "Ada"];
    workspace.run(&withdraw, 0);
    let finished = workspace.run(&["history", "--fail-on", "regression"], 0);
    assert!(finished.stdout.contains("withdrawn by Ada"), "{}", finished.stdout);
    assert!(finished.stdout.contains("the disk was full"), "{}", finished.stdout);
    let again = workspace.run(&withdraw, 3);
    assert!(again.stderr.contains("no step of `step`"), "{}", again.stderr);
}

#[test]
fn other_rules_on_the_spot_note_nothing() {
    let workspace = with_history();
    let history = workspace.run(&["history", "--threshold", "0.02", "--format", "json"], 0).json();
    let series = history["series"].as_array().unwrap();
    let step = series.iter().find(|one| one["benchmark"] == "step").unwrap();
    assert!(step["change_points"][0]["found_at"].is_null(), "{step:?}");
    let finished = workspace.run(&["withdraw", "step", "--reason", "x", "--by", "y"], 3);
    assert!(finished.stderr.contains("no step of `step`"), "{}", finished.stderr);
}

#[test]
fn what_was_found_travels_with_an_export() {
    let workspace = with_history();
    workspace.run(&["history"], 0);
    workspace.run(&["withdraw", "step", "--reason", "a full disk", "--by", "Ada"], 0);
    let export = workspace.run(&["export"], 0).stdout;
    let other = Workspace::new();
    std::fs::write(other.path().join("all.json"), export).unwrap();
    other.run(&["import", "all.json"], 0);
    let finished = other.run(&["history", "--fail-on", "regression"], 0);
    assert!(finished.stdout.contains("withdrawn by Ada"), "{}", finished.stdout);
}
