//! A report and the dashboard tell one story of the same two sides.

use crate::served::Served;
use crate::workspace::Workspace;

/// Sixty runs of some benchmarks, one for each commit, which all got slower by this factor at the fortieth.
fn stepped(benchmarks: &[&str], factor: f64) -> Workspace {
    let workspace = Workspace::new();
    let mut rows = String::from("benchmark,value,run,time,commit\n");
    for index in 0..60_i64 {
        let level = if index < 40 { 100.0 } else { 100.0 * factor };
        let time = 1_700_000_000 + index * 3600;
        for (at, benchmark) in benchmarks.iter().enumerate() {
            let wobble = 1.0 + ((index * 7919 + at as i64 * 31) % 97) as f64 / 97.0 * 0.01;
            rows.push_str(&format!("{benchmark},{},r{index},{time},c{index:02}\n", level * wobble));
        }
    }
    std::fs::write(workspace.path().join("history.csv"), rows).unwrap();
    workspace.run(&["import", "history.csv"], 0);
    let runs = workspace.run(&["runs", "--limit", "100", "--format", "json"], 0).json();
    let mut old: Vec<i64> =
        runs.as_array().unwrap().iter().map(|run| run["id"].as_i64().unwrap()).collect();
    old.sort_unstable();
    let set: Vec<String> = old[30..36].iter().map(ToString::to_string).collect();
    let set: Vec<&str> =
        ["baseline", "set", "base"].into_iter().chain(set.iter().map(String::as_str)).collect();
    workspace.run(&set, 0);
    workspace
}

#[test]
fn a_report_and_the_dashboard_name_the_same_commit_by_a_threshold_of_the_benchmarks_own() {
    let workspace = stepped(&["core/a", "extra/b"], 1.04);
    let config = "threshold = 0.1\n\n[[benchmark]]\nname = \"core/*\"\nthreshold = 0.01\n";
    std::fs::write(workspace.path().join("bench-analyzer.toml"), config).unwrap();
    let report = ["report", "--baseline", "base", "--format", "json"];
    let report = workspace.run(&report, 0).json();
    let origins = report["origins"].as_array().unwrap();
    assert_eq!(origins.len(), 1, "{origins:?}");
    assert_eq!(origins[0]["benchmark"], "core/a");
    assert_eq!(origins[0]["evidence"], "step", "{origins:?}");
    assert_eq!(origins[0]["up_to_commit"], "c40");
    let served = Served::new(&workspace, &[]);
    let shown = served.get("/api/compare?baseline=base").json();
    let row = &shown["comparisons"][0];
    assert_eq!(row["benchmark"], "core/a", "{shown}");
    let since = row["since"].as_str().unwrap();
    assert!(since.contains("c39") && since.contains("c40"), "{since}");
}

#[test]
fn what_most_benchmarks_did_at_once_is_the_machines_doing_whatever_is_shown_of_it() {
    let names = ["core/a", "core/b", "core/c", "core/d", "extra/e", "extra/f", "extra/g"];
    let workspace = stepped(&names, 1.2);
    for filter in [&[][..], &["--filter", "core/a"]] {
        let report = ["report", "--baseline", "base", "--format", "html"];
        let page = workspace.run(&[&report, filter].concat(), 0).stdout;
        assert!(page.contains("with most other benchmarks"), "{filter:?}");
    }
}
