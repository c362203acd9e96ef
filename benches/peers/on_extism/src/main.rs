//! The rows in extism, from plugins that are compiled once.
//!
//! A plugin's functions take no parameters and return a status; what they work on is bytes that they ask the host for. So
//! rows that call something else are left out, and `add` is a plugin of its own. Run by `cargo xtask bench-peers`;
//! takes Criterion's command line.

use std::hint::black_box;

use extism::{CompiledPlugin, Plugin, PluginBuilder};
use peer_harness::{Rows, expect, run, text, touch};
use peer_rows::{BATCH, Engine, Row};

/// Adds the two numbers that are its input, and returns the sum as bytes.
const ADD: &str = r#"(module
    (import "extism:host/env" "input_load_u64" (func $input (param i64) (result i64)))
    (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
    (import "extism:host/env" "store_u64" (func $store (param i64 i64)))
    (import "extism:host/env" "output_set" (func $output (param i64 i64)))
    (func (export "add") (result i32)
        (local $both i64) (local $at i64)
        (local.set $both (call $input (i64.const 0)))
        (local.set $at (call $alloc (i64.const 8)))
        (call $store
            (local.get $at)
            (i64.extend_i32_u
                (i32.add
                    (i32.wrap_i64 (local.get $both))
                    (i32.wrap_i64 (i64.shr_u (local.get $both) (i64.const 32))))))
        (call $output (local.get $at) (i64.const 8))
        (i32.const 0)))"#;

fn main() {
    run(|criterion| {
        let mut rows = Rows::of(Engine::Extism, criterion);
        fresh(&mut rows);
        warm(&mut rows);
    });
}

fn fresh(rows: &mut Rows<'_>) {
    for (row, function) in [(Row::FreshCall1Page, "touch_1"), (Row::FreshCall16Pages, "touch_16")] {
        rows.timed(row, touching, |compiled| touch_fresh(compiled, function));
    }
    rows.timed(
        Row::FreshCallPure,
        || compiled(text(ADD)),
        |compiled| assert_eq!(add(&mut plugin(compiled), black_box(42)), 66),
    );
    rows.on_cores(touching, |compiled| touch_fresh(compiled, "touch_1"));
}

fn warm(rows: &mut Rows<'_>) {
    let warm = || plugin(&compiled(text(ADD)));
    rows.timed(Row::WarmCallByName, warm, |plugin: &mut Plugin| {
        assert_eq!(add(plugin, black_box(42)), 66);
    });
    rows.batch(warm, |plugin: &mut Plugin| {
        for number in (0i32..).take(BATCH) {
            assert_eq!(add(plugin, black_box(number)), number + 24);
        }
    });
}

/// The guest that writes to its memory, found to begin anew each time.
fn touching() -> CompiledPlugin {
    let compiled = compiled(touch());
    for function in ["touch_16", "dirty"] {
        touch_fresh(&compiled, function);
    }
    compiled
}

fn compiled(wasm: Vec<u8>) -> CompiledPlugin {
    // A cache would change nothing: no row compiles.
    expect(PluginBuilder::new(wasm).with_wasi(false).with_cache_disabled().compile())
}

fn plugin(compiled: &CompiledPlugin) -> Plugin {
    expect(Plugin::new_from_compiled(compiled))
}

/// Calls a function without input or output on a new instance. What it returns is its status: anything but zero is an
/// error.
fn touch_fresh(compiled: &CompiledPlugin, function: &str) {
    expect(plugin(compiled).call::<(), ()>(function, ()));
}

fn add(plugin: &mut Plugin, number: i32) -> i32 {
    let mut input = [0; 8];
    input[..4].copy_from_slice(&number.to_le_bytes());
    input[4..].copy_from_slice(&24i32.to_le_bytes());
    let output: &[u8] = expect(plugin.call("add", &input[..]));
    i32::from_le_bytes([output[0], output[1], output[2], output[3]])
}
