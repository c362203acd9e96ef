//! Fresh instances: whatever calls did, the next one finds a new instance's state.

mod canaries;
mod laws;
mod speed;
mod templates;
mod wasi;

use std::time::Duration;

use sandbox_core::{InstanceMode, MemoryReset, SecurityPolicy, WasmSandbox};

use crate::modules;

/// All ways to put a memory back.
const RESETS: [MemoryReset; 3] = [MemoryReset::Quickest, MemoryReset::Discard, MemoryReset::Copy];

/// A module that can change all of its state, and tell all of it.
const STATEFUL: &str = r#"(module
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 3 8)
    (data (i32.const 100) "data of the module")
    (data (i32.const 131070) "across pages")
    (global $number (mut i64) (i64.const 7))
    (global $float (mut f64) (f64.const 0.5))
    (global $vector (mut v128) (v128.const i64x2 1 2))
    (global $hidden (mut i32) (i32.const -1))
    (table 4 funcref)
    (elem (i32.const 1) $boom)
    (func (export "_initialize")
        (i32.store (i32.const 4096) (i32.const 12345))
        (global.set $hidden (i32.const 99)))

    (func (export "poke") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))
    (func (export "peek") (param i32) (result i32) (i32.load8_u (local.get 0)))
    (func (export "fill") (param i32 i32 i32)
        (memory.fill (local.get 0) (local.get 1) (local.get 2)))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "grow_and_fill") (param i32) (result i32) (local $old i32)
        (local.set $old (memory.grow (local.get 0)))
        (if (i32.ge_s (local.get $old) (i32.const 0)) (then
            (memory.fill (i32.shl (local.get $old) (i32.const 16)) (i32.const 0xAB)
                (i32.shl (local.get 0) (i32.const 16)))))
        (local.get $old))
    (func (export "set_globals") (param i64)
        (global.set $number (local.get 0))
        (global.set $float (f64.convert_i64_s (local.get 0)))
        (global.set $vector (i64x2.splat (local.get 0)))
        (global.set $hidden (i32.wrap_i64 (local.get 0))))
    (func $boom (export "boom") (param i32)
        (i32.store (local.get 0) (i32.const 0x5A5A5A5A))
        (global.set $number (i64.const 66))
        unreachable)
    (func (export "spin") (param i32)
        (global.set $hidden (i32.const 3))
        (loop $again
            (i32.store8 (local.get 0) (i32.const 0xCC))
            (br $again)))
    (func (export "exit") (param i32)
        (i32.store8 (local.get 0) (i32.const 0xDD))
        (call $exit (i32.const 3)))
    (func $deep (export "deep") (param i32) (result i32)
        (i32.store8 (local.get 0) (i32.const 0xEE))
        (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))

    (func $mix (param i64 i64) (result i64)
        (i64.mul (i64.xor (local.get 0) (local.get 1)) (i64.const 0x100000001b3)))
    (func (export "state") (result i64) (local $at i32) (local $end i32) (local $hash i64)
        (local.set $hash (i64.const 0xcbf29ce484222325))
        (local.set $end (i32.shl (memory.size) (i32.const 16)))
        (loop $next
            (local.set $hash (call $mix (local.get $hash) (i64.load (local.get $at))))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
        (local.set $hash (call $mix (local.get $hash) (i64.extend_i32_u (local.get $end))))
        (local.set $hash (call $mix (local.get $hash) (global.get $number)))
        (local.set $hash (call $mix (local.get $hash)
            (i64.reinterpret_f64 (global.get $float))))
        (local.set $hash (call $mix (local.get $hash)
            (i64x2.extract_lane 1 (global.get $vector))))
        (call $mix (local.get $hash) (i64.extend_i32_s (global.get $hidden)))))"#;

/// One instance at a time, so that each call gets the one that the call before used.
fn policy() -> SecurityPolicy {
    SecurityPolicy::strict()
        .with_instances(InstanceMode::Fresh)
        .with_max_instances(1)
        .with_wall_clock(Duration::from_secs(600))
}

fn sandbox(text: &str, policy: SecurityPolicy, reset: MemoryReset) -> WasmSandbox {
    modules::builder(text).security_policy(policy).memory_reset(reset).build_blocking().unwrap()
}

fn state(sandbox: &WasmSandbox) -> i64 {
    sandbox.call_blocking("state", ()).unwrap()
}

/// Numbers that look random, the same for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> i64 {
        // Knuth's multiplier and increment; the upper bits are the better ones.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::from((self.0 >> 33) as u32) << 20 | i64::from((self.0 >> 44) as u32)
    }

    fn below(&mut self, limit: i32) -> i32 {
        i32::try_from((self.next() >> 4) % i64::from(limit)).unwrap()
    }
}
