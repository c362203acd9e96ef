//! `run --until-decided`: a real command in a real repository.

use camino::Utf8Path;

use crate::workspace::Workspace;

/// Measures three benchmarks, or those that match its first argument: one that takes as long as the
/// file `level` says, one that never changes, and one that is too noisy to say. Waits and fails the
/// fourth time if there is the file `hold`.
const BENCH: &str = r#"
if [ -e "$HOLD" ] && [ "$(wc -l < "$MEASURED")" -ge 9 ]; then
  touch "$HOLD.now"
  while [ -e "$HOLD" ]; do sleep 0.05; done
  exit 1
fi
runs=$(($(cat "$COUNTER" 2>/dev/null || echo 0) + 1))
echo "$runs" > "$COUNTER"
level=$(cat level)
echo benchmark,value > out.csv
for name in noisy slower steady; do
  echo "$name" | grep -Eq "${1:-.}" || continue
  echo "$name" >> "$MEASURED"
  case $name in
    slower) value=$((level * 1000 + runs * 37 % 11 * 10)) ;;
    steady) value=$((100000 + runs * 53 % 13 * 10)) ;;
    noisy) value=$((100000 + runs * 7919 % 97 * 400)) ;;
  esac
  echo "$name,$value" >> out.csv
done
"#;

/// A repository with the suite.
fn repository() -> Workspace {
    let workspace = Workspace::new();
    let folder = workspace.path();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("bench.sh", BENCH);
    write("level", "100");
    write(".gitignore", "out.csv\n.bench\ncounter\nmeasured\nsuites.toml\nlock\nhold*\n");
    write(
        "suites.toml",
        &format!(
            "[[suite]]\nname = \"core\"\ncommand = [\"sh\", \"bench.sh\"]\nresults = [\"out.csv\"]\n\
             narrow = [\"{{}}\"]\nenvironment = {{ COUNTER = \"{folder}/counter\", MEASURED = \
             \"{folder}/measured\", HOLD = \"{folder}/hold\" }}\n"
        ),
    );
    workspace.git(&["init", "--quiet"]);
    workspace.git(&["add", "."]);
    workspace.git(&["commit", "--quiet", "-m", "before"]);
    write("level", "130");
    workspace
}

/// How often each benchmark was measured: `noisy`, `slower`, `steady`.
fn measured(folder: &Utf8Path) -> [usize; 3] {
    let measured = std::fs::read_to_string(folder.join("measured")).unwrap_or_default();
    let count = |name: &str| measured.lines().filter(|line| *line == name).count();
    ["noisy", "slower", "steady"].map(count)
}

#[test]
fn only_what_is_open_is_measured_again_and_a_regression_is_found_in_turns() {
    let workspace = repository();
    let folder = workspace.path();
    let arguments = [
        "run",
        "core",
        "--until-decided",
        "--against",
        "HEAD",
        "--runs",
        "5",
        "--fail-on",
        "regression",
    ];
    let output = workspace
        .command(&arguments)
        .env("BENCH_ANALYZER_LOCK", folder.join("lock"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}\n{told}");
    assert!(said.contains("1 slower ("), "{said}");
    assert!(told.contains("2 of 3 benchmarks were decided before 5 runs were made"), "{told}");
    // Both sides, five times and three times.
    assert_eq!(measured(folder), [10, 6, 6]);
    // What was measured is stored, with the other commit as a baseline.
    let report = workspace.run(&["report", "--no-import", "--baseline", "core-against"], 0);
    assert!(report.stdout.contains("1 slower ("), "{}", report.stdout);
}

#[test]
fn who_is_killed_goes_on_behind_the_last_run() {
    let workspace = repository();
    let folder = workspace.path();
    workspace.git(&["commit", "--quiet", "-am", "after"]);
    std::fs::write(folder.join("hold"), "").unwrap();
    let arguments = ["run", "--until-decided", "--against", "HEAD~1", "--runs", "5"];
    let command = || {
        let mut command = workspace.command(&arguments);
        command.env("BENCH_ANALYZER_LOCK", folder.join("lock"));
        command
    };
    let mut killed = workspace.process(&arguments);
    killed.env("BENCH_ANALYZER_LOCK", folder.join("lock"));
    let mut killed = killed.stderr(std::process::Stdio::null()).spawn().unwrap();
    while !folder.join("hold.now").exists() {
        assert!(killed.try_wait().unwrap().is_none(), "it ended before it could be killed");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(measured(folder), [3, 3, 3]);
    std::fs::remove_file(folder.join("hold")).unwrap();
    let output = command().output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    assert!(told.contains("core: goes on after 3 runs of an earlier call"), "{told}");
    assert!(told.contains("2 of 3 benchmarks were decided before 5 runs were made"), "{told}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 slower ("));
    assert_eq!(measured(folder), [10, 6, 6]);
    // What is decided is over: the same call measures anew.
    let output = command().output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("goes on"), "{output:?}");
}

#[test]
fn a_commit_that_is_none_is_named() {
    let workspace = Workspace::new();
    let folder = workspace.path();
    std::fs::write(
        folder.join("suites.toml"),
        "[[suite]]\nname = \"core\"\ncommand = [\"true\"]\n",
    )
    .unwrap();
    workspace.git(&["init", "--quiet"]);
    let mut command = workspace.command(&["run", "--until-decided", "--against", "nowhere"]);
    let output = command.env("BENCH_ANALYZER_LOCK", folder.join("lock")).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("nowhere is no commit here"), "{told}");
    workspace.run(&["run", "--until-decided"], 2);
}
