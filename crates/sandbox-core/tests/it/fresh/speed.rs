//! Cost of a call on a fresh instance here. Prints figures; run with `--ignored --nocapture`.

use std::time::{Duration, Instant};

use sandbox_core::{InstanceMode, MemoryReset, SecurityPolicy, WasmSandbox};

use super::policy;
use crate::modules;

const WRITER: &str = r#"(module (memory (export "memory") 17)
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "write") (param $pages i32) (result i32)
        (loop $next
            (i32.store (i32.mul (local.get $pages) (i32.const 12288)) (i32.const 1))
            (br_if $next (local.tee $pages (i32.sub (local.get $pages) (i32.const 1)))))
        (i32.const 0)))"#;

/// The shortest of several stretches, for each call.
fn nanoseconds(mut call: impl FnMut()) -> f64 {
    const CALLS: u32 = 2000;
    let stretch = |call: &mut dyn FnMut()| {
        let started = Instant::now();
        (0..CALLS).for_each(|_| call());
        started.elapsed()
    };
    let shortest = (0..9).map(|_| stretch(&mut call)).min().unwrap_or(Duration::ZERO);
    shortest.as_secs_f64() * 1e9 / f64::from(CALLS)
}

fn report(what: &str, sandbox: &WasmSandbox, function: &str, arguments: &[i32]) {
    let nanoseconds = match *arguments {
        [one, two] => nanoseconds(|| {
            sandbox.call_blocking::<i32>(function, (one, two)).unwrap();
        }),
        [one] => nanoseconds(|| {
            sandbox.call_blocking::<i32>(function, one).unwrap();
        }),
        _ => return,
    };
    println!("{what:50} {nanoseconds:8.0} ns");
}

#[test]
#[ignore = "measures"]
fn figures() {
    let persistent = SecurityPolicy::strict().with_instances(InstanceMode::Persistent);
    let build = |policy: SecurityPolicy, reset| super::sandbox(WRITER, policy, reset);
    let warm = build(persistent, MemoryReset::Quickest);
    report("persistent, add", &warm, "add", &[1, 2]);
    for reset in super::RESETS {
        let sandbox = build(policy(), reset);
        report(&format!("{reset:?}, add"), &sandbox, "add", &[1, 2]);
        for pages in [1, 16, 64] {
            report(&format!("{reset:?}, {pages} pages"), &sandbox, "write", &[pages]);
        }
    }
    let builder = WasmSandbox::builder().source(modules::guest("simple_math"));
    let sandbox = builder.security_policy(policy()).build_blocking().unwrap();
    report("simple_math, add", &sandbox, "add", &[1, 2]);
    let builder = WasmSandbox::builder().source(modules::guest("abi_probe"));
    let sandbox = builder.security_policy(policy()).build_blocking().unwrap();
    let input = [7u8; 100];
    let time = nanoseconds(|| {
        sandbox.call_blocking::<Vec<u8>>("second_half", &input[..]).unwrap();
    });
    println!("{:50} {time:8.0} ns", "abi_probe, 100 bytes");
}

#[test]
#[ignore = "measures"]
fn calls_a_second_on_all_cores() {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let sandbox = super::sandbox(WRITER, policy().with_max_instances(64), MemoryReset::Quickest);
    for threads in [1, cores] {
        let started = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for _ in 0..200_000 {
                        sandbox.call_blocking::<i32>("write", 1i32).unwrap();
                    }
                });
            }
        });
        let calls = 200_000.0 * threads as f64;
        let rate = calls / started.elapsed().as_secs_f64();
        println!("{threads} threads: {rate:.0} calls a second");
    }
}
