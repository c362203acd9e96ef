//! What is read from Criterion's folders, and what is refused.

use std::time::Duration;

use crate::workspace::Workspace;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn missing_folder_says_where_it_looked_and_what_to_do() {
    let workspace = Workspace::new();
    let finished = workspace.run(&["import"], 3);
    assert!(finished.stderr.contains("target/criterion"), "{}", finished.stderr);
    assert!(finished.stderr.contains("run `cargo bench` first"), "{}", finished.stderr);
}

#[test]
fn empty_folder_is_named() {
    let workspace = Workspace::new();
    std::fs::create_dir_all(workspace.path().join("target/criterion/report")).unwrap();
    let finished = workspace.run(&["import"], 3);
    assert!(finished.stderr.contains("found no benchmark results in"), "{}", finished.stderr);
}

#[test]
fn file_cut_off_in_the_middle_is_named_and_the_rest_is_kept() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save("group/good", "new", 100.0, 1);
    criterion.save("group/torn", "new", 100.0, 2);
    let torn = criterion.saved("group/torn", "new").join("sample.json");
    let whole = std::fs::read(&torn).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&torn, &whole[..length]).unwrap();
        let finished = workspace.run(&["--db", "strict.db", "import", "--strict"], 3);
        assert!(finished.stderr.contains("nothing was stored"), "{}", finished.stderr);
        let finished = workspace.run(&["import"], 0);
        assert!(finished.stderr.contains("left out: "), "{}", finished.stderr);
        assert!(finished.stderr.contains("group/torn/new/sample.json"), "{}", finished.stderr);
        assert!(finished.stderr.contains("ends too early"), "{}", finished.stderr);
        assert!(finished.stderr.contains("Run that benchmark again"), "{}", finished.stderr);
    }
    let runs = workspace.run(&["--db", "strict.db", "runs", "--format", "json"], 0);
    assert_eq!(runs.stdout.trim(), "[]");
    let runs = workspace.run(&["runs", "--format", "json"], 0).json();
    assert_eq!((runs.as_array().unwrap().len(), &runs[0]["benchmarks"]), (1, &1.into()));
    std::fs::write(&torn, whole).unwrap();
    let finished = workspace.run(&["import"], 0);
    assert!(finished.stderr.contains("stored 1 new measurements"), "{}", finished.stderr);
}

#[test]
fn result_without_its_name_is_refused() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save("a", "new", 100.0, 1);
    std::fs::remove_file(criterion.saved("a", "new").join("benchmark.json")).unwrap();
    let finished = workspace.run(&["import"], 3);
    assert!(finished.stderr.contains("a/new/benchmark.json"), "{}", finished.stderr);
    assert!(finished.stderr.contains("the file is missing"), "{}", finished.stderr);
}

#[test]
fn layout_of_another_version_is_refused() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save("a", "new", 100.0, 1);
    let sample = criterion.saved("a", "new").join("sample.json");
    std::fs::write(&sample, r#"{"version": 99, "samples": [[1, 2]]}"#).unwrap();
    let finished = workspace.run(&["import"], 3);
    assert!(finished.stderr.contains("missing field `iters`"), "{}", finished.stderr);
    assert!(finished.stderr.contains("Criterion 0.5 to 0.8"), "{}", finished.stderr);
}

#[test]
fn impossible_values_are_refused_by_name() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save("a", "new", 100.0, 1);
    let sample = criterion.saved("a", "new").join("sample.json");
    let cases = [
        (r#"{"iters":[1.0,2.0],"times":[-10.0,-3.0]}"#, "sample 0 is negative"),
        (r#"{"iters":[1.0],"times":[0.0]}"#, "sample 0 took no time"),
        (r#"{"iters":[],"times":[]}"#, "there is no sample"),
        (r#"{"iters":[1.0],"times":[1e999]}"#, "number out of range"),
        (r#"{"iters":[1.0],"times":[null]}"#, "sample 0 is NaN"),
        (r#"{"iters":[0.0],"times":[1.0]}"#, "0 is not a number of iterations"),
        (r#"{"iters":[1.5],"times":[1.0]}"#, "1.5 is not a number of iterations"),
        (r#"{"iters":[1.0,2.0],"times":[1.0]}"#, "2 iteration counts but 1 times"),
    ];
    for (content, complaint) in cases {
        std::fs::write(&sample, content).unwrap();
        let finished = workspace.run(&["import"], 3);
        assert!(finished.stderr.contains(complaint), "{content}: {}", finished.stderr);
    }
    std::fs::write(&sample, b"{\"iters\":[\xff\xfe]}").unwrap();
    let finished = workspace.run(&["import"], 3);
    assert!(finished.stderr.contains("cannot be understood"), "{}", finished.stderr);
}

#[test]
fn one_sample_is_enough_to_store_and_too_little_to_judge() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    for (name, time) in [("main", 100.0), ("new", 110.0)] {
        criterion.save("a", name, time, 1);
        let content = format!(r#"{{"iters":[1.0],"times":[{time}]}}"#);
        std::fs::write(criterion.saved("a", name).join("sample.json"), content).unwrap();
    }
    let report = workspace.run(&["report", "--baseline", "main", "--format", "json"], 0).json();
    assert_eq!(report["comparisons"][0]["verdict"], "inconclusive");
    assert_eq!(report["comparisons"][0]["replication"], "unreplicated");
}

#[test]
fn deleted_benchmarks_are_no_part_of_the_latest_run() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save("kept", "new", 100.0, 1);
    criterion.save("deleted", "new", 100.0, 2);
    criterion.age("deleted", "new", 5 * HOUR);
    let finished = workspace.run(&["import"], 0);
    assert!(finished.stderr.contains("1 benchmark was not part of the last run (deleted)"));
    let runs = workspace.run(&["runs", "--format", "json"], 0).json();
    assert_eq!(runs.as_array().unwrap().len(), 2);
    let report = workspace.run(&["report", "--format", "json"], 0).json();
    let measured = report["measured"].as_array().unwrap();
    assert_eq!(measured.len(), 1);
    assert_eq!(measured[0]["benchmark"], "kept");
}

#[test]
fn change_and_report_folders_are_no_results() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save("a", "new", 100.0, 1);
    criterion.save("a", "change", 100.0, 2);
    criterion.save("a", "report", 100.0, 3);
    workspace.run(&["import"], 0);
    assert_eq!(workspace.run(&["runs", "--format", "json"], 0).json().as_array().unwrap().len(), 1);
}

#[test]
fn base_that_equals_new_is_no_second_result() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save("a", "new", 100.0, 1);
    criterion.save("a", "base", 100.0, 1);
    workspace.run(&["import"], 0);
    let baselines = workspace.run(&["baseline", "list", "--format", "json"], 0);
    assert_eq!(baselines.stdout.trim(), "[]");
}

#[test]
fn benchmarks_are_known_by_their_full_name_not_their_folder() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save("a", "new", 100.0, 1);
    criterion.save("a_2", "new", 200.0, 2);
    for (folder, name) in [("a", "a?b"), ("a_2", "a*b")] {
        let file = criterion.saved(folder, "new").join("benchmark.json");
        std::fs::write(file, format!(r#"{{"full_id":"{name}","throughput":null}}"#)).unwrap();
    }
    let report = workspace.run(&["report", "--format", "json"], 0).json();
    let names: Vec<_> =
        report["measured"].as_array().unwrap().iter().map(|one| &one["benchmark"]).collect();
    assert_eq!(names, ["a*b", "a?b"]);
}

#[test]
fn two_folders_of_one_benchmark_leave_the_newer() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save("a", "new", 100.0, 1);
    criterion.save("b", "new", 200.0, 2);
    let content = r#"{"full_id":"a"}"#;
    std::fs::write(criterion.saved("b", "new").join("benchmark.json"), content).unwrap();
    criterion.age("a", "new", HOUR / 10);
    let finished = workspace.run(&["import"], 0);
    assert!(finished.stderr.contains("both hold `a`"), "{}", finished.stderr);
    let report = workspace.run(&["report", "--format", "json"], 0).json();
    assert!((report["measured"][0]["value"].as_f64().unwrap() - 200.0).abs() < 3.0);
}

#[test]
fn every_kind_of_throughput_is_kept() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    let kinds = [
        (r#"{"Bits":8}"#, r#"[{"amount":8,"kind":"bits"}]"#),
        (r#"{"Bytes":8}"#, r#"[{"amount":8,"kind":"bytes"}]"#),
        (r#"{"BytesDecimal":8}"#, r#"[{"amount":8,"kind":"bytes_decimal"}]"#),
        (r#"{"Elements":8}"#, r#"[{"amount":8,"kind":"elements"}]"#),
        (
            r#"{"ElementsAndBytes":{"elements":2,"bytes":8}}"#,
            r#"[{"amount":8,"kind":"bytes"},{"amount":2,"kind":"elements"}]"#,
        ),
    ];
    for (index, (throughput, _)) in kinds.iter().enumerate() {
        let name = format!("b{index}");
        criterion.save(&name, "new", 100.0, index);
        let content = format!(r#"{{"full_id":"{name}","throughput":{throughput}}}"#);
        std::fs::write(criterion.saved(&name, "new").join("benchmark.json"), content).unwrap();
    }
    let report = workspace.run(&["report", "--format", "json"], 0).json();
    for (index, (_, expected)) in kinds.iter().enumerate() {
        assert_eq!(report["measured"][index]["throughput"].to_string(), *expected);
    }
}

/// Folders that Criterion 0.5.1, 0.6.0, 0.7.0 and 0.8 wrote, each from the same benchmarks.
#[test]
fn folders_of_every_version_are_read() {
    for version in ["0.5", "0.6", "0.7", "0.8"] {
        let workspace = Workspace::new();
        let folder = format!("{}/tests/fixtures/criterion-{version}", env!("CARGO_MANIFEST_DIR"));
        workspace.run(&["import", &folder], 0);
        let report = workspace.run(&["report", "--format", "json"], 0).json();
        let measured = report["measured"].as_array().unwrap();
        let throughput = |name: &str| {
            let found = measured.iter().find(|one| one["benchmark"] == name);
            found.unwrap_or_else(|| panic!("{version}: no {name}"))["throughput"].to_string()
        };
        assert!(measured.iter().all(|one| one["samples"] == 10), "{version}: {measured:?}");
        assert_eq!(throughput("plain"), "[]");
        assert_eq!(throughput("flat/slow"), "[]");
        assert_eq!(throughput("names/with: odd*characters?/function/10"), "[]");
        let bytes = r#"[{"amount":1024,"kind":"bytes"}]"#;
        assert_eq!(throughput("throughput/bytes"), bytes);
        let decimal = r#"[{"amount":1000,"kind":"bytes_decimal"}]"#;
        assert_eq!(throughput("throughput/bytes_decimal"), decimal);
        let elements = r#"[{"amount":64,"kind":"elements"}]"#;
        assert_eq!(throughput("throughput/elements"), elements);
        if version >= "0.7" {
            assert_eq!(throughput("throughput/bits"), r#"[{"amount":512,"kind":"bits"}]"#);
        }
        if version >= "0.8" {
            let both = r#"[{"amount":64,"kind":"bytes"},{"amount":8,"kind":"elements"}]"#;
            assert_eq!(throughput("throughput/elements_and_bytes"), both);
        }
        let saved = workspace.run(&["baseline", "list", "--format", "json"], 0).json();
        assert_eq!((&saved[0]["name"], &saved[0]["benchmarks"]), (&"saved".into(), &1.into()));
    }
}

#[test]
fn criterions_own_estimates_are_kept_beside_ours() {
    let workspace = Workspace::new();
    let folder = format!("{}/tests/fixtures/criterion-0.8", env!("CARGO_MANIFEST_DIR"));
    workspace.run(&["import", &folder], 0);
    let estimates = |workspace: &Workspace| {
        let report = workspace.run(&["report", "--format", "json"], 0).json();
        let all = report["measured"].as_array().unwrap();
        all.iter().find(|one| one["benchmark"] == "plain").unwrap()["estimates"].clone()
    };
    let found = estimates(&workspace);
    let text = std::fs::read_to_string(format!("{folder}/plain/new/estimates.json")).unwrap();
    let written: serde_json::Value = serde_json::from_str(&text).unwrap();
    let names: Vec<_> = found.as_array().unwrap().iter().map(|one| &one["statistic"]).collect();
    assert_eq!(names, ["mean", "median", "median_abs_dev", "slope", "std_dev"]);
    assert_eq!(found[3]["point"], written["slope"]["point_estimate"]);
    assert_eq!(found[3]["low"], written["slope"]["confidence_interval"]["lower_bound"]);
    let exported = workspace.run(&["export"], 0).stdout;
    std::fs::write(workspace.path().join("all.json"), &exported).unwrap();
    workspace.run(&["--db", "other.db", "import", "all.json"], 0);
    assert!(workspace.run(&["--db", "other.db", "export"], 0).stdout == exported);
}

#[test]
fn estimates_of_other_samples_are_left_out_and_said_to_be() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save("a", "new", 100.0, 1);
    let fixture = format!("{}/tests/fixtures/criterion-0.8/plain/new", env!("CARGO_MANIFEST_DIR"));
    let path = criterion.saved("a", "new").join("estimates.json");
    std::fs::copy(format!("{fixture}/estimates.json"), &path).unwrap();
    let finished = workspace.run(&["import"], 0);
    assert!(finished.stderr.contains("does not belong to the samples"), "{}", finished.stderr);
    let report = workspace.run(&["report", "--format", "json"], 0).json();
    assert_eq!(report["measured"][0]["estimates"].to_string(), "[]");
    std::fs::write(&path, "{\"mean\":").unwrap();
    let finished = workspace.run(&["import"], 0);
    assert!(finished.stderr.contains("estimates.json"), "{}", finished.stderr);
    assert!(finished.stderr.contains("ends too early"), "{}", finished.stderr);
}

#[test]
fn samples_that_took_longer_than_any_clock_can_tell_are_read() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    for name in ["a", "b"] {
        criterion.save(name, "new", 100.0, 1);
    }
    let sample = criterion.saved("b", "new").join("sample.json");
    let content = r#"{"sampling_mode":"Flat","iters":[1.0,1.0],"times":[1e200,1e200]}"#;
    std::fs::write(sample, content).unwrap();
    let finished = workspace.run(&["import"], 0);
    assert!(finished.stderr.contains("stored 2 new measurements"), "{}", finished.stderr);
}

#[test]
fn resources_beside_the_samples_are_compared_apart() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    for (name, memory) in [("main", 1 << 20), ("new", 1 << 23)] {
        criterion.save("a", name, 100.0, memory);
        let content = format!(
            r#"{{"schema":1,"iterations":10,"cpu_user_ns":1000,"peak_resident_bytes":{memory}}}"#
        );
        std::fs::write(criterion.saved("a", name).join("resources.json"), content).unwrap();
    }
    let report = workspace.run(&["report", "--baseline", "main", "--format", "json"], 0).json();
    assert_eq!(report["comparisons"].as_array().unwrap().len(), 1);
    let resources = report["resource_analysis"]["comparisons"].as_array().unwrap();
    let memory = resources.iter().find(|one| one["metric"] == "peak_resident").unwrap();
    assert_eq!(memory["verdict"], "regression");
}

/// A value that cannot have been measured is no reason to lose the others.
#[test]
fn one_bad_value_is_left_out_and_named() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save("a", "new", 100.0, 1);
    let sample = criterion.saved("a", "new").join("sample.json");
    let content = r#"{"iters":[1,2,1,2.5,3],"times":[100.0,200.0,-3.0,100.0,300.0]}"#;
    std::fs::write(&sample, content).unwrap();
    let finished = workspace.run(&["import"], 0);
    assert!(finished.stderr.contains("sample 2 is negative"), "{}", finished.stderr);
    assert!(finished.stderr.contains("2.5 is not a number of iterations"), "{}", finished.stderr);
    let report = workspace.run(&["report", "--no-import", "--format", "json"], 0).json();
    assert_eq!(report["measured"][0]["samples"], 3);
    assert!((report["measured"][0]["value"].as_f64().unwrap() - 100.0).abs() < 1e-9, "{report}");
}

/// Beyond 2^53 a number is no longer the one in the file, and nobody counted that far.
#[test]
fn counts_that_nobody_reaches_are_left_out_and_named() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save("a", "new", 100.0, 1);
    let folder = criterion.saved("a", "new");
    let content = r#"{"iters":[1,9007199254740994,2],"times":[100.0,1e18,200.0]}"#;
    std::fs::write(folder.join("sample.json"), content).unwrap();
    let work = r#"{"full_id":"a","throughput":{"Bytes":9007199254740994}}"#;
    std::fs::write(folder.join("benchmark.json"), work).unwrap();
    let used = r#"{"schema":1,"iterations":10,"cpu_user_ns":1000,"fuel":1e300,"bytes_in":-1}"#;
    std::fs::write(folder.join("resources.json"), used).unwrap();
    let refused = workspace.run(&["import", "--strict"], 3).stderr;
    assert!(refused.contains("9007199254740994 is not a number of iterations"), "{refused}");
    let said = workspace.run(&["import"], 0).stderr;
    for left_out in [
        "sample.json: a value of `a`: 9007199254740994 is not a number of iterations",
        "benchmark.json: an iteration handles no 9007199254740994 of anything",
        "resources.json: `fuel`: 1e300 is more than can be counted exactly",
        "resources.json: `bytes_in`: sample 0 is negative (-1)",
    ] {
        assert!(said.contains(left_out), "{left_out}: {said}");
    }
    let report = workspace.run(&["report", "--no-import", "--format", "json"], 0).json();
    let mut measured = report["measured"].as_array().unwrap().iter();
    let time = measured.find(|one| one["metric"] == "time").unwrap();
    assert_eq!(time["samples"], 2, "{report}");
    assert!((time["value"].as_f64().unwrap() - 100.0).abs() < 1e-9, "{report}");
    assert_eq!(time["throughput"].as_array().map_or(0, Vec::len), 0, "{report}");
}

#[test]
fn benchmarks_may_be_called_report_and_change() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save("report", "new", 100.0, 1);
    criterion.save("group/change", "new", 100.0, 2);
    let report = workspace.run(&["report", "--format", "json"], 0).json();
    let names: Vec<_> =
        report["measured"].as_array().unwrap().iter().map(|one| &one["benchmark"]).collect();
    assert_eq!(names, ["group/change", "report"]);
}

/// Versions before 0.3.4 wrote samples as a pair of lists and statistics with capitals, and before 0.3
/// only what a full name is made of.
#[test]
fn folders_of_old_versions_are_read() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save("group/f", "new", 100.0, 1);
    let folder = criterion.saved("group/f", "new");
    std::fs::write(folder.join("sample.json"), "[[1.0,2.0,3.0],[100.0,201.0,299.0]]").unwrap();
    let name = r#"{"group_id":"group","function_id":"f","value_str":"7","throughput":null}"#;
    std::fs::write(folder.join("benchmark.json"), name).unwrap();
    let report = workspace.run(&["report", "--format", "json"], 0).json();
    assert_eq!(report["measured"][0]["benchmark"], "group/f/7");
    assert_eq!(report["measured"][0]["samples"], 3);
}

/// Criterion's files do not say that a custom measurement is no time; its tables do.
#[test]
fn custom_measurements_are_no_nanoseconds() {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save("a", "new", 100.0, 1);
    criterion.save("b", "new", 100.0, 2);
    let table = "group,function,value,throughput_num,throughput_type,sample_measured_value,unit,\
                 iteration_count\na,,,,,100.0,cycles,10\n";
    std::fs::write(criterion.saved("a", "new").join("raw.csv"), table).unwrap();
    let page = criterion.saved("b", "report");
    std::fs::create_dir_all(&page).unwrap();
    let text = "<table><tr><td>Slope</td><td>1.2000 Kcycles</td></tr></table>";
    std::fs::write(page.join("index.html"), text).unwrap();
    let report = workspace.run(&["report", "--format", "json"], 0).json();
    let of = |index: usize| {
        let one = &report["measured"][index];
        (one["metric"].as_str().unwrap().to_owned(), one["unit"].as_str().unwrap().to_owned())
    };
    assert_eq!(of(0), ("measurement".to_owned(), "cycles".to_owned()));
    assert_eq!(of(1), ("measurement".to_owned(), String::new()));
    let told = Workspace::new();
    told.criterion().save("a", "new", 100.0, 1);
    told.run(&["import", "--unit", "joules"], 0);
    let report = told.run(&["report", "--no-import", "--format", "json"], 0).json();
    assert_eq!(report["measured"][0]["unit"], "joules");
}
