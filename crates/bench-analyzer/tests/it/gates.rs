//! What fails a gate: a regression, nothing to compare, and, where it is asked for, what is missing and
//! any change.

use crate::workspace::Workspace;

/// Three runs a side: `same` stays, `slower` and `faster` do what they say, `gone` is in the baseline
/// only.
fn sides(names: &[(&str, f64)], gone: &[&str]) -> Workspace {
    let workspace = Workspace::new();
    for index in 0..3 {
        let wobble = 1.0 + index as f64 / 1000.0;
        let old = workspace.criterion_at(&format!("old{index}"));
        let new = workspace.criterion_at(&format!("new{index}"));
        for (name, factor) in names {
            old.save(name, "new", 1000.0 * wobble, index);
            new.save(name, "new", 1000.0 * wobble * factor, index + 7);
        }
        gone.iter().for_each(|name| old.save(name, "new", 1000.0 * wobble, index));
    }
    workspace.run(&["import", "--baseline", "main", "old0", "old1", "old2"], 0);
    workspace.run(&["import", "new0", "new1", "new2"], 0);
    workspace
}

fn gate(workspace: &Workspace, fail_on: &str, more: &[&str], code: i32) -> String {
    let arguments = [&["report", "--baseline", "main", "--fail-on", fail_on], more].concat();
    workspace.run(&arguments, code).stderr
}

#[test]
fn a_filter_with_a_typo_fails_every_gate() {
    let workspace = sides(&[("parse", 1.0)], &[]);
    for fail_on in ["regression", "missing", "change"] {
        let said = gate(&workspace, fail_on, &["--filter", "prase"], 1);
        assert!(said.contains("nothing was compared"), "{said}");
    }
    let finished = workspace.run(&["report", "--baseline", "main", "--filter", "prase"], 3);
    assert!(finished.stderr.contains("no benchmark is named like prase"), "{}", finished.stderr);
    gate(&workspace, "regression", &["--filter", "parse"], 0);
}

#[test]
fn benchmarks_that_were_all_renamed_fail_every_gate() {
    let workspace = Workspace::new();
    workspace.criterion_at("old").save("before", "new", 100.0, 1);
    workspace.criterion_at("new").save("after", "new", 100.0, 2);
    workspace.run(&["import", "--baseline", "main", "old"], 0);
    workspace.run(&["import", "new"], 0);
    let said = gate(&workspace, "regression", &[], 1);
    assert!(said.contains("none is on both sides"), "{said}");
    workspace.run(&["report", "--baseline", "main"], 0);
}

#[test]
fn a_gate_without_a_baseline_fails() {
    let workspace = sides(&[("parse", 1.0)], &[]);
    let said = workspace.run(&["report", "--fail-on", "regression"], 1).stderr;
    assert!(said.contains("no baseline was named"), "{said}");
}

#[test]
fn what_is_missing_fails_the_gate_that_asks_for_it() {
    let workspace = sides(&[("kept", 1.0)], &["one", "two"]);
    gate(&workspace, "regression", &[], 0);
    let said = gate(&workspace, "missing", &[], 1);
    assert!(said.contains("missing: one, two"), "{said}");
    gate(&workspace, "regression,missing", &[], 1);
    gate(&workspace, "missing", &["--filter", "kept"], 0);
    std::fs::write(
        workspace.path().join("bench-analyzer.toml"),
        "[[benchmark]]\nname = \"one\"\ngate = false\n[[benchmark]]\nname = \"two\"\ngate = false\n",
    )
    .unwrap();
    gate(&workspace, "missing", &[], 0);
}

#[test]
fn any_change_fails_the_gate_that_asks_for_it() {
    let faster = sides(&[("same", 1.0), ("faster", 0.7)], &[]);
    gate(&faster, "regression", &[], 0);
    let said = gate(&faster, "change", &[], 1);
    assert!(said.contains("1 improvement"), "{said}");
    let slower = sides(&[("same", 1.0), ("slower", 1.3)], &[]);
    let said = gate(&slower, "change", &[], 1);
    assert!(said.contains("1 regression"), "{said}");
    gate(&sides(&[("same", 1.0)], &[]), "change", &[], 0);
}

/// Five runs before and a single one after, in which everything takes a quarter longer: each benchmark alone is
/// undecided, all together are not.
#[test]
fn a_gate_that_could_not_tell_machine_from_code_does_not_pass_for_want_of_runs() {
    let workspace = Workspace::new();
    let rows = |first: u32, runs: u32, factor: f64| {
        let mut rows = String::from("benchmark,value,run,time,commit\n");
        for run in first..first + runs {
            for benchmark in 0..12_u32 {
                let wobble = 1.0 + f64::from((run * 7 + benchmark * 13) % 11) / 50.0;
                for sample in 0..8 {
                    let value = 1000.0 * factor * wobble * (1.0 + f64::from(sample) / 2000.0);
                    rows.push_str(&format!(
                        "b{benchmark},{value},r{run},2026-01-01T10:{run:02}:00Z,{first:040x}\n"
                    ));
                }
            }
        }
        rows
    };
    std::fs::write(workspace.path().join("old.csv"), rows(1, 5, 1.0)).unwrap();
    workspace.run(&["import", "--baseline", "main", "old.csv"], 0);
    for (first, factor, code) in [(30, 1.25, 4), (40, 1.0, 0)] {
        std::fs::write(workspace.path().join("new.csv"), rows(first, 1, factor)).unwrap();
        workspace.run(&["import", "new.csv"], 0);
        let said = gate(&workspace, "regression", &[], code);
        assert_eq!(
            said.contains("12 benchmarks could not be judged"),
            code == 4,
            "{factor}: {said}"
        );
    }
}

#[test]
fn a_gate_on_no_history_fails() {
    let workspace = Workspace::new();
    workspace.run(&["history", "--fail-on", "regression"], 1);
    let workspace = sides(&[("parse", 1.0)], &[]);
    workspace.run(&["history", "--fail-on", "regression"], 0);
    workspace.run(&["history", "--filter", "prase", "--fail-on", "regression"], 1);
}
