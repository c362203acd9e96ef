//! Tests that need a process of their own, whatever runs the tests.

use std::process::Command;

/// Runs the ignored test of that name in a process of its own.
pub(crate) fn run(test: &str) {
    run_by(Command::new(std::env::current_exe().unwrap()), test);
}

/// The same, in a process that may have so many descriptors.
#[cfg(unix)]
pub(crate) fn run_with_descriptors(most: u32, test: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!(r#"ulimit -n {most} && exec "$0" "$@""#)]);
    shell.arg(std::env::current_exe().unwrap());
    run_by(shell, test);
}

fn run_by(mut program: Command, test: &str) {
    let output = program.args(["--exact", test, "--ignored", "--nocapture"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{text}");
}
