//! Fuzz targets: functions of bytes that must not panic, whatever the bytes are.
//!
//! Each file of `fuzz_targets` gives one of them to libFuzzer. `cargo xtask fuzz` builds and runs those with stable Rust, and
//! `cargo test` here runs each on its seeds and on random changes of them, without libFuzzer.
//!
//! A target returns early from bytes that say nothing, and panics where a promise is broken.

pub mod artifacts;
pub mod configurations;
pub mod criterion;
pub mod exchange;
pub mod exports;
pub mod importers;
pub mod modules;
pub mod oracle;
pub mod paths;
pub mod requests;
pub mod resets;
pub mod streams;

mod generated;
mod wasi_guest;
mod well;

// Numbers of any signature, as the tests of sandbox-core have them.
#[rustfmt::skip]
#[path = "../../crates/sandbox-core/tests/it/numbers.rs"]
mod numbers;
// The attribute `#[sandbox_guest::export]` as it is: a crate of macros cannot be called, but its sources can.
// They are formatted where they lie.
#[rustfmt::skip]
#[path = "../../crates/sandbox-guest/macros/src/expansion.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the sources of another crate, of which the target needs a part"
)]
mod expansion;
#[rustfmt::skip]
#[path = "../../crates/sandbox-guest/macros/src/import.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the sources of another crate, of which the target needs a part"
)]
mod import;
#[rustfmt::skip]
#[path = "../../crates/sandbox-guest/macros/src/names.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the sources of another crate, of which the target needs a part"
)]
mod names;
#[rustfmt::skip]
#[path = "../../crates/sandbox-guest/macros/src/signature.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the sources of another crate, of which the target needs a part"
)]
mod signature;

/// A target, by its name.
pub struct Target {
    /// Its name: that of its module and of its file in `fuzz_targets`.
    pub name: &'static str,
    /// Promise that it tries to break.
    pub promise: &'static str,
    /// Takes bytes, and panics if the promise is broken.
    pub run: fn(&[u8]),
    /// Bytes to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: [Target; 12] = [
    Target {
        name: "artifacts",
        promise: "compiled modules and cache entries that were changed are refused or compiled anew",
        run: artifacts::run,
        seeds: artifacts::seeds,
    },
    Target {
        name: "configurations",
        promise: "the analyzer's configuration files are read or refused with a reason",
        run: configurations::run,
        seeds: configurations::seeds,
    },
    Target {
        name: "criterion",
        promise: "Criterion's folders are read or refused with a reason",
        run: criterion::run,
        seeds: criterion::seeds,
    },
    Target {
        name: "exchange",
        promise: "whatever a guest leaves in the exchange area is a value or a typed error",
        run: exchange::run,
        seeds: exchange::seeds,
    },
    Target {
        name: "exports",
        promise: "`#[export]` and `#[import]` answer any item with code that parses or an error",
        run: exports::run,
        seeds: exports::seeds,
    },
    Target {
        name: "importers",
        promise: "result files of every format are read or refused with a reason",
        run: importers::run,
        seeds: importers::seeds,
    },
    Target {
        name: "modules",
        promise: "any module is built, called, reset and dropped, or refused by a typed error",
        run: modules::run,
        seeds: modules::seeds,
    },
    Target {
        name: "oracle",
        promise: "Cranelift, Singlepass and an interpreter agree on results, traps, memory and fuel",
        run: oracle::run,
        seeds: oracle::seeds,
    },
    Target {
        name: "paths",
        promise: "files in memory and in a granted folder are the same to a guest, and nothing else is touched",
        run: paths::run,
        seeds: paths::seeds,
    },
    Target {
        name: "requests",
        promise: "the dashboard answers or refuses any request, and goes on",
        run: requests::run,
        seeds: requests::seeds,
    },
    Target {
        name: "resets",
        promise: "a guest cannot tell an instance that was reset from a new one",
        run: resets::run,
        seeds: resets::seeds,
    },
    Target {
        name: "streams",
        promise: "whatever a guest answers to a chunk is a chunk or a typed error",
        run: streams::run,
        seeds: streams::seeds,
    },
];

/// The target of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
