//! `run --until-decided`: a real command in a real repository.

use camino::Utf8Path;

use crate::workspace::Workspace;

/// Measures three benchmarks, or those that match its first argument: one that takes as long as the
/// file `level` says, one that never changes, and one that is too noisy to say.
const BENCH: &str = r#"
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

fn git(folder: &Utf8Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"];
    let mut git = std::process::Command::new("git");
    let done = git.arg("-C").arg(folder).args(identity).args(arguments).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

#[test]
fn only_what_is_open_is_measured_again_and_a_regression_is_found_in_turns() {
    let workspace = Workspace::new();
    let folder = workspace.path();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("bench.sh", BENCH);
    write("level", "100");
    write(".gitignore", "out.csv\n.bench\ncounter\nmeasured\nsuites.toml\n");
    write(
        "suites.toml",
        &format!(
            "[[suite]]\nname = \"core\"\ncommand = [\"sh\", \"bench.sh\"]\nresults = [\"out.csv\"]\n\
             narrow = [\"{{}}\"]\nenvironment = {{ COUNTER = \"{folder}/counter\", MEASURED = \
             \"{folder}/measured\" }}\n"
        ),
    );
    git(folder, &["init", "--quiet"]);
    git(folder, &["add", "."]);
    git(folder, &["commit", "--quiet", "-m", "before"]);
    write("level", "130");
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
    assert!(said.contains("1 regression"), "{said}");
    assert!(told.contains("2 of 3 benchmarks were decided before 5 runs were made"), "{told}");
    let measured = std::fs::read_to_string(folder.join("measured")).unwrap();
    let count = |name: &str| measured.lines().filter(|line| *line == name).count();
    // Both sides, five times and three times.
    assert_eq!((count("noisy"), count("slower"), count("steady")), (10, 6, 6));
    // What was measured is stored, with the other commit as a baseline.
    let report = workspace.run(&["report", "--no-import", "--baseline", "core-against"], 0);
    assert!(report.stdout.contains("1 regression"), "{}", report.stdout);
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
    git(folder, &["init", "--quiet"]);
    let mut command = workspace.command(&["run", "--until-decided", "--against", "nowhere"]);
    let output = command.env("BENCH_ANALYZER_LOCK", folder.join("lock")).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("nowhere is no commit here"), "{told}");
    workspace.run(&["run", "--until-decided"], 2);
}
