//! Density: many guests in one process hold little of the system, and nothing of it is left when they are gone.
//!
//! Each measurement has a process of its own, because other tests hold things too.

#[path = "../../examples/support/process.rs"]
mod process;

use std::process::Command;

use sandbox_core::{InstanceMode, Module, RunRequest, SecurityPolicy, Tiering, WasmSandbox};

use crate::modules::{self, NUMBERS};
use process::Holdings;

const SCENE: &str = "SANDBOX_TEST_DENSITY";

/// Runs the scene of that name in a process of its own.
fn alone(scene: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "density::in_a_process_of_its_own", "--ignored", "--nocapture"])
        .env(SCENE, scene)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{text}");
}

/// Not a test: what [`alone`] runs.
#[test]
#[ignore = "runs only as a process of other tests"]
fn in_a_process_of_its_own() {
    match std::env::var(SCENE).as_deref() {
        Ok("live") => live_instances(),
        Ok("initialised") => instances_that_initialisation_filled(),
        Ok("idle") => idle_sandboxes(),
        Ok("templates") => templates(),
        Ok("programs") => programs(),
        Ok("tiers") => tiers(),
        _ => {}
    }
}

/// Makes and drops so many twice, and measures the second time: what is made only once is there then, such as threads
/// and what the allocator keeps for them. So this says nothing of resident memory.
fn measured<T>(number: i64, make: impl Fn() -> T) -> (Each, Holdings) {
    drop((0..number).map(|_| make()).collect::<Vec<_>>());
    measured_now(number, make)
}

/// Measures so many beside a tenth of them, which are kept: the allocator does not give back what is dropped, and those that
/// are measured would seem to take nothing.
fn measured_with_memory<T>(number: i64, make: impl Fn() -> T) -> (Each, Holdings) {
    let _first: Vec<T> = (0..number / 10).map(|_| make()).collect();
    measured_now(number, make)
}

fn measured_now<T>(number: i64, make: impl Fn() -> T) -> (Each, Holdings) {
    let before = Holdings::now();
    let held: Vec<T> = (0..number).map(|_| make()).collect();
    let with = Holdings::now() - before;
    drop(held);
    // What is put back or dropped on another thread needs a moment.
    let gone = |left: &Holdings| left.mappings.abs() <= 40 && left.descriptors <= 0;
    let mut left = Holdings::now() - before;
    for _ in 0..100 {
        if gone(&left) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
        left = Holdings::now() - before;
    }
    (Each { all: with, number }, left)
}

struct Each {
    all: Holdings,
    number: i64,
}

fn assert_nothing_left(left: Holdings) {
    assert!(left.mappings.abs() <= 40, "{left:?}");
    assert!(left.descriptors <= 0, "{left:?}");
    // The allocator keeps what it had at most, and threads have stacks; one leaked memory would be 8 GiB.
    assert!(left.address_space_mib < 2048, "{left:?}");
    assert!(left.threads <= 2, "{left:?}");
}

fn module(guest: &str) -> Module {
    let wasm = std::fs::read(modules::guest(guest)).unwrap();
    Module::compile(&wasm, &modules::strict_and_persistent()).unwrap()
}

fn sandbox(module: &Module, policy: SecurityPolicy) -> WasmSandbox {
    WasmSandbox::builder().module(module).security_policy(policy).build_blocking().unwrap()
}

fn fresh() -> SecurityPolicy {
    SecurityPolicy::strict().with_instances(InstanceMode::Fresh)
}

fn live_instances() {
    let module = module("simple_math");
    let (each, left) = measured_with_memory(1000, || {
        let sandbox = sandbox(&module, modules::strict_and_persistent());
        assert_eq!(sandbox.call_blocking::<i32>("add", (1i32, 2i32)).unwrap(), 3);
        sandbox
    });
    let Each { all, number } = each;
    // A memory is two stretches: what the guest has of it, and the rest that is reserved.
    assert!(all.mappings <= 2 * number + 40, "{all:?}");
    assert!(all.descriptors <= 0 && all.threads <= 2, "{all:?}");
    // 15.1 KiB, of which 12 are Wasmer's for a module with so many functions (docs/benchmarks.md); the rest is slack.
    assert!(all.resident_kib <= 18 * number, "{all:?}");
    // It wrote to no page, so the kernel needs none for it.
    assert!(all.page_tables_kib <= number, "{all:?}");
    assert_nothing_left(left);
}

fn instances_that_initialisation_filled() {
    let text = r#"(module (memory (export "memory") 4)
        (func (export "_initialize") (memory.fill (i32.const 0) (i32.const 7) (i32.const 262144)))
        (func (export "write") (param i32) (result i32)
            (i32.store8 (local.get 0) (i32.const 8)) (i32.load (local.get 0))))"#;
    let module = Module::compile(&modules::wasm(text), &modules::strict_and_persistent()).unwrap();
    let (each, left) = measured_with_memory(500, || {
        let sandbox = sandbox(&module, modules::strict_and_persistent());
        assert_eq!(sandbox.call_blocking::<i32>("write", 100_000).unwrap(), 0x0707_0708);
        sandbox
    });
    let Each { all, number } = each;
    // Of 256 KiB, one page was written to by a call; Wasmer's instance is small.
    assert!(all.resident_kib <= 14 * number, "{all:?}");
    assert!(all.mappings <= 2 * number + 40, "{all:?}");
    assert_nothing_left(left);
}

fn idle_sandboxes() {
    let module = module("simple_math");
    let first = sandbox(&module, fresh());
    let (each, left) = measured_with_memory(10_000, || sandbox(&module, fresh()));
    let Each { all, number } = each;
    assert!(all.mappings <= 40 && all.descriptors <= 0 && all.threads <= 2, "{all:?}");
    assert!(all.resident_kib <= 3 * number, "{all:?}");
    assert_nothing_left(left);
    assert_eq!(first.call_blocking::<i32>("add", (1i32, 2i32)).unwrap(), 3);
}

fn templates() {
    let module = module("simple_math");
    let limit = std::cell::Cell::new(1000);
    let (each, left) = measured(200, || {
        // Another policy, so another template.
        limit.set(limit.get() + 1);
        let sandbox = sandbox(&module, fresh().with_table_limit(limit.get()));
        assert_eq!(sandbox.call_blocking::<i32>("add", (1i32, 2i32)).unwrap(), 3);
        sandbox
    });
    let Each { all, number } = each;
    assert!(all.descriptors <= number, "{all:?}");
    assert!(all.mappings <= 4 * number + 40, "{all:?}");
    assert_nothing_left(left);
}

fn programs() {
    let module = module("wasi_command");
    let sandbox = sandbox(&module, modules::strict_and_persistent());
    let (_, left) = measured(300, || {
        sandbox.run_blocking(RunRequest::new().argument("one").stdin("two")).map(drop)
    });
    assert_nothing_left(left);
}

fn tiers() {
    let wasm = modules::wasm(NUMBERS);
    let (each, left) = measured(200, || {
        let builder = WasmSandbox::builder().source_bytes(&wasm).security_policy(fresh());
        builder.disable_cache().tiering(Tiering::Auto).build_blocking().unwrap()
    });
    assert!(each.all.threads <= 4, "{:?}", each.all);
    assert_nothing_left(left);
}

#[test]
fn a_thousand_live_instances_take_two_mappings_each_and_leave_nothing() {
    alone("live");
}

#[test]
fn pages_that_initialisation_wrote_are_there_once_for_all_live_instances() {
    alone("initialised");
}

#[test]
fn ten_thousand_idle_sandboxes_take_nothing_but_a_little_memory() {
    alone("idle");
}

#[test]
fn a_template_takes_one_descriptor_and_gives_it_back() {
    alone("templates");
}

#[test]
fn programs_that_ran_leave_nothing() {
    alone("programs");
}

#[test]
fn sandboxes_that_wait_for_better_code_leave_nothing() {
    alone("tiers");
}
