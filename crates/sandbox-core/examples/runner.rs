//! A runner for programs that nobody has looked at: output is shown as it comes, too much of it is dropped, and whatever
//! happens there is a report with the files that were left and what the program used.
//!
//! `cargo run -p sandbox-core --example runner`

use std::io::{self, Write};
use std::time::Duration;

use sandbox_core::{OutputOverflow, Result, RunRequest, SandboxError, SecurityPolicy, WasmSandbox};

/// Says hello, leaves a file, and then never ends.
const PROGRAM: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\10\00\00\00\06\00\00\00")
    (data (i32.const 16) "hello\0a")
    (data (i32.const 32) "result.txt")
    (func (export "_start")
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (drop (call $open (i32.const 3) (i32.const 0) (i32.const 32) (i32.const 10) (i32.const 1)
            (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 48)))
        (drop (call $write (i32.load (i32.const 48)) (i32.const 0) (i32.const 1) (i32.const 8)))
        (loop $again br $again)))"#;

/// Shows each line with a mark in front.
struct Marked;

impl Write for Marked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        print!("guest: {}", String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

#[tokio::main]
pub(crate) async fn main() -> Result<()> {
    let wasm = wat::parse_str(PROGRAM).expect("the text is valid");
    let policy = SecurityPolicy::strict().with_wall_clock(Duration::from_millis(200));
    let sandbox =
        WasmSandbox::builder().source_bytes(&wasm).security_policy(policy).build().await?;

    let request = RunRequest::new()
        .file("/input/data.csv", "a,b\n1,2\n")
        .stdout_to(Marked)
        .output_overflow(OutputOverflow::Discard);
    let report = sandbox.run_reported(request).await;

    assert!(matches!(report.ended, Err(SandboxError::Timeout { .. })));
    println!("stopped after {:?} with {:?}", report.usage.wall_time, report.ended);
    let files = report.files.expect("it got as far as its first instruction");
    assert_eq!(files.read("/result.txt")?, b"hello\n");
    for file in files.list() {
        println!("{}: {} bytes", file.path, file.size_bytes);
    }
    Ok(())
}
