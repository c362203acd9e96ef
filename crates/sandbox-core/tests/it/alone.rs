//! Tests that need a process of their own, whatever runs the tests.

use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// No such process takes a fraction of that; one that hangs fails its test and not the suite.
const LIMIT: Duration = Duration::from_secs(160);

/// Runs the ignored test of that name in a process of its own.
pub(crate) fn run(test: &str) {
    run_by(Command::new(std::env::current_exe().unwrap()), test);
}

/// Runs a test in a process of its own that may have so many descriptors.
#[cfg(unix)]
pub(crate) fn run_with_descriptors(most: u32, test: &str) {
    run_after(&format!("ulimit -n {most}"), test);
}

/// Runs a test in a process of its own, after a command of the shell that changes what the process may do.
#[cfg(unix)]
pub(crate) fn run_after(command: &str, test: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!(r#"{command} && exec "$0" "$@""#)]);
    shell.arg(std::env::current_exe().unwrap());
    run_by(shell, test);
}

fn run_by(mut program: Command, test: &str) {
    program.args(["--exact", test, "--ignored", "--nocapture"]);
    let output = output_within(LIMIT, program, test);
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {text}{said}", output.status);
    assert!(text.contains("1 passed"), "{text}");
}

/// Waits for the program, and ends it where it takes longer.
fn output_within(limit: Duration, mut program: Command, test: &str) -> Output {
    let mut child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    let number = child.id();
    // Reads what it says meanwhile, or it would wait for that at some point.
    let stdout = child.stdout.take().map(read_all).unwrap();
    let stderr = child.stderr.take().map(read_all).unwrap();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > limit {
            child.kill().unwrap();
            child.wait().unwrap();
            let said = String::from_utf8_lossy(&stderr.join().unwrap()).into_owned();
            panic!("process {number} of {test} hangs after {limit:?}: {said}");
        }
        thread::sleep(Duration::from_millis(2));
    };
    Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

fn read_all(mut pipe: impl std::io::Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        let _ = pipe.read_to_end(&mut all);
        all
    })
}
