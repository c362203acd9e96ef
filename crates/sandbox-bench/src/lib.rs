//! The benchmark suite of the sandbox: what its Criterion groups share.
//!
//! A benchmark here times one phase, and its name says which. Modules, inputs and expected outputs are made
//! outside the timer; every result is checked against the host's own computation before timing starts, and a
//! cheap check stays inside the loop. What a benchmark uses is made when it first runs, so one that is
//! filtered out costs nothing.
//!
//! - [`guests`] finds the compiled guests.
//! - [`inputs`] makes seeded pseudo-random inputs.
//! - [`timing`] runs loops, and counts what they use of the machine beside the time.
//! - [`resources`] writes those counts beside Criterion's own files.
//! - [`suite`] is the entry point of each bench target.

pub mod guests;
pub mod inputs;
pub mod resources;
pub mod suite;
pub mod timing;
