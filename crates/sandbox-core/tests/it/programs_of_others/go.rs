//! Go's own tests of its packages of files, compiled to the folder that `WASI_GO_TESTS` names. `WASI_GO_ROOT` names where
//! Go's sources are: some tests read those of their own package.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use sandbox_core::{RunRequest, SecurityPolicy};

use super::{Files, Place, Report, Verdict, files_of, folder_of, in_place, run_with};

/// The packages, each with the name of its program.
const PACKAGES: [(&str, &str); 3] =
    [("os", "os"), ("io/fs", "io_fs"), ("path/filepath", "path_filepath")];

/// Where the guest finds Go's sources.
const ROOT: &str = "/go";

/// Files that a test finds beside the sources, as in every installation of Go.
const BESIDE: [&str; 3] = ["CONTRIBUTING.md", "LICENSE", "go.env"];

const DEVICES: &str = "a guest has no devices, such as /dev/null";
const LINKS: &str = "guests make no links in a folder of the host";

/// Tests of `os` that a sandbox refuses something, and what.
const FORBIDDEN: [(&str, &[&str]); 2] = [
    (DEVICES, &["TestDevNullFile", "TestOpenFileDevNull"]),
    (
        LINKS,
        &[
            "TestHardLink",
            "TestLongPath",
            "TestRootLinkFrom",
            "TestRootMultiChtimes",
            "TestRootMultiCreate",
            "TestRootMultiLstat",
            "TestRootMultiMkdir",
            "TestRootMultiMkdirAllDeep",
            "TestRootMultiMkdirAllShallow",
            "TestRootMultiOpen",
            "TestRootMultiOpenFile",
            "TestRootMultiReadFile",
            "TestRootMultiReadlink",
            "TestRootMultiRemove",
            "TestRootMultiRemoveAll",
            "TestRootMultiStat",
            "TestRootMultiWriteFile",
        ],
    ),
];

/// Stands between the lines that a test says.
const BETWEEN: &str = " | ";

/// Messages of a test when it is refused that, and of no other failure.
const REFUSED: [&str; 4] = [
    "Operation not permitted",
    "absolute link targets not supported",
    "cannot make symlinks",
    "/dev/null: No such file or directory",
];

fn run_all(place: Place) {
    let (programs, root) = (folder_of("WASI_GO_TESTS"), folder_of("WASI_GO_ROOT"));
    in_place(place, || {
        let mut report = Report::new("go", place);
        for (package, program) in PACKAGES {
            let program = programs.join(format!("{program}.test.wasm"));
            for (test, verdict) in run(&program, &root, package, place) {
                report.add(package, test, verdict);
            }
        }
        report.close();
    });
}

/// Runs a package's tests. Returns what came of each, by its name.
fn run(program: &Path, root: &Path, package: &str, place: Place) -> BTreeMap<String, Verdict> {
    let sources = format!("{ROOT}/src/{package}");
    let mut files = Files::new();
    files.push(("/tmp".to_owned(), None));
    files.extend(BESIDE.map(|name| (format!("{ROOT}/{name}"), Some(b"There.\n".to_vec()))));
    files_of(&root.join("src").join(package), &sources, &mut files);
    // Which a test walks.
    files_of(&root.join("src/unicode"), &format!("{ROOT}/src/unicode"), &mut files);
    // However busy the machine is.
    let policy = SecurityPolicy::permissive().with_wall_clock(Duration::from_secs(1800));
    let mut request = RunRequest::new()
        .argument("-test.v")
        .environment("PWD", sources)
        .environment("GOROOT", ROOT)
        .environment("HOME", "/tmp")
        .environment("TMPDIR", "/tmp");
    if place != Place::Memory {
        // It ends the program where it cannot make a link.
        request = request.argument("-test.skip=^ExampleReadlink$");
    }
    let (result, _granted) = run_with(program, policy, request, &files, place);
    let (stdout, end) = match result {
        Ok(output) => {
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            (output.stdout, format!("exit code {}: {stderr}", output.exit_code))
        }
        Err(error) => {
            let stdout = error.output().map(|output| output.stdout.to_vec());
            (stdout.unwrap_or_default(), error.to_string())
        }
    };
    let mut verdicts = verdicts(&String::from_utf8_lossy(&stdout), &end);
    if package == "os" {
        note_forbidden(&mut verdicts, place);
    }
    verdicts
}

/// Reads what a test program of Go says with `-test.v`.
fn verdicts(said: &str, end: &str) -> BTreeMap<String, Verdict> {
    let mut verdicts = BTreeMap::new();
    // What each test that has not ended has said, and which speaks.
    let mut logs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut speaker = "";
    for line in said.lines() {
        if let Some(event) = line.strip_prefix("=== ") {
            let test = event.split_whitespace().nth(1).unwrap_or_default();
            speaker = test.split('/').next().unwrap_or_default();
            logs.entry(speaker).or_default();
        } else if let Some(result) = line.strip_prefix("--- ") {
            let (verdict, test) = result.split_once(": ").unwrap_or_default();
            let test = test.split(' ').next().unwrap_or_default();
            let reason = logs.remove(test).unwrap_or_default().join(BETWEEN);
            let verdict = match verdict {
                "PASS" => Verdict::Passed,
                "SKIP" => Verdict::Skipped(why_skipped(&reason)),
                _ => Verdict::Failed(reason),
            };
            verdicts.insert(test.to_owned(), verdict);
        } else if let Some(log) = logs.get_mut(speaker)
            && line.contains(".go:")
        {
            log.push(line.trim());
        }
    }
    for test in logs.into_keys() {
        verdicts.insert(test.to_owned(), Verdict::Failed(format!("it did not end: {end}")));
    }
    verdicts
}

/// Says why a test skips itself, without where it does and what it made for that.
fn why_skipped(said: &str) -> String {
    let said =
        said.split_once(".go:").and_then(|(_, at)| at.split_once(": ")).map_or("", |(_, why)| why);
    let said = said.split(": symlinks unsupported").next().unwrap_or_default();
    said.to_owned()
}

/// Tells failures that a policy wants from others.
fn note_forbidden(verdicts: &mut BTreeMap<String, Verdict>, place: Place) {
    let here = FORBIDDEN.iter().filter(|(reason, _)| place != Place::Memory || *reason != LINKS);
    for (reason, tests) in here {
        for test in *tests {
            let is_refused = match verdicts.get(*test) {
                Some(Verdict::Failed(said)) if !said.is_empty() => said
                    .split(BETWEEN)
                    .all(|line| REFUSED.iter().any(|refused| line.contains(refused))),
                Some(Verdict::Failed(_)) => false,
                _ => {
                    let wrong = format!("it does not fail as it is said to: {reason}");
                    verdicts.insert((*test).to_owned(), Verdict::Failed(wrong));
                    continue;
                }
            };
            if is_refused {
                verdicts.insert((*test).to_owned(), Verdict::Forbidden((*reason).to_owned()));
            }
        }
    }
}

#[test]
fn what_go_says_of_its_tests_is_read() {
    let said = "=== RUN   TestA\n=== PAUSE TestA\n=== RUN   TestB\n    b_test.go:1: a reason\n--- SKIP: TestB (0.00s)\n\
                === RUN   TestC\n=== RUN   TestC/one\n=== CONT  TestA\n=== NAME  TestC/one\n    c_test.go:2: wrong\n\
                --- FAIL: TestC (0.00s)\n    --- FAIL: TestC/one (0.00s)\n--- PASS: TestA (0.00s)\n=== RUN   TestD\n";
    let expected = [
        ("TestA", Verdict::Passed),
        ("TestB", Verdict::Skipped("a reason".to_owned())),
        ("TestC", Verdict::Failed("c_test.go:2: wrong".to_owned())),
        ("TestD", Verdict::Failed("it did not end: exit code 2".to_owned())),
    ];
    let expected = expected.map(|(test, verdict)| (test.to_owned(), verdict));
    assert_eq!(verdicts(said, "exit code 2"), BTreeMap::from(expected));
}

#[test]
#[ignore = "needs Go's tests"]
fn programs_pass_in_memory() {
    run_all(Place::Memory);
}

#[test]
#[ignore = "needs Go's tests"]
fn programs_pass_in_a_granted_folder() {
    run_all(Place::Openat2);
}

#[test]
#[ignore = "needs Go's tests"]
fn programs_pass_without_openat2() {
    run_all(Place::Walk);
}
