//! What tells runs apart: their content, and everything that belongs to them beside it.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::workspace::Workspace;

const SIZES: &str = "benchmark,value,metric,unit\nbinary,1048576,binary_size,bytes\n";

fn runs(workspace: &Workspace) -> Vec<serde_json::Value> {
    let runs = workspace.run(&["runs", "--format", "json"], 0).json();
    runs.as_array().unwrap().clone()
}

/// The values of a history, oldest first.
fn values(workspace: &Workspace, metric: &str) -> Vec<f64> {
    let history = ["history", "--metric", metric, "--format", "json"];
    let history = workspace.run(&history, 0).json();
    let points = history["series"][0]["points"].as_array().unwrap();
    points.iter().map(|point| point["value"].as_f64().unwrap().round()).collect()
}

#[test]
fn a_count_that_comes_back_is_stored_at_its_commit() {
    let workspace = Workspace::new();
    for (day, commit, size) in [(1, "a1", 1048576), (2, "b2", 2097152), (3, "c3", 1048576)] {
        let file = SIZES.replace("1048576", &size.to_string());
        std::fs::write(workspace.path().join("size.csv"), file).unwrap();
        let at = format!("2026-01-0{day}T00:00:00Z");
        let arguments = ["import", "--commit", commit, "--at", &at, "size.csv"];
        let finished = workspace.run(&arguments, 0);
        assert!(finished.stderr.contains("stored 1 new"), "{commit}: {}", finished.stderr);
        let again = workspace.run(&arguments, 0);
        assert!(again.stderr.contains("nothing new"), "{commit}: {}", again.stderr);
    }
    assert_eq!(values(&workspace, "binary_size"), [1048576.0, 2097152.0, 1048576.0]);
}

#[test]
fn a_count_that_comes_back_is_stored_by_its_time_where_there_is_no_commit() {
    let workspace = Workspace::new();
    let file = workspace.path().join("size.csv");
    for (hours, size) in [(3, 1048576), (2, 2097152), (1, 1048576)] {
        std::fs::write(&file, SIZES.replace("1048576", &size.to_string())).unwrap();
        let written = std::fs::File::options().write(true).open(&file).unwrap();
        written.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
        workspace.run(&["import", "size.csv"], 0);
        workspace.run(&["import", "size.csv"], 0);
    }
    assert_eq!(values(&workspace, "binary_size"), [1048576.0, 2097152.0, 1048576.0]);
}

#[test]
fn five_files_of_the_same_content_are_five_runs() {
    let workspace = Workspace::new();
    let names = ["r1.csv", "r2.csv", "r3.csv", "r4.csv", "r5.csv"];
    for name in names {
        std::fs::write(workspace.path().join(name), SIZES).unwrap();
    }
    let import = |names: &[&str]| workspace.run(&[&["import"], names].concat(), 0);
    import(&names);
    assert_eq!(runs(&workspace).len(), 5);
    let mut reversed = names;
    reversed.reverse();
    for again in [&names[..], &reversed, &names[..2], &["r1.csv", "r1.csv"]] {
        assert!(import(again).stderr.contains("nothing new"), "{again:?}");
    }
    assert_eq!(runs(&workspace).len(), 5);
}

/// Times to the nanosecond are known again wherever and whenever they were copied.
#[test]
fn a_copy_of_times_is_the_same_run() {
    let workspace = Workspace::new();
    let fixture = format!("{}/tests/fixtures/hyperfine.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(&fixture, workspace.path().join("a.json")).unwrap();
    workspace.run(&["import", "a.json"], 0);
    std::fs::copy(&fixture, workspace.path().join("b.json")).unwrap();
    let again = workspace.run(&["import", "b.json"], 0);
    assert!(again.stderr.contains("nothing new"), "{}", again.stderr);
}

/// What was stored under its commit is not stored again by a report, which knows of none.
#[test]
fn a_report_knows_what_was_imported_under_a_commit() {
    let workspace = Workspace::new();
    workspace.criterion().save("a", "new", 100.0, 1);
    workspace.run(&["import", "--commit", "abc"], 0);
    workspace.run(&["report"], 0);
    assert_eq!(runs(&workspace).len(), 1);
    workspace.run(&["import", "--commit", "abc"], 0);
    assert_eq!(runs(&workspace).len(), 1);
    workspace.run(&["import", "--commit", "def"], 0);
    assert_eq!(runs(&workspace).len(), 2);
}

const FILES: [&str; 8] = [
    "size-1.csv",
    "size-2.csv",
    "generic.csv",
    "go.txt",
    "google.json",
    "gungraun.txt",
    "hyperfine.json",
    "jmh.json",
];

/// Puts the files into a project, each as old as everywhere else.
fn fill(workspace: &Workspace) {
    for (age, name) in (1..).zip(FILES) {
        let path = workspace.path().join(name);
        let fixture = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
        if std::fs::copy(fixture, &path).is_err() {
            std::fs::write(&path, SIZES).unwrap();
        }
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        let epoch = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        file.set_modified(epoch + Duration::from_secs(age)).unwrap();
    }
}

/// Everything that is stored, but for what tells stores apart.
fn stored(workspace: &Workspace) -> Vec<String> {
    let export = workspace.run(&["export"], 0).json();
    let mut all: Vec<String> = Vec::new();
    for run in export["runs"].as_array().unwrap() {
        for one in run["measurements"].as_array().unwrap() {
            let place = format!("{} {}", run["measured_at"], run["label"]);
            all.push(format!("{place} {one}"));
        }
    }
    all.sort();
    all
}

/// One way to import a file.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// To its end.
    Whole,
    /// While others do the same.
    BesideOthers,
    /// Killed after so many milliseconds.
    Killed(u64),
}

/// Imports files in these ways one after the other, then each once more in the end.
fn import_by(workspace: &Workspace, ways: &[(usize, Way)]) {
    let start = |file: &str| workspace.process(&["import", file]).spawn().unwrap();
    for &(file, way) in ways {
        let file = FILES[file];
        match way {
            Way::Whole => drop(workspace.run(&["import", file], 0)),
            Way::BesideOthers => {
                let children = [file, FILES[0], file].map(start);
                for child in children {
                    assert!(child.wait_with_output().unwrap().status.success());
                }
            }
            Way::Killed(after) => {
                let mut child = start(file);
                std::thread::sleep(Duration::from_millis(after));
                let _ = child.kill();
                child.wait().unwrap();
            }
        }
    }
    FILES.iter().for_each(|file| drop(workspace.run(&["import", file], 0)));
}

/// The order of imports, their number and their interruption leave no trace, whatever they are.
fn any_way_gives_the_same(new: impl Fn() -> Workspace, cases: u32) {
    let reference = new();
    fill(&reference);
    import_by(&reference, &[]);
    let expected = stored(&reference);
    assert!(expected.iter().filter(|one| one.contains("1048576")).count() == 2);
    let way =
        prop_oneof![Just(Way::Whole), Just(Way::BesideOthers), (0_u64..80).prop_map(Way::Killed),];
    let ways = proptest::collection::vec((0..FILES.len(), way), 1..12);
    // Each case starts processes: shrinking would start thousands.
    let config = ProptestConfig {
        cases,
        max_shrink_iters: 0,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let checked = TestRunner::new(config).run(&ways, |ways| {
        let workspace = new();
        fill(&workspace);
        import_by(&workspace, &ways);
        prop_assert_eq!(stored(&workspace), expected.clone());
        Ok(())
    });
    checked.unwrap();
}

#[test]
fn any_way_to_import_gives_the_same_store() {
    any_way_gives_the_same(Workspace::new, 6);
}

#[cfg(unix)]
#[test]
fn any_way_to_import_gives_the_same_store_on_a_server() {
    let Some(server) = crate::server::Server::start() else { return };
    any_way_gives_the_same(|| Workspace::on(server.new_store()), 4);
}
