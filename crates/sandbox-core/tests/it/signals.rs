//! Signals that the sandbox did not send, of the kind that it sends.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sandbox_core::{SandboxError, WasmSandbox};

use crate::modules::{self, NUMBERS};

/// Goes round for some seconds at most, and touches memory, so that an interrupt would show.
const LONG: &str = r#"(module (memory 1)
    (func (export "long") (param i64) (result i64)
        (loop $again
            (i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (i64.const 1)))
            (local.set 0 (i64.sub (local.get 0) (i64.const 1)))
            (br_if $again (i64.ne (local.get 0) (i64.const 0))))
        (i64.load (i32.const 8))))"#;

fn sandbox(text: &str, wall_clock: Duration) -> WasmSandbox {
    let policy = modules::strict_and_persistent().with_wall_clock(wall_clock);
    modules::builder(text).security_policy(policy).build_blocking().unwrap()
}

/// Sends the signal to a process, or on Linux to a thread of one if it will take it.
fn send(to: u32) {
    let sent = Command::new("kill").args(["-URG", &to.to_string()]).status().unwrap();
    assert!(sent.success());
}

fn this_thread() -> u32 {
    let link = std::fs::read_link("/proc/thread-self").unwrap();
    link.file_name().unwrap().to_str().unwrap().parse().unwrap()
}

/// Guests still run, and are still stopped.
fn assert_well() {
    let sandbox = sandbox(NUMBERS, Duration::from_secs(600));
    let hurried = sandbox.with_time_limit(Duration::from_millis(20));
    for _ in 0..3 {
        let error = hurried.call_blocking::<i32>("spin", ()).unwrap_err();
        assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
        assert_eq!(sandbox.call_blocking::<i32>("add", (1i32, 2i32)).unwrap(), 3);
    }
}

#[test]
fn a_stray_signal_to_the_process_does_nothing() {
    assert_well();
    for _ in 0..10 {
        send(std::process::id());
    }
    assert_well();
}

#[test]
fn a_stray_signal_to_a_thread_that_runs_no_guest_does_nothing() {
    // The handler is there from the first guest on.
    assert_well();
    thread::spawn(|| {
        for _ in 0..10 {
            send(this_thread());
            signal_hook::low_level::raise(signal_hook::consts::SIGURG).unwrap();
        }
    })
    .join()
    .unwrap();
    // On a thread that ran one, and was interrupted in it.
    thread::spawn(|| {
        assert_well();
        for _ in 0..10 {
            signal_hook::low_level::raise(signal_hook::consts::SIGURG).unwrap();
        }
        assert_well();
    })
    .join()
    .unwrap();
    assert_well();
}

#[test]
fn a_stray_signal_does_not_stop_a_guest() {
    let (started, number) = mpsc::channel();
    let running = thread::spawn(move || {
        let sandbox = sandbox(LONG, Duration::from_secs(600));
        started.send(this_thread()).unwrap();
        let mut rounds = 0;
        for _ in 0..20 {
            rounds = sandbox.call_blocking::<i64>("long", 50_000_000i64).unwrap();
        }
        rounds
    });
    let number = number.recv().unwrap();
    while !running.is_finished() {
        // It may be over by now.
        let _ = Command::new("kill").args(["-URG", &number.to_string()]).status();
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(running.join().unwrap(), 20 * 50_000_000);
    assert_well();
}
