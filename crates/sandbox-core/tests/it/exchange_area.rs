//! Guests whose exchange area is where it cannot be.

use std::time::Duration;

use sandbox_core::{SandboxError, SecurityPolicy, WasmSandbox};

use crate::modules;

const MEMORY_BYTES: u32 = 65_536;

/// A guest that says where its exchange area is, and what it made of a request for room. Its function returns
/// the output that was there before.
fn guest(area: u32, reserved: u32) -> String {
    format!(
        r#"(module
        (@custom "sandbox-guest" "{{\"abi\":1,\"export\":\"echo\",\"input\":\"bytes\",\"output\":\"bytes\"}}")
        (memory (export "memory") 1)
        (func (export "sandbox_exchange") (result i32) i32.const {area})
        (func (export "sandbox_reserve") (param i32) (result i32) i32.const {reserved})
        (func (export "echo") (param i32) (result i32)
            (i32.store (i32.add (i32.const {area}) (i32.const 8))
                (i32.load (i32.const {area})))
            (i32.store (i32.add (i32.const {area}) (i32.const 12)) (local.get 0))
            i32.const 0)
        (func (export "poke") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
        (func (export "well") (result i32) i32.const 42))"#
    )
}

fn sandbox(area: u32, reserved: u32) -> WasmSandbox {
    let builder = modules::builder(&guest(area, reserved));
    builder.security_policy(modules::strict_and_persistent()).build_blocking().unwrap()
}

fn assert_well(sandbox: &WasmSandbox) {
    assert_eq!(sandbox.call_blocking::<i32>("well", ()).unwrap(), 42);
}

#[test]
fn an_area_that_is_not_aligned_works_as_any_other() {
    for area in [1, 2, 3, 1025, MEMORY_BYTES - 24, MEMORY_BYTES - 25] {
        let sandbox = sandbox(area, 0);
        // Room for eight bytes at another odd address.
        let () = sandbox.call_blocking("poke", (area, 4001i32)).unwrap();
        let () = sandbox.call_blocking("poke", (area + 4, 8i32)).unwrap();
        let echoed: Vec<u8> = sandbox.call_blocking("echo", &b"12345678"[..]).unwrap();
        assert_eq!(echoed, b"12345678", "{area}");
    }
}

#[test]
fn an_area_outside_of_memory_is_a_violation() {
    for area in [MEMORY_BYTES - 23, MEMORY_BYTES, 1 << 31, u32::MAX - 23, u32::MAX] {
        let sandbox = sandbox(area, 1);
        let error = sandbox.call_blocking::<Vec<u8>>("echo", &b"1"[..]).unwrap_err();
        assert!(matches!(error, SandboxError::AbiViolation { .. }), "{area}: {error}");
        assert_well(&sandbox);
    }
}

#[test]
fn input_goes_nowhere_that_is_not_memory() {
    for (pointer, capacity) in [
        (MEMORY_BYTES - 1, 2u32),
        (MEMORY_BYTES, 1),
        (u32::MAX, u32::MAX),
        (u32::MAX - 1, 4),
        (1 << 31, u32::MAX),
    ] {
        let sandbox = sandbox(1000, 1);
        let () = sandbox.call_blocking("poke", (1000u32, pointer)).unwrap();
        let () = sandbox.call_blocking("poke", (1004u32, capacity)).unwrap();
        let error = sandbox.call_blocking::<Vec<u8>>("echo", &b"12"[..]).unwrap_err();
        assert!(matches!(error, SandboxError::AbiViolation { .. }), "{pointer}: {error}");
        assert_well(&sandbox);
    }
}

#[test]
fn a_guest_that_never_says_where_its_area_is_ends_at_its_limits() {
    let text = r#"(module (memory (export "memory") 1)
        (func (export "sandbox_exchange") (result i32) (loop $again br $again) unreachable)
        (func (export "sandbox_reserve") (param i32) (result i32) i32.const 0))"#;
    let strict = SecurityPolicy::strict;
    let build = |policy| modules::builder(text).security_policy(policy).build_blocking().map(drop);
    let error = build(strict().with_fuel(1000)).unwrap_err();
    assert!(matches!(error, SandboxError::OutOfFuel { .. }), "{error}");
    let error = build(strict().with_wall_clock(Duration::from_millis(50))).unwrap_err();
    assert!(matches!(error, SandboxError::Timeout { .. }), "{error}");
}

#[test]
fn a_reservation_that_was_not_made_is_found_out() {
    // It says that it made room, at different places, and says nothing in the area.
    for reserved in [1, 7, 65_535, u32::MAX] {
        let sandbox = sandbox(1000, reserved);
        let () = sandbox.call_blocking("poke", (1000u32, MEMORY_BYTES - 100)).unwrap();
        let error = sandbox.call_blocking::<Vec<u8>>("echo", vec![7u8; 500]).unwrap_err();
        assert!(matches!(error, SandboxError::AbiViolation { .. }), "{reserved}: {error}");
        assert_well(&sandbox);
    }
    let sandbox = sandbox(1000, 0);
    let error = sandbox.call_blocking::<Vec<u8>>("echo", vec![7u8; 500]).unwrap_err();
    assert!(matches!(error, SandboxError::AbiViolation { .. }), "{error}");
}
