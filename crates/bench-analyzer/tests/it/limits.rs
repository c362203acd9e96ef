//! What an import takes, and what it does when there is no more.

use std::fmt::Write as _;

use crate::workspace::Workspace;

/// The largest amount of memory that the program ever used, in mebibytes.
#[cfg(target_os = "linux")]
fn peak_memory(workspace: &Workspace, arguments: &[&str]) -> u64 {
    let program = assert_cmd::cargo::cargo_bin("bench-analyzer");
    let mut child = std::process::Command::new(program)
        .args(arguments)
        .current_dir(workspace.path())
        .env_remove("BENCH_ANALYZER_DB")
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut peak = 0;
    // The kernel keeps the peak, which only grows: the last look before the end tells it.
    let status = loop {
        let text = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        let line =
            text.iter().flat_map(|text| text.lines()).find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(line) = line {
            peak = line.trim().trim_end_matches(" kB").parse().unwrap();
        }
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(std::time::Duration::from_millis(2)),
        }
    };
    assert!(status.success(), "{arguments:?}");
    assert!(peak > 0, "no peak was seen");
    peak / 1024
}

/// A history of `runs` runs of a thousand benchmarks with ten values each, newest values first
/// and runs interleaved, as the worst case for reading it in one go.
fn history(runs: usize) -> String {
    let mut rows = String::from("benchmark,value,run,time,commit\n");
    for sample in 0..10 {
        for benchmark in 0..1000 {
            for run in (0..runs).rev() {
                let value = 100 + (benchmark * 7919 + run * 104_729 + sample * 31) % 997;
                let time = 1_700_000_000 + run * 3600;
                writeln!(rows, "group/b{benchmark:03},{value}.5,r{run},{time},c{run}").unwrap();
            }
        }
    }
    rows
}

#[cfg(target_os = "linux")]
#[test]
fn values_take_few_bytes_of_memory_each() {
    let workspace = Workspace::new();
    let import = |runs: usize| {
        std::fs::write(workspace.path().join("history.csv"), history(runs)).unwrap();
        let database = format!("{runs}.db");
        let peak = peak_memory(&workspace, &["--db", &database, "import", "history.csv"]);
        let stored = workspace
            .run(&["--db", &database, "runs", "--format", "json", "--limit", "9999"], 0)
            .json();
        assert_eq!(stored.as_array().unwrap().len(), runs);
        assert!(stored.as_array().unwrap().iter().all(|run| run["benchmarks"] == 1000));
        peak
    };
    let (quarter, million) = (import(25), import(100));
    println!("250,000 values took {quarter} MiB, 1,000,000 took {million} MiB");
    // 24 bytes each, twice while room is made, and half of that while they are sorted.
    assert!(million < quarter + 64, "{quarter} MiB became {million} MiB");
}

/// The same values as the files of every tool that writes a list of results: none is read as a
/// whole.
#[cfg(target_os = "linux")]
#[test]
fn long_files_of_every_tool_are_read_in_little_memory() {
    const BENCHMARKS: usize = 400;
    const SAMPLES: usize = 500;
    let workspace = Workspace::new();
    let value = |benchmark: usize, sample: usize| 100 + (benchmark * 7919 + sample * 31) % 997;
    let lists = |between: &str, one: &dyn Fn(usize, &str) -> String| {
        let all = (0..BENCHMARKS).map(|benchmark| {
            let values: Vec<String> =
                (0..SAMPLES).map(|sample| value(benchmark, sample).to_string()).collect();
            one(benchmark, &values.join(","))
        });
        all.collect::<Vec<_>>().join(between)
    };
    let rows = |between: &str, one: &dyn Fn(usize, usize) -> String| {
        let all = (0..SAMPLES)
            .flat_map(|sample| (0..BENCHMARKS).map(move |benchmark| (benchmark, sample)))
            .map(|(benchmark, sample)| one(benchmark, value(benchmark, sample)));
        all.collect::<Vec<_>>().join(between)
    };
    let files = [
        ("go", rows("", &|b, v| format!("BenchmarkB{b}-2 1000 {v} ns/op\n"))),
        ("bencher", rows("\n", &|b, v| format!("test b{b} ... bench: {v} ns/iter (+/- 1)"))),
        (
            "google",
            format!(
                r#"{{"context":{{"num_cpus":2}},"benchmarks":[{}]}}"#,
                rows(",", &|b, v| format!(
                    r#"{{"name":"b{b}","run_type":"iteration","iterations":1000,"real_time":{v},"time_unit":"ns"}}"#
                ))
            ),
        ),
        (
            "hyperfine",
            format!(
                r#"{{"results":[{}]}}"#,
                lists(",", &|b, values| format!(r#"{{"command":"b{b}","times":[{values}]}}"#))
            ),
        ),
        (
            "pytest",
            format!(
                r#"{{"machine_info":{{"python_version":"3"}},"benchmarks":[{}]}}"#,
                lists(",", &|b, values| format!(
                    r#"{{"fullname":"b{b}","stats":{{"median":1,"data":[{values}]}}}}"#
                ))
            ),
        ),
        (
            "jmh",
            format!(
                "[{}]",
                lists(",", &|b, values| format!(
                    r#"{{"jmhVersion":"1","benchmark":"b{b}","mode":"avgt","primaryMetric":{{"score":1,"scoreUnit":"ns/op","rawData":[[{values}]]}}}}"#
                ))
            ),
        ),
        (
            "cargo-criterion",
            lists("\n", &|b, values| {
                let ones = vec!["1"; SAMPLES].join(",");
                format!(
                    r#"{{"reason":"benchmark-complete","id":"b{b}","iteration_count":[{ones}],"measured_values":[{values}],"unit":"ns"}}"#
                )
            }),
        ),
    ];
    for (tool, content) in files {
        std::fs::write(workspace.path().join("results"), content).unwrap();
        let database = format!("{tool}.db");
        let peak = peak_memory(&workspace, &["--db", &database, "import", "results"]);
        println!("{tool}: {peak} MiB");
        assert!(peak < 48, "{tool}: {peak} MiB");
        let report = workspace
            .run(&["--db", &database, "report", "--no-import", "--format", "json"], 0)
            .json();
        let measured = report["measured"].as_array().unwrap();
        assert_eq!(measured.len(), BENCHMARKS, "{tool}");
        assert!(measured.iter().all(|one| one["samples"] == SAMPLES), "{tool}");
    }
}

/// Runs a shell script in the workspace, with `$PROGRAM` for the program.
#[cfg(target_os = "linux")]
fn shell(workspace: &Workspace, script: &str) -> (Option<i32>, String) {
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .current_dir(workspace.path())
        .env("PROGRAM", assert_cmd::cargo::cargo_bin("bench-analyzer"))
        .env_remove("BENCH_ANALYZER_DB")
        .env_remove("CRITERION_HOME")
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[cfg(target_os = "linux")]
fn with_many_results() -> Workspace {
    let workspace = Workspace::new();
    let criterion = workspace.criterion();
    criterion.save("first", "new", 100.0, 1);
    workspace.run(&["import"], 0);
    for index in 0..300 {
        criterion.save(&format!("b{index}"), "new", 100.0, index);
    }
    workspace
}

/// The database must be as it was before, and hold everything once there is room again.
#[cfg(target_os = "linux")]
fn assert_nothing_lost(workspace: &Workspace) {
    workspace.run(&["doctor"], 0);
    let before = workspace.run(&["runs", "--format", "json"], 0).json();
    assert_eq!(before.as_array().unwrap().len(), 1, "{before}");
    assert_eq!(before[0]["benchmarks"], 1);
    workspace.run(&["import"], 0);
    let after = workspace.run(&["runs", "--format", "json"], 0).json();
    assert_eq!(after[0]["benchmarks"], 300);
    workspace.run(&["doctor"], 0);
}

/// A file may grow no further, as with a quota. The signal that would end the process is
/// ignored, so that the write fails as it does on a full disk.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_may_not_grow_is_named_and_loses_nothing() {
    let workspace = with_many_results();
    // Blocks of 512 bytes: the database has about 100 KiB so far.
    let (code, message) =
        shell(&workspace, "trap '' XFSZ; ulimit -f 160; exec \"$PROGRAM\" import");
    assert_eq!(code, Some(3), "{message}");
    assert!(message.contains("history.db could not be written"), "{message}");
    assert!(message.contains("nothing was stored"), "{message}");
    assert_nothing_lost(&workspace);
}

/// A real disk that is really full: a small file system in a name space of its own.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named_and_loses_nothing() {
    let workspace = with_many_results();
    // SQLite needs 32 KiB beside the database to begin at all, and far more to finish.
    let size = std::fs::metadata(workspace.database()).unwrap().len() + (128 << 10);
    let mounted = format!("mount -t tmpfs -o size={size} none disk && cp .bench/history.db disk/");
    std::fs::create_dir(workspace.path().join("disk")).unwrap();
    let namespace = |script: &str| {
        shell(&workspace, &format!("unshare --user --map-root-user --mount sh -c '{script}'"))
    };
    if namespace(&mounted).0 != Some(0) {
        eprintln!("this system lets nobody mount a file system of their own: nothing to see here");
        return;
    }
    let (code, message) = namespace(&format!(
        "{mounted} && {{ \"$PROGRAM\" --db disk/history.db import; code=$?; \
         cp disk/history.db* .; exit $code; }}"
    ));
    assert_eq!(code, Some(3), "{message}");
    assert!(message.contains("the disk is full"), "{message}");
    assert!(message.contains("nothing was stored"), "{message}");
    // What was on the full disk goes on elsewhere.
    for name in ["history.db", "history.db-wal", "history.db-shm"] {
        let _ = std::fs::remove_file(workspace.path().join(".bench").join(name));
        let from = workspace.path().join(name);
        if from.exists() {
            std::fs::rename(from, workspace.path().join(".bench").join(name)).unwrap();
        }
    }
    assert_nothing_lost(&workspace);
}

/// There is always a full device on Linux.
#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error() {
    let workspace = with_many_results();
    for command in ["export", "report --no-import", "runs", "export --format csv"] {
        let (code, message) = shell(&workspace, &format!("\"$PROGRAM\" {command} > /dev/full"));
        assert_eq!(code, Some(3), "{command}: {message}");
        assert!(message.contains("No space left on device"), "{command}: {message}");
    }
}

/// As `head` does when it has seen enough.
#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_error_in_any_format() {
    let workspace = with_many_results();
    for format in ["human", "json", "markdown", "html", "csv", "junit", "github", "svg", "png"] {
        let command = format!("\"$PROGRAM\" report --no-import --format {format}");
        let (_, message) = shell(&workspace, &format!("{{ {command}; echo $? >&2; }} | :"));
        assert_eq!(message.lines().last(), Some("0"), "{format}: {message}");
        assert!(!message.contains("error"), "{format}: {message}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_import_needs_no_folder_for_temporary_files() {
    let workspace = Workspace::new();
    std::fs::write(workspace.path().join("history.csv"), history(20)).unwrap();
    let (code, message) = shell(&workspace, "TMPDIR=/nowhere \"$PROGRAM\" import history.csv");
    assert_eq!(code, Some(0), "{message}");
    let runs = workspace.run(&["runs", "--format", "json"], 0).json();
    assert_eq!(runs.as_array().unwrap().len(), 20);
}
