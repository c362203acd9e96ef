//! The files of other tools. The fixtures are real outputs of each of them, shortened where they
//! repeat themselves, and without the paths of the machine that made them.

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

/// Each number of processors is a benchmark of its own; a metric of the benchmark's own has its unit for a name.
#[test]
fn go_test_bench_on_several_processors() {
    let all = measured(&fixture("go-cpus.txt"));
    let times: Vec<&String> = all.keys().filter(|name| name.ends_with(" time")).collect();
    assert_eq!(times.len(), 9, "{times:?}");
    assert_close(
        all["example.com/sums/BenchmarkSum/size-10-2 time"].0,
        f64::midpoint(10.28, 8.631),
    );
    let name = "example.com/sums/BenchmarkSum/size-1000";
    assert_facts("go-cpus.txt", (name, "hits"), (500.0, "hits", "higher", 2));
    let report = imported("go-cpus.txt");
    let all = report["measured"].as_array().unwrap();
    let rate = all.iter().find(|one| one["metric"] == "req/s").unwrap();
    assert_eq!(rate["direction"], "higher");
}

#[test]
fn google_benchmark_counters_threads_and_skipped_benchmarks() {
    let all = measured(&fixture("google-counters.json"));
    assert_eq!(all["BM_Concat/8/iterations:500 misses"], (1.0, 3));
    assert!(all.contains_key("BM_Concat/64/iterations:500 items_per_second"));
    assert!(all.contains_key("BM_Threads/iterations:1000/threads:2 time"));
    assert!(!all.keys().any(|name| name.contains("Skipped")), "{all:?}");
}

#[test]
fn google_benchmark_aggregates_alone_give_the_median() {
    let name = "BM_Concat/8/iterations:500";
    assert_facts("google-aggregates.json", (name, "time"), (18.0, "ns", "lower", 1));
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

/// An older version, which measured no memory, with a parameter.
#[test]
fn hyperfine_with_parameters() {
    let all = measured(&fixture("hyperfine-1.15.json"));
    assert_eq!(all["seq 1000 time"].1, 5);
    assert_eq!(all.keys().filter(|name| name.ends_with(" time")).count(), 2, "{all:?}");
}

#[test]
fn libtest_bencher() {
    let all = measured(&fixture("bencher.txt"));
    assert_eq!(all["memory_operations/memory_copy time"].1, 1);
    // Whole nanoseconds cannot tell less than one.
    assert!(!all.contains_key("function_calls/add_two_numbers time"));
}

#[test]
fn libtest_pads_names_and_writes_fractions() {
    let all = measured(&fixture("libtest.txt"));
    assert_close(all["tests::large time"].0, 842.25);
    assert_close(all["tests::nothing time"].0, 0.27);
    assert_eq!(all.len(), 3, "{all:?}");
}

/// Everything that a report says about one benchmark.
fn measured_benchmark(report: &serde_json::Value, name: &str) -> serde_json::Value {
    let all = report["measured"].as_array().unwrap();
    let found = all.iter().find(|one| one["benchmark"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {all:?}")).clone()
}

fn imported(file: &str) -> serde_json::Value {
    let workspace = Workspace::new();
    workspace.run(&["import", &fixture(file)], 0);
    workspace.run(&["report", "--format", "json"], 0).json()
}

#[test]
fn jmh_forks_are_replicate_runs_in_every_mode() {
    let report = imported("jmh.json");
    let find = |name: &str| measured_benchmark(&report, &format!("org.example.Sums.{name}"));
    let average = find("average:size=10000");
    assert_eq!((average["runs"].as_u64(), average["samples"].as_u64()), (Some(2), Some(6)));
    // The medians of both forks are 3025.4 and 2995.8 ns.
    assert_close(average["value"].as_f64().unwrap(), 3010.5);
    let rate = find("rate:size=100");
    assert_eq!(
        (rate["direction"].as_str(), rate["unit"].as_str()),
        (Some("higher"), Some("ops/s"))
    );
    let once = find("once:size=10000 (ss)");
    assert_close(once["value"].as_f64().unwrap(), 204_000.0 * (192_937.0 / 193_000.0));
}

/// JMH keeps a histogram of every sampled call instead of raw scores. Its mean is far from its
/// median, because some calls were interrupted.
#[test]
fn jmh_histograms_count_every_call() {
    let sampled =
        measured_benchmark(&imported("jmh.json"), "org.example.Sums.sampled:size=100 (sample)");
    assert_eq!(sampled["runs"], 2);
    let value = sampled["value"].as_f64().unwrap();
    assert!((40.0..60.0).contains(&value), "{value}");
}

#[test]
fn cargo_criterion_messages() {
    let report = imported("cargo-criterion.json");
    let bytes = measured_benchmark(&report, "throughput/bytes");
    assert_eq!(bytes["samples"], 10);
    assert_eq!(bytes["throughput"], serde_json::json!([{"kind": "bytes", "amount": 1024}]));
    let elements = measured_benchmark(&report, "throughput/elements");
    assert_eq!(elements["throughput"], serde_json::json!([{"kind": "elements", "amount": 64}]));
    measured_benchmark(&report, "names/with: odd*characters?/function/10");
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
fn a_line_that_is_no_text_is_named_and_costs_no_other() {
    let workspace = Workspace::new();
    let path = workspace.path().join("bench.txt");
    std::fs::write(&path, b"test a ... bench: 12 ns/iter (+/- 3)\ntest \xff ... bench\n").unwrap();
    let finished = workspace.run(&["import", "bench.txt"], 0);
    assert!(finished.stderr.contains("line 2: it is not UTF-8 text"), "{}", finished.stderr);
    assert!(finished.stderr.contains("stored 1 new"), "{}", finished.stderr);
}

#[test]
fn impossible_values_of_any_tool_are_refused_by_name() {
    let workspace = Workspace::new();
    let cases = [
        ("test a ... bench: NaN ns/iter (+/- 3)", "`a`: no time in ns/iter"),
        ("BenchmarkA 10 -5 ns/op\n", "`BenchmarkA`: sample 0 is negative"),
        ("BenchmarkA 10 0 ns/op\n", "`BenchmarkA`: sample 0 took no time"),
        ("BenchmarkA 10 12 ns/op", "no line break ends it"),
        (r#"{"results":[{"command":"c","times":[0]}]}"#, "`c`: sample 0 took no time"),
        (r#"{"results":[{"command":"c","times":[]}]}"#, "`c`: it has no times"),
        (r#"{"results":[{"command":"c"}]}"#, "`c`: it has no times"),
        (r#"{"command":"c","results":[],"results":[]}"#, "two fields `results`"),
        (
            r#"{"context":{"num_cpus":1},"benchmarks":[{"name":"a","real_time":1,"time_unit":"h"}]}"#,
            "`h` is no unit of time",
        ),
    ];
    for (content, complaint) in cases {
        std::fs::write(workspace.path().join("r.json"), content).unwrap();
        let finished = workspace.run(&["import", "r.json"], 3);
        assert!(finished.stderr.contains(complaint), "{content}: {}", finished.stderr);
        assert!(finished.stderr.contains("r.json"), "{}", finished.stderr);
    }
}

#[test]
fn broken_files_are_refused_with_the_place() {
    let workspace = Workspace::new();
    let path = workspace.path().join("r.csv");
    let cases: [(&[u8], &str); 14] = [
        (b"", "it is empty"),
        (b"   \n", "it is empty"),
        (b"hello world", "of no format that is known"),
        (b"{\"results\": [], \"times\": []}", "it resembles hyperfine most"),
        (b"benchmark,value\n", "found no benchmark results"),
        (b"benchmark,value\na,NaN\n", "line 2: NaN is no value"),
        (b"benchmark,value\n\nb,inf\n", "inf is no value"),
        (b"benchmark,value\na,-1\n", "line 2: -1 is no value"),
        (b"benchmark,value\na,0\n", "line 2: a time of zero"),
        (b"benchmark,value\na,much\n", "line 2: `much` is not a number"),
        (b"benchmark,value\na,1,2\n", "line 2: it has 3 fields, where the header has 2"),
        (b"benchmark,value\na,1", "line 2: no line break ends it"),
        (b"benchmark,value,time\na,1,soon\n", "`soon` is not a time"),
        (b"benchmark,value\na\xff,1\n", "UTF-8"),
    ];
    for (content, complaint) in cases {
        std::fs::write(&path, content).unwrap();
        let finished = workspace.run(&["import", "r.csv"], 3);
        assert!(finished.stderr.contains(complaint), "{complaint}: {}", finished.stderr);
        assert!(finished.stderr.contains("r.csv"), "{}", finished.stderr);
    }
    assert_eq!(workspace.run(&["runs", "--format", "json"], 0).stdout.trim(), "[]");
}

#[test]
fn half_a_file_gives_what_it_holds() {
    let workspace = Workspace::new();
    let whole = std::fs::read(fixture("google.json")).unwrap();
    std::fs::write(workspace.path().join("r.json"), &whole[..whole.len() / 2]).unwrap();
    let finished = workspace.run(&["--db", "strict.db", "import", "--strict", "r.json"], 3);
    assert!(finished.stderr.contains("ends too early"), "{}", finished.stderr);
    let finished = workspace.run(&["import", "r.json"], 0);
    assert!(finished.stderr.contains("ends too early"), "{}", finished.stderr);
    let report = workspace.run(&["report", "--format", "json"], 0).json();
    assert_eq!(measured_benchmark(&report, "BM_Concat/64")["samples"], 3);
}

/// One value of each metric of a benchmark, and its unit and direction.
fn facts(file: &str, benchmark: &str, metric: &str) -> (f64, String, String, u64) {
    let report = imported(file);
    let all = report["measured"].as_array().unwrap().clone();
    let found = all.iter().find(|one| one["benchmark"] == benchmark && one["metric"] == metric);
    let one = found.unwrap_or_else(|| panic!("no {benchmark} [{metric}] in {all:?}"));
    let text = |key: &str| one[key].as_str().unwrap().to_owned();
    (
        one["value"].as_f64().unwrap(),
        text("unit"),
        text("direction"),
        one["samples"].as_u64().unwrap(),
    )
}

fn assert_facts(
    file: &str,
    (benchmark, metric): (&str, &str),
    (value, unit, direction, samples): (f64, &str, &str, u64),
) {
    let found = facts(file, benchmark, metric);
    assert_close(found.0, value);
    assert_eq!((found.1.as_str(), found.2.as_str(), found.3), (unit, direction, samples), "{file}");
}

#[test]
fn pyperf_processes_are_replicate_runs() {
    assert_facts("pyperf.json", ("sum", "time"), (4075.7, "ns", "lower", 12));
    let sum = measured_benchmark(&imported("pyperf.json"), "sum");
    assert_eq!(sum["runs"], 3);
}

#[test]
fn vitest_medians() {
    let name = "vt/sums.bench.js > sums > sort";
    assert_facts("vitest.json", (name, "time"), (66_803.0, "ns", "lower", 1));
}

#[test]
fn tinybench_tasks_and_tables() {
    assert_facts("tinybench.json", ("sum", "time"), (1117.0, "ns", "lower", 1));
    assert_facts("tinybench-table.json", ("sort", "time"), (13_694.0, "ns", "lower", 1));
}

#[test]
fn mitata_times_and_heaps() {
    assert_facts("mitata.json", ("sums/sum", "time"), (2038.829, "ns", "lower", 1));
    assert_facts("mitata.json", ("sums/sum 100", "heap"), (0.11126, "bytes", "lower", 1));
}

#[test]
fn benchmark_js_samples_and_text() {
    assert_facts("benchmarkjs.json", ("sum", "time"), (2345.8, "ns", "lower", 7));
    assert_facts("benchmarkjs.txt", ("sum", "rate"), (423_274.0, "ops/s", "higher", 1));
}

#[test]
fn benchmark_dotnet_launches_are_replicate_runs() {
    let name = "Example.Sums.Add(N: 100)";
    assert_facts("benchmark-dotnet.json", (name, "time"), (41.937, "ns", "lower", 3));
    assert_facts("benchmark-dotnet.json", (name, "allocated_bytes"), (424.0, "bytes", "lower", 1));
    assert_facts("benchmark-dotnet.json", (name, "Gen0Collects"), (0.25, "Count", "lower", 1));
}

#[test]
fn catch2_means() {
    let name = "Sums <of> \"vectors\"/copy & sort";
    assert_facts("catch2.xml", (name, "time"), (55.4875, "ns", "lower", 1));
}

#[test]
fn divan_medians_and_allocations() {
    assert_facts("divan.txt", ("sums/grow/1000", "time"), (169.0, "ns", "lower", 1));
    let name = "sums/nested/count";
    assert_facts("divan.txt", (name, "allocated_bytes"), (1024.0, "bytes", "lower", 1));
    assert_facts("divan.txt", (name, "allocations"), (1.0, "count", "lower", 1));
}

#[test]
fn perf_counters() {
    assert_facts("perf.txt", ("true", "time"), (1_113_000.0, "ns", "lower", 1));
    assert_facts("perf.txt", ("true", "page-faults"), (51.0, "count", "lower", 1));
    assert_facts("perf.txt", ("true", "task-clock"), (710_000.0, "ns", "lower", 1));
}

/// With a separator or as JSON, perf names no command.
#[test]
fn perf_counters_for_programs() {
    let name = "perf stat";
    assert_facts("perf-separated.txt", (name, "page-faults"), (50.0, "count", "lower", 1));
    assert_facts("perf-separated.txt", (name, "task-clock"), (730_000.0, "ns", "lower", 1));
    assert_facts("perf-json.txt", (name, "page-faults"), (48.0, "count", "lower", 1));
    assert_facts("perf-json.txt", (name, "task-clock"), (777_725.0, "ns", "lower", 1));
    let workspace = Workspace::new();
    std::fs::write(
        workspace.path().join("p.csv"),
        "2135165;ns;duration_time;2135165;100.00;1.870;G/sec\n",
    )
    .unwrap();
    let said = workspace.run(&["import", "p.csv"], 0).stderr;
    assert!(said.contains("it names no command"), "{said}");
    let report = workspace.run(&["report", "--format", "json"], 0).json();
    assert_eq!(measured_benchmark(&report, name)["metric"], "time");
}

#[test]
fn asv_parameters() {
    assert_facts("asv.json", ("b.Sums.time_sum(10, 'b')", "time"), (2475.0, "ns", "lower", 1));
    assert_facts(
        "asv.json",
        ("b.peakmem_list", "peak_memory"),
        (24_825_856.0, "bytes", "lower", 1),
    );
}

#[test]
fn bencher_measures_and_custom_json() {
    assert_facts("bencher-metric.json", ("parse/small", "rate"), (5.55, "ops/s", "higher", 1));
    assert_facts("bencher-metric.json", ("app", "instructions"), (4.2e6, "count", "lower", 1));
    assert_facts("github.json", ("Parse a document", "time"), (12.5e6, "ns", "lower", 1));
    assert_facts("github.json", ("Requests", "value"), (8123.0, "req/s", "higher", 1));
    assert_facts("github.json", ("CPU load", "value"), (50.0, "Percent", "neutral", 1));
}

/// Nobody has to guess what writes a file that can be imported.
#[test]
fn help_lists_every_format_with_the_command_that_makes_its_file() {
    let help = Workspace::new().run(&["import", "--help"], 0).stdout;
    for format in bench_analyzer::ingest::format::FileFormat::ALL {
        let line = help
            .lines()
            .find(|line| line.trim_start().starts_with(&format!("- {}:", format.as_str())));
        assert!(line.is_some(), "{}: {help}", format.as_str());
        assert!(format.made_by().contains('`'), "{} names no command", format.as_str());
    }
}

/// What a benchmark allocates is the same series in the text and in the summary of a run.
#[test]
fn gungraun_summaries_are_the_same_series_as_the_text() {
    let name = "instr::sums::bench_grow many:100";
    for file in ["gungraun-summary.json", "gungraun-dhat.txt"] {
        assert_facts(file, (name, "instructions"), (2947.0, "count", "lower", 1));
        assert_facts(file, (name, "ram_hits"), (27.0, "count", "lower", 1));
        assert_facts(file, (name, "allocated_bytes"), (2016.0, "bytes", "lower", 1));
        assert_facts(file, (name, "allocations"), (6.0, "count", "lower", 1));
    }
}

#[test]
fn gungraun_counts_are_exact() {
    let name = "instr::sums::bench_fib long:12";
    assert_facts("gungraun.txt", (name, "instructions"), (4837.0, "count", "lower", 1));
    assert_facts("gungraun.txt", (name, "estimated_cycles"), (6819.0, "count", "lower", 1));
    assert_facts("gungraun.txt", (name, "l1_hits"), (6604.0, "count", "neutral", 1));
}
