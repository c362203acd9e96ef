//! The benchmark suite of the sandbox: what its Criterion groups share.
//!
//! A benchmark here times one phase, and its name says which. Modules, inputs and expected outputs are made
//! outside the timer; every result is checked against the host's own computation before timing starts, and a
//! cheap check stays inside the loop. What a benchmark uses is made when it first runs, so one that is
//! filtered out costs nothing.
//!
//! - [`guests`] finds the compiled guests; [`texts`] holds modules that are written by hand, and [`shapes`] makes those
//!   that nobody would write.
//! - [`inputs`] makes seeded pseudo-random inputs.
//! - [`group`] is a Criterion group whose benchmarks are timed by [`timing`], which also counts what they use of the
//!   machine.
//! - [`resources`] writes those counts beside Criterion's own files.
//! - [`figures`] compares benchmarks of one run with each other.
//! - [`plain_wasmer`] is what there would be without the sandbox.
//! - [`suite`] is the entry point of each bench target.

pub mod encodings;
pub mod figures;
pub mod group;
pub mod guests;
pub mod inputs;
pub mod plain_wasmer;
pub mod resources;
mod results;
pub mod runtime;
pub mod shapes;
pub mod suite;
pub mod texts;
pub mod timing;
