//! The sandbox from outside, by its public API only.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::duplicate_mod, reason = "the hostile guest attacks in both instance modes")]

mod alone;
mod backtraces;
mod beside;
mod bundles;
mod cache;
mod calls;
mod cancellation;
mod cancelling;
mod compile_limits;
mod conversions;
mod core_dumps;
mod decoding;
mod density;
mod descriptors;
mod determinism;
mod dynamic;
mod errors;
mod escapes;
mod examples;
mod exchange_area;
mod exotic;
mod faults;
mod features;
mod file_sizes;
mod files;
mod fresh;
mod fuel;
mod guests;
mod handles;
mod host_functions;
mod host_memory;
/// Attacks on an instance that all calls share.
#[path = "."]
mod hostile_persistent {
    const MODE: sandbox_core::InstanceMode = sandbox_core::InstanceMode::Persistent;
    mod hostile;
}
/// Attacks of `hostile`, each on an instance of its own.
#[path = "."]
mod hostile_fresh {
    const MODE: sandbox_core::InstanceMode = sandbox_core::InstanceMode::Fresh;
    mod hostile;
}
mod hostile_files;
mod hostile_wasi;
mod interrupts;
mod languages;
mod last_words;
mod limits;
mod loading;
mod malformed;
mod measured;
mod modes;
mod modules;
mod network;
#[cfg(target_os = "linux")]
mod no_descriptors;
mod numbers;
#[cfg(feature = "wasix")]
mod oracle;
mod outsized;
#[cfg(feature = "wasix")]
mod packages;
mod persistent;
mod playground;
mod polls;
mod pool;
mod probe;
mod profiles;
mod programs_of_others;
mod quotas;
mod run;
mod scopes;
mod session;
mod signals;
mod snapshots;
mod soak;
mod sources;
mod stack_ends;
mod streaming;
mod tenants;
mod threads;
mod tiering;
mod usage;
mod warnings;
mod wasi;
