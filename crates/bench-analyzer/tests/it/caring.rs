//! Caring for a history: what is left out, removed, pruned and renamed.

use crate::workspace::Workspace;

/// A history of one benchmark, a run a day.
fn filled(name: &str, values: &[f64]) -> Workspace {
    let workspace = Workspace::new();
    import(&workspace, name, values, 1);
    workspace
}

fn import(workspace: &Workspace, name: &str, values: &[f64], first_day: usize) {
    let mut rows = String::from("benchmark,value,time\n");
    for (day, value) in (first_day..).zip(values) {
        for sample in 0..5 {
            let value = value + f64::from(sample) / 100.0;
            rows.push_str(&format!("{name},{value},2026-01-{day:02}T00:00:00Z\n"));
        }
    }
    std::fs::write(workspace.path().join("history.csv"), rows).unwrap();
    workspace.run(&["import", "history.csv"], 0);
}

fn points(workspace: &Workspace, name: &str) -> Vec<f64> {
    let history = workspace.run(&["history", name, "--format", "json"], 0).json();
    let points = history["series"][0]["points"].as_array().unwrap();
    points.iter().map(|point| point["value"].as_f64().unwrap().round()).collect()
}

const BY: [&str; 4] = ["--by", "Ada", "--reason", "the fan was broken"];

#[test]
fn an_excluded_run_takes_no_part_until_it_is_put_back() {
    let workspace = filled("a", &[10.0, 99.0, 10.0]);
    let refused = workspace.run(&["runs", "exclude", "2", "--by", "Ada"], 3);
    assert!(refused.stderr.contains("say why with --reason"), "{}", refused.stderr);
    workspace.run(&[&["runs", "exclude", "2"], &BY[..]].concat(), 0);
    assert_eq!(points(&workspace, "a"), [10.0, 10.0]);
    let runs = workspace.run(&["runs", "--format", "json"], 0).json();
    assert_eq!(runs[1]["excluded"], "the fan was broken");
    // It is known all the same, and not stored again.
    let again = workspace.run(&["import", "history.csv"], 0);
    assert!(again.stderr.contains("nothing new"), "{}", again.stderr);
    // It stays out in another store too.
    let exported = workspace.run(&["export"], 0).stdout;
    std::fs::write(workspace.path().join("all.json"), exported).unwrap();
    workspace.run(&["--db", "other.db", "import", "all.json"], 0);
    let runs = workspace.run(&["--db", "other.db", "runs", "--format", "json"], 0).json();
    assert_eq!(runs[1]["excluded"], "the fan was broken");
    workspace.run(&["runs", "include", "run:2", "--by", "Ada"], 0);
    assert_eq!(points(&workspace, "a"), [10.0, 99.0, 10.0]);
}

#[test]
fn the_latest_result_is_never_an_excluded_one() {
    let workspace = filled("a", &[10.0, 99.0]);
    workspace.run(&[&["runs", "exclude", "2"], &BY[..]].concat(), 0);
    let report = workspace.run(&["report", "--no-import", "--format", "json"], 0).json();
    assert_eq!(report["current"]["runs"][0]["id"], 1);
}

#[test]
fn a_removed_run_does_not_come_back() {
    let workspace = filled("a", &[10.0, 99.0, 10.0]);
    workspace.run(&[&["runs", "remove", "2"], &BY[..]].concat(), 0);
    assert_eq!(points(&workspace, "a"), [10.0, 10.0]);
    let again = workspace.run(&["import", "history.csv"], 0);
    assert!(again.stderr.contains("nothing new"), "{}", again.stderr);
    assert_eq!(points(&workspace, "a"), [10.0, 10.0]);
    let missing = workspace.run(&[&["runs", "remove", "2"], &BY[..]].concat(), 3);
    assert!(missing.stderr.contains("there is no run:2"), "{}", missing.stderr);
}

#[test]
fn pruning_keeps_what_samples_come_to() {
    let workspace = filled("a", &[10.0, 11.0, 12.0]);
    workspace.run(&["baseline", "set", "pinned", "1"], 0);
    let before = workspace.run(&["history", "--format", "json"], 0).stdout;
    let prune = ["runs", "prune", "--older-than", "2026-01-03T00:00:00Z", "--by", "Ada"];
    let said = workspace.run(&prune, 0).stderr;
    assert!(said.contains("gave up the samples of 1 measurements"), "{said}");
    assert_eq!(workspace.run(&["history", "--format", "json"], 0).stdout, before);
    let samples = |run: &str| {
        let arguments = ["report", "--no-import", "--current", run, "--format", "json"];
        workspace.run(&arguments, 0).json()["measured"][0]["samples"].clone()
    };
    assert_eq!([samples("run:1"), samples("run:2"), samples("run:3")], [5, 5, 5]);
    let rows = workspace.run(&["export", "--format", "csv"], 0).stdout;
    assert_eq!(rows.lines().count(), 1 + 5 + 1 + 5);
    let again = workspace.run(&["import", "history.csv"], 0);
    assert!(again.stderr.contains("nothing new"), "{}", again.stderr);
}

#[test]
fn a_renamed_benchmark_goes_on_in_the_same_history() {
    let workspace = filled("old", &[10.0, 11.0]);
    import(&workspace, "new", &[12.0], 3);
    let said = workspace.run(&["rename", "old", "new", "--by", "Ada"], 0).stderr;
    assert!(said.contains("old is new from now on"), "{said}");
    assert_eq!(points(&workspace, "new"), [10.0, 11.0, 12.0]);
    // A branch that still has the old name.
    import(&workspace, "old", &[13.0], 4);
    assert_eq!(points(&workspace, "new"), [10.0, 11.0, 12.0, 13.0]);
    workspace.run(&["rename", "new", "newest", "--by", "Ada"], 0);
    import(&workspace, "old", &[14.0], 5);
    assert_eq!(points(&workspace, "newest"), [10.0, 11.0, 12.0, 13.0, 14.0]);
    let aliases = workspace.run(&["rename"], 0).stdout;
    assert_eq!(aliases, "new -> newest\nold -> newest\n");
}

/// The name of another benchmark, written by mistake, makes one history of two.
#[test]
fn a_renaming_by_mistake_is_taken_back_whole() {
    let workspace = filled("parse", &[10.0, 11.0]);
    import(&workspace, "print", &[30.0, 31.0], 3);
    workspace.run(&["rename", "parse", "print", "--by", "Ada"], 0);
    import(&workspace, "parse", &[12.0], 5);
    assert_eq!(points(&workspace, "print"), [10.0, 11.0, 30.0, 31.0, 12.0]);
    let refused = workspace.run(&["rename", "--undo", "print", "--by", "Ada"], 3).stderr;
    assert!(refused.contains("print goes by no other name"), "{refused}");
    let said = workspace.run(&["rename", "--undo", "parse", "--by", "Ada"], 0).stderr;
    assert!(said.contains("parse again, with 3 measurements that went by print"), "{said}");
    import(&workspace, "parse", &[13.0], 6);
    assert_eq!(points(&workspace, "parse"), [10.0, 11.0, 12.0, 13.0]);
    assert_eq!(points(&workspace, "print"), [30.0, 31.0]);
    assert_eq!(workspace.run(&["rename"], 0).stdout, "");
    // Through a name in between, too.
    workspace.run(&["rename", "parse", "prase", "--by", "Ada"], 0);
    workspace.run(&["rename", "prase", "print", "--by", "Ada"], 0);
    assert_eq!(points(&workspace, "print").len(), 6);
    workspace.run(&["rename", "--undo", "parse", "--by", "Ada"], 0);
    assert_eq!(points(&workspace, "parse"), [10.0, 11.0, 12.0, 13.0]);
    assert_eq!(points(&workspace, "print"), [30.0, 31.0]);
}

/// Work that grew tenfold in tenfold the time is no regression, and said to be other work.
#[test]
fn other_work_is_compared_by_its_rate() {
    let workspace = Workspace::new();
    for (side, elements, nanoseconds) in [("old", 100, 1000.0), ("new", 1000, 10_000.0)] {
        let folders: Vec<String> = (1..=5).map(|run| format!("{side}{run}")).collect();
        for (seed, folder) in folders.iter().enumerate() {
            let criterion = workspace.criterion_at(folder);
            let noise = 1.0 + seed as f64 / 1000.0;
            criterion.save("sort", "new", nanoseconds * noise, seed);
            let name = format!(r#"{{"full_id":"sort","throughput":{{"Elements":{elements}}}}}"#);
            std::fs::write(criterion.saved("sort", "new").join("benchmark.json"), name).unwrap();
        }
        let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
        workspace.run(&[&["import", "--baseline", side], &folders[..]].concat(), 0);
    }
    let arguments = ["report", "--baseline", "old", "--current", "new", "--format", "json"];
    let report = workspace.run(&arguments, 0).json();
    assert_ne!(report["comparisons"][0]["verdict"], "regression", "{report}");
    let notes = report["notes"].to_string();
    assert!(notes.contains("sort does 1000 elements an iteration instead of 100"), "{notes}");
}

/// The tenfold work comes and goes in a history without a step; what it then takes twice as long for is one.
#[test]
fn a_history_follows_the_rate_where_the_work_changes() {
    let workspace = Workspace::new();
    for run in 0..40_usize {
        let (elements, nanoseconds) = match run {
            0..16 => (100, 1000.0),
            16..28 => (1000, 10_000.0),
            _ => (1000, 20_000.0),
        };
        let criterion = workspace.criterion_at(&format!("r{run}"));
        let noise = 1.0 + (run * 7 % 11) as f64 / 2000.0;
        criterion.save("sort", "new", nanoseconds * noise, run);
        let name = format!(r#"{{"full_id":"sort","throughput":{{"Elements":{elements}}}}}"#);
        std::fs::write(criterion.saved("sort", "new").join("benchmark.json"), name).unwrap();
        let at = format!("2026-01-{:02}T{:02}:00:00Z", 1 + run / 20, run % 20);
        workspace.run(&["import", "--at", &at, &format!("r{run}")], 0);
    }
    let history = workspace.run(&["history", "sort", "--format", "json"], 0).json();
    let series = &history["series"][0];
    let work = serde_json::json!([{"index": 16, "kind": "elements", "before": 100, "now": 1000}]);
    assert_eq!(series["work_steps"], work);
    let steps = series["change_points"].as_array().unwrap();
    assert_eq!(steps.len(), 1, "{steps:?}");
    assert_eq!(steps[0]["index"], 28);
    assert!((steps[0]["change"].as_f64().unwrap() - 1.0).abs() < 0.02, "{steps:?}");
    let shown = workspace.run(&["history", "sort"], 0).stdout;
    assert!(shown.contains("1000 elements an iteration instead of 100"), "{shown}");
}

/// What a file declares exact needs no replicate, here or in another store.
#[test]
fn a_file_can_declare_what_is_exact() {
    let workspace = Workspace::new();
    let import = |name: &str, tokens: u32| {
        let rows = format!(
            "benchmark,metric,unit,value,exactness\nparse,tokens,count,{tokens},exact\n\
             parse,guessed,count,{tokens},sampled\n"
        );
        std::fs::write(workspace.path().join("r.csv"), rows).unwrap();
        workspace.run(&["import", "--baseline", name, "r.csv"], 0);
    };
    import("old", 1000);
    import("new", 1030);
    let judged = |database: &[&str]| {
        let report =
            [database, &["report", "--no-import", "--baseline", "old", "--current", "new"]]
                .concat();
        let report = workspace.run(&[&report[..], &["--format", "json"]].concat(), 0).json();
        let of = |metric: &str| {
            let all = report["comparisons"].as_array().unwrap();
            let one = all.iter().find(|one| one["metric"] == metric).unwrap();
            (one["replication"].clone(), one["verdict"].clone())
        };
        assert_eq!(of("tokens"), ("exact".into(), "regression".into()));
        assert_eq!(of("guessed").0, "unreplicated");
    };
    judged(&[]);
    let exported = workspace.run(&["export"], 0).stdout;
    std::fs::write(workspace.path().join("all.json"), exported).unwrap();
    workspace.run(&["--db", "other.db", "import", "all.json"], 0);
    judged(&["--db", "other.db"]);
    workspace.run(&["push", "--to", "third.db"], 0);
    judged(&["--db", "third.db"]);
    let rows = workspace.run(&["export", "--format", "csv"], 0).stdout;
    assert!(rows.contains("parse,tokens,count,lower,exact,1030"), "{rows}");
    std::fs::write(
        workspace.path().join("bad.csv"),
        "benchmark,value,exactness\nparse,5,exact\nparse,5,maybe\n",
    )
    .unwrap();
    let refused = workspace.run(&["import", "bad.csv"], 3).stderr;
    assert!(refused.contains("no time is exact"), "{refused}");
    assert!(refused.contains("write exact or sampled"), "{refused}");
}

/// Of sizes, four kilobytes are of no interest; of counts, one is.
#[test]
fn thresholds_can_be_said_by_metric_and_in_its_unit() {
    let workspace = Workspace::new();
    let config = "[[benchmark]]\nmetric = \"binary_size\"\nabsolute_threshold = 4096\n";
    std::fs::write(workspace.path().join("bench-analyzer.toml"), config).unwrap();
    for (side, more) in [("old", 0), ("new", 3000)] {
        let rows: String = (1..=5)
            .map(|run| {
                format!(
                    "app,{},binary_size,bytes,r{run}\napp,{},tables,bytes,r{run}\n",
                    100_000 + more + run,
                    100_000 + more + run
                )
            })
            .collect();
        let rows = format!("benchmark,value,metric,unit,run\n{rows}");
        std::fs::write(workspace.path().join("r.csv"), rows).unwrap();
        workspace.run(&["import", "--baseline", side, "r.csv"], 0);
    }
    let arguments = ["report", "--baseline", "old", "--current", "new", "--format", "json"];
    let report = workspace.run(&arguments, 0).json();
    let of = |metric: &str| {
        let all = report["comparisons"].as_array().unwrap();
        all.iter().find(|one| one["metric"] == metric).unwrap()["verdict"].clone()
    };
    assert_ne!(of("binary_size"), "regression");
    assert_eq!(of("tables"), "regression");
}

#[test]
fn a_history_needs_no_metric_where_the_name_is_enough() {
    let workspace = Workspace::new();
    let rows = "benchmark,value,metric,unit\napp,5,binary_size,bytes\nserve,7,rate,req/s\n\
                serve,9,time,ns\n";
    std::fs::write(workspace.path().join("r.csv"), rows).unwrap();
    workspace.run(&["import", "r.csv"], 0);
    let metrics = |arguments: &[&str]| {
        let history = [&["history", "--format", "json"], arguments].concat();
        let history = workspace.run(&history, 0).json();
        let all = history["series"].as_array().unwrap().clone();
        all.iter().map(|one| one["metric"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(metrics(&["app"]), ["binary_size"]);
    assert_eq!(metrics(&["serve"]), ["time"]);
    assert_eq!(metrics(&["serve [rate]"]), ["rate"]);
    assert_eq!(metrics(&[]), ["time"]);
}

/// Who mistypes a name learns what there is.
#[test]
fn a_history_of_nothing_says_what_there_is() {
    let workspace = Workspace::new();
    let empty = workspace.run(&["history", "serve"], 3).stderr;
    assert!(empty.contains("the history is empty: `import` stores results"), "{empty}");
    let rows = "benchmark,value,metric,unit\napp,5,binary_size,bytes\nserve,7,rate,req/s\n";
    std::fs::write(workspace.path().join("r.csv"), rows).unwrap();
    workspace.run(&["import", "r.csv"], 0);
    let benchmark = workspace.run(&["history", "sreve"], 3).stderr;
    assert!(
        benchmark.contains("`sreve`") && benchmark.contains("there are app, serve"),
        "{benchmark}"
    );
    let metric = workspace.run(&["history", "--metric", "rat"], 3).stderr;
    assert!(metric.contains("`rat`") && metric.contains("there are binary_size, rate"), "{metric}");
    let aliases = workspace.run(&["rename"], 0).stderr;
    assert!(aliases.contains("no benchmark has another name"), "{aliases}");
}
