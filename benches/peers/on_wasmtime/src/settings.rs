//! Settings of wasmtime.

use peer_harness::expect;
use peer_rows::Engine as Peer;
use wasmtime::{Config, Enabled, Engine, PoolingAllocationConfig, Strategy};

/// Bytes of a memory or table that are reset by copying instead of giving its pages back: more than any guest here
/// writes to.
const KEPT_BYTES: usize = 1024 * 1024;

/// The most instances that live at once, as in wasmtime's own example of fast instantiation.
const INSTANCES: u32 = 100;

/// A way to set up wasmtime.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Setting {
    /// As the documentation of `PoolingAllocationConfig` and its chapter on fast instantiation say.
    Tuned,
    /// As it comes.
    Default,
    /// The tuned one, with the baseline compiler.
    Winch,
}

impl Setting {
    /// Name that results are kept under.
    pub(crate) fn engine(self) -> Peer {
        match self {
            Self::Tuned => Peer::WasmtimeTuned,
            Self::Default => Peer::WasmtimeDefault,
            Self::Winch => Peer::WasmtimeWinch,
        }
    }

    /// An engine.
    pub(crate) fn start(self) -> Engine {
        let mut config = Config::new();
        match self {
            Self::Default => {}
            Self::Tuned => pool(&mut config),
            Self::Winch => {
                pool(&mut config);
                config.strategy(Strategy::Winch);
            }
        }
        expect(Engine::new(&config))
    }
}

/// Slots that are used again and again, and reset by copying back what was written to.
///
/// Copy-on-write images of memories, lazily filled tables and signals instead of bounds checks are on anyway; fuel and
/// epochs, which would slow guests down, are off.
fn pool(config: &mut Config) {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(INSTANCES)
        .total_memories(INSTANCES)
        .total_tables(INSTANCES)
        .total_stacks(INSTANCES)
        .linear_memory_keep_resident(KEPT_BYTES)
        .table_keep_resident(KEPT_BYTES)
        .pagemap_scan(Enabled::Auto);
    if !PoolingAllocationConfig::is_pagemap_scan_available() {
        eprintln!("note: this kernel has no PAGEMAP_SCAN, so wasmtime is slower than it could be");
    }
    config.allocation_strategy(pool);
}
