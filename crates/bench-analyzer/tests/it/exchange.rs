//! Carrying a history elsewhere, and losing nothing to a sudden death.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::workspace::Workspace;

fn filled() -> Workspace {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    for index in 0..5 {
        criterion.save(&format!("group/b{index}"), "main", 100.0, index);
        criterion.age(&format!("group/b{index}"), "main", Duration::from_secs(600));
        criterion.save(&format!("group/b{index}"), "new", 130.0, index + 9);
    }
    workspace.run(&["import"], 0);
    let bless = ["bless", "group/b0", "--run", "1", "--reason", "fine", "--by", "Ada"];
    workspace.run(&bless, 0);
    workspace
}

#[test]
fn json_carries_everything_to_another_store() {
    let workspace = filled();
    let exported = workspace.run(&["export"], 0).stdout;
    std::fs::write(workspace.path().join("all.json"), &exported).unwrap();
    workspace.run(&["--db", "other.db", "import", "all.json"], 0);
    let back = workspace.run(&["--db", "other.db", "export"], 0).stdout;
    assert!(back == exported, "what was exported again differs");
    let report = |db: &[&str]| {
        let arguments = ["report", "--baseline", "main", "--no-import", "--format", "json"];
        workspace.run(&[db, &arguments].concat(), 0).stdout
    };
    let verdicts = |db: &[&str]| {
        let report: serde_json::Value = serde_json::from_str(&report(db)).unwrap();
        // Runs have other numbers in another store.
        let all = report["comparisons"].as_array().unwrap().iter();
        all.map(|one| format!("{} {} {}", one["verdict"], one["interval"], one["p_value"]))
            .collect::<Vec<_>>()
    };
    assert_eq!(verdicts(&["--db", "other.db"]), verdicts(&[]));
    let again = workspace.run(&["--db", "other.db", "import", "all.json"], 0);
    assert!(again.stderr.contains("nothing new"), "{}", again.stderr);
}

#[test]
fn csv_keeps_every_value() {
    let workspace = filled();
    let exported = workspace.run(&["export", "--format", "csv"], 0).stdout;
    assert_eq!(exported.lines().count(), 1 + 10 * 100);
    std::fs::write(workspace.path().join("all.csv"), &exported).unwrap();
    workspace.run(&["--db", "other.db", "import", "all.csv"], 0);
    let again = workspace.run(&["--db", "other.db", "export", "--format", "csv"], 0).stdout;
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&again), sorted(&exported));
}

#[test]
fn export_of_a_newer_layout_is_refused() {
    let workspace = filled();
    let exported = workspace.run(&["export"], 0).stdout.replace("\"schema\":1", "\"schema\":9");
    std::fs::write(workspace.path().join("all.json"), exported).unwrap();
    let finished = workspace.run(&["--db", "other.db", "import", "all.json"], 3);
    assert!(finished.stderr.contains("newer bench-analyzer"), "{}", finished.stderr);
}

/// Kills importing processes at random moments. Every time the database has to be sound, and
/// in the end nothing may be lost or doubled. `KILLS` says how often; CI is content with few.
#[test]
fn imports_killed_at_any_moment_lose_and_double_nothing() {
    let kills: u64 = std::env::var("KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    for index in 0..60 {
        criterion.save_baseline(&format!("b{index:02}"), "main", 100.0, index);
    }
    for attempt in 0..kills {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("bench-analyzer"))
            .arg("import")
            .current_dir(workspace.path())
            .env_remove("BENCH_ANALYZER_DB")
            .envs(workspace.store_variable())
            .env_remove("CRITERION_HOME")
            .env_remove("CARGO_TARGET_DIR")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // A prime step spreads the moments over the whole import.
        std::thread::sleep(Duration::from_micros(attempt * 7919 % 60_000));
        child.kill().unwrap();
        child.wait().unwrap();
        if workspace.database().exists() {
            let checked = workspace.run(&["doctor"], 0);
            assert!(checked.stdout.contains("database:"), "{}", checked.stdout);
        }
    }
    workspace.run(&["import"], 0);
    let runs = workspace.run(&["runs", "--format", "json"], 0).json();
    assert_eq!(runs.as_array().unwrap().len(), 1);
    assert_eq!(runs[0]["benchmarks"], 60);
    assert_eq!(runs[0]["baselines"][0], "main");
}
