//! Local histories and a team's.

use std::collections::BTreeSet;

use crate::workspace::{Finished, Workspace};

const LOCAL: [&str; 2] = ["--db", "local.db"];

/// A project with a local history, and a team's history in the usual place.
struct Project {
    workspace: Workspace,
    team: String,
}

impl Project {
    fn new() -> Self {
        let workspace = Workspace::new();
        let team = match workspace.store_variable() {
            Some((_, address)) => address.to_owned(),
            None => workspace.database().to_string(),
        };
        Self { workspace, team }
    }

    fn local(&self, arguments: &[&str]) -> Finished {
        self.workspace.run(&[&LOCAL, arguments].concat(), 0)
    }

    fn push(&self) -> String {
        self.local(&["push", "--to", &self.team]).stderr
    }

    /// Contents of a history: the digests of all measurements by set, baselines, accepted changes.
    fn content(&self, at: &[&str]) -> serde_json::Value {
        let all = self.workspace.run(&[at, &["export"]].concat(), 0).json();
        let texts = |value: &serde_json::Value, key: &str| -> BTreeSet<String> {
            value.as_array().unwrap().iter().map(|one| one[key].to_string()).collect()
        };
        let runs = all["runs"].as_array().unwrap().iter();
        let runs: BTreeSet<String> = runs
            .map(|run| {
                let digests = texts(&run["measurements"], "digest");
                format!("{} {} {} {digests:?}", run["set"], run["measured_at"], run["origin"])
            })
            .collect();
        let baselines: BTreeSet<String> = all["baselines"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                let mut members: Vec<String> =
                    one["members"].as_array().unwrap().iter().map(ToString::to_string).collect();
                members.sort();
                format!("{} {members:?}", one["name"])
            })
            .collect();
        serde_json::json!({
            "runs": runs, "baselines": baselines, "blessings": all["blessings"],
        })
    }

    /// Measures one benchmark so often, around so many nanoseconds, and stores that locally.
    fn measure(&self, name: &str, runs: usize, nanoseconds: f64, seed: usize) -> Vec<String> {
        let folders: Vec<String> = (0..runs).map(|run| format!("{name}-{seed}-{run}")).collect();
        for (run, folder) in folders.iter().enumerate() {
            let criterion = self.workspace.criterion_at(folder);
            criterion.save(name, "new", nanoseconds, seed * 10 + run);
        }
        folders
    }

    fn import(&self, baseline: &str, folders: &[String]) {
        let mut arguments = vec!["import", "--baseline", baseline];
        arguments.extend(folders.iter().map(String::as_str));
        self.local(&arguments);
    }

    /// The median of a baseline's only benchmark in the team's history.
    fn level(&self, baseline: &str) -> f64 {
        let arguments = ["report", "--no-import", "--current", baseline, "--format", "json"];
        let report = self.workspace.run(&arguments, 0).json();
        report["measured"][0]["value"].as_f64().unwrap()
    }
}

#[test]
fn pushing_copies_everything_once_and_pulling_brings_it_back() {
    let project = Project::new();
    project.import("main", &project.measure("a", 3, 100.0, 1));
    project.import("next", &project.measure("a", 3, 120.0, 2));
    project.local(&["bless", "a", "--run", "4", "--reason", "fine", "--by", "Ada"]);

    let said = project.push();
    assert!(said.contains("6 runs with"), "{said}");
    assert!(said.contains("main, next") && said.contains("1 accepted"), "{said}");
    assert_eq!(project.content(&[]), project.content(&LOCAL));
    let said = project.push();
    assert!(said.contains("has all 6 runs already"), "{said}");
    assert_eq!(project.content(&[]), project.content(&LOCAL));

    let colleague = ["--db", "colleague.db"];
    let pull = ["pull", "--from", &project.team];
    let pulled = project.workspace.run(&[&colleague[..], &pull].concat(), 0);
    assert!(pulled.stderr.contains("6 runs with"), "{}", pulled.stderr);
    assert_eq!(project.content(&colleague), project.content(&LOCAL));
    project
        .workspace
        .run(&[&colleague[..], &["report", "--no-import", "--baseline", "main"]].concat(), 0);
}

#[test]
fn replicates_that_come_later_join_their_set() {
    let project = Project::new();
    let folders = project.measure("a", 3, 100.0, 1);
    project.import("main", &folders[..2]);
    project.push();
    project.local(&["import", "--replicate", &folders[2]]);
    let said = project.push();
    assert!(said.contains("1 run with"), "{said}");
    let runs = project.workspace.run(&["runs", "--format", "json"], 0).json();
    let sets: BTreeSet<i64> =
        runs.as_array().unwrap().iter().map(|run| run["set"].as_i64().unwrap()).collect();
    assert_eq!((runs.as_array().unwrap().len(), sets.len()), (3, 1));
}

#[test]
fn baselines_of_the_team_stay_unless_the_newer_are_asked_for() {
    let project = Project::new();
    project.import("main", &project.measure("a", 1, 100.0, 1));
    project.push();
    let before = project.level("main");
    // Another name for the same benchmark, measured later.
    let folders = project.measure("a", 1, 200.0, 2);
    project.import("main", &folders);
    project.push();
    assert!((project.level("main") - before).abs() < 1e-9);
    project.local(&["push", "--to", &project.team, "--baselines", "skip"]);
    assert!((project.level("main") - before).abs() < 1e-9);
    project.local(&["push", "--to", &project.team, "--baselines", "newer"]);
    assert!((project.level("main") / before - 2.0).abs() < 0.1, "{}", project.level("main"));

    // A history that is behind does not turn it back.
    let old = ["--db", "old.db"];
    let stale =
        [&old[..], &["import", "--baseline", "main", "--at", "2020-01-01T00:00:00Z"]].concat();
    let folder = project.measure("a", 1, 300.0, 3);
    project.workspace.run(&[&stale[..], &[&folder[0]]].concat(), 0);
    let push = ["push", "--to", &project.team, "--baselines", "newer"];
    project.workspace.run(&[&old[..], &push].concat(), 0);
    assert!((project.level("main") / before - 2.0).abs() < 0.1, "{}", project.level("main"));
    // It gets the newer one itself.
    project.workspace.run(&[&old[..], &["pull", "--from", &project.team]].concat(), 0);
    let baselines = |at: &[&str]| project.content(at)["baselines"].clone();
    assert_eq!(baselines(&old), baselines(&[]));
}

#[test]
fn the_later_word_about_a_change_holds() {
    let project = Project::new();
    project.import("main", &project.measure("a", 1, 100.0, 1));
    let bless = |at: &[&str], reason| {
        let arguments = ["bless", "a", "--run", "1", "--reason", reason, "--by", "Ada"];
        project.workspace.run(&[at, &arguments].concat(), 0);
    };
    bless(&LOCAL, "first");
    project.push();
    bless(&[], "the team's");
    let said = project.push();
    assert!(said.contains("has all"), "{said}");
    let reason = |at: &[&str]| project.content(at)["blessings"][0]["reason"].clone();
    assert_eq!(reason(&[]), "the team's");
    project.local(&["pull", "--from", &project.team]);
    assert_eq!(reason(&LOCAL), "the team's");
    bless(&LOCAL, "last");
    project.push();
    assert_eq!(reason(&[]), "last");
}

#[test]
fn an_acceptance_that_was_taken_back_does_not_come_back() {
    let project = Project::new();
    project.import("main", &project.measure("a", 1, 100.0, 1));
    let accept = ["accept", "a", "--run", "1", "--by", "Ada"];
    project.local(&[&accept[..], &["--reason", "fine"]].concat());
    project.push();
    project.local(&[&accept[..], &["--undo"]].concat());
    let taken_back =
        |at: &[&str]| project.content(at)["blessings"][0]["taken_back"]["author"].clone();
    project.local(&["pull", "--from", &project.team]);
    assert_eq!(taken_back(&LOCAL), "Ada");
    project.push();
    assert_eq!(taken_back(&[]), "Ada");
    // Accepting it once more is the later word.
    project.workspace.run(&[&accept[..], &["--reason", "after all"]].concat(), 0);
    project.local(&["pull", "--from", &project.team]);
    assert_eq!(taken_back(&LOCAL), serde_json::Value::Null);
}

#[test]
fn a_history_is_not_pushed_into_itself() {
    let workspace = Workspace::new();
    workspace.make_history("a.db");
    let finished = workspace.run(&["--db", "a.db", "push", "--to", "a.db"], 3);
    assert!(finished.stderr.contains("name the local one with --db"), "{}", finished.stderr);
}
