//! Reports on programs that fail, and streams that lead to the host.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox_core::{OutputOverflow, RunRequest, SandboxError, SecurityPolicy, WasmSandbox};

use super::{PROGRAM, program};
use crate::modules;

/// Writes a line to standard output and a file in memory, and traps.
const FAILS: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\10\00\00\00\04\00\00\00")
    (data (i32.const 16) "left")
    (func (export "_start")
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (drop (call $open (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 4) (i32.const 1)
            (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 32)))
        (drop (call $write (i32.load (i32.const 32)) (i32.const 0) (i32.const 1) (i32.const 8)))
        unreachable))"#;

/// Says for ever what cannot be written any more, and counts the errors in its exit code: it stops after ten.
const TALKS: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\10\00\00\00\00\10\00\00")
    (func (export "_start") (local $left i32) (local $errors i32)
        (local.set $left (i32.const 100))
        (loop $again
            (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))
                (then (local.set $errors (i32.add (local.get $errors) (i32.const 1)))))
            (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (call $exit (local.get $errors))))"#;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Both ends of a pipe in memory: each write waits until the one before it was read.
struct Pipe(SyncSender<Vec<u8>>);
struct PipeEnd(Receiver<Vec<u8>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for PipeEnd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Ok(bytes) = self.0.recv() else { return Ok(0) };
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

fn talker(limit_bytes: u64) -> WasmSandbox {
    program(TALKS, SecurityPolicy::strict().with_output_limit(limit_bytes))
}

#[tokio::test]
async fn a_program_that_fails_is_reported_with_all_that_it_left() {
    let sandbox = program(FAILS, SecurityPolicy::strict());
    let report = sandbox.run_reported(RunRequest::new().file("/in/put", "given")).await;
    assert!(matches!(report.ended, Err(SandboxError::Trap { .. })), "{:?}", report.ended);
    assert_eq!((report.stdout.as_slice(), report.stderr.as_slice()), (&b"left"[..], &b""[..]));
    let files = report.files.unwrap();
    assert_eq!(files.read("/left").unwrap(), b"left");
    assert_eq!(files.read("/in/put").unwrap(), b"given");
    assert_eq!(files.list().len(), 2);
    assert_eq!((report.usage.calls, report.usage.failed_calls), (1, 1));
    assert!(!report.usage.wall_time.is_zero());
    assert_eq!(report.usage.memory_high_water_bytes, 65_536);
    // And as before, where only the value is wanted.
    let error = sandbox.run(RunRequest::new()).await.unwrap_err();
    assert_eq!(error.output().unwrap().stdout, b"left");
}

#[test]
fn fuel_of_a_program_that_runs_out_of_it_is_in_the_report() {
    let text = r#"(module (func (export "_start") (loop $again br $again)))"#;
    let policy = SecurityPolicy::strict().with_fuel(10_000);
    let report = program(text, policy).run_reported_blocking(RunRequest::new());
    assert!(matches!(report.ended, Err(SandboxError::OutOfFuel { .. })), "{:?}", report.ended);
    assert!(report.usage.fuel.unwrap().0 >= 10_000, "{:?}", report.usage.fuel);
    assert!(report.files.is_none(), "it imports nothing of WASI");
}

#[test]
fn a_program_that_does_not_start_is_reported_too() {
    let sandbox = modules::builder(modules::NUMBERS).build_blocking().unwrap();
    let report = sandbox.run_reported_blocking(RunRequest::new());
    assert!(matches!(report.ended, Err(SandboxError::NoSuchFunction { .. })));
    assert_eq!((report.usage.calls, report.usage.failed_calls), (1, 1));
}

#[test]
fn output_arrives_while_the_program_runs_and_input_is_read_as_it_comes() {
    let sandbox = program(PROGRAM, SecurityPolicy::strict());
    let (to_guest, from_host) = sync_channel(0);
    let (to_host, from_guest) = sync_channel(0);
    let run = std::thread::spawn(move || {
        let request = RunRequest::new().stdin_from(PipeEnd(from_host)).stdout_to(Pipe(to_host));
        sandbox.run_reported_blocking(request)
    });
    for line in ["first", "second", "third"] {
        to_guest.send(line.as_bytes().to_vec()).unwrap();
        // The answer comes before there is more input.
        assert_eq!(from_guest.recv().unwrap(), line.as_bytes());
    }
    drop(to_guest);
    let report = run.join().unwrap();
    assert_eq!(report.ended.unwrap(), 1);
    assert!(report.stdout.is_empty(), "it was passed on");
    assert_eq!(report.stderr, b"guest\0");
}

#[test]
fn a_writer_that_blocks_holds_the_program_up_and_one_that_is_gone_is_its_error() {
    let (to_host, from_guest) = sync_channel(0);
    let run = std::thread::spawn(move || {
        let request = RunRequest::new().stdout_to(Pipe(to_host));
        talker(1 << 20).run_reported_blocking(request)
    });
    std::thread::sleep(Duration::from_millis(20));
    assert!(!run.is_finished(), "nobody has read yet");
    for _ in 0..60 {
        assert_eq!(from_guest.recv().unwrap().len(), 4096);
    }
    drop(from_guest);
    assert_eq!(run.join().unwrap().ended.unwrap(), 40, "so many writes failed");
}

#[test]
fn output_beyond_the_limit_stops_the_program_or_is_dropped_as_was_asked() {
    const LIMIT: u64 = 10_000;
    const ALL: u64 = 100 * 4096;
    for live in [false, true] {
        for overflow in [OutputOverflow::Stop, OutputOverflow::Discard] {
            let sink = Shared::default();
            let mut request = RunRequest::new().output_overflow(overflow);
            if live {
                request = request.stdout_to(sink.clone());
            }
            let report = talker(LIMIT).run_reported_blocking(request);
            let kept = if live { sink.0.lock().unwrap().len() } else { report.stdout.len() };
            assert_eq!(kept as u64, LIMIT, "{live} {overflow:?}");
            match overflow {
                OutputOverflow::Discard => {
                    assert_eq!(report.ended.unwrap(), 0, "no write fails");
                    assert_eq!(report.output_bytes_beyond_limit, ALL - LIMIT);
                }
                _ => {
                    assert!(matches!(report.ended, Err(SandboxError::OutputLimit { .. })));
                    assert!(report.output_bytes_beyond_limit > 0);
                }
            }
        }
    }
}

#[test]
fn what_a_request_debugs_as_has_no_secrets() {
    let request = RunRequest::new()
        .environment("TOKEN", "secret-1")
        .argument("secret-2")
        .stdin("secret-3")
        .file("/key", "secret-4");
    let text = format!("{request:?}");
    assert!(!text.contains("secret"), "{text}");
    assert!(text.contains("TOKEN") && text.contains("/key"), "{text}");
}
