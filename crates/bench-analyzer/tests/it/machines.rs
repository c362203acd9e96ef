//! Which machine and which commit a run belongs to.

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

/// Commits that were made in the same second, and measured in another order.
#[test]
fn a_commit_measured_late_stands_where_it_belongs() {
    let workspace = Workspace::new();
    workspace.git(&["init", "--quiet"]);
    let commits: Vec<String> = (0..4)
        .map(|_| {
            workspace.git(&["commit", "--quiet", "--allow-empty", "-m", "x"]);
            workspace.git(&["rev-parse", "HEAD"])
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

fn write(dir: &Utf8Path, name: &str, text: &str) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A workspace of two members that build in places of their own, and old results in the place that it would
/// build in itself.
fn workspace_of_members() -> Workspace {
    let workspace = Workspace::new();
    write(
        workspace.path(),
        "Cargo.toml",
        "[workspace]\nresolver = \"2\"\nmembers = [\"m\", \"n\"]\n",
    );
    for name in ["m", "n"] {
        let dir = workspace.path().join(name);
        let package =
            format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
        write(&dir, "Cargo.toml", &package);
        write(&dir, "src/lib.rs", "");
        let config = format!("[build]\ntarget-dir = \"built-{name}\"\n");
        write(&dir, ".cargo/config.toml", &config);
    }
    workspace
}

/// The names of what a report without further words finds in a folder.
fn found(workspace: &Workspace, folder: &str, variables: &[(&str, &str)]) -> Vec<String> {
    // A history of its own for every look.
    let name = format!("{}.db", std::process::id());
    let _ = std::fs::remove_file(workspace.path().join(&name));
    let database = workspace.make_history(&name);
    let arguments = ["--db", database.as_str(), "report", "--format", "json"];
    let mut command = workspace.command(&arguments);
    command.current_dir(workspace.path().join(folder)).envs(variables.iter().copied());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let all = report["measured"].as_array().unwrap().iter();
    all.map(|one| one["benchmark"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_member_that_builds_elsewhere_is_found_beside_old_results_of_the_workspace() {
    let workspace = workspace_of_members();
    workspace.criterion_at("target/criterion").save("old", "new", 100.0, 1);
    workspace.criterion_at("m/built-m/criterion").save("of-m", "new", 100.0, 2);
    assert_eq!(found(&workspace, "m", &[]), ["of-m"]);
    assert_eq!(found(&workspace, "m/src", &[]), ["of-m"]);
    assert_eq!(found(&workspace, ".", &[]), ["old"]);
}

#[test]
fn from_the_workspace_a_member_that_builds_elsewhere_is_found_if_it_is_the_only_one() {
    let workspace = workspace_of_members();
    workspace.criterion_at("m/built-m/criterion").save("of-m", "new", 100.0, 2);
    assert_eq!(found(&workspace, ".", &[]), ["of-m"]);
    workspace.criterion_at("n/built-n/criterion").save("of-n", "new", 100.0, 2);
    let refused = workspace.run(&["import"], 3).stderr;
    assert!(
        refused.contains("built-m/criterion") && refused.contains("built-n/criterion"),
        "{refused}"
    );
    assert!(refused.contains("name the folder that is meant"), "{refused}");
}

#[test]
fn variables_that_say_where_cargo_builds_count_from_the_members_folder() {
    let workspace = workspace_of_members();
    workspace.criterion_at("m/built-m/criterion").save("configured", "new", 100.0, 2);
    workspace.criterion_at("m/out/criterion").save("said", "new", 100.0, 2);
    for variable in ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"] {
        assert_eq!(found(&workspace, "m", &[(variable, "out")]), ["said"], "{variable}");
    }
}

/// Git has a variable of its own for trying this, so that nobody has to be somebody else.
#[test]
fn a_repository_of_somebody_else_is_said_to_be_why_no_commit_is_known() {
    let workspace = Workspace::new();
    workspace.git(&["init", "--quiet"]);
    workspace.git(&["commit", "--quiet", "--allow-empty", "-m", "x"]);
    let import = |value: u32, variables: &[(&str, &str)]| {
        let content = format!("benchmark,value\na,{value}\n");
        std::fs::write(workspace.path().join("a.csv"), content).unwrap();
        let mut command = workspace.command(&["import", "a.csv"]);
        command.envs(variables.iter().copied());
        let output = command.assert().success().get_output().clone();
        String::from_utf8(output.stderr).unwrap()
    };
    let trusted = import(100, &[]);
    assert!(!trusted.contains("does not trust"), "{trusted}");
    let said = import(200, &[("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1"), ("LANGUAGE", "de")]);
    for part in ["git does not trust the repository", "safe.directory", "--commit"] {
        assert!(said.contains(part), "{said}");
    }
    let runs = workspace.run(&["runs", "--format", "json"], 0).json();
    let commits: Vec<bool> =
        runs.as_array().unwrap().iter().map(|run| run["revision"]["commit"].is_string()).collect();
    assert_eq!(commits.iter().filter(|known| **known).count(), 1, "{runs}");
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
