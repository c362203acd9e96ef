//! The files of other tools. The fixtures are real outputs, shortened; only JMH's is written
//! after its documentation.

use std::collections::BTreeMap;

use crate::workspace::Workspace;

fn fixture(name: &str) -> String {
    format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// What a report of a file's latest run shows: value and samples by name and metric.
fn measured(file: &str) -> BTreeMap<String, (f64, u64)> {
    let workspace = Workspace::new();
    workspace.run(&["import", file], 0);
    let report = workspace.run(&["report", "--format", "json"], 0).json();
    let entry = |one: &serde_json::Value| {
        let name =
            format!("{} {}", one["benchmark"].as_str().unwrap(), one["metric"].as_str().unwrap());
        (name, (one["value"].as_f64().unwrap(), one["samples"].as_u64().unwrap()))
    };
    report["measured"].as_array().unwrap().iter().map(entry).collect()
}

fn assert_close(value: f64, expected: f64) {
    assert!((value / expected - 1.0).abs() < 1e-3, "{value} is not {expected}");
}

#[test]
fn go_test_bench() {
    let all = measured(&fixture("go.txt"));
    let (small, samples) = all["example.com/sums/BenchmarkSum/small time"];
    assert_eq!(samples, 3);
    assert_close(small, 696.7);
    assert_close(all["example.com/sums/BenchmarkSum/large allocated_bytes"].0, 10240.0);
    assert_close(all["example.com/sums/BenchmarkSum/small allocations"].0, 1.0);
    assert!(all.contains_key("example.com/sums/BenchmarkEmpty time"));
}

#[test]
fn google_benchmark() {
    let all = measured(&fixture("google.json"));
    assert_eq!(all["BM_Concat/64 time"].1, 3);
    assert_eq!(all["BM_Concat/64 cpu"].1, 3);
    // It is given in microseconds, and kept in nanoseconds.
    assert!(all["BM_Sleepless time"].0 > 0.1, "{:?}", all["BM_Sleepless time"]);
    assert!(!all.keys().any(|name| name.contains("_mean")));
}

#[test]
fn pytest_benchmark() {
    let all = measured(&fixture("pytest.json"));
    assert_eq!(all["test_b.py::test_sum[100] time"].1, 20);
    assert!(
        all["test_b.py::test_sum[10000] time"].0 > 10.0 * all["test_b.py::test_sum[100] time"].0
    );
}

#[test]
fn hyperfine() {
    let all = measured(&fixture("hyperfine.json"));
    assert_eq!(all["seq 100000 time"].1, 12);
    assert!(all.contains_key("seq 200000 cpu_user"));
    assert!(all["seq 200000 time"].0 > 100_000.0);
}

#[test]
fn libtest_bencher() {
    let all = measured(&fixture("bencher.txt"));
    assert_eq!(all["memory_operations/memory_copy time"].1, 1);
    // Whole nanoseconds cannot tell less than one.
    assert!(!all.contains_key("function_calls/add_two_numbers time"));
}

#[test]
fn jmh_forks_are_replicate_runs() {
    let workspace = Workspace::new();
    workspace.run(&["import", &fixture("jmh.json")], 0);
    let report = workspace.run(&["report", "--format", "json"], 0).json();
    let find = |name: &str| {
        let all = report["measured"].as_array().unwrap();
        all.iter().find(|one| one["benchmark"] == name).unwrap().clone()
    };
    let average = find("org.sample.Sums.average:size=100");
    assert_eq!(average["runs"], 2);
    assert_close(average["value"].as_f64().unwrap(), 1500.0);
    let rate = find("org.sample.Sums.rate");
    assert_eq!(
        (rate["direction"].as_str(), rate["unit"].as_str()),
        (Some("higher"), Some("ops/s"))
    );
}

#[test]
fn cargo_criterion_messages() {
    let workspace = Workspace::new();
    let message = concat!(
        r#"{"reason":"benchmark-complete","id":"group/copy","report_directory":"x","#,
        r#""iteration_count":[10,20],"measured_values":[1000.0,2200.0],"unit":"ns","#,
        r#""throughput":[{"per_iteration":1024,"unit":"bytes"}],"typical":null}"#,
        "\n",
        r#"{"reason":"group-complete","group_name":"group","benchmarks":["group/copy"]}"#,
    );
    std::fs::write(workspace.path().join("messages.json"), message).unwrap();
    workspace.run(&["import", "messages.json"], 0);
    let report = workspace.run(&["report", "--format", "json"], 0).json();
    assert_eq!(report["measured"][0]["benchmark"], "group/copy");
    assert_eq!(report["measured"][0]["samples"], 2);
    assert_eq!(report["measured"][0]["throughput"][0]["amount"], 1024);
}

#[test]
fn csv_units_of_time_are_one_series() {
    let workspace = Workspace::new();
    let write = |text: &str| std::fs::write(workspace.path().join("r.csv"), text).unwrap();
    write("benchmark,value,unit\nparse,1.5,us\nparse,1.5,us\n");
    workspace.run(&["import", "--baseline", "main", "r.csv"], 0);
    write("value,benchmark,unit,direction\n1500,parse,ns,lower\n1501,parse,ns,lower\n");
    workspace.run(&["import", "r.csv"], 0);
    let report = workspace.run(&["report", "--baseline", "main", "--format", "json"], 0).json();
    assert_eq!(report["comparisons"].as_array().unwrap().len(), 1);
    assert_eq!(report["comparisons"][0]["baseline"]["value"], 1500.0);
}

#[test]
fn a_unit_that_changed_is_said_and_never_compared() {
    let workspace = Workspace::new();
    for (name, value, unit) in [("old", 100, "pages"), ("new", 400, "KiB")] {
        let text = format!("benchmark,value,metric,unit\nparse,{value},memory,{unit}\n");
        std::fs::write(workspace.path().join("r.csv"), text).unwrap();
        workspace.run(&["import", "--baseline", name, "r.csv"], 0);
    }
    let finished = workspace.run(&["compare", "old", "new"], 0);
    assert!(finished.stdout.contains("it was measured in pages"), "{}", finished.stdout);
    assert!(finished.stdout.contains("no benchmark in common"), "{}", finished.stdout);
}

#[test]
fn csv_direction_and_metric_are_kept() {
    let workspace = Workspace::new();
    let rows = |factor: f64| {
        let rows: Vec<String> = (0..5)
            .map(|run| {
                format!(
                    "\"a,b\",{},rate,MB/s,higher,r{run}",
                    100.0 * factor + f64::from(run) / 10.0
                )
            })
            .collect();
        format!("benchmark,value,metric,unit,direction,run\n{}\n", rows.join("\n"))
    };
    std::fs::write(workspace.path().join("old.csv"), rows(1.0)).unwrap();
    std::fs::write(workspace.path().join("new.csv"), rows(0.7)).unwrap();
    workspace.run(&["import", "--baseline", "old", "old.csv"], 0);
    workspace.run(&["import", "--baseline", "new", "new.csv"], 0);
    let arguments = ["report", "--baseline", "old", "--current", "new", "--format", "json"];
    let report = workspace.run(&arguments, 0).json();
    assert_eq!(report["regressions"][0]["test_name"], "a,b [rate]");
    assert_eq!(report["comparisons"][0]["replication"], "replicated");
}

#[test]
fn broken_files_are_refused_with_the_place() {
    let workspace = Workspace::new();
    let path = workspace.path().join("r.csv");
    let cases: [(&[u8], &str); 12] = [
        (b"", "it is empty"),
        (b"   \n", "it is empty"),
        (b"hello world", "none of the known formats"),
        (b"benchmark,value\n", "found no benchmark results"),
        (b"benchmark,value\na,NaN\n", "line 2: NaN is no value"),
        (b"benchmark,value\na,1\nb,inf\n", "line 3: inf is no value"),
        (b"benchmark,value\na,-1\n", "line 2: -1 is no value"),
        (b"benchmark,value\na,0\n", "line 2: a time of zero"),
        (b"benchmark,value\na,much\n", "line 2: `much` is not a number"),
        (b"benchmark,value\na,1,2\n", "record 1 (line: 2"),
        (b"benchmark,value,time\na,1,soon\n", "`soon` is not a time"),
        (b"benchmark,value\na\xff,1\n", "UTF-8"),
    ];
    for (content, complaint) in cases {
        std::fs::write(&path, content).unwrap();
        let finished = workspace.run(&["import", "r.csv"], 3);
        assert!(finished.stderr.contains(complaint), "{complaint}: {}", finished.stderr);
        assert!(finished.stderr.contains("r.csv"), "{}", finished.stderr);
    }
    let whole = std::fs::read(fixture("google.json")).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let finished = workspace.run(&["import", "r.csv"], 3);
    assert!(finished.stderr.contains("ends too early"), "{}", finished.stderr);
    assert_eq!(workspace.run(&["runs", "--format", "json"], 0).stdout.trim(), "[]");
}
