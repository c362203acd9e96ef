//! All `unsafe` code of the crate.
//!
//! Each submodule wraps one thing that Rust cannot check in a type or function that can be used safely,
//! and argues for it.

#[cfg(test)]
pub(crate) mod alone;
pub(crate) mod artifact;
pub(crate) mod barrier;
mod builtins;
pub(crate) mod code;
pub(crate) mod cpu_time;
mod direct;
pub(crate) mod entry;
pub(crate) mod faults;
pub(crate) mod fork;
pub(crate) mod frames;
pub(crate) mod full_files;
pub(crate) mod guest;
pub(crate) mod guest_memory;
pub(crate) mod identity;
pub(crate) mod interrupt;
pub(crate) mod limits;
pub(crate) mod memory;
pub(crate) mod number;
pub(crate) mod readiness;
pub(crate) mod refusals;
pub(crate) mod samples;
#[cfg_attr(
    not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))),
    path = "sys/signals/none.rs"
)]
pub(crate) mod signals;
pub(crate) mod stack;
pub(crate) mod state;
pub(crate) mod system;
pub(crate) mod thread;
pub(crate) mod turn_lock;
pub(crate) mod user;
