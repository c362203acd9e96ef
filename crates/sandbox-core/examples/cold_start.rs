//! Costs of a module's first call, depending on what is there of it already.
//!
//! `cargo run --release -p sandbox-core --example cold_start 200` repeats each way 200 times.

use std::time::{Duration, Instant};

use sandbox_core::{InstanceMode, Module, SecurityPolicy, SigningKey, Tiering, WasmSandbox};

#[path = "support/guests.rs"]
mod guests;

/// One of 145 kB, with a function that hardly computes anything for a short input.
const GUEST: &str = "medium_module";

/// No pause.
const NONE: Duration = Duration::ZERO;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

pub(crate) fn main() -> Outcome<()> {
    let repeat = std::env::args().nth(1).and_then(|argument| argument.parse().ok()).unwrap_or(2);
    let wasm = std::fs::read(guests::guest(GUEST))?;
    let key = SigningKey::generate()?;
    let policy = SecurityPolicy::strict();
    let artifact = Module::precompile(&wasm, &policy, &key)?;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), &artifact)?;
    println!("{} bytes of WebAssembly, {} bytes compiled and sealed", wasm.len(), artifact.len());
    println!("{:<42} {:>10} {:>10}", "", "first", "median");

    for mode in [InstanceMode::Persistent, InstanceMode::Fresh] {
        let policy = policy.clone().with_instances(mode);
        let load = || Module::load_file(file.path(), &policy, &key);
        let builder = || WasmSandbox::builder().security_policy(policy.clone());
        println!("{mode:?}:");
        timed("  loaded, built, called", repeat, NONE, || {
            let sandbox = builder().module(&load()?).build_blocking()?;
            call(&sandbox)?;
            Ok(sandbox)
        })?;
        timed("    read", repeat, NONE, || Ok(std::fs::read(file.path())?))?;
        timed("    read, verified and loaded", repeat, NONE, || Ok(load()?))?;
        let module = load()?;
        timed("    built", repeat, NONE, || Ok(builder().module(&module).build_blocking()?))?;
        for (way, tiering, pause) in [
            ("compiled", Tiering::Off, NONE),
            ("on the first tier", Tiering::Auto, Duration::from_millis(500)),
        ] {
            timed(&format!("  {way}, built, called"), repeat.min(20), pause, || {
                let builder = builder().source_bytes(&wasm).disable_cache().tiering(tiering);
                let sandbox = builder.build_blocking()?;
                call(&sandbox)?;
                Ok(sandbox)
            })?;
        }
    }
    Ok(())
}

fn call(sandbox: &WasmSandbox) -> Outcome<()> {
    let answer: Vec<u8> = sandbox.call_blocking("run", b"1 + 2".as_slice())?;
    assert!(!answer.is_empty());
    Ok(())
}

/// Does it so many times, and prints how long it took at first and in the middle. What it makes is dropped outside that
/// time.
fn timed<T>(
    what: &str,
    repeat: usize,
    pause: Duration,
    mut make: impl FnMut() -> Outcome<T>,
) -> Outcome<()> {
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..repeat.max(1) {
        let started = Instant::now();
        let made = make()?;
        times.push(started.elapsed());
        drop(made);
        // A compilation that still goes on in the background is not to slow the next one down.
        std::thread::sleep(pause);
    }
    let first = times[0];
    times.sort_unstable();
    println!("{what:<42} {first:>10.1?} {:>10.1?}", times[times.len() / 2]);
    Ok(())
}
