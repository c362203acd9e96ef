//! Reports from the command line.

use crate::redaction::redacted;
use crate::workspace::Workspace;

/// Three replicate runs a side of two benchmarks, of which one got slower.
fn replicated() -> Workspace {
    let workspace = Workspace::new();
    for index in 0..3 {
        let wobble = 1.0 + index as f64 / 1000.0;
        let old = workspace.criterion_at(&format!("old{index}"));
        let new = workspace.criterion_at(&format!("new{index}"));
        for (benchmark, factor) in [("group/slower", 1.3), ("group/same", 1.0)] {
            old.save(benchmark, "new", 1000.0 * wobble, index);
            new.save(benchmark, "new", 1000.0 * wobble * factor, index + 7);
        }
    }
    workspace.run(&["import", "--baseline", "main", "old0", "old1", "old2"], 0);
    workspace.run(&["import", "new0", "new1", "new2"], 0);
    workspace
}

#[test]
fn a_replicated_regression_is_named_and_fails_the_gate() {
    let workspace = replicated();
    let finished = workspace.run(&["report", "--baseline", "main"], 0);
    assert!(finished.stdout.contains("1 slower (group/slower +"), "{}", finished.stdout);
    let arguments = ["report", "--baseline", "main", "--fail-on", "regression", "--format", "json"];
    let report = workspace.run(&arguments, 1).json();
    assert_eq!(report["regressions"][0]["test_name"], "group/slower");
    assert_eq!(report["regressions"][0]["severity"], "high");
    assert_eq!(report["regressions"].as_array().unwrap().len(), 1);
    assert_eq!(report["schema"], 2);
}

#[test]
fn an_unreplicated_regression_is_named_and_fails_nothing() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    for (index, benchmark) in ["core/copy", "core/add", "core/compile"].into_iter().enumerate() {
        criterion.save(benchmark, "main", 1000.0, index);
        let factor = if benchmark == "core/copy" { 1.3 } else { 1.01 };
        criterion.save(benchmark, "new", 1000.0 * factor, index + 5);
    }
    let finished = workspace.run(&["report", "--baseline", "main", "--fail-on", "regression"], 0);
    let line = finished.stdout.lines().find(|line| line.contains("core/copy")).unwrap();
    assert!(line.contains("+30."), "{line}");
    let said = "only hints, from 1 run a side: 1 slower (core/copy +30.";
    assert!(finished.stdout.contains(said), "{}", finished.stdout);
}

#[test]
fn report_needs_no_other_command_before_it() {
    let workspace = Workspace::new();
    workspace.criterion().save_baseline("a", "main", 100.0, 1);
    let finished = workspace.run(&["report", "--baseline", "main"], 3);
    assert!(finished.stderr.contains("are the same runs"), "{}", finished.stderr);
    workspace.criterion().save("a", "new", 150.0, 2);
    let finished = workspace.run(&["report", "--baseline", "main"], 0);
    assert!(finished.stdout.contains("+50.0%"), "{}", finished.stdout);
}

#[test]
fn benchmarks_of_one_side_only_are_listed() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save("gone", "main", 100.0, 1);
    criterion.save("both", "main", 100.0, 2);
    criterion.save("both", "new", 100.0, 3);
    criterion.save("fresh", "new", 100.0, 4);
    let report = workspace.run(&["report", "--baseline", "main", "--format", "json"], 0).json();
    assert_eq!(report["only_in_baseline"][0]["benchmark"], "gone");
    assert_eq!(report["only_in_current"][0]["benchmark"], "fresh");
}

#[test]
fn two_runs_are_compared_by_number() {
    let workspace = replicated();
    let arguments =
        ["report", "--baseline", "run:1", "--current", "run:4", "--format", "json", "--no-import"];
    let report = workspace.run(&arguments, 0).json();
    assert_eq!(report["comparisons"][0]["replication"], "borrowed");
    let compared = workspace.run(&["compare", "run:1", "run:4", "--format", "json"], 0).json();
    assert_eq!(compared["comparisons"], report["comparisons"]);
    let finished = workspace.run(&["report", "--baseline", "run:99"], 3);
    assert!(finished.stderr.contains("there is no run:99"), "{}", finished.stderr);
}

#[test]
fn colours_follow_the_flag() {
    let workspace = replicated();
    let plain = workspace.run(&["report", "--baseline", "main"], 0);
    assert!(!plain.stdout.contains('\u{1b}'));
    let coloured = workspace.run(&["report", "--baseline", "main", "--color", "always"], 0);
    assert!(coloured.stdout.contains('\u{1b}'));
}

#[test]
fn a_threshold_that_was_meant_in_percent_is_asked_back() {
    let workspace = replicated();
    let finished = workspace.run(&["report", "--baseline", "main", "--threshold", "5"], 2);
    assert!(
        finished.stderr.contains("that would be 500%: write 5% or 0.05"),
        "{}",
        finished.stderr
    );
    let of = |threshold: &str| {
        let arguments =
            ["report", "--baseline", "main", "--threshold", threshold, "--format", "json"];
        workspace.run(&arguments, 0).json()["settings"]["relative_threshold"].clone()
    };
    assert_eq!(of("5%"), of("0.05"));
}

#[test]
fn an_ending_of_no_known_format_is_refused_before_anything_is_done() {
    let workspace = replicated();
    let finished = workspace.run(&["report", "--baseline", "main", "--output", "out.pdf"], 3);
    assert!(finished.stderr.contains(".pdf is no format that is known"), "{}", finished.stderr);
    assert!(!workspace.path().join("out.pdf").exists());
    workspace.run(&["report", "--baseline", "main", "--output", "out.txt", "--output", "out"], 0);
    let text = std::fs::read_to_string(workspace.path().join("out.txt")).unwrap();
    assert!(text.contains("1 slower"), "{text}");
}

#[test]
fn a_history_with_a_typo_in_its_name_is_not_made() {
    let workspace = replicated();
    for command in
        [&["report", "--baseline", "main"][..], &["history"], &["compare", "main"], &["runs"]]
    {
        let finished = workspace.run(&[&["--db", "typo.db"][..], command].concat(), 3);
        assert!(finished.stderr.contains("there is no history typo.db"), "{}", finished.stderr);
    }
    assert!(!workspace.path().join("typo.db").exists());
    workspace.run(&["--db", "meant.db", "import", "old0"], 0);
    assert!(workspace.path().join("meant.db").exists());
}

#[test]
fn two_measurements_without_a_baseline_are_compared_with_each_other() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save("group/a", "new", 1000.0, 1);
    let first = workspace.run(&["report"], 0);
    assert!(first.stdout.contains("1 benchmark in 1 run"), "{}", first.stdout);
    criterion.save("group/a", "new", 1600.0, 2);
    let second = workspace.run(&["report"], 0);
    assert!(second.stderr.contains("compared with the results before"), "{}", second.stderr);
    assert!(second.stdout.contains("1 slower (group/a +60.0%"), "{}", second.stdout);
    // A gate has to be told what to compare with.
    workspace.run(&["report", "--fail-on", "regression"], 1);
}

#[test]
fn tables_of_other_tools_show_both_sides() {
    let workspace = replicated();
    let of = |format: &str| {
        workspace.run(&["report", "--baseline", "main", "--format", format], 0).stdout
    };
    let critcmp = of("critcmp");
    let row = critcmp.lines().find(|line| line.contains("group/slower")).unwrap();
    assert!(row.contains("1.00  1.001 us ± ") && row.contains("1.30  1.301 us ± "), "{critcmp}");
    assert!(row.contains("MiB/s"), "{critcmp}");
    let benchstat = of("benchstat");
    assert!(benchstat.contains("vs base") && benchstat.contains("n=3)"), "{benchstat}");
    assert!(
        benchstat.lines().any(|line| line.contains("group/same") && line.contains("~ (p=")),
        "{benchstat}"
    );
    assert!(benchstat.contains("geomean [time]"), "{benchstat}");
}

#[test]
fn completions_know_baselines_and_benchmarks() {
    let workspace = replicated();
    assert_eq!(workspace.run(&["names", "baselines"], 0).stdout, "latest\nmain\n");
    assert_eq!(workspace.run(&["names", "benchmarks"], 0).stdout, "group/same\ngroup/slower\n");
    for shell in ["bash", "zsh", "fish"] {
        let script = workspace.run(&["completions", shell], 0).stdout;
        assert!(script.contains("bench-analyzer names"), "{shell}");
    }
}

#[test]
fn wrong_usage_exits_with_two() {
    let workspace = Workspace::new();
    for arguments in [
        &["report", "--threshold", "much"][..],
        &["report", "--alpha", "1.5"],
        &["report", "--current", "run:x"],
        &["import", "--append"],
        &["dance"],
    ] {
        workspace.run(arguments, 2);
    }
}

#[test]
fn help_teaches_the_way_in() {
    let workspace = Workspace::new();
    let finished = workspace.run(&["--help"], 0);
    assert!(finished.stdout.contains("bench-analyzer report --baseline main"));
    assert!(finished.stdout.contains("Exit codes"));
}

#[test]
fn human_report_reads_as_agreed() {
    let finished = replicated().run(&["report", "--baseline", "main"], 0);
    insta::assert_snapshot!(redacted(&finished.stdout));
}

#[test]
fn markdown_report_reads_as_agreed() {
    let finished = replicated().run(&["report", "--baseline", "main", "--format", "markdown"], 0);
    insta::assert_snapshot!(redacted(&finished.stdout));
}

#[test]
fn report_without_a_baseline_shows_the_values() {
    let finished = replicated().run(&["report"], 0);
    insta::assert_snapshot!(redacted(&finished.stdout));
}
