//! Files that are partly bad, interrupted, or written in another encoding.

use std::io::Write;

use crate::workspace::Workspace;

/// What a report shows of a file, by benchmark and metric: value and number of samples.
fn imported(name: &str, content: &[u8]) -> (serde_json::Value, String) {
    let workspace = Workspace::new();
    std::fs::write(workspace.path().join(name), content).unwrap();
    let said = workspace.run(&["import", name], 0).stderr;
    (workspace.run(&["report", "--format", "json"], 0).json()["measured"].clone(), said)
}

fn assert_value(measured: &serde_json::Value, expected: f64) {
    let value = measured["value"].as_f64().unwrap();
    assert!((value / expected - 1.0).abs() < 1e-9, "{measured}");
}

fn names(measured: &serde_json::Value) -> Vec<String> {
    let all = measured.as_array().unwrap().iter();
    all.map(|one| {
        format!("{} {}", one["benchmark"].as_str().unwrap(), one["metric"].as_str().unwrap())
    })
    .collect()
}

#[test]
fn one_bad_value_of_a_tool_costs_no_other() {
    let (measured, said) = imported(
        "h.json",
        br#"{"results":[{"command":"a","times":[0.1,0,0.3]},{"command":"b","times":[0,0,0.1]}]}"#,
    );
    assert_eq!(names(&measured), ["a time"]);
    assert_eq!(measured[0]["samples"], 2);
    assert!(said.contains("all of `b`, as most of its values are bad"), "{said}");
}

#[test]
fn google_files_may_hold_skipped_benchmarks_and_nothing_but_aggregates() {
    let (measured, said) = imported(
        "g.json",
        br#"{"context":{"num_cpus":2},"benchmarks":[
            {"name":"s","run_name":"s","run_type":"iteration","skipped":true,"skip_message":"no GPU",
             "real_time":0,"cpu_time":0,"time_unit":"ns"},
            {"name":"a_mean","run_name":"a","run_type":"aggregate","aggregate_name":"mean",
             "real_time":30,"cpu_time":3,"time_unit":"us"},
            {"name":"a_median","run_name":"a","run_type":"aggregate","aggregate_name":"median",
             "real_time":20,"cpu_time":2,"time_unit":"us"}]}"#,
    );
    assert_eq!(names(&measured), ["a cpu", "a time"]);
    assert_value(&measured[1], 20_000.0);
    assert!(said.contains("`s`, which was skipped: no GPU"), "{said}");
}

#[test]
fn words_for_no_number_harm_only_who_reads_them() {
    let (measured, _) = imported(
        "p.json",
        br#"{"machine_info":{"python_version":"3.11"},"benchmarks":[
            {"fullname":"a","stats":{"median":0.5,"data":[0.5,0.6],"hd15iqr":NaN,"ops":Infinity}},
            {"fullname":"b","stats":{"median":0.5,"data":[0.5,NaN,0.5]}}]}"#,
    );
    let samples: Vec<_> =
        measured.as_array().unwrap().iter().map(|one| one["samples"].clone()).collect();
    assert_eq!(samples, [2, 2]);
}

/// Criterion says so where the folder of a baseline is hollow, in the middle of its own line.
#[test]
fn lines_that_others_were_written_into_are_put_together() {
    let (measured, said) = imported(
        "b.txt",
        b"test one ... Criterion.rs ERROR: Failed to access file \"base/sample.json\"\n\
          bench:       1,234 ns/iter (+/- 5)\n\
          test two ... bench:          56 ns/iter (+/- 1)\n\
          test three ... test four ... bench:  7 ns/iter (+/- 1)\n\
          test five ... \n\
          test six ... ok\n\
          test seven ... noise bench:  8 ns/iter (+/- 1)\n",
    );
    assert_eq!(names(&measured), ["one time", "seven time", "two time"]);
    assert_value(&measured[0], 1234.0);
    assert!(said.contains("`three`: another benchmark's line"), "{said}");
    assert!(said.contains("`five`: no time follows its name"), "{said}");
}

#[test]
fn a_space_in_a_message_changes_nothing() {
    let line = r#"{ "reason": "benchmark-complete", "id": "a", "iteration_count": [1, 2],
                  "measured_values": [10.0, 20.0], "unit": "ns", "throughput": [] }"#;
    let (measured, _) = imported("c.json", line.replace('\n', " ").as_bytes());
    assert_eq!(names(&measured), ["a time"]);
}

#[test]
fn every_encoding_is_read() {
    let text = "test a ... bench:  1,234 ns/iter (+/- 5)\r\n";
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    let utf16 = |to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        format!("\u{feff}{text}").encode_utf16().flat_map(to_bytes).collect()
    };
    let encodings = [
        format!("\u{feff}{text}").into_bytes(),
        utf16(u16::to_le_bytes),
        utf16(u16::to_be_bytes),
        packed.finish().unwrap(),
    ];
    for content in encodings {
        let (measured, _) = imported("b.txt", &content);
        assert_value(&measured[0], 1234.0);
    }
    let workspace = Workspace::new();
    std::fs::write(workspace.path().join("b.zst"), b"\x28\xb5\x2f\xfd....").unwrap();
    let finished = workspace.run(&["import", "b.zst"], 3);
    assert!(finished.stderr.contains("packed with zstd"), "{}", finished.stderr);
}

#[test]
fn an_unusable_file_among_others_is_named() {
    let workspace = Workspace::new();
    std::fs::write(workspace.path().join("bad.json"), "{\"what\": 1}").unwrap();
    std::fs::write(workspace.path().join("good.csv"), "benchmark,value\na,5\n").unwrap();
    let finished = workspace.run(&["import", "bad.json", "good.csv"], 0);
    assert!(finished.stderr.contains("bad.json is of no format"), "{}", finished.stderr);
    assert!(finished.stderr.contains("stored 1 new"), "{}", finished.stderr);
}

#[test]
fn go_keeps_apart_what_is_different() {
    let (measured, _) = imported(
        "go.txt",
        b"Unit hits better=higher\n\
          BenchmarkA/size-10 \t100 \t50 ns/op\t 7 req/s\t 3 hits\n\
          BenchmarkA/size-1000 \t100 \t5000 ns/op\n\
          BenchmarkB \t100 \t10 ns/op\nBenchmarkB-2 \t100 \t8 ns/op\nBenchmarkB-4 \t100 \t6 ns/op\n",
    );
    let times: Vec<String> =
        names(&measured).into_iter().filter(|name| name.ends_with(" time")).collect();
    assert_eq!(
        times,
        [
            "BenchmarkA/size-10 time",
            "BenchmarkA/size-1000 time",
            "BenchmarkB time",
            "BenchmarkB-2 time",
            "BenchmarkB-4 time"
        ]
    );
    let direction = |metric: &str| {
        let all = measured.as_array().unwrap();
        all.iter().find(|one| one["metric"] == metric).unwrap()["direction"].clone()
    };
    assert_eq!((direction("req/s"), direction("hits")), ("higher".into(), "higher".into()));
}

#[test]
fn hyperfine_parameters_tell_commands_of_one_name_apart() {
    let (measured, _) = imported(
        "h.json",
        br#"{"results":[
            {"command":"sort","times":[0.1],"parameters":{"threads":"1"}},
            {"command":"sort","times":[0.2],"parameters":{"threads":"2"}},
            {"command":"seq 300","times":[0.3],"parameters":{"n":"3"}}]}"#,
    );
    assert_eq!(
        names(&measured),
        ["seq 300 time", "sort (threads=1) time", "sort (threads=2) time"]
    );
}

#[test]
fn jmh_threads_and_profilers_are_series_of_their_own() {
    let one = |threads: u32, score: f64| {
        format!(
            r#"{{"jmhVersion":"1.37","benchmark":"a.B.c","mode":"avgt","threads":{threads},
                "primaryMetric":{{"score":{score},"scoreUnit":"us/op","rawData":[[{score}]]}},
                "secondaryMetrics":{{"\u00b7gc.alloc.rate.norm":
                    {{"score":16.0,"scoreUnit":"B/op","rawData":[[16.0]]}}}}}}"#
        )
    };
    let (measured, _) = imported("j.json", format!("[{},{}]", one(1, 2.0), one(4, 5.0)).as_bytes());
    assert_eq!(
        names(&measured),
        [
            "a.B.c gc.alloc.rate.norm",
            "a.B.c time",
            "a.B.c:threads=4 gc.alloc.rate.norm",
            "a.B.c:threads=4 time"
        ]
    );
}

#[test]
fn google_counters_are_kept_and_equal_names_told_apart() {
    let (measured, said) = imported(
        "g.json",
        br#"{"context":{"num_cpus":2},"benchmarks":[
            {"name":"a","run_name":"a","family_index":0,"per_family_instance_index":0,
             "run_type":"iteration","iterations":5,"real_time":10,"cpu_time":9,"time_unit":"ns",
             "items_per_second":1e6,"misses":3},
            {"name":"a","run_name":"a","family_index":1,"per_family_instance_index":0,
             "run_type":"iteration","iterations":5,"real_time":20,"cpu_time":19,"time_unit":"ns"}]}"#,
    );
    assert_eq!(
        names(&measured),
        ["a cpu", "a items_per_second", "a misses", "a time", "a #2 cpu", "a #2 time"]
    );
    assert!(said.contains("several benchmarks are called `a`"), "{said}");
}

/// Beyond 2^53 a float is another number than the file's: no reader believes it.
#[test]
fn counts_beyond_what_floats_hold_cost_only_themselves() {
    let files: [(&str, &str, &str); 5] = [
        (
            "cargo-criterion.json",
            r#"{"reason":"benchmark-complete","id":"a","iteration_count":[1,18446744073709551616,2],
               "measured_values":[5.0,5.0,10.0],"unit":"ns",
               "throughput":[{"per_iteration":18446744073709551616,"unit":"bytes"}]}"#,
            "18446744073709552000 is not a number of iterations",
        ),
        (
            "pytest.json",
            r#"{"machine_info":{"python_version":"3.11"},"benchmarks":[
               {"fullname":"b","stats":{"data":[5e-9],"iterations":9007199254740994}},
               {"fullname":"a","stats":{"data":[5e-9,5e-9],"iterations":2}}]}"#,
            "9007199254740994 is not a number of iterations",
        ),
        (
            "jmh.json",
            r#"[{"jmhVersion":"1.37","benchmark":"a","mode":"sample","primaryMetric":{"score":5,
               "scoreUnit":"ns/op","rawDataHistogram":[[[[5.0,2],[5.0,1],[5.0,9007199254740994]]]]}}]"#,
            "9007199254740994 is not a number of iterations",
        ),
        (
            "dotnet.json",
            r#"{"Title":"t","HostEnvironmentInfo":{},"Benchmarks":[{"FullName":"a","Measurements":[
               {"IterationMode":"Workload","IterationStage":"Result","LaunchIndex":1,"Operations":2,
                "Nanoseconds":10},
               {"IterationMode":"Workload","IterationStage":"Result","LaunchIndex":1,"Operations":1,
                "Nanoseconds":5},
               {"IterationMode":"Workload","IterationStage":"Result","LaunchIndex":1,
                "Operations":9223372036854775807,"Nanoseconds":5}]}]}"#,
            "9223372036854776000 is not a number of iterations",
        ),
        (
            "all.csv",
            "benchmark,metric,unit,value,exactness\na,steps,count,5,exact\na,steps,count,5,exact\n\
             a,steps,count,9007199254740993,exact\n",
            "9007199254740992.0 is more than can be counted exactly",
        ),
    ];
    for (name, content, complaint) in files {
        let content = if name == "cargo-criterion.json" {
            content.split_whitespace().collect::<String>()
        } else {
            content.to_owned()
        };
        let (measured, said) = imported(name, content.as_bytes());
        assert!(said.contains(name) && said.contains(complaint), "{name}: {said}");
        assert_eq!(measured.as_array().unwrap().len(), 1, "{name}: {measured}");
        assert_value(&measured[0], 5.0);
    }
}

/// People shorten lists by hand, and scripts write words into them.
#[test]
fn a_word_in_a_list_of_numbers_costs_no_number() {
    let files: [(&str, &str); 4] = [
        (
            "pytest.json",
            r#"{"machine_info":{"python_version":"3.11"},"benchmarks":[
               {"fullname":"a","stats":{"data":[5e-9,"... and 998 more",5e-9],"iterations":1}}]}"#,
        ),
        ("hyperfine.json", r#"{"results":[{"command":"a","times":[5e-9,{"lost":true},5e-9]}]}"#),
        (
            "jmh.json",
            r#"[{"jmhVersion":"1.37","benchmark":"a","mode":"avgt","primaryMetric":{"score":5,
               "scoreUnit":"ns/op","rawData":[[5.0,"NaN",5.0]]}}]"#,
        ),
        (
            "dotnet.json",
            r#"{"Title":"t","HostEnvironmentInfo":{},"Benchmarks":[{"FullName":"a","Statistics":
               {"OriginalValues":[5,[],5],"Median":5}}]}"#,
        ),
    ];
    for (name, content) in files {
        let (measured, said) = imported(name, content.as_bytes());
        assert!(said.contains("not a finite number"), "{name}: {said}");
        assert_value(&measured[0], 5.0);
        assert_eq!(measured[0]["samples"], 2, "{name}");
    }
}

/// Others write the lines of libtest too, with what they measure in place of times.
#[test]
fn lines_of_libtest_may_count_something_else() {
    let (measured, said) = imported(
        "b.txt",
        b"test mov ... bench:        1508 cycles/iter (+/- 17)\n\
          test upload ... bench:        1,911 MS/s (+/- 420)\n\
          test wait ... bench:          2.5 us/iter (+/- 1)\n\
          test what ... bench:          9 apples (+/- 1)\n",
    );
    assert_eq!(names(&measured), ["mov value", "upload rate", "wait time"]);
    assert_eq!(
        (&measured[0]["unit"], &measured[0]["direction"]),
        (&"cycles".into(), &"lower".into())
    );
    assert_eq!(
        (&measured[1]["unit"], &measured[1]["direction"]),
        (&"MS/s".into(), &"higher".into())
    );
    assert_value(&measured[1], 1911.0);
    assert_value(&measured[2], 2500.0);
    assert!(said.contains("`what`: no time in ns/iter follows"), "{said}");
}

/// The action makes numbers of texts, and texts of numbers.
#[test]
fn values_for_the_github_action_may_be_texts() {
    let (measured, said) = imported(
        "g.json",
        br#"[{"name":8,"unit":"ms","value":"2.5","range":0.5},{"name":"b","unit":"ms","value":"fast"}]"#,
    );
    assert_eq!(names(&measured), ["8 time"]);
    assert_value(&measured[0], 2_500_000.0);
    assert!(said.contains("`b` has no value"), "{said}");
}

/// Bencher's numbered version lists what a benchmark was measured with; equal numbers are equal parameters.
#[test]
fn metrics_of_bencher_may_have_parameters() {
    let (measured, said) = imported(
        "m.json",
        br#"{"copy":[{"parameters":{"size":16,"kind":"read"},"measures":{"latency":{"value":2.0,"p50":9}}},
            {"parameters":{"kind":"read","size":1.6e1},"measures":{"latency":{"value":2.0}}},
            {"parameters":{"size":[1]},"measures":{"latency":{"value":7.0}}},
            {"measures":{"throughput":{"value":5.0}}}],
            "old":{"latency":{"value":3.0}}}"#,
    );
    assert_eq!(names(&measured), ["copy rate", "copy:kind=read,size=16 time", "old time"]);
    assert_eq!(measured[1]["samples"], 2);
    assert!(said.contains("what is its parameter `size`?"), "{said}");
}
