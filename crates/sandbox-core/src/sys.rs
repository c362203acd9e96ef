//! All `unsafe` code of the crate.
//!
//! Each submodule wraps one thing that Rust cannot check in a type or function that can be used safely,
//! and argues for it.

pub(crate) mod artifact;
pub(crate) mod barrier;
mod bulk;
pub(crate) mod cpu_time;
pub(crate) mod entry;
pub(crate) mod faults;
pub(crate) mod guest;
pub(crate) mod guest_memory;
pub(crate) mod identity;
pub(crate) mod interrupt;
pub(crate) mod limits;
pub(crate) mod memory;
pub(crate) mod number;
pub(crate) mod state;
pub(crate) mod turn_lock;
pub(crate) mod user;
