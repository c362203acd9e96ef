//! The guests of the rows.

use std::path::PathBuf;

/// A guest in WebAssembly's text format, so that no compiler takes part in it: a memory of 17 pages, as Rust's guests
/// have, with a mutable global and a piece of data.
///
/// `touch_1` and `touch_16` write to so many pages of 4 KiB, the first of which holds the data, and return how many
/// calls that wrote there were before on this instance: none, where instances are fresh. `dirty` returns how many pages
/// have been written to. `add` adds.
pub const TOUCH: &str = r#"(module
    (memory (export "memory") 17)
    (global $calls (mut i32) (i32.const 0))
    (data (i32.const 4096) "what every instance begins with")
    (func $touch (param $pages i32) (result i32)
        (local $at i32)
        (loop $next
            (local.set $at (i32.add (local.get $at) (i32.const 4096)))
            (i32.store offset=2048 (local.get $at) (i32.const 1))
            (local.set $pages (i32.sub (local.get $pages) (i32.const 1)))
            (br_if $next (local.get $pages)))
        (global.get $calls)
        (global.set $calls (i32.add (global.get $calls) (i32.const 1))))
    (func (export "touch_1") (result i32) (call $touch (i32.const 1)))
    (func (export "touch_16") (result i32) (call $touch (i32.const 16)))
    (func (export "dirty") (result i32)
        (local $at i32) (local $dirty i32)
        (loop $next
            (local.set $at (i32.add (local.get $at) (i32.const 4096)))
            (local.set $dirty
                (i32.add (local.get $dirty) (i32.load offset=2048 (local.get $at))))
            (br_if $next (i32.lt_u (local.get $at) (i32.const 65536))))
        (local.get $dirty))
    (func (export "add") (param i32 i32) (result i32)
        (i32.add (local.get 0) (local.get 1))))"#;

/// Number of pages that `touch_16` writes to.
pub const TOUCHED: i32 = 16;

/// A WASI reactor of some 90 kB: `add`, and `serialise_record`, which takes a number and returns a checksum.
pub const RECORD: &str = "record";

/// A WASI reactor of some 150 kB, whose `smoke_test` calculates a small sheet and returns the length of its report.
pub const PROGRAM: &str = "medium_module";

/// The number whose record is encoded.
pub const NUMBER: u32 = 4711;

/// The compiled guest of that name, as `cargo xtask build-guests` leaves it.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    let guests = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../target/guests"));
    guests.join(name).with_extension("wasm")
}
