//! Which machine and which commit a run belongs to.

use std::process::Command;

use camino::Utf8Path;

use crate::workspace::Workspace;

fn go(cpu: &str, nanoseconds: u32) -> String {
    let lines: Vec<String> = (0..10)
        .map(|index| format!("BenchmarkA-2 \t1000 \t{} ns/op\n", nanoseconds + index))
        .collect();
    format!("goos: linux\ngoarch: arm64\npkg: p\ncpu: {cpu}\n{}PASS\n", lines.concat())
}

#[test]
fn the_machine_that_a_file_names_is_its_machine() {
    let workspace = Workspace::new();
    for (side, cpu, nanoseconds) in [("old", "Neoverse-N1", 1000), ("new", "Neoverse-V2", 2000)] {
        let names = ["1", "2", "3"].map(|run| format!("{side}-{run}.txt"));
        for (run, name) in (0..).zip(&names) {
            let content = go(cpu, nanoseconds + 17 * run);
            std::fs::write(workspace.path().join(name), content).unwrap();
        }
        let files: Vec<&str> = names.iter().map(String::as_str).collect();
        workspace.run(&[&["import", "--baseline", side], &files[..]].concat(), 0);
    }
    let arguments = ["report", "--baseline", "old", "--current", "new", "--format", "json"];
    let report = workspace.run(&arguments, 0).json();
    let machine = &report["current"]["runs"][0]["fingerprint"];
    assert_eq!(machine["cpu"], "Neoverse-V2");
    assert_eq!(machine["os"], "linux arm64");
    assert_eq!(report["comparisons"][0]["verdict"], "inconclusive", "{report}");
    assert!(report["current"]["runs"][0].get("attributes").is_none());
}

#[test]
fn a_machine_can_be_told() {
    let workspace = Workspace::new();
    std::fs::write(workspace.path().join("a.csv"), "benchmark,value\na,5\n").unwrap();
    workspace.run(&["import", "--machine", "ci-3", "a.csv"], 0);
    let runs = workspace.run(&["runs", "--format", "json"], 0).json();
    assert_eq!(runs[0]["fingerprint"]["cpu"], "ci-3");
    let here = Workspace::new();
    std::fs::write(here.path().join("a.csv"), "benchmark,value\na,5\n").unwrap();
    here.run(&["import", "a.csv"], 0);
    let runs = here.run(&["runs", "--format", "json"], 0).json();
    assert_ne!(runs[0]["fingerprint"]["cpu"], "ci-3");
    #[cfg(target_os = "linux")]
    assert!(runs[0]["attributes"]["kernel"].is_string(), "{runs}");
}

fn git(dir: &Utf8Path, arguments: &[&str]) -> String {
    let identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
    let output =
        Command::new("git").arg("-C").arg(dir).args(identity).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Commits that were made in the same second, and measured in another order.
#[test]
fn a_commit_measured_late_stands_where_it_belongs() {
    let workspace = Workspace::new();
    git(workspace.path(), &["init", "--quiet"]);
    let commits: Vec<String> = (0..4)
        .map(|_| {
            git(workspace.path(), &["commit", "--quiet", "--allow-empty", "-m", "x"]);
            git(workspace.path(), &["rev-parse", "HEAD"])
        })
        .collect();
    for index in [0, 2, 3, 1] {
        let content = format!("benchmark,value\na,{}\n", 100 + index);
        std::fs::write(workspace.path().join("a.csv"), content).unwrap();
        workspace.run(&["import", "--commit", &commits[index], "a.csv"], 0);
    }
    let history = workspace.run(&["history", "--format", "json"], 0).json();
    let values: Vec<f64> = history["series"][0]["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point["value"].as_f64().unwrap().round())
        .collect();
    assert_eq!(values, [100.0, 101.0, 102.0, 103.0]);
}

/// Cargo knows where it builds, whoever told it.
#[test]
fn the_folder_that_cargo_is_configured_to_use_is_found() {
    let workspace = Workspace::new();
    let write = |name: &str, text: &str| {
        let path = workspace.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("Cargo.toml", "[package]\nname = \"p\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    write("src/lib.rs", "");
    write(".cargo/config.toml", "[build]\ntarget-dir = \"elsewhere\"\n");
    workspace.criterion_at("elsewhere/criterion").save("a", "new", 100.0, 1);
    let report = workspace.run(&["report", "--format", "json"], 0).json();
    assert_eq!(report["measured"][0]["benchmark"], "a");
}

/// A step may be the compiler's, or the machine's: what changed with it is said.
#[test]
fn a_step_says_what_else_became_different() {
    let workspace = Workspace::new();
    for day in 1..=20 {
        let (value, flags) =
            if day <= 10 { (100, "-Copt-level=3") } else { (150, "-Copt-level=1") };
        let noise = day * 7 % 5;
        let row = format!("benchmark,value,time\na,{value}.{noise},2026-01-{day:02}T00:00:00Z\n");
        std::fs::write(workspace.path().join("a.csv"), row).unwrap();
        let mut command = workspace.command(&["import", "a.csv"]);
        command.env("RUSTFLAGS", flags).assert().success();
    }
    let history = workspace.run(&["history", "--format", "json"], 0).json();
    let change = &history["series"][0]["change_points"][0];
    assert_eq!(change["index"], 10, "{history}");
    assert_eq!(change["circumstances"][0]["attribute"], "compiler_flags");
    let human = workspace.run(&["history"], 0).stdout;
    assert!(human.contains("compiler flags: -Copt-level=3 -> -Copt-level=1"), "{human}");
}
