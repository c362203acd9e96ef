//! The tutorial, command by command.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::kits::{folder, go};

/// A command of the tutorial, and what it prints.
#[derive(Debug, PartialEq, Eq)]
struct Step<'t> {
    command: &'t str,
    printed: Vec<&'t str>,
}

/// The commands in the blocks of a document that show a console.
fn steps(document: &str) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut is_console = false;
    for line in document.lines() {
        if line.starts_with("```") {
            is_console = line == "```console";
        } else if is_console {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step { command, printed: Vec::new() }),
                (None, Some(step)) => step.printed.push(line),
                (None, None) => panic!("a block begins with what is printed: {line}"),
            }
        }
    }
    steps
}

/// Whether lines are as expected, where `...` stands for any, and in a line for any part of it.
fn fits(printed: &[&str], expected: &[&str]) -> bool {
    match expected {
        [] => printed.is_empty(),
        ["...", rest @ ..] => (0..=printed.len()).any(|left_out| fits(&printed[left_out..], rest)),
        [line, rest @ ..] => {
            let is_line = |printed: &&str| match line.split_once("...") {
                Some((before, after)) => printed.starts_with(before) && printed.ends_with(after),
                None => printed == line,
            };
            printed.first().is_some_and(is_line) && fits(&printed[1..], rest)
        }
    }
}

#[test]
fn the_tutorial_does_what_it_says() {
    let Some(go) = go() else { return };
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let tutorial = std::fs::read_to_string(checkout.join("docs/tutorial.md")).unwrap();
    let steps = steps(&tutorial);
    assert!(steps.len() >= 10, "{steps:?}");

    let here = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(&checkout, here.path().join("wasm-sandbox")).unwrap();
    let mut path: Vec<PathBuf> = [assert_cmd::cargo::cargo_bin!("sandbox"), go.as_path()]
        .iter()
        .map(|program| program.parent().unwrap().to_owned())
        .collect();
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    for Step { command, printed: expected } in steps {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("exec 2>&1; {command}")).current_dir(here.path());
        shell.env("PATH", std::env::join_paths(&path).unwrap());
        shell.env("XDG_CACHE_HOME", here.path().join("cache")).stdin(Stdio::null());
        shell.env("GOCACHE", folder("go").join("cache")).env("GOTOOLCHAIN", "local");
        let output = shell.env_remove("GOFLAGS").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let printed: Vec<&str> = text.lines().collect();
        assert!(fits(&printed, &expected), "`{command}` does not print that, but:\n{text}");
    }
}

#[test]
fn commands_and_what_they_print_are_read_from_blocks_of_a_console() {
    let document =
        "$ not this\n```text\n$ nor this\n```\n```console\n$ one\n$ two; three\na\n\nb\n```\nc\n";
    assert_eq!(
        steps(document),
        [
            Step { command: "one", printed: vec![] },
            Step { command: "two; three", printed: vec!["a", "", "b"] },
        ]
    );
    assert!(fits(&["a", "b"], &["a", "b"]) && fits(&["a", "b", "c"], &["a", "...", "c"]));
    assert!(fits(&["a"], &["...", "a"]) && fits(&[], &["..."]));
    assert!(fits(&["a.x1: b"], &["a...: b"]) && !fits(&["a: c"], &["a...: b"]));
    assert!(!fits(&["a", "b"], &["a"]) && !fits(&["a"], &["...", "b"]) && !fits(&[], &["a"]));
}
