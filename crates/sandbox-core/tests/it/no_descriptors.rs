//! A process that has no descriptor left, as one under attack or with a leak.
//!
//! Instances that begin from a template map its memory from a file in memory, and there can be none.

use std::fs::File;
use std::time::Duration;

use sandbox_core::{InstanceMode, Module, SandboxError, SecurityPolicy, WasmSandbox};

use crate::warnings::warnings;
use crate::{alone, modules};

/// Initialisation writes 5, and each call adds one.
const COUNTER: &str = r#"(module (memory (export "memory") 1)
    (func (export "_initialize") (i32.store (i32.const 4096) (i32.const 5)))
    (func (export "count") (result i32)
        (i32.store (i32.const 4096) (i32.add (i32.load (i32.const 4096)) (i32.const 1)))
        (i32.load (i32.const 4096)))
    (func (export "spin") (loop $again br $again)))"#;

const SCENE: &str = "no_descriptors::nothing_can_be_mapped";

#[test]
fn calls_still_have_new_instances_where_nothing_can_be_mapped() {
    alone::run_with_descriptors(64, SCENE);
}

fn sandbox(module: &Module, mode: InstanceMode) -> WasmSandbox {
    let policy = SecurityPolicy::strict().with_instances(mode);
    WasmSandbox::builder().module(module).security_policy(policy).build_blocking().unwrap()
}

fn count(sandbox: &WasmSandbox) -> i32 {
    sandbox.call_blocking("count", ()).unwrap()
}

/// Replaces the sandbox's instance, because one that was interrupted is never put back.
fn lose_instance(sandbox: &WasmSandbox) {
    let hurried = sandbox.with_time_limit(Duration::from_millis(5));
    let error = hurried.call_blocking::<()>("spin", ()).unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
}

/// Not a test: what runs in a process of its own.
#[test]
#[ignore = "runs only as a process of another test"]
fn nothing_can_be_mapped() {
    let module = Module::compile(&modules::wasm(COUNTER), &SecurityPolicy::strict()).unwrap();
    let fresh = sandbox(&module, InstanceMode::Fresh);
    let persistent = sandbox(&module, InstanceMode::Persistent);
    // What is opened once is there then: the watchdog, the workers, what the kernel is asked for.
    assert_eq!((count(&fresh), count(&persistent)), (6, 6));

    let mut taken: Vec<File> = Vec::new();
    for _ in 0..10 {
        taken.extend(std::iter::from_fn(|| File::open("/dev/null").ok()));
        // The watchdog has a file open for moments, whose descriptor is free after it.
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!taken.is_empty() && taken.len() < 64);
    let ((), said) = warnings(|| {
        for _ in 0..3 {
            lose_instance(&fresh);
            assert_eq!((count(&fresh), count(&fresh)), (6, 6));
        }
    });
    assert!(said.iter().any(|warning| warning.contains("cannot be mapped")), "{said:?}");
    // The second of its kind would begin from a template.
    let alike = sandbox(&module, InstanceMode::Persistent);
    assert_eq!([count(&alike), count(&alike), count(&persistent)], [6, 7, 7]);
    lose_instance(&alike);
    assert_eq!(count(&alike), 6);

    drop(taken);
    lose_instance(&fresh);
    for _ in 0..10 {
        assert_eq!(count(&fresh), 6);
    }
    assert_eq!((count(&alike), count(&persistent)), (7, 8));
}
