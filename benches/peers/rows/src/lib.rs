//! Rows in which the sandbox and its peers are compared.
//!
//! The sandbox's side (`benches/comparison.rs`) and the peers are compiled with different lock files. This crate, which
//! has no dependencies, is what they agree on: the names of the rows and engines, the guests, and how a row on several
//! threads is timed. `cargo xtask bench-peers` reads the aims here.

mod engine;
pub mod guests;
mod row;
mod threads;

pub use engine::Engine;
pub use row::{Aim, Row};
pub use threads::on_threads;

/// The Criterion group of all rows. A benchmark's full id is `peers/ROW/ENGINE`.
pub const GROUP: &str = "peers";

/// Number of calls in the batch.
pub const BATCH: usize = 1000;
