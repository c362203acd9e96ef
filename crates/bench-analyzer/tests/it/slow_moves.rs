//! Small parts and drift: said as trends, and added up since a place that stays.

use crate::workspace::Workspace;

/// A hundred sets of three runs of a benchmark around `level`, with normal-looking noise of about one
/// percent.
fn moving(level: impl Fn(i32) -> f64) -> Workspace {
    let workspace = Workspace::new();
    let mut rows = String::from("benchmark,value,run,time,commit\n");
    for index in 0..100_i32 {
        let noise: f64 = (1..=6)
            .map(|turn| f64::from((index * 7919 * turn + 13 * turn * turn) % 97) / 97.0 - 0.5)
            .sum();
        let value = level(index) * (1.0 + 0.012 * noise);
        let time = 1_700_000_000 + index * 3600;
        rows.push_str(&format!("b,{value},r{index},{time},c{index:03}\n"));
    }
    std::fs::write(workspace.path().join("history.csv"), rows).unwrap();
    workspace.run(&["import", "history.csv"], 0);
    workspace
}

fn in_ten_parts(index: i32) -> f64 {
    100.0 * 1.008_f64.powi(index / 10)
}

fn rising(index: i32) -> f64 {
    100.0 + 0.15 * f64::from(index)
}

#[test]
fn small_parts_and_drift_are_said_by_history_and_report() {
    for level in [in_ten_parts, rising] {
        let workspace = moving(level);
        let history = workspace.run(&["history"], 0).stdout;
        assert!(history.contains("trend +") && history.contains("99% interval"), "{history}");
        assert!(history.contains("since the start, of which no step explains +"), "{history}");
        for format in ["human", "markdown", "html", "json"] {
            let report = workspace.run(&["report", "--no-import", "--format", format], 0).stdout;
            let said = if format == "json" { "slow_moves" } else { "trend +" };
            assert!(report.contains(said), "{format}: {report}");
        }
    }
}

#[test]
fn a_named_place_fails_the_gate_and_a_default_one_does_not() {
    let workspace = moving(rising);
    workspace.run(&["history", "--fail-on", "regression"], 0);
    let finished = workspace.run(&["history", "--since", "start", "--fail-on", "regression"], 1);
    assert!(finished.stderr.contains("in small parts since the start"), "{}", finished.stderr);
    workspace.run(&["baseline", "set", "v1", "run:6", "run:7", "run:8", "run:9", "run:10"], 0);
    let finished = workspace.run(&["history", "--since", "v1", "--fail-on", "regression"], 1);
    assert!(finished.stderr.contains("in small parts since v1"), "{}", finished.stderr);
    std::fs::write(workspace.path().join("bench-analyzer.toml"), "since = \"v1\"\n").unwrap();
    workspace.run(&["history", "--fail-on", "regression"], 1);
    let finished = workspace.run(&["history", "--since", "v2"], 3);
    assert!(finished.stderr.contains("there is no baseline `v2`"), "{}", finished.stderr);
}

#[test]
fn a_level_that_stays_has_neither_trend_nor_move() {
    let workspace = moving(|_| 100.0);
    let history = workspace.run(&["history", "--format", "json"], 0).json();
    assert!(history["series"][0]["trend"].is_null());
    workspace.run(&["history", "--since", "start", "--fail-on", "change"], 0);
}

/// The last release is the newest tag; what was measured of its commit is the reference.
#[test]
fn the_last_release_is_a_reference() {
    let workspace = moving(rising);
    let finished = workspace.run(&["history", "--since", "release"], 3);
    assert!(finished.stderr.contains("has no tag"), "{}", finished.stderr);
    workspace.git(&["init", "-q"]);
    workspace.git(&["commit", "-q", "--allow-empty", "-m", "one"]);
    workspace.git(&["tag", "v1.0"]);
    let sha = workspace.git(&["rev-parse", "HEAD"]);
    let file = workspace.path().join("history.csv");
    let rows = std::fs::read_to_string(&file).unwrap();
    let other = Workspace::new();
    std::fs::write(other.path().join("h.csv"), rows.replace(",c010\n", &format!(",{sha}\n")))
        .unwrap();
    let database = other.path().join("h.db");
    workspace.run(&["--db", database.as_str(), "import", other.path().join("h.csv").as_str()], 0);
    let arguments =
        ["--db", database.as_str(), "history", "--since", "release", "--format", "json"];
    let since = workspace.run(&arguments, 0).json()["series"][0]["since"].clone();
    assert_eq!((&since["reference"], &since["at"]), (&"v1.0".into(), &10.into()));
    assert_eq!(since["verdict"], "regression");
}
